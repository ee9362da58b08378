"""What a practice or a coach is asked to correct: due first, where to correct it, and the answer."""

from __future__ import annotations

from typing import Any, ClassVar

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from coaching.models import Goal, Session
from pilot.access import Permission
from pilot.record.models import Kind, Outcome, Request, RequestQuerySet, Status
from pilot.record.requests import selectors
from pilot.record.requests.actions import answer_correction
from pilot.record.requests.forms import AnswerForm
from pilot.record.requests.policies import clock, days_left
from pilot.record.requests.words import called
from pilot.web.forms import Form
from pilot.web.lists import ListPage, Sort
from pilot.web.views import FormPage


class Corrections(ListPage):
    """Every correction that was asked for, those that wait first."""

    is_base = True
    template_name = "record/staff/corrections.jinja"
    title = _("Corrections that patients ask for")
    sorts = {"due": Sort(_("Due first"), "due_on")}
    answer_name: ClassVar[str]

    def rows(self) -> RequestQuerySet:
        return selectors.corrections(self.actor).open()

    def context(self) -> dict[str, Any]:
        return {
            "clock": clock,
            "is_late": lambda asked: days_left(asked) < 0,
            "answer_name": self.answer_name,
        }


class PracticeCorrections(Corrections):
    """Of the details that the practice keeps."""

    permission = Permission.REGISTER_PATIENTS
    answer_name = "record:correction"


class CoachCorrections(Corrections):
    """Of what the coach wrote."""

    permission = Permission.RECORD_SESSIONS
    answer_name = "record:coach_correction"


class AnswerCorrection(FormPage):
    """One of them: what the patient wrote, where to correct it, what was corrected, and the answer."""

    is_base = True
    acts_with = Permission.ANSWER_CORRECTIONS
    about = {"pk": Request}
    template_name = "record/staff/correction.jinja"
    title = _("A patient asks for a correction")
    form_class = AnswerForm
    submit_label = _("Send this answer")
    list_name: ClassVar[str]
    row: Request

    def get_row(self) -> Request:
        return selectors.correction(self.actor, self.kwargs["pk"])

    def form_arguments(self) -> dict[str, Any]:
        return {"kind": self.row.kind}

    def context(self) -> dict[str, Any]:
        outcome = Outcome(self.row.outcome) if self.row.outcome else None
        return {
            "caption": self.row.patient.name,
            "clock": clock(self.row),
            "is_late": days_left(self.row) < 0,
            "is_open": self.row.status == Status.OPEN,
            "made": selectors.made_since(self.row, self.actor),
            "correct_href": self.where(),
            "outcome": called(Kind.CORRECTION, outcome) if outcome else "",
        }

    def where(self) -> str:
        """The page on which it can be corrected."""
        raise NotImplementedError

    def act(self, form: Form) -> str:
        answer_correction(self.row, **form.cleaned_data, by=self.actor)
        self.say(_("Your answer is on the patient’s page. They are told that there is something to read."))
        return reverse(self.list_name)

    def breadcrumbs(self) -> list[tuple[Any, str]]:
        return [(_("Corrections that patients ask for"), reverse(self.list_name))]


class AnswerAtPractice(AnswerCorrection):
    permission = Permission.REGISTER_PATIENTS
    list_name = "record:corrections"

    def where(self) -> str:
        return reverse("referrals:patient", args=[self.row.patient_id])


class AnswerAsCoach(AnswerCorrection):
    permission = Permission.RECORD_SESSIONS
    list_name = "record:coach_corrections"

    def where(self) -> str:
        thing = selectors.thing_of(self.row, self.actor)
        if isinstance(thing, Session):
            return reverse("coaching:session", args=[thing.pk])
        return reverse("coaching:goal", args=[thing.pk]) if isinstance(thing, Goal) else ""
