"""Who the machine is about: what each patient's ledger says, reckoned here once more and from the rows alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from smtplib import SMTPRecipientsRefused, SMTPResponseException
from typing import Any
from uuid import UUID

from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone

from consent.models import NEEDED_TO_BEGIN, Decision, Purpose
from pilot.access import Actor, Role
from pilot.people.models import Organisation
from tests import factories
from tests.consent.machine.facts import moment

YES = Decision.Answer.GIVEN.value
# What somebody agreed to stands for so long after the information has changed, and a yes for so many months.
STANDS = dt.timedelta(days=42)
MONTHS = {purpose: 24 if purpose is Purpose.EVALUATION else 12 for purpose in Purpose}


@dataclass(frozen=True)
class Staff:
    """Everybody who acts, at one practice and its provider."""

    pilot: factories.Pilot
    desk: Actor
    doctor: Actor
    coaches: tuple[Actor, ...]
    supervisor: Actor
    guardian: Actor
    manager: Actor
    # Of the other practice and provider.
    strangers: tuple[Actor, ...]

    @property
    def practice(self) -> Organisation:
        return self.pilot.practice


@cache
def make_staff(database: str) -> Staff:
    """Once for each database."""
    pilot, member = factories.make_pilot(), factories.make_staff
    return Staff(
        pilot,
        desk=member(Role.RECEPTIONIST, pilot.practice),
        doctor=member(Role.CLINICIAN, pilot.practice, is_named_clinician=True),
        coaches=(),
        supervisor=member(Role.SUPERVISOR, pilot.provider),
        guardian=member(Role.CALDICOTT_GUARDIAN, pilot.office),
        manager=member(Role.PILOT_MANAGER, pilot.office),
        strangers=(
            member(Role.RECEPTIONIST, pilot.other_practice),
            member(Role.CLINICIAN, pilot.other_practice),
            member(Role.COACH, pilot.other_provider),
            member(Role.SUPERVISOR, pilot.other_provider),
        ),
    )


def with_new_coaches(staff: Staff) -> Staff:
    """With two whom nobody is allocated to yet, and whose days are free."""
    return replace(
        staff, coaches=tuple(factories.make_staff(Role.COACH, staff.pilot.provider) for _ in range(2))
    )


@dataclass(frozen=True)
class Sheets:
    """The sheets for adults that were published, and on which day those that materially changed something were."""

    changes: tuple[tuple[int, dt.date], ...] = ()

    def ends(self, version: int | None) -> dt.date:
        """The first day on which what rests on this version no longer stands for that reason."""
        days = [day for later, day in self.changes if version is not None and later > version]
        return min(days) + STANDS if days else dt.date.max


@dataclass
class Person:
    """A patient: what the machine did with them, and beside it what the tables say now."""

    key: UUID
    born: dt.date
    name: str
    actor: Actor | None = None
    email: str = ""
    # With whom and in which referral, as the machine has allocated it: who may see them, and nobody else.
    coach: Actor | None = None
    coached_in: str = ""
    joined_at: dt.datetime | None = None
    begins_at: dt.datetime | None = None
    restricted: bool = False
    died: bool = False
    moved: bool = False
    # This record was closed, since the same person has another; and the other one, where there is one.
    closed: bool = False
    double: Person | None = None
    # The transactions in which a death, a move or such a closing ended everything, or was undone.
    ended_at_once: set[str] = field(default_factory=set)
    version: int = 1
    rows: dict[str, list[Any]] = field(default_factory=dict)
    read: int = 0  # how many receipts and messages were read for their words

    @property
    def is_gone(self) -> bool:
        """Nothing is begun with whoever has died or moved, nor in a record that is closed."""
        return self.died or self.moved or self.closed

    def latest(self) -> dict[Purpose, list[Any]]:
        """The last decision on each purpose."""
        return {Purpose(row[0]): row for row in self.rows["decisions"]}

    def ends_on(self, purpose: Purpose, sheets: Sheets) -> dt.date | None:
        """The first day on which their yes to this no longer holds; None where it is not a yes."""
        row = self.latest().get(purpose)
        if row is None or row[1] != YES:
            return None
        return min(dt.date.fromisoformat(row[2]), sheets.ends(row[3]))

    def says_yes(self, purpose: Purpose, sheets: Sheets) -> bool:
        """Whether their yes stands today."""
        ends_on = self.ends_on(purpose, sheets)
        return ends_on is not None and ends_on > timezone.localdate()

    def takes_part(self, sheets: Sheets) -> bool:
        return all(self.says_yes(purpose, sheets) for purpose in NEEDED_TO_BEGIN)

    def may_be_written_to(self, purpose: str, sheets: Sheets) -> bool:
        """Whether a message for this purpose may go."""
        return self.says_yes(Purpose(purpose), sheets) and not self.restricted and not self.is_gone

    def given(self) -> list[Purpose]:
        """What the ledger has as a yes, whether its time is over or not."""
        return [purpose for purpose, row in self.latest().items() if row[1] == YES]

    # --- What there is to act on ------------------------------------------------------------------------

    def open_referral(self, *statuses: str) -> list[str]:
        wanted = statuses or ("awaiting_decision", "waiting", "with_coach", "paused")
        return [key for key, status in self.rows["referrals"] if status in wanted]

    def sessions(self, status: str, when: Callable[[dt.datetime], bool] = lambda _: True) -> list[str]:
        """Their sessions that stand so, of all their referrals."""
        return [
            key
            for key, stands, starts, _ in self.rows["sessions"]
            if stands == status and when(moment(starts))
        ]

    def messages(self, *statuses: str, letters: bool | None = None, due: bool = False) -> list[list[Any]]:
        return [
            row
            for row in self.rows["messages"]
            if row[2] in statuses
            and (letters is None or (row[3] == "letter") == letters)
            and (not due or moment(row[4]) <= timezone.now())
        ]

    def stop_being_coached(self) -> None:
        self.coach, self.coached_in = None, ""


def lapses_on(purpose: Purpose) -> dt.date:
    """When a yes that is given today lapses."""
    today = timezone.localdate()
    year = today.year + MONTHS[purpose] // 12
    day = 28 if (today.month, today.day) == (2, 29) else today.day
    return today.replace(year=year, day=day)


class Post(BaseEmailBackend):
    """The service for e-mail, which does what the machine wants of it."""

    mood = "well"

    def send_messages(self, messages: Any) -> int:
        if Post.mood == "cut off":
            raise ConnectionResetError
        if Post.mood == "never":
            raise SMTPRecipientsRefused({"somebody": (550, b"No such person")})
        if Post.mood == "later":
            raise SMTPResponseException(451, b"Not now")
        return len(messages)


@contextmanager
def post_that_is(mood: str) -> Any:
    Post.mood = mood
    try:
        yield
    finally:
        Post.mood = "well"
