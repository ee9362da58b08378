"""The clinicians' pages of clinical notes. Other roles cannot tell whether there is a note or not."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from pilot.access import Permission
from pilot.people import selectors as people
from pilot.people.models import Patient
from pilot.web.views import FormPage, Page
from referrals import actions, selectors
from referrals.models import ClinicalNote
from referrals.notes.forms import NoteForm, WithholdForm


class Notes(Page):
    """Every note about a patient of the practice, newest first."""

    permission = Permission.WRITE_CLINICAL_NOTES
    template_name = "referrals/notes.jinja"
    title = _("Clinical notes")
    row: Patient

    def get_row(self) -> Patient:
        return people.patient(self.actor, self.kwargs["patient"], self.permission)

    def breadcrumbs(self) -> list[Any]:
        return _way_back(self.row)

    def context(self) -> dict[str, Any]:
        return {"notes": selectors.notes_of(self.actor, self.row)}


class WriteNote(FormPage):
    permission = Permission.WRITE_CLINICAL_NOTES
    title = _("Write a clinical note")
    form_class = NoteForm
    submit_label = _("Save the note")
    row: Patient

    def get_row(self) -> Patient:
        return people.patient(self.actor, self.kwargs["patient"], self.permission)

    def breadcrumbs(self) -> list[Any]:
        return [*_way_back(self.row), (self.row.name, _notes_of(self.row.pk))]

    def act(self, form: NoteForm) -> str:  # type: ignore[override]
        actions.write_note(self.row, form.cleaned_data["text"], kind=form.cleaned_data["kind"], by=self.actor)
        self.say(_("Saved"))
        return _notes_of(self.row.pk)


class Withhold(FormPage):
    """Stop showing a note to the patient, on a ground that is recorded."""

    permission = Permission.WRITE_CLINICAL_NOTES
    template_name = "referrals/note_form.jinja"
    title = _("Withhold a note from the patient")
    form_class = WithholdForm
    submit_label = _("Withhold the note")
    row: ClinicalNote

    def get_row(self) -> ClinicalNote:
        return selectors.note(self.actor, self.kwargs["note"])

    def breadcrumbs(self) -> list[Any]:
        return [*_way_back(self.row.patient), (_("Clinical notes"), _notes_of(self.row.patient_id))]

    def act(self, form: WithholdForm) -> str:  # type: ignore[override]
        actions.withhold_note(self.row, form.cleaned_data["ground"], by=self.actor)
        self.say(_("Saved"))
        return _notes_of(self.row.patient_id)


class Disclose(FormPage):
    """Show a withheld note to the patient again."""

    permission = Permission.WRITE_CLINICAL_NOTES
    template_name = "referrals/note_form.jinja"
    title = _("Show the note to the patient")
    submit_label = _("Show it to the patient")
    row: ClinicalNote

    def get_row(self) -> ClinicalNote:
        return selectors.note(self.actor, self.kwargs["note"])

    def breadcrumbs(self) -> list[Any]:
        return [*_way_back(self.row.patient), (_("Clinical notes"), _notes_of(self.row.patient_id))]

    def act(self, form: Any) -> str:
        actions.disclose_note(self.row, by=self.actor)
        self.say(_("Saved"))
        return _notes_of(self.row.patient_id)


def _way_back(patient: Patient) -> list[Any]:
    return [
        (_("Patients"), reverse("referrals:patients")),
        (patient.name, reverse("referrals:patient", args=[patient.pk])),
    ]


def _notes_of(patient_id: Any) -> str:
    return reverse("referrals:notes", args=[patient_id])
