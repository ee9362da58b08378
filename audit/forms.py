"""What the guardian may ask the log for, and the table of who is answered what."""

from __future__ import annotations

import re
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from audit.models import Kind
from audit.selectors import KEY, PEOPLE, Filters, organisations
from pilot.access import Role
from pilot.web import fields
from pilot.web.expectations import ASKERS, Asker
from pilot.web.forms import Form


class AskerForm(Form):
    """Of whom the guardian wants to know what they are answered; of everybody, if left out."""

    role = fields.SelectField(
        label=_("Who asks"),
        help_text=_("Leave it to see, for each address, everybody who is let in"),
        choices=[("", ""), *((each.name, each.label) for each in ASKERS)],
        required=False,
    )

    @property
    def asker(self) -> Asker | None:
        """Who was chosen. Only once the form is valid."""
        return next((each for each in ASKERS if each.name == self.cleaned_data.get("role")), None)


class FilterForm(Form):
    """All of it may be left out."""

    role = fields.SelectField(
        label=_("Role"),
        choices=[("", ""), (PEOPLE, _("Everybody but the system")), *Role.choices],
        required=False,
    )
    kind = fields.SelectField(label=_("What happened"), choices=[("", ""), *Kind.choices], required=False)
    action = fields.TextField(
        label=_("Action or page"),
        help_text=_("How its name begins, like session.booked or referrals"),
        required=False,
        max_length=80,
        spellcheck=False,
        autocomplete="off",
        input_width=20,
    )
    patient = fields.TextField(
        label=_("Patient’s key"),
        help_text=_("At least its first 8 characters, like 3f2a9c1b"),
        required=False,
        max_length=36,
        spellcheck=False,
        autocomplete="off",
        input_width=20,
    )
    practice = fields.SelectField(
        label=_("Practice or organisation"),
        help_text=_("Its records, and what its people did"),
        choices=[("", "")],
        required=False,
    )
    person = fields.TextField(label=_("Person"), required=False, max_length=36)
    since = fields.DateField(label=_("From"), required=False)
    until = fields.DateField(label=_("To"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["practice"].choices = [("", ""), *organisations()]  # type: ignore[attr-defined]

    def clean_action(self) -> str:
        return "".join(str(self.cleaned_data["action"]).split()).lower()

    def clean_patient(self) -> str:
        return self._key("patient")

    def clean_person(self) -> str:
        return self._key("person", whole=True)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and until < since:
            self.add_error("until", _("To must be the same day as From, or later"))
        return cleaned

    @property
    def filters(self) -> Filters:
        """What was asked for. Only once the form is valid."""
        return Filters(**self.cleaned_data)

    def in_words(self, name: str) -> str:
        """What was asked for in this field, as people would say it."""
        return self._in_words(name, self.cleaned_data[name])

    def _key(self, name: str, *, whole: bool = False) -> str:
        value = str(self.cleaned_data[name]).strip().lower()
        right = r"[0-9a-f-]{36}" if whole else KEY
        if value and not re.fullmatch(right, value):
            raise ValidationError(_("Enter the first 8 characters of the key, like 3f2a9c1b"))
        return value
