"""No box is forgotten: whatever a coach can read of what somebody typed is screened, or there is a reason why not."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import models
from django.forms import Form

import coaching
import consent
import pilot.record
import referrals
from audit.privacy import personal_models, privacy_of
from pilot.access import Role
from pilot.access.roles import Permission, reach_of
from pilot.record.views import BOXES
from pilot.web.fields import TextField
from referrals.screening.forms import screened_forms

# Columns of free text that a coach is shown, and why nobody is asked about what stands in them.
NAME = "a name"
PACKAGES = (referrals, coaching, consent, pilot.record)
REASONS = {
    "people.Patient.given_name": NAME,
    "people.Patient.family_name": NAME,
    "people.Patient.preferred_name": NAME,
    "people.Patient.pronouns": "forty letters, for pronouns",
    "people.Patient.language": "a language",
    "people.Patient.address": "an address: streets and postcodes look like codes",
    "people.Patient.phone": "digits",
    "people.Patient.email": "an address",
    "people.Patient.nhs_number": "digits",
    "referrals.Referral.reference": "made by the system",
    "consent.Decision.witness": "a name; on no page of a coach's",
    "consent.Decision.correction_reason": "what went wrong in recording; on no page of a coach's",
    "consent.Representative.name": "a name; on no page of a coach's",
    "consent.Representative.seen": "a paper and its date; on no page of a coach's",
    "coaching.Reply.words": "patients choose what to tell; the page says that the coach can read it",
    "record.Request.about_relation": "the name of a table",
    "record.Request.about_row": "the key of a row",
    "record.Request.extended_because": "why the guardian needs more time",
    "record.Request.words": "patients choose what to tell; the page says who reads it",
    "record.Request.answer": "an answer to the patient; a coach reads only what a coach was asked to correct",
    "consent.Receipt.lines": "sentences of the system's",
    "coaching.DistressCall.safe_place": "nothing may stand before a call for help",
    "referrals.OwnWords.box": "the name of a column",
}
# Boxes to type in, on forms of the apps that keep a coach's records, that are not screened: and why.
NOT_SCREENED = {
    "PatientForm": "names, address, language",
    "AddPatientForm": "names, address, language",
    "ChangePatientForm": "names, address, language; the note about needs is screened",
    "NoteForm": "a clinical note is where it belongs",
    "WithholdForm": "clinicians alone read it",
    "ReviewForm": "clinicians alone read it",
    "_IfWithheld": "the base of those two",
    "DetailsForm": "nothing may stand before a call for help",
    "InvitationForm": "a code",
    "AccountForm": "an address and a password",
    "StaffDecisionForm": "the name of a witness",
    "correcting.CorrectionForm": "what went wrong in recording an answer; the practice and the patient read it",
    "RepresentativeForm": "a name, and a paper with its date; the practice and the patient read it",
    "NoteAnswerForm": "about a clinical note, where it belongs; clinicians and the patient alone read it",
    "AfterStoppingForm": "the patient and the Caldicott Guardian alone read it",
    "ComplaintForm": "the patient and the Caldicott Guardian alone read it",
    "RightForm": "the patient and the Caldicott Guardian alone read it",
    "requests.CorrectionForm": "patients choose what to tell; the page says who reads it",
    "DetailCorrectionForm": "patients choose what to tell; the page says who reads it",
    "ReplyForm": "patients choose what to tell; the page says who reads it",
    "MoreTimeForm": "the guardian's words to the patient",
    "requests.QuestionForm": "the patient and the Caldicott Guardian alone read it",
    "requests.AnswerForm": "the patient and the Caldicott Guardian alone read it",
    "record.GoalForm": "patients choose what to tell; the page says that the coach can read it",
    "record.ChangeGoalForm": "patients choose what to tell; the page says that the coach can read it",
}


def free_text_that_a_coach_sees() -> Iterator[str]:
    for model in personal_models():
        if reach_of(Role.COACH, Permission(privacy_of(model).see)) is None:
            continue
        for field in model._meta.concrete_fields:
            if (
                isinstance(field, models.CharField | models.TextField | models.JSONField)
                and not field.choices
            ):
                yield f"{model._meta.label}.{field.name}"


def forms_of(package: Any) -> Iterator[type[Form]]:
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if module.name.endswith("forms"):
            found = importlib.import_module(module.name)
            yield from (
                each
                for each in vars(found).values()
                if isinstance(each, type) and issubclass(each, Form) and each.__module__ == module.name
            )


def test_every_free_text_that_a_coach_sees_is_screened_or_has_a_reason_not_to_be() -> None:
    for package in PACKAGES:
        assert list(
            forms_of(package)
        )  # which loads them: a form that nobody has loaded is nobody's subclass yet
    screened = {column for form in screened_forms() for column in form.screened.values()}
    shown = set(free_text_that_a_coach_sees())
    assert screened | set(REASONS) == shown
    assert not screened & set(REASONS)
    assert {"referrals.Referral.own_words", "coaching.Session.agreed"} <= screened
    for column in screened:
        label, _dot, name = column.rpartition(".")
        apps.get_model(label)._meta.get_field(name)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_every_box_to_type_in_is_screened_or_has_a_reason_not_to_be(package: Any) -> None:
    for form in forms_of(package):
        typed = {
            name
            for name, field in form.base_fields.items()
            if type(field).__name__ in ("TextField", "TextAreaField")
        }
        left = typed - set(getattr(form, "screened", {}))
        place = f"{form.__module__.split('.')[-2]}.{form.__name__}"
        assert not left or form.__name__ in NOT_SCREENED or place in NOT_SCREENED, (form, left)
        assert set(getattr(form, "screened", {})) <= typed
        assert all(isinstance(form.base_fields[name], TextField) for name in typed)


def test_the_patients_page_has_a_name_for_every_box() -> None:
    assert set(BOXES) == {column for form in screened_forms() for column in form.screened.values()}
