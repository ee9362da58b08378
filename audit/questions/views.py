"""The guardian's page of questions, and the form that notes what came of one."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING, Any

from django.http import HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from audit import words
from audit.actions import record_look
from audit.questions import selectors
from audit.questions.actions import note_answer
from audit.questions.forms import AnswerForm
from audit.questions.models import Question
from audit.questions.selectors import Asked
from pilot.access import Permission
from pilot.web.middleware import PilotRequest
from pilot.web.views import FormPage, Page

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

    from pilot.web.forms import Form

# So many of each kind: whoever answers some is shown the next.
SHOWN = 50
# What it tells of a patient that somebody shares their name.
TELLS_A_NAME = (Question.OWN, Question.SURNAME)


class Questions(Page):
    """What may be worth asking about one week, each with the events behind it, and what was answered before."""

    permission = Permission.REVIEW_AUDIT
    template_name = "audit/questions.jinja"
    title = _("Questions to ask")

    def context(self) -> dict[str, Any]:
        weeks = _weeks(self.request.GET.get("weeks", ""))
        since, until = selectors.week_of(_last_day(weeks))
        asked = selectors.to_ask(self.actor, until)
        answers = selectors.answers(self.actor)
        patients = {
            each.patient for each in [*asked, *(each for _row, each, _who in answers)] if each.patient
        }
        tells_names = any(each.question in TELLS_A_NAME for each in asked)
        record_look(patients, [words.LOG, *(["identity"] if tells_names else [])])
        by_question: dict[Question, list[tuple[Asked, str, str]]] = {}
        for each in asked:
            shown = by_question.setdefault(each.question, [])
            if len(shown) < SHOWN:
                shown.append((each, _events_behind(each), _answer_address(each, weeks)))
        return {
            "since": date_format(since, "l j F"),
            "until": date_format(until, "l j F"),
            "year": until.year,
            "by_question": by_question,
            "counts": Counter(each.question for each in asked),
            "answers": answers,
            "weeks": weeks,
        }

    def breadcrumbs(self) -> list[tuple[_StrOrPromise, str]]:
        return [(_("Who did what"), reverse("audit:log"))]


class NoteAnswer(FormPage):
    """What the guardian was told when they asked."""

    permission = Permission.REVIEW_AUDIT
    template_name = "audit/answer.jinja"
    title = _("Note the answer")
    form_class = AnswerForm
    submit_label = _("Keep this note")
    row: Asked | None

    def get_row(self) -> Asked | None:
        reference, weeks = self.request.GET.get("about", ""), _weeks(self.request.GET.get("weeks", ""))
        asked = selectors.to_ask(self.actor, _last_day(weeks)) if reference else []
        found = next((each for each in asked if each.reference == reference), None)
        if found is not None:
            told = ["identity"] if found.question in TELLS_A_NAME else []
            record_look([found.patient] if found.patient else [], [words.LOG, *told])
        return found

    def get(self, request: PilotRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # Answered meanwhile, or never asked.
        return super().get(request, *args, **kwargs) if self.row else HttpResponseRedirect(self._back())

    def post(self, request: PilotRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return super().post(request, *args, **kwargs) if self.row else HttpResponseRedirect(self._back())

    def context(self) -> dict[str, Any]:
        return {"events_href": _events_behind(self.row) if self.row else ""}

    def act(self, form: Form) -> str:
        if self.row:
            note_answer(self.row, form.cleaned_data["text"], at=self.organisation.pk, by=self.actor)
            self.say(_("Kept. It will not be asked again."))
        return self._back()

    def breadcrumbs(self) -> list[tuple[_StrOrPromise, str]]:
        return [(_("Who did what"), reverse("audit:log")), (Questions.title, self._back())]

    def _back(self) -> str:
        return f"{reverse('audit:questions')}?weeks={_weeks(self.request.GET.get('weeks', ''))}"


def _weeks(text: str) -> int:
    """How many weeks ago, as the address has it; none for anything that is no number."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else 0


def _last_day(weeks: int) -> dt.date:
    """The last day of the week that ended so many weeks ago; this one ends today."""
    return timezone.localdate() - dt.timedelta(weeks=weeks)


def _events_behind(asked: Asked) -> str:
    """The log, narrowed to what the question is about."""
    narrowed = {"person": asked.actor, "patient": asked.key}
    if asked.day:
        narrowed |= {"since": asked.day.isoformat(), "until": asked.day.isoformat()}
    if asked.question is Question.REFUSALS:
        narrowed["kind"] = "refused"
    if asked.question is Question.OPENED:
        narrowed["action"] = "audit."
    return (
        f"{reverse('audit:log')}?{urlencode({name: str(value) for name, value in narrowed.items() if value})}"
    )


def _answer_address(asked: Asked, weeks: int) -> str:
    about: dict[str, str | int] = {"about": str(asked.reference), "weeks": weeks}
    return f"{reverse('audit:answer')}?{urlencode(about)}"
