"""By when what a patient asks has to be answered, by whom, and how it stands until then."""

from __future__ import annotations

import datetime as dt
from functools import cache
from typing import Protocol

import holidays
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from consent.policies import months_after
from pilot.access import Role
from pilot.access.transitions import StateMachine, Transition
from pilot.record.models import Kind, Outcome, Request, Status
from pilot.web.formats import ago, date

# Calendar months for the answer, to the corresponding day: the clock of subject access is that of every right, and the
# pilot answers complaints by it too.
MONTHS: dict[Kind, int] = dict.fromkeys(Kind, 1)
# What the law adds where a request is complex, once, and only if the patient is told why within the first clock.
MORE_MONTHS = 2
# Within so many days a complaint is confirmed, weekends or not.
CONFIRM_WITHIN = dt.timedelta(days=30)

# What an answer says became of it. A right to erasure before its time has no “yes”: nothing here could carry it out.
OUTCOMES: dict[Kind, tuple[Outcome, ...]] = {
    Kind.ACCESS_QUERY: (),
    Kind.CORRECTION: (Outcome.ACCEPTED, Outcome.PARTLY, Outcome.NOT_ACCEPTED),
    Kind.COMPLAINT: (Outcome.ACCEPTED, Outcome.PARTLY, Outcome.NOT_ACCEPTED),
    Kind.OBJECTION: (Outcome.ACCEPTED, Outcome.NOT_ACCEPTED),
    Kind.RESTRICTION: (Outcome.ACCEPTED, Outcome.NOT_ACCEPTED),
    Kind.ERASURE: (),
}

_SATURDAY = 5


class Due(Protocol):
    """A row that waits for an answer until a day."""

    @property
    def due_on(self) -> dt.date: ...


_ANSWERING = (Role.CALDICOTT_GUARDIAN, Role.RECEPTIONIST, Role.CLINICIAN, Role.COACH)

TRANSITIONS: tuple[Transition[Status], ...] = (
    Transition("opened", (None,), Status.OPEN, (Role.PATIENT,)),
    Transition("confirmed", (Status.OPEN,), Status.OPEN, (Role.CALDICOTT_GUARDIAN,)),
    Transition("given more time", (Status.OPEN,), Status.OPEN, (Role.CALDICOTT_GUARDIAN,)),
    Transition("answered", (Status.OPEN,), Status.ANSWERED, _ANSWERING),
)
_MACHINE = StateMachine(Status, TRANSITIONS, gettext_lazy("This has been answered already."))
check_can_move = _MACHINE.check_can_move


def check_can_confirm(request: Request) -> None:
    """Pass for a complaint that nobody has confirmed yet."""
    if request.kind != Kind.COMPLAINT or request.acknowledged_at:
        raise ValidationError(_("There is nothing here to confirm, or it is confirmed already."))


def check_can_extend(request: Request) -> None:
    """Pass while the first clock runs: more time is given once, and the patient is told before it is over."""
    if request.extended_at:
        raise ValidationError(_("This was given more time already. It can be done once."))
    if days_left(request) < 0:
        raise ValidationError(_("It is late already. More time can be given only before the day is over."))


def check_outcome(request: Request, outcome: str) -> None:
    """Pass for an outcome that such a request can have."""
    allowed = OUTCOMES[Kind(request.kind)]
    if outcome not in allowed and (outcome or allowed):
        raise ValidationError({"outcome": _("Choose what became of it")})


def due_on(kind: Kind, opened_at: dt.datetime, *, more: bool = False) -> dt.date:
    """The last day for the answer: the corresponding day so many months on (the month's last where there is none), or
    the next working day in England. With `more`, where it was given more time.
    """
    months = MONTHS[kind] + (MORE_MONTHS if more else 0)
    return working_day_from(months_after(timezone.localdate(opened_at), months))


def acknowledge_by(kind: Kind, opened_at: dt.datetime) -> dt.date | None:
    """The last day to confirm a complaint; None for anything else."""
    return timezone.localdate(opened_at) + CONFIRM_WITHIN if kind == Kind.COMPLAINT else None


def working_day_from(day: dt.date) -> dt.date:
    """That day, or the first one after it that is neither at a weekend nor a bank holiday in England."""
    while day.weekday() >= _SATURDAY or day in _bank_holidays():
        day += dt.timedelta(days=1)
    return day


def days_left(request: Due) -> int:
    """How many days are left for the answer: 0 on the last, negative when it is late."""
    return (request.due_on - timezone.localdate()).days


def clock(request: Due) -> str:
    """“Answer by 22 December 2026, in 30 days”; of one that is late, by how many days."""
    return _said(_("Answer by %(day)s, %(left)s"), request.due_on)


def confirming_clock(request: Request) -> str:
    """The same for a complaint that is to be confirmed; '' where there is nothing to confirm."""
    if request.acknowledge_by is None or request.acknowledged_at or request.status != Status.OPEN:
        return ""
    return _said(_("Confirm by %(day)s, %(left)s"), request.acknowledge_by)


def is_late(request: Request) -> bool:
    """Whether the answer, or the confirmation of a complaint, is late."""
    unconfirmed = request.acknowledge_by is not None and not request.acknowledged_at
    return days_left(request) < 0 or bool(unconfirmed and request.acknowledge_by < timezone.localdate())  # type: ignore[operator]


def _said(words: str, day: dt.date) -> str:
    left = (day - timezone.localdate()).days
    if left < 0:
        late = ngettext("%(n)d day late", "%(n)d days late", -left) % {"n": -left}
        return _("%(late)s: it was due on %(day)s") % {"late": late, "day": date(day)}
    return words % {"day": date(day), "left": ago(day)}


@cache
def _bank_holidays() -> holidays.HolidayBase:
    return holidays.country_holidays("GB", subdiv="ENG")
