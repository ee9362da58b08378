"""The guardian's pages of what patients asked: what is due first, the line of the log it is about, and the answer.

A patient is a random key here: to answer, nobody needs the name.
"""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from pilot.access import Permission
from pilot.record.models import Request, RequestQuerySet, Status
from pilot.record.requests import selectors
from pilot.record.requests.actions import answer_request
from pilot.record.requests.forms import AnswerForm
from pilot.record.requests.policies import clock, days_left
from pilot.web.forms import Form
from pilot.web.lists import ListPage, Sort
from pilot.web.views import FormPage


class RequestList(ListPage):
    """Shared by the two lists: each is a tab."""

    permission = Permission.ANSWER_REQUESTS
    template_name = "record/guardian/questions.jinja"
    title = _("Questions from patients")
    sorts = {"due": Sort(_("Due first"), "due_on")}
    is_open = True

    def context(self) -> dict[str, Any]:
        waiting = selectors.number_to_answer(self.actor)
        return {
            "is_open": self.is_open,
            "clock": clock,
            "is_late": lambda asked: days_left(asked) < 0,
            "tabs": [
                (_("To answer"), waiting, reverse("record:to_answer"), self.is_open),
                (_("Answered"), None, reverse("record:answered"), not self.is_open),
            ],
        }


class ToAnswer(RequestList):
    """What waits for an answer, the one due first at the top."""

    permission = Permission.ANSWER_REQUESTS

    def rows(self) -> RequestQuerySet:
        return selectors.to_answer(self.actor)


class Answered(RequestList):
    permission = Permission.ANSWER_REQUESTS
    sorts = {"newest": Sort(_("Newest first"), "answered_at", descending=True)}
    is_open = False

    def rows(self) -> RequestQuerySet:
        return selectors.answered(self.actor)


class AnswerRequest(FormPage):
    """One question, the line that it is about, and the answer: a form until there is one."""

    permission = Permission.ANSWER_REQUESTS
    about = {"pk": Request}
    template_name = "record/guardian/question.jinja"
    title = _("A question from a patient")
    form_class = AnswerForm
    submit_label = _("Send this answer")

    def get_row(self) -> Request:
        return selectors.request(self.actor, self.kwargs["pk"])

    def context(self) -> dict[str, Any]:
        return {
            "about": selectors.about(self.actor, self.row),
            "patient": str(self.row.patient_id)[:8],
            "clock": clock(self.row),
            "is_late": days_left(self.row) < 0,
            "is_open": self.row.status == Status.OPEN,
        }

    def act(self, form: Form) -> str:
        answer_request(self.row, form.cleaned_data["answer"], by=self.actor)
        self.say(_("Your answer is on the patient’s page. They are told that there is something to read."))
        return reverse("record:to_answer")

    def breadcrumbs(self) -> list[tuple[Any, str]]:
        return [(_("Questions from patients"), reverse("record:to_answer"))]
