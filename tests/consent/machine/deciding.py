"""Saying yes and no, stopping, putting right; sheets that change; time that passes."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.utils import timezone
from hypothesis import strategies as st

from consent import selectors
from consent.actions import (
    How,
    announce_end,
    decide,
    lapse,
    not_now,
    record_decisions,
    record_not_now,
    record_withdrawal,
    withdraw,
)
from consent.correcting.actions import correct
from consent.models import NEEDED_TO_BEGIN, Decision, InformationSheet, Purpose, Receipt, Representative
from consent.publishing.actions import discard_sheet, publish_sheet, write_sheet
from consent.receipts.actions import take_receipt
from consent.representatives.actions import end_representative, record_representative
from pilot.access import acting
from pilot.people.models import Patient
from tests.consent.machine.base import (
    CORRECTED,
    LAPSED,
    REFUSED,
    SYSTEM,
    WITHDRAWN,
    Machine,
    answered,
    drives,
)
from tests.consent.machine.people import Person, Sheets

ANSWERS = st.dictionaries(st.sampled_from(Purpose), st.booleans(), max_size=5)
# Most of the time somebody who joins says yes to what is needed, and to reminders.
YESES = st.builds(
    lambda others: {**dict.fromkeys((*NEEDED_TO_BEGIN, Purpose.REMINDERS), True), **others},
    st.dictionaries(
        st.sampled_from([Purpose.REMINDERS, Purpose.CONTACT_EMPLOYERS, Purpose.EVALUATION]), st.booleans()
    ),
)
SOME = st.one_of(st.none(), st.lists(st.sampled_from(Purpose), min_size=1, max_size=2, unique=True))
BY_DESK = st.sampled_from([Decision.Method.PHONE, Decision.Method.IN_PERSON, Decision.Method.POST])
CALENDAR = SYSTEM


def alive(machine: Machine, person: Person) -> list[None]:
    return [] if person.is_gone else [None]


def with_account(machine: Machine, person: Person) -> list[None]:
    return [None] if person.actor and not person.died else []


def undecided(machine: Machine, person: Person) -> list[None]:
    return [None] if not machine.takes_part(person) and not person.is_gone and not person.restricted else []


def to_say(machine: Machine, person: Person) -> list[Purpose]:
    """What somebody who takes part has not said yes to."""
    if person.died or not machine.takes_part(person):
        return []
    return [purpose for purpose in Purpose if not machine.says_yes(person, purpose)]


def to_renew(machine: Machine, person: Person) -> list[Purpose]:
    soon = timezone.localdate() + dt.timedelta(days=30)
    if person.died or not machine.takes_part(person):
        return []
    changed = machine.sheets.changes
    return [
        purpose
        for purpose, row in person.latest().items()
        if machine.says_yes(person, purpose)
        and (person.ends_on(purpose, machine.sheets) <= soon or any(later > row[3] for later, _ in changed))  # type: ignore[operator]
    ]


def has_something_to_stop(machine: Machine, person: Person) -> list[None]:
    return [None] if person.given() and not person.died else []


def is_over(machine: Machine, person: Person) -> list[None]:
    """Whose time is over, which the ledger does not say yet."""
    over = any(not machine.says_yes(person, purpose) for purpose in person.given())
    return [None] if over and not person.is_gone else []


def to_end(machine: Machine, person: Person) -> list[dt.date]:
    """When something of whoever takes part ends, three weeks from now and later."""
    ends = [person.ends_on(purpose, machine.sheets) for purpose in person.given()]
    soon = timezone.localdate() + dt.timedelta(days=21)
    return sorted({day for day in ends if day and day > soon})[:1] if machine.takes_part(person) else []


def to_announce(machine: Machine, person: Person) -> list[None]:
    soon = timezone.localdate() + dt.timedelta(days=30)
    ends = [person.ends_on(purpose, machine.sheets) for purpose in person.given()]
    near = any(day and timezone.localdate() < day <= soon for day in ends)
    return [None] if near and not person.is_gone else []


class Deciding(Machine):
    """What patients decide, and what the practice writes down of it."""

    def _decide(self, person: Person, answers: dict[Purpose, bool], *, at_desk: bool, sooner: bool) -> None:
        by = self.staff.desk if at_desk or person.actor is None else person.actor
        verb = record_decisions if by == self.staff.desk else decide
        method = Decision.Method.PHONE if verb is record_decisions else Decision.Method.ONLINE
        how = How(method, capacity_not_in_doubt=True, freely_given=True, patient_asked=True, sooner=sooner)
        joins = not self.takes_part(person)
        if joins and is_over(self, person):
            self.came_about["joined again before the calendar ended it"] += 1
        said = dict(answers)

        def run() -> Any:
            return verb(self.find(Patient, person.key, by), said, sheet=self.in_force(), how=how, by=by)

        def then(receipt: Any) -> None:
            self.read_tables()
            if receipt is None:
                assert not self.takes_part(person), "A “not now” from somebody who takes part"
                return
            assert not person.died
            wrong = {
                p
                for p, yes in said.items()
                if self.says_yes(person, p) is not yes and p != Purpose.EVALUATION
            }
            assert not wrong, f"Not what they said: {wrong}"
            if joins:
                # What the calendar had not written down yet is.
                person.stop_being_coached()
                self._has_joined(person, sooner=sooner)

        self.do(verb, by, run, then)

    def _has_joined(self, person: Person, *, sooner: bool) -> None:
        """Afresh: both decisions are new, with a day to think it over, and nobody has them on a caseload."""
        assert self.may_go_on(person)
        now = timezone.now()
        for purpose in NEEDED_TO_BEGIN:
            row = person.latest()[purpose]
            assert dt.datetime.fromisoformat(row[7]) >= now - dt.timedelta(minutes=1), (
                "An old yes was taken for a new one"
            )
            begins = dt.datetime.fromisoformat(row[4]) if row[4] else None
            assert sooner or (begins and begins >= now + dt.timedelta(hours=23)), "No time to think it over"
            person.begins_at = begins
        assert not person.open_referral("with_coach", "paused"), "An old referral goes on"
        assert person.coach is None
        if person.joined_at is not None:
            self.came_about["joined again"] += 1
        person.joined_at = now

    @drives(
        decide,
        record_decisions,
        when=undecided,
        weight=5,
        answers=YESES,
        at_desk=st.booleans(),
        sooner=st.booleans(),
    )
    def join(self, person: Person, _: None, answers: Any, at_desk: bool, sooner: bool) -> None:
        self._decide(person, answers, at_desk=at_desk, sooner=sooner)

    @drives(decide, record_decisions, when=to_say, yes=st.booleans(), at_desk=st.booleans())
    def say_something_new(self, person: Person, purpose: Purpose, yes: bool, at_desk: bool) -> None:
        self._decide(person, {purpose: yes}, at_desk=at_desk, sooner=False)

    @drives(decide, when=to_renew, weight=2)
    def say_yes_again(self, person: Person, purpose: Purpose) -> None:
        self._decide(person, {purpose: True}, at_desk=False, sooner=False)

    @drives(decide, record_decisions, when=alive, weight=0.5, answers=ANSWERS, at_desk=st.booleans())
    def say_anything(self, person: Person, _: None, answers: Any, at_desk: bool) -> None:
        self._decide(person, answers, at_desk=at_desk, sooner=False)

    @drives(
        not_now,
        record_not_now,
        when=undecided,
        weight=0.5,
        days=st.sampled_from([None, 10, 100]),
        at_desk=st.booleans(),
    )
    def say_not_now(self, person: Person, _: None, days: int | None, at_desk: bool) -> None:
        by = self.staff.desk if at_desk or person.actor is None else person.actor
        verb = record_not_now if by == self.staff.desk else not_now
        until = timezone.localdate() + dt.timedelta(days=days) if days else None
        self.do(verb, by, lambda: verb(self.find(Patient, person.key, by), until=until, by=by))

    # --- Stopping ---------------------------------------------------------------------------------------

    def _ended(self, person: Person, before: set[Purpose], wanted: Any, answer: str) -> None:
        """What was to end has ended and is written down, and with what is needed to begin, everything has."""
        self.read_tables()
        left = set(person.given())
        ends_all = wanted is None or set(wanted) & set(NEEDED_TO_BEGIN)
        expected = set() if ends_all else before - set(wanted)
        assert left == expected, f"Still a yes: {left - expected}; ended beside it: {expected - left}"
        assert {each.value for each in before - left} <= answered(person, answer) | answered(
            person, CORRECTED
        )
        if set(NEEDED_TO_BEGIN) & (before - left):
            person.stop_being_coached()

    def _can_stop(self, person: Person, wanted: Any) -> bool:
        given = set(person.given())
        return bool(given if wanted is None or set(wanted) & set(NEEDED_TO_BEGIN) else given & set(wanted))

    @drives(withdraw, when=lambda m, p: with_account(m, p) if p.given() else [], weight=0.8, wanted=SOME)
    def stop(self, person: Person, _: None, wanted: Any) -> None:
        by, before = person.actor, set(person.given())
        assert by is not None
        self.do(
            withdraw, by,
            lambda: withdraw(self.find(Patient, person.key, by), wanted, by=by),
            lambda receipt: self._ended(person, before, wanted, WITHDRAWN),
            must=self._can_stop(person, wanted),
        )  # fmt: skip

    @drives(
        record_withdrawal,
        when=has_something_to_stop,
        weight=0.8,
        wanted=SOME,
        method=BY_DESK,
        spoken_for=st.booleans(),
    )
    def stop_at_desk(self, person: Person, _: None, wanted: Any, method: Any, spoken_for: bool) -> None:
        by, before = self.staff.desk, set(person.given())
        speaker = person.rows["speakers"][-1][0] if spoken_for and person.rows["speakers"] else None

        def run() -> Any:
            who = self.find(Representative, speaker, by) if speaker else None
            patient = self.find(Patient, person.key, by)
            return record_withdrawal(patient, wanted, method=method, representative=who, by=by)

        self.do(
            record_withdrawal, by, run,
            lambda receipt: self._ended(person, before, wanted, WITHDRAWN),
            must=self._can_stop(person, wanted),
        )  # fmt: skip

    @drives(
        correct,
        when=lambda m, p: (
            [] if p.died else [r[6] for r in p.latest().values() if r[1] in ("given", "refused")]
        ),
        weight=0.4,
        answer=st.sampled_from(
            [Decision.Answer.CORRECTED, Decision.Answer.CORRECTED, Decision.Answer.REFUSED]
        ),
    )
    def put_right(self, person: Person, key: str, answer: Any) -> None:
        by, before = self.staff.desk, set(person.given())
        purpose = next(each for each, row in person.latest().items() if row[6] == key)
        was_yes = purpose in before

        def then(_: Any) -> None:
            self.read_tables()
            if was_yes:
                self._ended(person, before, [purpose], CORRECTED if answer == CORRECTED else REFUSED)

        self.do(
            correct,
            by,
            lambda: correct(self.find(Decision, key, by), answer, "A slip of the pen", by=by),
            then,
        )

    @drives(lapse, when=is_over, weight=8)
    def calendar_ends(self, person: Person, _: None) -> None:
        self._calendar(person)

    @drives(lapse, when=alive, weight=0.4)
    def calendar_looks(self, person: Person, _: None) -> None:
        self._calendar(person)

    def _calendar(self, person: Person) -> None:
        """The task finds exactly those whose time is over."""
        before = set(person.given())
        ended = {each for each in before if not self.says_yes(person, each)}
        if ended & set(NEEDED_TO_BEGIN):
            ended |= before - {Purpose.EVALUATION}
        with acting(CALENDAR, "tests.machine"):
            found = person.key in selectors.patients_with_lapsed(CALENDAR)
        assert found is bool(ended), f"The calendar {'found' if found else 'missed'} {person.name}"

        def then(receipt: Any) -> None:
            self.read_tables()
            assert (receipt is not None) is bool(ended)
            assert set(person.given()) == before - ended
            assert {each.value for each in ended} <= answered(person, LAPSED)
            self.came_about["lapsed"] += bool(ended)
            if ended & set(NEEDED_TO_BEGIN):
                person.stop_being_coached()

        self.do(lapse, CALENDAR, lambda: lapse(Patient(pk=person.key), by=CALENDAR), then, must=True)

    @drives(announce_end, when=to_announce, weight=4)
    def calendar_tells_of_end(self, person: Person, _: None) -> None:
        self.do(announce_end, CALENDAR, lambda: announce_end(Patient(pk=person.key), by=CALENDAR), must=True)

    @drives(announce_end, when=alive, weight=0.4)
    def calendar_tells(self, person: Person, _: None) -> None:
        self.do(announce_end, CALENDAR, lambda: announce_end(Patient(pk=person.key), by=CALENDAR), must=True)

    @drives(
        take_receipt,
        when=lambda m, p: [r[3] for r in p.rows["receipts"]][-1:],
        weight=0.6,
        at_desk=st.booleans(),
    )
    def take_receipt_home(self, person: Person, key: str, at_desk: bool) -> None:
        by = self.staff.desk if at_desk or person.actor is None or person.died else person.actor
        self.do(take_receipt, by, lambda: take_receipt(self.find(Receipt, key, by), by=by))

    # --- Who speaks for them, and what is written for everybody -----------------------------------------

    @drives(record_representative, when=alive, weight=0.4)
    def somebody_may_speak(self, person: Person, _: None) -> None:
        by = self.staff.desk
        said = {"name": "Ada Speaker", "authority": "attorney", "seen": "The registered paper"}
        self.do(
            record_representative,
            by,
            lambda: record_representative(self.find(Patient, person.key, by), **said, by=by),
        )

    @drives(end_representative, when=lambda m, p: [row[0] for row in p.rows["speakers"]], weight=0.4)
    def nobody_speaks_any_more(self, person: Person, key: str) -> None:
        by = self.staff.desk
        self.do(end_representative, by, lambda: end_representative(self.find(Representative, key, by), by=by))

    @drives(
        publish_sheet,
        write_sheet,
        discard_sheet,
        when=lambda m, p: [None],
        weight=0.3,
        fate=st.sampled_from("msdd"),
    )
    def change_the_sheet(self, person: Person, _: None, fate: str) -> None:
        """A draft, which is published as a material or a small change, or thrown away."""
        by = self.staff.manager
        change = InformationSheet.Change.MATERIAL if fate == "m" else InformationSheet.Change.MINOR
        version = self.in_force().version + 1
        sheet = InformationSheet(
            version=version, title="About coaching", text="It is up to you.", change=change
        )
        sheet.what_changed = "Something is different."
        if self.do(write_sheet, by, lambda: write_sheet(sheet, by=by)) != "done":
            return
        if fate == "d" or self.do(publish_sheet, by, lambda: publish_sheet(sheet, by=by)) != "done":
            self.do(discard_sheet, by, lambda: discard_sheet(sheet, by=by) or True)
        elif fate == "m":
            self.sheets = Sheets((*self.sheets.changes, (version, timezone.localdate())))

    # --- Time ----------------------------------------------------------

    @drives(when=lambda m, p: [None], weight=0.7, hours=st.sampled_from([0.5, 2, 25, 25, 9 * 24]))
    def hours_pass(self, person: Person, _: None, hours: float) -> None:
        self.clock.move(dt.timedelta(hours=hours))
        self.did, self.deed = "time", "done"

    @drives(when=to_end, weight=0.6)
    def end_comes_near(self, person: Person, day: dt.date) -> None:
        """To twenty days before something ends by the calendar."""
        self.clock.move(dt.timedelta(days=(day - timezone.localdate()).days - 20))
        self.did, self.deed = "time", "done"

    @drives(when=lambda m, p: [None], weight=0.6, days=st.sampled_from([366, 366, 31, 43, 200]))
    def months_pass(self, person: Person, _: None, days: int) -> None:
        """Long enough for a yes to lapse, or for one to end that rests on what has changed."""
        self.clock.move(dt.timedelta(days=days))
        self.did, self.deed = "time", "done"
