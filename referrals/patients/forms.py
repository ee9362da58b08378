"""What a receptionist types in about a patient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from pilot.people.actions import PatientDetails
from pilot.people.models import Contact, Need, Patient
from pilot.web import fields
from pilot.web.forms import Form
from referrals.screening.forms import ScreenedForm

FindsSame = Callable[..., list[Patient]]


class PatientForm(Form):
    """The details of a patient. The NHS number is given, or said to be unknown."""

    nhs_number = fields.NHSNumberField(required=False)
    nhs_number_unknown = fields.TickField(label=_("NHS number not known"), required=False)
    given_name = fields.TextField(label=_("First name"), max_length=80, autocomplete="off", input_width=20)
    family_name = fields.TextField(label=_("Last name"), max_length=80, autocomplete="off", input_width=20)
    date_of_birth = fields.DateField(
        label=_("Date of birth"), help_text=_("For example, 27 3 1984"), past=True
    )
    phone = fields.PhoneField(label=_("Phone number"), required=False, autocomplete="off")
    message_is_safe = fields.YesNoField(
        label=_("Is it safe to leave or send a message?"),
        help_text=_("Ask them. Somebody else may see or hear it."),
        required=False,
    )
    email = fields.EmailField(label=_("Email address"), required=False, autocomplete="off", input_width=30)
    address = fields.TextAreaField(label=_("Address"), required=False, rows=3, max_length=300)
    preferred_contact = fields.SelectField(
        label=_("How they prefer to be contacted"), choices=Contact.choices, required=False
    )
    preferred_name = fields.TextField(
        label=_("Preferred name"), required=False, max_length=80, autocomplete="off", input_width=20
    )
    pronouns = fields.TextField(
        label=_("Pronouns"), required=False, max_length=40, autocomplete="off", input_width=10
    )
    language = fields.TextField(
        label=_("Language they prefer, if not English"),
        required=False,
        max_length=40,
        autocomplete="off",
        input_width=20,
    )

    def __init__(self, *args: Any, finds_same: FindsSame, **kwargs: Any) -> None:
        """`finds_same(nhs_number=…, family_name=…, date_of_birth=…)` gives who may be the same person."""
        super().__init__(*args, **kwargs)
        self.finds_same = finds_same
        self.likely_same: list[Patient] = []

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        number, is_unknown = given.get("nhs_number"), given.get("nhs_number_unknown")
        if number and is_unknown:
            self.add_error(
                "nhs_number", gettext("Give the NHS number, or say that it is not known, not both")
            )
        if not number and not is_unknown and "nhs_number" not in self.errors:
            self.add_error("nhs_number", gettext("Enter the NHS number, or tick “NHS number not known”"))
        if not self.errors:
            self._look_for_the_same(given)
        return given

    def details(self, **more: Any) -> PatientDetails:
        """What was typed in, for the action; `more` is what this form does not ask."""
        given = {name: value for name, value in self.cleaned_data.items() if name in _DETAILS}
        return PatientDetails(
            **{
                **given,
                "nhs_number": given["nhs_number"] or None,
                "message_is_safe": bool(given["message_is_safe"]),
                "preferred_contact": given["preferred_contact"] or Contact.LETTER.value,
                **more,
            }
        )

    def _look_for_the_same(self, given: dict[str, Any]) -> None:
        self.likely_same = self.finds_same(
            nhs_number=given["nhs_number"],
            family_name=given["family_name"],
            date_of_birth=given["date_of_birth"],
        )
        if given["nhs_number"] and any(each.nhs_number == given["nhs_number"] for each in self.likely_same):
            self.add_error("nhs_number", gettext("A patient of this practice has this NHS number already"))


_DETAILS = set(PatientDetails.__dataclass_fields__)


class AddPatientForm(PatientForm):
    """As `PatientForm`; where somebody here already may be the same person, that is settled first."""

    is_somebody_else = fields.TickField(label=_("None of these is the person I am adding"), required=False)

    @property
    def can_be_somebody_else(self) -> bool:
        """Whether the box is to be shown: there are likely matches, and none is certain."""
        return bool(self.likely_same) and "nhs_number" not in self.errors

    def _look_for_the_same(self, given: dict[str, Any]) -> None:
        super()._look_for_the_same(given)
        if self.can_be_somebody_else and not given["is_somebody_else"]:
            self.add_error(
                "is_somebody_else", gettext("Open the right person, or tick that none of these is the one")
            )


class ChangePatientForm(ScreenedForm, PatientForm):
    """As `PatientForm`, with the needs, which are asked with the referral when a patient is new."""

    screened = {"needs_note": "people.Patient.needs_note"}

    needs = fields.CheckboxesField(
        label=_("Communication and access needs"), choices=Need.choices, required=False
    )
    needs_note = fields.TextField(label=_("About these needs"), required=False, max_length=300)


def initial_of(patient: Patient) -> dict[str, Any]:
    """What the form says at first about somebody who is here already."""
    return {name: getattr(patient, name) for name in _DETAILS} | {
        "nhs_number_unknown": patient.nhs_number_unknown,
        "nhs_number": patient.nhs_number or "",
    }


def initial_from_search(text: str) -> dict[str, Any]:
    """What was looked for and not found, in the fields where it probably belongs."""
    number = fields.NHSNumberField(required=False)
    day = fields.DateField(required=False)
    found: dict[str, Any] = {}
    names = []
    if _cleaned(number, text):
        return {"nhs_number": _cleaned(number, text)}
    for word in text.split():
        if date := _cleaned(day, word):
            found["date_of_birth"] = date
        elif not any(letter.isdigit() for letter in word):
            names.append(word)
    if names:
        found["family_name"] = names[-1]
    if len(names) > 1:
        found["given_name"] = " ".join(names[:-1])
    return found


def _cleaned(field: Any, text: str) -> Any:
    """What the field makes of the text, or nothing."""
    try:
        return field.clean(text)
    except ValidationError:
        return None
