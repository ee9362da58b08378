"""A patient asks to correct a clinical note, or puts their own words beside it; the practice's clinicians answer."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from pilot.access import Permission
from pilot.access.records import RecordQuerySet
from pilot.record import selectors as own
from pilot.record.models import Kind
from pilot.record.notes import selectors
from pilot.record.notes.actions import ask_to_correct_note, correct_note, let_note_stand, reply_to_note
from pilot.record.notes.forms import CORRECT, NoteAnswerForm
from pilot.record.requests.forms import CorrectionForm, ReplyForm
from pilot.record.requests.policies import clock, days_left, due_on
from pilot.record.views import Crumbs, Own
from pilot.web.forms import Form
from pilot.web.lists import ListPage, Sort
from pilot.web.views import FormPage, Page
from referrals.models import ClinicalNote
from referrals.notes.models import NoteCorrection


class AboutOwnNote(Own, FormPage):
    """A form about a note that the patient can read."""

    is_base = True
    permission = Permission.SEE_OWN_RECORD
    acts_with = Permission.MAKE_REQUESTS
    about = {"pk": ClinicalNote}
    about_self = None
    row: ClinicalNote

    def get_row(self) -> ClinicalNote:
        return own.note(self.actor, self.kwargs["pk"])

    def page(self) -> tuple[str, str]:
        """The page that shows the note, and what it is called."""
        if self.row.patient.merged_into_id is None:
            return _("Notes by your practice"), reverse("record:notes")
        return _("Your other record, which is closed"), reverse("record:other", args=[self.row.patient_id])

    def breadcrumbs(self) -> Crumbs:
        return [*super().breadcrumbs(), self.page()]


class WrongNote(AboutOwnNote):
    """A clinical note is not right: a clinician of the practice corrects it, or says why not."""

    permission = Permission.SEE_OWN_RECORD
    template_name = "record/wrong.jinja"
    title = gettext_lazy("A note by your practice is not right")
    form_class = CorrectionForm
    submit_label = gettext_lazy("Ask to correct it")

    def context(self) -> dict[str, Any]:
        due = due_on(Kind.CORRECTION, timezone.now())
        return {"due_on": due, "whose": "clinicians", "text": self.row.text}

    def act(self, form: Form) -> str:
        correction = ask_to_correct_note(self.row, form.cleaned_data["words"], by=self.actor)
        self.say(_("Sent. You have an answer by the day below."))
        return reverse("record:note_correction", args=[correction.pk])


class NoteDifferently(AboutOwnNote):
    """“I see this differently”: the patient's own words beside a clinical note."""

    permission = Permission.SEE_OWN_RECORD
    template_name = "record/differently.jinja"
    title = gettext_lazy("I see this differently")
    form_class = ReplyForm
    submit_label = gettext_lazy("Put my words beside it")

    def context(self) -> dict[str, Any]:
        return {"text": self.row.text, "is_note": True}

    def act(self, form: Form) -> str:
        reply_to_note(self.row, form.cleaned_data["words"], by=self.actor)
        self.say(_("Your words stand beside the note."))
        return self.page()[1]


class OwnNoteCorrection(Own, Page):
    """What the patient asked to correct in a note, and the answer."""

    permission = Permission.SEE_OWN_RECORD
    about = {"pk": NoteCorrection}
    about_self = None
    template_name = "record/note_correction.jinja"
    title = gettext_lazy("What you asked for")
    row: NoteCorrection

    def get_row(self) -> NoteCorrection:
        return selectors.own_correction(self.actor, self.kwargs["pk"])

    def context(self) -> dict[str, Any]:
        return {"clock": clock(self.row)}

    def breadcrumbs(self) -> Crumbs:
        return [*super().breadcrumbs(), (_("What you asked for"), reverse("record:questions"))]


class NoteCorrections(ListPage):
    """What patients ask to correct in notes, due first. For the practice's clinicians alone."""

    permission = Permission.WRITE_CLINICAL_NOTES
    template_name = "record/staff/note_corrections.jinja"
    title = gettext_lazy("Notes that patients ask to correct")
    sorts = {"due": Sort(gettext_lazy("Due first"), "due_on")}

    def rows(self) -> RecordQuerySet[NoteCorrection]:
        return selectors.to_answer(self.actor)

    def context(self) -> dict[str, Any]:
        return {"clock": clock, "is_late": lambda asked: days_left(asked) < 0}


class AnswerNoteCorrection(FormPage):
    """One of them: the note, what the patient wrote, and the answer."""

    permission = Permission.WRITE_CLINICAL_NOTES
    about = {"pk": NoteCorrection}
    template_name = "record/staff/note_correction.jinja"
    title = gettext_lazy("A patient asks to correct a note")
    form_class = NoteAnswerForm
    submit_label = gettext_lazy("Send this answer")
    row: NoteCorrection

    def get_row(self) -> NoteCorrection:
        return selectors.correction(self.actor, self.kwargs["pk"])

    def initial(self) -> dict[str, Any]:
        return {"text": self.row.note.text}

    def context(self) -> dict[str, Any]:
        return {
            "caption": self.row.patient.name,
            "clock": clock(self.row),
            "is_late": days_left(self.row) < 0,
            "is_open": self.row.status == NoteCorrection.Status.OPEN,
        }

    def act(self, form: Form) -> str:
        given = form.cleaned_data
        if given["outcome"] == CORRECT:
            correct_note(self.row, given["text"], given["answer"], by=self.actor)
        else:
            let_note_stand(self.row, given["answer"], by=self.actor)
        self.say(_("Your answer is on the patient’s page. They are told that there is something to read."))
        return reverse("record:note_corrections")

    def breadcrumbs(self) -> list[tuple[Any, str]]:
        return [(_("Notes that patients ask to correct"), reverse("record:note_corrections"))]
