"""What ends everything at once and nobody decided: deaths and moves, perhaps by mistake, and two records of one person."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from hypothesis import strategies as st

from consent.models import NEEDED_TO_BEGIN, Decision
from pilot.people.models import Patient
from referrals.deaths.actions import record_death, undo_death
from referrals.merging.actions import merge
from referrals.merging.policies import version_of
from referrals.moving.actions import record_move, undo_move
from tests.consent.machine.base import NO_FAULT, REFUSED, WITHDRAWN, Machine, answered, drives
from tests.consent.machine.deciding import SOME, YESES, Deciding, alive
from tests.consent.machine.people import Person


def to_merge(machine: Machine, person: Person) -> list[None]:
    """Who has no other record yet, or one that could not be closed the first time."""
    return [None] if not person.is_gone and (person.double is None or not person.double.is_gone) else []


def _written(person: Person) -> set[str]:
    return {row[5] for row in person.rows["decisions"]} | {row[1] for row in person.rows["receipts"]}


class Leaving(Deciding):
    """What the practice writes down."""

    def _all_ended(self, person: Person, known: set[str]) -> None:
        self.read_tables()
        assert not person.given()
        person.ended_at_once |= _written(person) - known
        person.stop_being_coached()

    @drives(record_death, when=alive, weight=0.15)
    def write_down_a_death(self, person: Person, _: None) -> None:
        by, today, known = self.staff.desk, timezone.localdate(), _written(person)

        def then(_: Any) -> None:
            self._all_ended(person, known)
            assert not person.messages("due"), "Somebody who has died is written to"
            person.died = True

        self.do(
            record_death,
            by,
            lambda: record_death(self.find(Patient, person.key, by), died_on=today, by=by),
            then,
        )

    @drives(undo_death, when=lambda m, p: [None] if p.died else [], weight=4)
    def was_not_so(self, person: Person, _: None) -> None:
        by, known = self.staff.desk, _written(person)

        def then(_: Any) -> None:
            self._all_ended(person, known)
            person.died = False

        self.do(
            undo_death, by, lambda: undo_death(self.find(Patient, person.key, by), by=by), then, must=True
        )

    @drives(record_move, when=alive, weight=0.15)
    def write_down_a_move(self, person: Person, _: None) -> None:
        by, today, known = self.staff.desk, timezone.localdate(), _written(person)

        def then(_: Any) -> None:
            self._all_ended(person, known)
            assert person.rows["receipts"][-1][0] == "moved"
            person.moved = True

        self.do(
            record_move,
            by,
            lambda: record_move(self.find(Patient, person.key, by), moved_on=today, by=by),
            then,
            must=True,
        )

    @drives(undo_move, when=lambda m, p: [None] if p.moved else [], weight=4)
    def has_not_moved(self, person: Person, _: None) -> None:
        by, known = self.staff.desk, _written(person)

        def then(_: Any) -> None:
            self._all_ended(person, known)
            assert person.rows["receipts"][-1][0] == "corrected"
            person.moved = False

        self.do(undo_move, by, lambda: undo_move(self.find(Patient, person.key, by), by=by), then, must=True)

    @drives(
        merge, when=to_merge, weight=0.2, fate=st.sampled_from(["nothing", "not now", "agreed", "stopped", "stopped"]),
        answers=YESES, wanted=SOME,
    )  # fmt: skip
    def close_the_other_record(self, person: Person, _: None, fate: str, answers: Any, wanted: Any) -> None:
        """Another record of the same person, in which something else was said: the stricter answer stands."""
        fault, self.fault = self.fault, NO_FAULT
        if person.double is None:
            same = Patient.objects.using("owner").values("given_name", "family_name", "date_of_birth")
            double = person.double = self.add_person(f"{person.name} Again", **same.get(pk=person.key))
            if fate == "not now":
                self.say_not_now(double, None, 100, True)
            elif fate != "nothing":
                self.join(double, None, answers, True, True)
            if fate == "stopped":
                self.stop_at_desk(double, None, wanted, Decision.Method.PHONE, False)
            self.everything_holds()
        self.fault = fault
        if self._merge(person.double, person) == "broken":
            self._merge(person.double, person)

    def _merge(self, double: Person, kept: Person) -> str:
        by, before = self.staff.doctor, set(kept.given())
        known, known_before = _written(kept), _written(double)
        noes = answered(double, WITHDRAWN) | answered(double, REFUSED)
        until = Patient.objects.using("owner").values_list("do_not_raise_until", flat=True).get(pk=double.key)
        if until and until > timezone.localdate():
            noes |= {*NEEDED_TO_BEGIN}
        ends = before if noes & {*NEEDED_TO_BEGIN} else before & noes

        def then(_: Any) -> None:
            self._all_ended(double, known_before)
            double.closed = True
            kept.ended_at_once |= _written(kept) - known
            assert kept.rows["receipts"][-1][0] == "merged"
            assert set(kept.given()) == before - ends, (
                "What was said no to in one record goes on in the other"
            )
            if ends & {*NEEDED_TO_BEGIN}:
                kept.stop_being_coached()
            self.came_about["a no of the other record"] += bool(ends)

        def run() -> Any:
            closes, stays = (self.find(Patient, each.key, by) for each in (double, kept))
            return merge(closes, into=stays, version=version_of(closes, stays), by=by)

        return self.do(merge, by, run, then)
