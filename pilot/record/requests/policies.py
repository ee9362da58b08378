"""By when what a patient asks has to be answered, and how it stands until then."""

from __future__ import annotations

import datetime as dt
from functools import cache

import holidays
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from consent.policies import months_after
from pilot.access import Role
from pilot.access.transitions import StateMachine, Transition
from pilot.record.models import Kind, Request, Status
from pilot.web.formats import ago, date

# Calendar months for the answer, to the corresponding day. Questions about access have the clock of subject access.
MONTHS: dict[Kind, int] = {Kind.ACCESS_QUERY: 1}

_SATURDAY = 5

TRANSITIONS: tuple[Transition[Status], ...] = (
    Transition("opened", (None,), Status.OPEN, (Role.PATIENT,)),
    Transition("answered", (Status.OPEN,), Status.ANSWERED, (Role.CALDICOTT_GUARDIAN,)),
)
_MACHINE = StateMachine(Status, TRANSITIONS, gettext_lazy("This question has been answered already."))
check_can_move = _MACHINE.check_can_move


def due_on(kind: Kind, opened_at: dt.datetime) -> dt.date:
    """The last day for the answer: the corresponding day so many months on (the month's last where there is none), or
    the next working day in England.
    """
    return working_day_from(months_after(timezone.localdate(opened_at), MONTHS[kind]))


def working_day_from(day: dt.date) -> dt.date:
    """That day, or the first one after it that is neither at a weekend nor a bank holiday in England."""
    while day.weekday() >= _SATURDAY or day in _bank_holidays():
        day += dt.timedelta(days=1)
    return day


def days_left(request: Request) -> int:
    """How many days are left for the answer: 0 on the last, negative when it is late."""
    return (request.due_on - timezone.localdate()).days


def clock(request: Request) -> str:
    """“Answer by 22 December 2026, in 30 days”; of one that is late, by how many days."""
    left, day = days_left(request), date(request.due_on)
    if left < 0:
        late = ngettext("%(n)d day late", "%(n)d days late", -left) % {"n": -left}
        return _("%(late)s: it was due on %(day)s") % {"late": late, "day": day}
    return _("Answer by %(day)s, %(left)s") % {"day": day, "left": ago(request.due_on)}


@cache
def _bank_holidays() -> holidays.HolidayBase:
    return holidays.country_holidays("GB", subdiv="ENG")
