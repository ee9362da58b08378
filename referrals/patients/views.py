"""The practice's pages about patients: find, add, correct, and see how things stand."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from pilot.access import Permission, may
from pilot.people import selectors as people
from pilot.people.actions import change_details, register_patient
from pilot.people.models import Need, Patient, PatientQuerySet
from pilot.people.restrictions.policies import is_restricted
from pilot.web.lists import SEARCH, ListPage, Sort, unseal
from pilot.web.past import PastParts
from pilot.web.views import FormPage, Page
from referrals import selectors
from referrals.patients.forms import AddPatientForm, ChangePatientForm, initial_from_search, initial_of


class OfPatient:
    """What the pages about one patient share: whose they are, found and checked, and the way back."""

    row: Patient

    def get_row(self) -> Patient:
        return people.patient(self.actor, self.kwargs["patient"], self.permission)  # type: ignore[attr-defined]

    def breadcrumbs(self) -> list[Any]:
        return [
            (_("Patients"), reverse("referrals:patients")),
            (self.row.name, reverse("referrals:patient", args=[self.row.pk])),
        ]


class Patients(ListPage):
    """Everybody of this practice who might like help with work, and a way to find them."""

    permission = Permission.REGISTER_PATIENTS
    template_name = "referrals/patients.jinja"
    title = _("Patients")
    sorts = {
        "name": Sort(_("Last name"), "family_name"),
        "newest": Sort(_("Last added"), "created_at", descending=True),
    }
    search_label = _("Find a patient")
    search_hint = _("NHS number, name, date of birth or referral reference")

    def rows(self) -> PatientQuerySet:
        return people.patients_at(self.actor, self.organisation)

    def search(self, rows: Any, text: str) -> PatientQuerySet:
        keys = selectors.patients_with_reference(self.actor, text)
        return rows.filter(pk__in=keys) if keys else rows.find(text)

    def show(self, *, status: int = 200, **more: Any) -> TemplateResponse:
        latest = selectors.latest_of(self.actor, more["page"])
        return super().show(status=status, latest=latest, today=timezone.localdate(), **more)


class PatientPage(Page):
    """One patient: how to reach them, what they need, and their referrals."""

    permission = Permission.REGISTER_PATIENTS
    about = {"patient": Patient}
    template_name = "referrals/patient.jinja"
    title = _("Patient")
    row: Patient

    def get_row(self) -> Patient:
        return people.patient(self.actor, self.kwargs["patient"], self.permission)

    def breadcrumbs(self) -> list[Any]:
        return [(_("Patients"), reverse("referrals:patients"))]

    def context(self) -> dict[str, Any]:
        referrals = selectors.referrals_of(self.actor, self.row)
        until = self.row.do_not_raise_until
        return {
            "referrals": referrals,
            "has_open": any(each.is_open for each in referrals),
            "not_before": until if until and until > timezone.localdate() else None,
            "needs": words_for_needs(self.row),
            "restricted": is_restricted(self.row.pk),
            "kept": people.kept_instead_of(self.actor, self.row),
            "doubles": people.doubles_of(self.actor, self.row),
            "in_use": not (self.row.died_on or self.row.moved_on or self.row.merged_into_id),
            "replies": selectors.words_beside_details(self.actor, self.row),
            "writes_notes": may(self.actor, Permission.WRITE_CLINICAL_NOTES),
        }


class PatientPast(OfPatient, PastParts, Page):
    """What changed in a patient's details, and who changed it."""

    permission = Permission.REGISTER_PATIENTS
    about = {"patient": Patient}
    template_name = "referrals/past.jinja"
    # How often somebody was asked and said “not now” must never add up to anything.
    leaves_out = ("do_not_raise_until",)

    def context(self) -> dict[str, Any]:
        return {**super().context(), "caption": self.row.name}


class AddPatient(FormPage):
    """Add a patient, then log the referral. Likely duplicates are shown before anything is saved."""

    permission = Permission.REGISTER_PATIENTS
    template_name = "referrals/patient_form.jinja"
    title = _("Add a patient")
    form_class = AddPatientForm
    submit_label = _("Save and log a referral")

    def breadcrumbs(self) -> list[Any]:
        return [(_("Patients"), reverse("referrals:patients"))]

    def initial(self) -> dict[str, Any]:
        return initial_from_search(unseal(self.request.GET.get(SEARCH, "")))

    def form_arguments(self) -> dict[str, Any]:
        return {"finds_same": partial(people.likely_same, self.actor, self.organisation)}

    def act(self, form: AddPatientForm) -> str:  # type: ignore[override]
        patient = register_patient(self.organisation, form.details(), by=self.actor)
        return reverse("referrals:log", args=[patient.pk])


class ChangePatient(OfPatient, FormPage):
    """Correct what is known of a patient."""

    permission = Permission.REGISTER_PATIENTS
    about = {"patient": Patient}
    template_name = "referrals/patient_form.jinja"
    title = _("Change details")
    form_class = ChangePatientForm
    submit_label = _("Save")
    edits_row = True

    def initial(self) -> dict[str, Any]:
        return initial_of(self.row)

    def form_arguments(self) -> dict[str, Any]:
        return {"finds_same": self._others}

    def act(self, form: ChangePatientForm) -> str:  # type: ignore[override]
        change_details(self.row, form.details(), version=self.version, by=self.actor)
        self.say(_("Details saved"))
        return reverse("referrals:patient", args=[self.row.pk])

    def _others(self, **described: Any) -> list[Patient]:
        found = people.likely_same(self.actor, self.row.practice, **described)
        return [each for each in found if each.pk != self.row.pk]


def words_for_needs(patient: Patient) -> list[str]:
    """The patient's needs as people say them."""
    return [str(Need(each).label) for each in patient.needs]
