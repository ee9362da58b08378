"""The patient asks: about a line of their log, for a correction, for a right, or complains; and reads the answer."""

from __future__ import annotations

from typing import Any, ClassVar

from django.http import Http404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.models import Event
from coaching.models import Goal, Session
from pilot.access import Permission
from pilot.people.restrictions.actions import end_restriction
from pilot.record import looks
from pilot.record import selectors as own
from pilot.record.models import Kind, Request, RequestQuerySet, Right
from pilot.record.notes.selectors import own_corrections
from pilot.record.requests import selectors, words
from pilot.record.requests.actions import ask_for_correction, open_request
from pilot.record.requests.forms import (
    ComplaintForm,
    CorrectionForm,
    DetailCorrectionForm,
    QuestionForm,
    RightForm,
)
from pilot.record.requests.policies import acknowledge_by, clock, due_on
from pilot.record.views import Crumbs, Own
from pilot.web.forms import Form
from pilot.web.lists import ListPage, Sort
from pilot.web.views import FormPage, Page


class Ask(Own, Page):
    """Everything that a patient can ask for, correct or complain about, in one place."""

    permission = Permission.SEE_OWN_RECORD
    template_name = "record/ask.jinja"
    title = gettext_lazy("Ask, correct or complain")

    def context(self) -> dict[str, Any]:
        return {"rights": [(right.value, words.ASKING[Kind(right.value)].title) for right in Right]}


class Asking(Own, FormPage):
    """A form by which the patient asks for something; it leads to the page that says how that stands."""

    is_base = True
    permission = Permission.SEE_OWN_RECORD
    acts_with = Permission.MAKE_REQUESTS
    said: ClassVar[Any] = gettext_lazy("Sent. You have an answer by the day below.")
    kind: ClassVar[Kind] = Kind.CORRECTION

    def due(self) -> Any:
        return due_on(self.kind, timezone.now())

    def ask(self, form: Form) -> Request:
        """Put it before whoever answers."""
        raise NotImplementedError

    def act(self, form: Form) -> str:
        request = self.ask(form)
        self.say(self.said)
        return reverse("record:question", args=[request.pk])

    def breadcrumbs(self) -> Crumbs:
        return [*super().breadcrumbs(), (_("Ask, correct or complain"), reverse("record:ask"))]


class LooksWrong(Asking):
    """“This looks wrong”: one line of the log, put before the guardian."""

    permission = Permission.SEE_OWN_RECORD
    about = {"pk": Event}
    template_name = "record/looks_wrong.jinja"
    title = gettext_lazy("This looks wrong")
    form_class = QuestionForm
    submit_label = gettext_lazy("Send to the guardian")
    said = gettext_lazy("Your question is with the guardian.")
    kind = Kind.ACCESS_QUERY

    event: Event
    entry: looks.Entry

    def get_row(self) -> Any:
        patient = super().get_row()
        self.event, self.entry = looks.own_line(self.actor, patient, self.kwargs["pk"])
        return patient

    def context(self) -> dict[str, Any]:
        return {"entry": self.entry, "due_on": self.due()}

    def ask(self, form: Form) -> Request:
        return open_request(self.row, self.kind, form.cleaned_data["words"], about=self.event, by=self.actor)

    def breadcrumbs(self) -> Crumbs:
        return [*Own.breadcrumbs(self), (_("Who looked at your record"), reverse("record:who_looked"))]


class Complain(Asking):
    """A complaint or a worry, to somebody who is not the coach."""

    permission = Permission.SEE_OWN_RECORD
    template_name = "record/complain.jinja"
    title = gettext_lazy("Complain, or say what worries you")
    form_class = ComplaintForm
    submit_label = gettext_lazy("Send to the guardian")
    said = gettext_lazy("It is with the guardian. Nobody else can see it.")
    kind = Kind.COMPLAINT

    def context(self) -> dict[str, Any]:
        return {"due_on": self.due(), "confirm_by": acknowledge_by(self.kind, timezone.now())}

    def ask(self, form: Form) -> Request:
        return open_request(self.row, self.kind, form.cleaned_data["words"], by=self.actor)


class AskForRight(Asking):
    """Objection, restriction, erasure: what it means, what the law lets us keep and why, and the way to ask."""

    permission = Permission.SEE_OWN_RECORD
    about = {"kind": Right}
    template_name = "record/right.jinja"
    form_class = RightForm

    asking: words.Asking

    def get_row(self) -> Any:
        if self.kwargs["kind"] not in Right.values:
            raise Http404
        self.right = Kind(self.kwargs["kind"])
        self.asking = words.ASKING[self.right]
        self.title, self.submit_label = self.asking.title, self.asking.send
        return super().get_row()

    def form_arguments(self) -> dict[str, Any]:
        return {"question": self.asking.question}

    def context(self) -> dict[str, Any]:
        return {
            "means": self.asking.means,
            "kept": words.kept(),
            "stopped_by_you": words.stopped_by_you(),
            "due_on": due_on(self.right, timezone.now()),
            "stops": words.restriction_stops() if self.right != Kind.ERASURE else [],
            "leaves": words.restriction_leaves(),
        }

    def ask(self, form: Form) -> Request:
        return open_request(self.row, self.right, form.cleaned_data["words"], by=self.actor)


class EndRestriction(Own, FormPage):
    """The patient lets their record be used again."""

    permission = Permission.SEE_OWN_RECORD
    acts_with = Permission.RESTRICT_USE
    template_name = "record/end_restriction.jinja"
    title = gettext_lazy("Let my record be used again")
    submit_label = gettext_lazy("Let it be used again")

    def act(self, form: Form) -> str:
        end_restriction(self.row, by=self.actor)
        self.say(_("Your record can be used again, as far as you agreed to it."))
        return reverse("record:home")


class WrongDetail(Asking):
    """Something in the details is not right: the practice corrects it, or says why not."""

    permission = Permission.SEE_OWN_RECORD
    template_name = "record/wrong.jinja"
    title = gettext_lazy("Something about me is not right")
    form_class = DetailCorrectionForm
    submit_label = gettext_lazy("Ask to correct it")

    def context(self) -> dict[str, Any]:
        return {"due_on": self.due(), "whose": "practice", "text": ""}

    def ask(self, form: Form) -> Request:
        given = form.cleaned_data
        return ask_for_correction(self.row, given["words"], detail=given["detail"], by=self.actor)

    def breadcrumbs(self) -> Crumbs:
        return [*Own.breadcrumbs(self), (_("What we hold about you"), reverse("record:details"))]


class WrongSession(Asking):
    """What is written of a session is not right: the coach corrects it, or says why not."""

    permission = Permission.SEE_OWN_RECORD
    about = {"pk": Session}
    about_self = None
    template_name = "record/wrong.jinja"
    title = gettext_lazy("What is written about a session is not right")
    form_class = CorrectionForm
    submit_label = gettext_lazy("Ask to correct it")
    row: Session

    def get_row(self) -> Session:
        return own.session(self.actor, self.kwargs["pk"])

    def context(self) -> dict[str, Any]:
        return {"due_on": self.due(), "whose": "coach", "text": self.row.agreed, "session": self.row}

    def ask(self, form: Form) -> Request:
        return ask_for_correction(self.row, form.cleaned_data["words"], by=self.actor)

    def breadcrumbs(self) -> Crumbs:
        return [*Own.breadcrumbs(self), (_("Sessions"), reverse("record:sessions"))]


class WrongGoal(Asking):
    """A goal does not say what the patient wants."""

    permission = Permission.SEE_OWN_RECORD
    about = {"pk": Goal}
    about_self = None
    template_name = "record/wrong.jinja"
    title = gettext_lazy("A goal is not right")
    form_class = CorrectionForm
    submit_label = gettext_lazy("Ask to correct it")
    row: Goal

    def get_row(self) -> Goal:
        return own.own_goal(self.actor, self.kwargs["pk"])

    def context(self) -> dict[str, Any]:
        return {"due_on": self.due(), "whose": "coach", "text": self.row.words}

    def ask(self, form: Form) -> Request:
        return ask_for_correction(self.row, form.cleaned_data["words"], by=self.actor)

    def breadcrumbs(self) -> Crumbs:
        return [*Own.breadcrumbs(self), (_("My goals"), reverse("record:goals"))]


class OwnRequests(Own, ListPage):
    """What the patient asked, and how each stands."""

    permission = Permission.SEE_OWN_RECORD
    template_name = "record/questions.jinja"
    title = gettext_lazy("What you asked for")
    sorts = {"newest": Sort(gettext_lazy("Newest first"), "opened_at", descending=True)}

    def rows(self) -> RequestQuerySet:
        return selectors.own_requests(self.actor, self.row)

    def context(self) -> dict[str, Any]:
        return {"note_corrections": own_corrections(self.actor, self.row)}


class OwnRequest(Own, Page):
    """One request with its answer, or the day by which there is one."""

    permission = Permission.SEE_OWN_RECORD
    about = {"pk": Request}
    template_name = "record/question.jinja"
    title = gettext_lazy("What you asked for")

    def context(self) -> dict[str, Any]:
        asked = selectors.own_request(self.actor, self.row, self.kwargs["pk"])
        return {
            "asked": asked,
            "about": selectors.about(self.actor, asked),
            "clock": clock(asked),
            "told": words.told(asked.kind, asked.outcome),
            "made": selectors.made_since(asked, self.actor) if asked.kind == Kind.CORRECTION else [],
            "kind": Kind,
        }

    def breadcrumbs(self) -> Crumbs:
        return [*super().breadcrumbs(), (_("What you asked for"), reverse("record:questions"))]
