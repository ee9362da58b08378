"""What coaches do: sessions, goals, and the call for help, which the practice takes on."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.utils import timezone
from hypothesis import strategies as st

from coaching.actions import (
    accept_distress,
    add_details,
    add_goal,
    book,
    cancel,
    change_goal,
    move,
    note_emailed,
    raise_distress,
    record_did_not_happen,
    record_held,
    reword,
)
from coaching.models import DistressCall, Goal, Session
from referrals.models import Referral
from tests.consent.machine.base import SYSTEM, Machine, drives
from tests.consent.machine.facts import moment
from tests.consent.machine.helping import coached, for_coach, with_coach
from tests.consent.machine.people import Person

PLACES = st.sampled_from(["practice", "phone"])


def sessions(status: str, *, begun: bool | None = None) -> Any:
    def those(machine: Machine, person: Person) -> list[str]:
        if not coached(machine, person):
            return []
        now = timezone.now()
        return person.sessions(status, lambda at: begun is None or (at <= now) is begun)[-3:]

    return those


def to_book(machine: Machine, person: Person) -> list[str]:
    """The referral with a coach, once there was time to think it over."""
    is_soon = person.begins_at is not None and person.begins_at > timezone.now()
    return [] if is_soon or person.restricted else with_coach(machine, person)


class Coaching(Machine):
    """From the first session on."""

    # --- Sessions -----------------------------------------------------------------------------------------

    @drives(book, when=to_book, weight=3, hours=st.sampled_from([1, 20, 50, 100, 400]), place=PLACES)
    def book_session(self, person: Person, key: str, hours: int, place: str) -> None:
        self._book(person, key, hours, place)

    @drives(book, when=with_coach, weight=0.3, hours=st.sampled_from([1, 50]), place=PLACES)
    def try_to_book(self, person: Person, key: str, hours: int, place: str) -> None:
        self._book(person, key, hours, place)

    @drives(when=sessions("booked", begun=False), weight=1.5)
    def session_begins(self, person: Person, key: str) -> None:
        """Its time comes, and ten minutes more."""
        starts_at = next(moment(row[2]) for row in person.rows["sessions"] if row[0] == key)
        self.clock.move(starts_at - timezone.now() + dt.timedelta(minutes=10))
        self.did, self.deed = "time", "done"

    def _book(self, person: Person, key: str, hours: int, place: str) -> None:
        by, at = for_coach(person), timezone.now() + dt.timedelta(hours=hours)

        def then(_: Any) -> None:
            assert self.may_go_on(person), "Booked without consent"
            is_soon = person.begins_at is not None and person.begins_at > timezone.now()
            assert not is_soon, "Booked before they had thought it over"

        self.do(book, by, lambda: book(self.find(Referral, key, by), starts_at=at, place=place, by=by), then)

    def _with_session(self, verb: Any, person: Person, key: str, **how: Any) -> None:
        by = for_coach(person)

        def run() -> Any:
            session = self.find(Session, key, by)
            return verb(session, version=session.version, by=by, **how)

        self.do(verb, by, run)

    @drives(move, when=sessions("booked"), weight=1.5, hours=st.sampled_from([3, 60, 120]))
    def move_session(self, person: Person, key: str, hours: int) -> None:
        at = timezone.now() + dt.timedelta(hours=hours)
        self._with_session(move, person, key, starts_at=at, minutes=30, place="phone")

    @drives(record_held, when=sessions("booked", begun=True), weight=2.5)
    def write_down(self, person: Person, key: str) -> None:
        self._with_session(record_held, person, key, agreed="We will look at two jobs.")

    @drives(reword, when=sessions("held"), weight=1.5)
    def word_differently(self, person: Person, key: str) -> None:
        self._with_session(reword, person, key, agreed=f"We will look at {timezone.now():%H:%M:%S} jobs.")

    @drives(
        record_did_not_happen,
        when=sessions("booked", begun=True),
        weight=2.5,
        by_whom=st.sampled_from(["coach", "nobody"]),
    )
    def did_not_happen(self, person: Person, key: str, by_whom: str) -> None:
        self._with_session(record_did_not_happen, person, key, rearranged_by=by_whom)

    @drives(cancel, when=sessions("booked"), weight=0.7)
    def call_off(self, person: Person, key: str) -> None:
        self._with_session(cancel, person, key)

    # --- Goals and calls for help ---------------------------------------------------------------------------

    @drives(add_goal, when=coached, by_patient=st.booleans())
    def write_goal(self, person: Person, key: str, by_patient: bool) -> None:
        by = person.actor if by_patient and person.actor else for_coach(person)

        def then(_: Any) -> None:
            assert self.may_go_on(person), "A goal without consent"

        self.do(
            add_goal, by, lambda: add_goal(self.find(Referral, key, by), "Two mornings a week.", by=by), then
        )

    @drives(
        change_goal, when=lambda m, p: [r[0] for r in p.rows["goals"] if r[1] == p.coached_in][-2:] if coached(m, p) else [],
        standing=st.sampled_from(["wanted", "reached", "dropped"]),
    )  # fmt: skip
    def word_goal(self, person: Person, key: str, standing: str) -> None:
        by = for_coach(person)

        def run() -> Any:
            goal = self.find(Goal, key, by)
            words = f"{timezone.now():%H:%M:%S}, near home."
            return change_goal(goal, words=words, standing=standing, version=goal.version, by=by)

        self.do(change_goal, by, run)

    @drives(raise_distress, when=coached, danger=st.booleans())
    def call_for_help(self, person: Person, key: str, danger: bool) -> None:
        by = for_coach(person)
        # Safety comes first: whoever sees the person may call, whatever else stands.
        self.do(
            raise_distress, by,
            lambda: raise_distress(self.find(Referral, key, by), immediate_danger=danger, by=by), must=True,
        )  # fmt: skip

    @drives(add_details, when=lambda m, p: [row[0] for row in p.rows["calls"]][-1:] if coached(m, p) else [])
    def say_more(self, person: Person, key: str) -> None:
        by = for_coach(person)
        more = {"immediate_danger": False, "safe_place": "The library"}
        self.do(add_details, by, lambda: add_details(self.find(DistressCall, key, by), **more, by=by))

    @drives(accept_distress, when=lambda m, p: [row[0] for row in p.rows["calls"] if row[1]])
    def take_it_on(self, person: Person, key: str) -> None:
        by = self.staff.doctor
        # Whoever has withdrawn since, or died, may still need somebody.
        self.do(
            accept_distress, by, lambda: accept_distress(self.find(DistressCall, key, by), by=by), must=True
        )

    @drives(note_emailed, when=lambda m, p: [row[0] for row in p.rows["calls"] if row[2]])
    def email_about_it(self, person: Person, key: str) -> None:
        self.do(
            note_emailed,
            SYSTEM,
            lambda: note_emailed(self.find(DistressCall, key, SYSTEM), by=SYSTEM) or True,
        )
