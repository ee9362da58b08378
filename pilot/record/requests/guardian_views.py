"""The guardian's pages of what patients asked: what is due first, the line of the log it is about, and the answer.

A patient is a random key here: to answer, nobody needs the name.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from pilot.access import Permission
from pilot.record.models import Kind, Outcome, Request, RequestQuerySet, Status
from pilot.record.requests import selectors
from pilot.record.requests.actions import answer_request, confirm_complaint, give_more_time
from pilot.record.requests.forms import AnswerForm, MoreTimeForm
from pilot.record.requests.policies import clock, confirming_clock, days_left, due_on, is_late
from pilot.record.requests.words import called
from pilot.web.forms import Form
from pilot.web.lists import ListPage, Sort
from pilot.web.views import FormPage


class RequestList(ListPage):
    """Shared by the lists: each is a tab."""

    is_base = True
    permission = Permission.ANSWER_REQUESTS
    template_name = "record/guardian/questions.jinja"
    title = _("Requests from patients")
    sorts = {"due": Sort(_("Due first"), "due_on")}
    is_open = True
    tab: ClassVar[str] = "record:to_answer"

    def context(self) -> dict[str, Any]:
        waiting = selectors.number_to_answer(self.actor)
        tabs = (
            (_("To answer"), waiting, "record:to_answer"),
            (_("With a practice or coach"), None, "record:with_others"),
            (_("Answered"), None, "record:answered"),
        )
        return {
            "is_open": self.is_open,
            "clock": clock,
            "confirming": confirming_clock,
            "is_late": is_late,
            "tabs": [(label, count, reverse(name), name == self.tab) for label, count, name in tabs],
        }


class ToAnswer(RequestList):
    """What waits for an answer, the one due first at the top."""

    permission = Permission.ANSWER_REQUESTS

    def rows(self) -> RequestQuerySet:
        return selectors.to_answer(self.actor)


class WithOthers(RequestList):
    """Corrections that a practice or a coach is asked for: the guardian watches the clock."""

    permission = Permission.ANSWER_REQUESTS
    tab = "record:with_others"

    def rows(self) -> RequestQuerySet:
        return selectors.with_others(self.actor)


class Answered(RequestList):
    permission = Permission.ANSWER_REQUESTS
    sorts = {"newest": Sort(_("Newest first"), "answered_at", descending=True)}
    is_open = False
    tab = "record:answered"

    def rows(self) -> RequestQuerySet:
        return selectors.answered(self.actor)


class AboutRequest(FormPage):
    """A page about one request."""

    is_base = True
    permission = Permission.ANSWER_REQUESTS
    about = {"pk": Request}
    row: Request

    def get_row(self) -> Request:
        return selectors.request(self.actor, self.kwargs["pk"])

    def breadcrumbs(self) -> list[tuple[Any, str]]:
        return [(_("Requests from patients"), reverse("record:to_answer"))]


class AnswerRequest(AboutRequest):
    """One request, what it is about, and the answer: a form until there is one."""

    permission = Permission.ANSWER_REQUESTS
    template_name = "record/guardian/question.jinja"
    title = _("A request from a patient")
    form_class = AnswerForm
    submit_label = _("Send this answer")

    def form_arguments(self) -> dict[str, Any]:
        return {"kind": self.row.kind}

    def context(self) -> dict[str, Any]:
        kind = Kind(self.row.kind)
        return {
            "about": selectors.about(self.actor, self.row),
            "patient": str(self.row.patient_id)[:8],
            "clock": clock(self.row),
            "confirming": confirming_clock(self.row),
            "is_late": is_late(self.row),
            "is_open": self.row.status == Status.OPEN,
            "may_extend": not self.row.extended_at and days_left(self.row) >= 0,
            "outcome": called(kind, Outcome(self.row.outcome)) if self.row.outcome else "",
            "kind": Kind,
        }

    def act(self, form: Form) -> str:
        answer_request(self.row, **form.cleaned_data, by=self.actor)
        self.say(_("Your answer is on the patient’s page. They are told that there is something to read."))
        return reverse("record:to_answer")


class ConfirmComplaint(AboutRequest):
    """Tell a patient that their complaint has arrived."""

    permission = Permission.ANSWER_REQUESTS
    template_name = "record/guardian/confirm.jinja"
    title = _("Confirm a complaint")
    submit_label = _("Confirm it")

    def context(self) -> dict[str, Any]:
        return {"confirming": confirming_clock(self.row)}

    def act(self, form: Form) -> str:
        confirm_complaint(self.row, by=self.actor)
        self.say(_("The patient is told that it has arrived."))
        return reverse("record:answer_question", args=[self.row.pk])


class MoreTime(AboutRequest):
    """Two more months for something complex, with a reason that the patient reads."""

    permission = Permission.ANSWER_REQUESTS
    template_name = "record/guardian/more_time.jinja"
    title = _("Take more time")
    form_class = MoreTimeForm
    submit_label = _("Take more time")

    def context(self) -> dict[str, Any]:
        return {"until": due_on(Kind(self.row.kind), self.row.opened_at, more=True), "clock": clock(self.row)}

    def act(self, form: Form) -> str:
        give_more_time(self.row, form.cleaned_data["because"], by=self.actor)
        self.say(_("The patient can read the reason and the new day."))
        return reverse("record:answer_question", args=[self.row.pk])
