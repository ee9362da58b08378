"""What is said of the law where a patient asks for a right, and what an answer begins with. The guardian changes it.

The periods are those of `audit.erasure` and of the NHS's rules for keeping health records.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.erasure.retention import YEARS
from pilot.record.models import Kind, Outcome

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise


@dataclass(frozen=True)
class Asking:
    """The page on which a patient asks for it: its title, what it means in a sentence, and the question."""

    title: _StrOrPromise
    means: _StrOrPromise
    question: _StrOrPromise
    send: _StrOrPromise


ASKING: dict[Kind, Asking] = {
    Kind.OBJECTION: Asking(
        gettext_lazy("Say that you do not want something done with your information"),
        gettext_lazy("You can object to how your information is used, whoever uses it."),
        gettext_lazy("What do you not want, and why?"),
        gettext_lazy("Send my objection"),
    ),
    Kind.RESTRICTION: Asking(
        gettext_lazy("Ask us to keep your information but not use it"),
        gettext_lazy(
            "This is called restriction. It can help while you wait for a correction or an answer, or when you need"
            " something kept that we would no longer need."
        ),
        gettext_lazy("What should not be used, and why?"),
        gettext_lazy("Ask for this"),
    ),
    Kind.ERASURE: Asking(
        gettext_lazy("Ask us to erase your information"),
        gettext_lazy("You can ask. The law does not let us erase everything, and we say here what and why."),
        gettext_lazy("What should be erased, and why?"),
        gettext_lazy("Ask for this"),
    ),
}


def kept() -> list[tuple[str, str]]:
    """What is kept whatever is asked for: (what, why and for how long)."""
    return [
        (
            _("What was written while you were supported: sessions, goals, notes and calls for help."),
            _(
                "It is a record of care. It is kept for %(years)s years after the support ended, then checked and"
                " erased. If the support begins again, the time begins again."
            )
            % {"years": YEARS},
        ),
        (
            _("What you agreed to and what you stopped."),
            _("It proves that we did what you asked. It is kept as long as the record."),
        ),
        (
            _("The list of who looked, what was changed and what was sent out."),
            _("It protects you: nobody can remove a line from it. It names no illness and holds no notes."),
        ),
    ]


def stopped_by_you() -> list[str]:
    """What needs no right and no reason: the patient can stop it now."""
    return [
        _("You can stop the coaching, reminders and counting of your answers now, on your own page."),
        _("Your coach then sees nothing of you any more, at once."),
        _("What you no longer want known of how to reach you, your practice takes out when you ask."),
    ]


def restriction_stops() -> list[str]:
    """What stops with a “yes” to a restriction or an objection, in the database itself, until the patient ends it."""
    return [
        _(
            "No session is booked, moved or written up, and no goal is changed. What is booked can be called off."
        ),
        _("No coach is found for you, and nobody brings the coaching up."),
        _("No reminders or other messages go out, but for answers like this one."),
        _("You are not counted in any figures."),
        _("Everybody who can open your record sees that it is restricted."),
    ]


def restriction_leaves() -> list[str]:
    """And what does not."""
    return [
        _("What is written can still be read by whoever could read it before, until you stop taking part."),
        _("You can read, correct, complain, withdraw and take a copy as before."),
        _("If somebody is worried about your safety, they can still call for help."),
        _("You can end it yourself at any time, on your first page."),
    ]


def draft_answer(kind: Kind) -> str:
    """What an answer about a right begins with; '' for other kinds."""
    if kind == Kind.ERASURE:
        return "\n\n".join(
            [
                _("We cannot erase your record before its time. This is what is kept, and why."),
                *(f"{what} {why}" for what, why in kept()),
                _("What we looked at, and what we can do for you instead:"),
            ]
        )
    if kind in (Kind.RESTRICTION, Kind.OBJECTION):
        return "\n".join(
            [
                _("This is what we looked at:"),
                "",
                _("If the answer is yes, from today:"),
                *(f"- {each}" for each in restriction_stops()),
                "",
                _("What goes on all the same:"),
                *(f"- {each}" for each in restriction_leaves()),
            ]
        )
    return ""


# What an outcome is called, where “yes” or “no” does not say it.
_CALLED: dict[tuple[Kind, Outcome], _StrOrPromise] = {
    (Kind.CORRECTION, Outcome.ACCEPTED): gettext_lazy("It was corrected"),
    (Kind.CORRECTION, Outcome.PARTLY): gettext_lazy(
        "Part of it was corrected; the patient’s words stand beside it"
    ),
    (Kind.CORRECTION, Outcome.NOT_ACCEPTED): gettext_lazy("It stays; the patient’s words stand beside it"),
    (Kind.COMPLAINT, Outcome.ACCEPTED): gettext_lazy("The patient is right"),
    (Kind.COMPLAINT, Outcome.PARTLY): gettext_lazy("The patient is right in part"),
    (Kind.COMPLAINT, Outcome.NOT_ACCEPTED): gettext_lazy("We see it differently"),
}
_TOLD: dict[tuple[Kind, Outcome], _StrOrPromise] = {
    (Kind.CORRECTION, Outcome.ACCEPTED): gettext_lazy("It was corrected."),
    (Kind.CORRECTION, Outcome.PARTLY): gettext_lazy("Part of it was corrected. Your words stand beside it."),
    (Kind.CORRECTION, Outcome.NOT_ACCEPTED): gettext_lazy("It stays as it is. Your words stand beside it."),
    (Kind.COMPLAINT, Outcome.ACCEPTED): gettext_lazy("You are right."),
    (Kind.COMPLAINT, Outcome.PARTLY): gettext_lazy("You are right in part."),
    (Kind.COMPLAINT, Outcome.NOT_ACCEPTED): gettext_lazy("We see it differently, and say why."),
}


def called(kind: Kind, outcome: Outcome) -> _StrOrPromise:
    """What an outcome is called for whoever chooses it."""
    return _CALLED.get((kind, outcome), outcome.label)


def told(kind: str, outcome: str) -> _StrOrPromise:
    """What the patient is told in a sentence; '' where there is no outcome."""
    if not outcome:
        return ""
    return _TOLD.get((Kind(kind), Outcome(outcome)), Outcome(outcome).label)
