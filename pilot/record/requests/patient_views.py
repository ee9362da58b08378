"""The patient asks what a line of their log is about, and reads the answer."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.models import Event
from pilot.access import Permission
from pilot.record import looks
from pilot.record.models import Kind, Request, RequestQuerySet
from pilot.record.requests import selectors
from pilot.record.requests.actions import open_request
from pilot.record.requests.forms import QuestionForm
from pilot.record.requests.policies import clock, due_on
from pilot.record.views import Crumbs, Own
from pilot.web.forms import Form
from pilot.web.lists import ListPage, Sort
from pilot.web.views import FormPage, Page


class LooksWrong(Own, FormPage):
    """“This looks wrong”: one line of the log, put before the guardian."""

    permission = Permission.SEE_OWN_RECORD
    acts_with = Permission.MAKE_REQUESTS
    about = {"pk": Event}
    template_name = "record/looks_wrong.jinja"
    title = gettext_lazy("This looks wrong")
    form_class = QuestionForm
    submit_label = gettext_lazy("Send to the guardian")

    event: Event
    entry: looks.Entry

    def get_row(self) -> Any:
        patient = super().get_row()
        self.event, self.entry = looks.own_line(self.actor, patient, self.kwargs["pk"])
        return patient

    def context(self) -> dict[str, Any]:
        return {"entry": self.entry, "due_on": due_on(Kind.ACCESS_QUERY, timezone.now())}

    def act(self, form: Form) -> str:
        words = form.cleaned_data["words"]
        request = open_request(self.row, Kind.ACCESS_QUERY, words, about=self.event, by=self.actor)
        self.say(_("Your question is with the guardian."))
        return reverse("record:question", args=[request.pk])

    def breadcrumbs(self) -> Crumbs:
        return [*super().breadcrumbs(), (_("Who looked at your record"), reverse("record:who_looked"))]


class OwnRequests(Own, ListPage):
    """What the patient asked, and how each stands."""

    permission = Permission.SEE_OWN_RECORD
    template_name = "record/questions.jinja"
    title = gettext_lazy("Your questions")
    sorts = {"newest": Sort(gettext_lazy("Newest first"), "opened_at", descending=True)}

    def rows(self) -> RequestQuerySet:
        return selectors.own_requests(self.actor, self.row)


class OwnRequest(Own, Page):
    """One question with its answer, or the day by which there is one."""

    permission = Permission.SEE_OWN_RECORD
    about = {"pk": Request}
    template_name = "record/question.jinja"
    title = gettext_lazy("Your question")

    def context(self) -> dict[str, Any]:
        asked = selectors.own_request(self.actor, self.row, self.kwargs["pk"])
        return {"asked": asked, "about": selectors.about(self.actor, asked), "clock": clock(asked)}

    def breadcrumbs(self) -> Crumbs:
        return [*super().breadcrumbs(), (_("Your questions"), reverse("record:questions"))]
