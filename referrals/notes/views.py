"""The clinicians' pages of clinical notes. Other roles cannot tell whether there is a note or not."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from pilot.access import Permission
from pilot.people import selectors as people
from pilot.people.models import Patient
from pilot.web.forms import Form
from pilot.web.lists import ListPage, Sort
from pilot.web.views import FormPage, Page
from referrals.models import ClinicalNote
from referrals.notes import actions, selectors
from referrals.notes.forms import NoteForm, ReviewForm, WithholdForm
from referrals.notes.policies import is_due, usual_review

# One name in the log for all of them: another would tell the patient, whose record it is, that one is withheld.
KNOWN_AS = "referrals.notes"


class Notes(Page):
    """Every note about a patient of the practice, newest first."""

    permission = Permission.WRITE_CLINICAL_NOTES
    known_as = KNOWN_AS
    about = {"patient": Patient}
    template_name = "referrals/notes.jinja"
    title = _("Clinical notes")
    row: Patient

    def get_row(self) -> Patient:
        return people.patient(self.actor, self.kwargs["patient"], self.permission)

    def breadcrumbs(self) -> list[Any]:
        return _way_back(self.row)

    def context(self) -> dict[str, Any]:
        return {
            "notes": selectors.notes_of(self.actor, self.row),
            "decisions": selectors.decisions_about(self.actor, self.row),
            "replies": selectors.replies_about(self.actor, self.row),
            "is_due": is_due,
        }


class WriteNote(FormPage):
    """Write a note that the patient reads at once or, on a ground, not before a clinician shows it."""

    permission = Permission.WRITE_CLINICAL_NOTES
    known_as = KNOWN_AS
    about = {"patient": Patient}
    template_name = "referrals/note_write.jinja"
    title = _("Write a clinical note")
    form_class = NoteForm
    submit_label = _("Save the note")
    row: Patient

    def get_row(self) -> Patient:
        return people.patient(self.actor, self.kwargs["patient"], self.permission)

    def breadcrumbs(self) -> list[Any]:
        return [*_way_back(self.row), (_("Clinical notes"), _notes_of(self.row.pk))]

    def initial(self) -> dict[str, Any]:
        return {"review_on": usual_review()}

    def act(self, form: NoteForm) -> str:  # type: ignore[override]
        actions.write_note(
            self.row,
            form.cleaned_data["text"],
            kind=form.cleaned_data["kind"],
            withheld=form.grounds() if form.is_withheld else None,
            by=self.actor,
        )
        self.say(_("Saved"))
        return _notes_of(self.row.pk)


class AboutNote(FormPage):
    """A form about one note."""

    is_base = True
    permission = Permission.WRITE_CLINICAL_NOTES
    known_as = KNOWN_AS
    about = {"note": ClinicalNote}
    template_name = "referrals/note_form.jinja"
    row: ClinicalNote

    def get_row(self) -> ClinicalNote:
        return selectors.note(self.actor, self.kwargs["note"])

    def breadcrumbs(self) -> list[Any]:
        return [*_way_back(self.row.patient), (_("Clinical notes"), _notes_of(self.row.patient_id))]

    def back(self) -> str:
        self.say(_("Saved"))
        return _notes_of(self.row.patient_id)


class Withhold(AboutNote):
    """Stop showing a note to the patient, on a ground that is recorded, until a review."""

    permission = Permission.WRITE_CLINICAL_NOTES
    title = _("Withhold a note from the patient")
    form_class = WithholdForm
    submit_label = _("Withhold the note")

    def initial(self) -> dict[str, Any]:
        return {"review_on": usual_review()}

    def act(self, form: WithholdForm) -> str:  # type: ignore[override]
        actions.withhold_note(self.row, form.grounds(), by=self.actor)
        return self.back()


class Review(AboutNote):
    """Look again at a note that is withheld: it stays so on a ground, or is shown."""

    permission = Permission.WRITE_CLINICAL_NOTES
    template_name = "referrals/note_review.jinja"
    title = _("Review a withheld note")
    form_class = ReviewForm
    submit_label = _("Save the review")

    def breadcrumbs(self) -> list[Any]:
        return [*super().breadcrumbs(), (_("Notes to review"), reverse("referrals:notes-to-review"))]

    def initial(self) -> dict[str, Any]:
        return {"review_on": usual_review()}

    def context(self) -> dict[str, Any]:
        return {"decisions": selectors.decisions_on(self.actor, self.row), "is_due": is_due}

    def act(self, form: ReviewForm) -> str:  # type: ignore[override]
        if form.is_withheld:
            actions.go_on_withholding(self.row, form.grounds(), by=self.actor)
        else:
            actions.disclose_note(self.row, by=self.actor)
        self.say(_("The review is recorded"))
        return reverse("referrals:notes-to-review")


class Disclose(AboutNote):
    """Show a withheld note to the patient again."""

    permission = Permission.WRITE_CLINICAL_NOTES
    title = _("Show the note to the patient")
    submit_label = _("Show it to the patient")

    def act(self, form: Form) -> str:
        actions.disclose_note(self.row, by=self.actor)
        return self.back()


class ToReview(ListPage):
    """Every note that the practice withholds from its patient, those first that are to be looked at soonest."""

    permission = Permission.WRITE_CLINICAL_NOTES
    known_as = KNOWN_AS
    template_name = "referrals/notes_to_review.jinja"
    title = _("Withheld notes to review")
    sorts: ClassVar = {
        "due": Sort(_("Due first"), "due_on"),
        "longest": Sort(_("Longest withheld"), "withheld_at"),
    }

    def rows(self) -> QuerySet[ClinicalNote]:
        return selectors.withheld_at(self.actor, self.organisation)

    def context(self) -> dict[str, Any]:
        return {"is_due": is_due}


def _way_back(patient: Patient) -> list[Any]:
    return [
        (_("Patients"), reverse("referrals:patients")),
        (patient.name, reverse("referrals:patient", args=[patient.pk])),
    ]


def _notes_of(patient_id: Any) -> str:
    return reverse("referrals:notes", args=[patient_id])
