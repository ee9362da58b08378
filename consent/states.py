"""How one purpose of one patient can stand, and what each thing that can happen makes of it. Nothing is decided here: the
actions do, a test explores every state with every event and holds them against this table, and docs/consent.md shows it.
"""

from __future__ import annotations

from enum import Enum

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from consent.models import Decision
from consent.policies import is_yes, may_be_renewed


class State(TextChoices):
    """How a purpose stands for a patient."""

    NEVER = "never", _("Never answered")
    YES = "yes", _("Yes")
    ENDING = "ending", _("Yes, but it ends soon or the information has changed")
    OVER = "over", _("Its time is over, and it has not been written down yet")
    NO = "no", _("No")
    STOPPED = "stopped", _("Stopped")
    LAPSED = "lapsed", _("Ended by the calendar")
    MISTAKE = "mistake", _("Recorded by mistake")


class Happens(TextChoices):
    """What can happen to a purpose."""

    YES = "yes", _("The patient says yes")
    NO = "no", _("The patient says no")
    STOP = "stop", _("The patient stops it")
    CALENDAR = "calendar", _("The calendar’s task runs")
    MISTAKE = "mistake", _("The practice puts right a mistake in recording")


class Refused(Enum):
    """Nothing changes, and whoever asked is told why."""

    REFUSED = "refused"


REFUSED = Refused.REFUSED
S, H = State, Happens
Table = dict[State, dict[Happens, "State | Refused"]]

_ENDED: dict[Happens, State | Refused] = {
    H.YES: S.YES,  # afresh: with the sheet in force, and a day to think it over
    H.STOP: REFUSED,
    H.MISTAKE: REFUSED,
}

# What is needed to begin: both of them together, by somebody who has joined or has not.
NEEDED: Table = {
    # A no before joining is “not now”: nothing of it is kept.
    S.NEVER: {**_ENDED, H.NO: S.NEVER, H.CALENDAR: S.NEVER},
    # To say no to what goes on is to stop it, on the page that says what that means.
    S.YES: {H.YES: REFUSED, H.NO: REFUSED, H.STOP: S.STOPPED, H.CALENDAR: S.YES, H.MISTAKE: S.MISTAKE},
    S.ENDING: {H.YES: S.YES, H.NO: REFUSED, H.STOP: S.STOPPED, H.CALENDAR: S.ENDING, H.MISTAKE: S.MISTAKE},
    S.OVER: {H.YES: S.YES, H.NO: S.OVER, H.STOP: S.STOPPED, H.CALENDAR: S.LAPSED, H.MISTAKE: S.MISTAKE},
    S.STOPPED: {**_ENDED, H.NO: S.STOPPED, H.CALENDAR: S.STOPPED},
    S.LAPSED: {**_ENDED, H.NO: S.LAPSED, H.CALENDAR: S.LAPSED},
    S.MISTAKE: {**_ENDED, H.NO: S.MISTAKE, H.CALENDAR: S.MISTAKE},
}

# Each of the others, for somebody who has joined.
OPTIONAL: Table = {
    S.NEVER: {**_ENDED, H.NO: S.NO, H.CALENDAR: S.NEVER},
    S.YES: {H.YES: REFUSED, H.NO: REFUSED, H.STOP: S.STOPPED, H.CALENDAR: S.YES, H.MISTAKE: S.MISTAKE},
    S.ENDING: {H.YES: S.YES, H.NO: REFUSED, H.STOP: S.STOPPED, H.CALENDAR: S.ENDING, H.MISTAKE: S.MISTAKE},
    S.OVER: {H.YES: S.YES, H.NO: S.NO, H.STOP: S.STOPPED, H.CALENDAR: S.LAPSED, H.MISTAKE: S.MISTAKE},
    S.NO: {H.YES: S.YES, H.NO: REFUSED, H.STOP: REFUSED, H.CALENDAR: S.NO, H.MISTAKE: S.MISTAKE},
    S.STOPPED: {**_ENDED, H.NO: S.NO, H.CALENDAR: S.STOPPED},
    S.LAPSED: {**_ENDED, H.NO: S.NO, H.CALENDAR: S.LAPSED},
    S.MISTAKE: {**_ENDED, H.NO: S.NO, H.CALENDAR: S.MISTAKE},
}


def state_of(decision: Decision | None) -> State:
    """How a purpose stands by its latest decision, read `with_end`."""
    if decision is None:
        return State.NEVER
    if decision.answer == Decision.Answer.GIVEN:
        if not is_yes(decision):
            return State.OVER
        return State.ENDING if may_be_renewed(decision) else State.YES
    return {
        Decision.Answer.REFUSED: State.NO,
        Decision.Answer.WITHDRAWN: State.STOPPED,
        Decision.Answer.LAPSED: State.LAPSED,
        Decision.Answer.CORRECTED: State.MISTAKE,
    }[Decision.Answer(decision.answer)]
