"""What the pilot's office fills in."""

from __future__ import annotations

from typing import Any

from django.core.validators import RegexValidator
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from pilot.access import Role
from pilot.people.models import ROLE_BELONGS_TO, Organisation
from pilot.web import fields
from pilot.web.forms import Form

Kind = Organisation.Kind


class OrganisationForm(Form):
    """A new organisation."""

    kind = fields.RadioField(label=_("What kind of organisation?"), choices=Kind.choices)
    name = fields.TextField(label=_("Name"), max_length=120)
    ods_code = fields.TextField(
        label=_("ODS code"),
        help_text=_("Capital letters and digits, like F83673"),
        max_length=12,
        spellcheck=False,
        input_width=10,
        validators=[
            RegexValidator(r"^[A-Za-z0-9]{3,12}$", _("Enter 3 to 12 letters and digits, like F83673"))
        ],
    )
    phone = fields.PhoneField(label=_("Phone number"), required=False)
    served_by = fields.RowRadioField(
        label=_("Whose coaches work there?"), help_text=_("For a GP practice"), required=False
    )

    def __init__(self, *args: Any, providers: QuerySet[Organisation], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["served_by"].queryset = providers  # type: ignore[attr-defined]

    def clean_ods_code(self) -> str:
        return str(self.cleaned_data["ods_code"]).upper()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("served_by") and cleaned.get("kind") != Kind.PRACTICE:
            self.add_error("served_by", _("Leave this empty: coaches work at GP practices only"))
        return cleaned


class DetailsForm(Form):
    """What may be mistyped or change. Kind and ODS code are what it is known by, and stay."""

    name = fields.TextField(label=_("Name"), max_length=120)
    phone = fields.PhoneField(label=_("Phone number"), required=False)


NOBODY = "nobody"


class ProviderForm(Form):
    """Whose coaches work at a practice. Cleaned to the provider, or to None for nobody's."""

    provider = fields.RadioField(label=_("Whose coaches work there?"))

    def __init__(self, *args: Any, providers: QuerySet[Organisation], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.providers = {str(each.pk): each for each in providers}
        named = [(key, each.name) for key, each in self.providers.items()]
        self.fields["provider"].choices = [*named, (NOBODY, _("Nobody’s for now"))]  # type: ignore[attr-defined]

    def clean_provider(self) -> Organisation | None:
        return self.providers.get(self.cleaned_data["provider"])


class CloseForm(Form):
    """From when on an organisation is no longer part of the pilot."""

    on = fields.DateField(
        label=_("First day on which it is no longer part of the pilot"),
        help_text=_("Today closes it at once, and cannot be undone"),
        earliest=timezone.localdate,
    )


class PersonForm(Form):
    """A role for somebody at one organisation: only what belongs to that kind is asked."""

    name = fields.TextField(label=_("Full name"), max_length=120)
    email = fields.EmailField(
        label=_("E-mail address"), help_text=_("They sign in with it"), autocomplete="off"
    )
    role = fields.RadioField(label=_("Which role?"))
    valid_from = fields.DateField(
        label=_("First day"), help_text=_("Leave it empty for today"), future=True, required=False
    )
    caseload_limit = fields.WholeNumberField(
        label=_("Most people at once"), help_text=_("For a coach"), min_value=1, max_value=40, required=False
    )
    is_named_clinician = fields.TickField(
        label=_("Is told first when someone is in distress"), required=False
    )

    def __init__(self, *args: Any, organisation: Organisation, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        there = [role for role, kind in ROLE_BELONGS_TO.items() if kind == organisation.kind]
        self.fields["role"].choices = [(role.value, role.label) for role in there]  # type: ignore[attr-defined]
        if Role.COACH not in there:
            del self.fields["caseload_limit"]
        if Role.CLINICIAN not in there:
            del self.fields["is_named_clinician"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        role = cleaned.get("role")
        if role == Role.COACH and not cleaned.get("caseload_limit") and "caseload_limit" not in self.errors:
            self.add_error("caseload_limit", _("Enter how many people the coach may have at once"))
        if role and role != Role.COACH and cleaned.get("caseload_limit"):
            self.add_error("caseload_limit", _("Leave this empty: only coaches have it"))
        if role and role != Role.CLINICIAN and cleaned.get("is_named_clinician"):
            self.add_error("is_named_clinician", _("Only a clinician can be told first"))
        return cleaned


class EndForm(Form):
    """When a role ends."""

    on = fields.DateField(
        label=_("First day without the role"),
        help_text=_("Leave it empty for today: then they are out at once"),
        earliest=timezone.localdate,
        required=False,
    )


class SuspendForm(Form):
    """Why somebody is kept out. It goes into the log."""

    reason = fields.RadioField(
        label=_("Why?"),
        choices=[
            ("lost device", _("A device or password was lost or stolen")),
            ("left", _("They left, or are away for long")),
            ("asked", _("They asked for it")),
            ("question", _("Something has to be looked into first")),
        ],
    )
