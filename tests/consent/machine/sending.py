"""What goes to patients and comes from them, and what people try who have no business with them."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import uuid4

from django.utils import timezone
from hypothesis import strategies as st

from coaching.actions import add_goal, book, raise_distress
from consent.actions import record_withdrawal, withdraw
from consent.models import Decision, Purpose
from pilot.access import Actor
from pilot.outbox.actions import claim, mark_posted, send, settle_by_hand, settle_cut_off
from pilot.outbox.models import LONGEST_ATTEMPT, Message, ReceivedText
from pilot.outbox.received.actions import note_called, receive
from pilot.outbox.tasks import SENDER
from pilot.people.models import Patient
from referrals.actions import end_referral, pause
from referrals.models import Referral
from tests.consent.machine.base import NO_FAULT, Machine, drives
from tests.consent.machine.deciding import Deciding, alive
from tests.consent.machine.facts import moment
from tests.consent.machine.people import Person, post_that_is

MOODS = st.sampled_from(["well", "well", "well", "later", "never", "cut off"])


def messages(*statuses: str, letters: bool | None = None, due: bool = False) -> Any:
    return lambda machine, person: person.messages(*statuses, letters=letters, due=due)[-4:]


def cut_off(machine: Machine, person: Person) -> list[Any]:
    since = timezone.now() - LONGEST_ATTEMPT
    return [row for row in person.messages("sending") if row[5] and moment(row[5]) <= since]


def waits_for_a_yes(machine: Machine, person: Person) -> list[Any]:
    """What will go out in the next weeks because they said yes to it."""
    until = timezone.now() + dt.timedelta(days=30)
    rows = [row for row in person.messages("due", letters=False) if row[1] and moment(row[4]) <= until]
    return [row for row in rows if person.may_be_written_to(row[1], machine.sheets)]


class Sending(Deciding):
    """The worker's steps, each on its own, and the practice's with letters and calls."""

    def _message(self, person: Person, row: Any) -> Message:
        return Message(pk=row[0], patient_id=person.key)

    @drives(claim, when=messages("due", letters=False, due=True), weight=1.5)
    def claim_message(self, person: Person, row: Any) -> None:
        self.do(claim, SENDER, lambda: claim(self._message(person, row), by=SENDER))

    @drives(send, when=messages("sending"), weight=1.5, mood=MOODS)
    def send_message(self, person: Person, row: Any, mood: str) -> None:
        with post_that_is(mood):
            self.do(send, SENDER, lambda: send(self._message(person, row), by=SENDER))

    @drives(
        claim, withdraw, record_withdrawal, send, when=waits_for_a_yes, weight=2,
        all_of_it=st.booleans(), at_desk=st.booleans(),
    )  # fmt: skip
    def stop_while_it_goes(self, person: Person, row: Any, all_of_it: bool, at_desk: bool) -> None:
        """Its time comes, the worker has it in its hands, and they stop what it is for: it stays here."""
        fault, self.fault = self.fault, NO_FAULT
        ahead = moment(row[4]) - timezone.now() + dt.timedelta(seconds=1)
        if ahead > dt.timedelta(0):
            self.clock.move(ahead)
        self.do(claim, SENDER, lambda: claim(self._message(person, row), by=SENDER))
        self.everything_holds()
        if row[0] not in [each[0] for each in person.messages("sending")]:
            return
        wanted = None if all_of_it else [Purpose(row[1])]
        # With an error in the middle of it they have to say so once more.
        for each in (fault, NO_FAULT):
            self.fault = each
            if at_desk or person.actor is None:
                self.stop_at_desk(person, None, wanted, Decision.Method.PHONE, False)
            else:
                self.stop(person, None, wanted)
            self.everything_holds()
            if self.deed == "done":
                break
        self.do(send, SENDER, lambda: send(self._message(person, row), by=SENDER))
        assert row[0] in [each[0] for each in person.messages("stopped")], "It left after they had stopped it"
        self.came_about["stopped on its way"] += 1

    @drives(settle_cut_off, weight=3, when=cut_off)
    def look_up_message(self, person: Person, row: Any) -> None:
        self.do(settle_cut_off, SENDER, lambda: settle_cut_off(self._message(person, row), by=SENDER))

    @drives(mark_posted, when=messages("due", letters=True, due=True))
    def post_letter(self, person: Person, row: Any) -> None:
        by = self.staff.desk
        self.do(mark_posted, by, lambda: mark_posted(self.find(Message, row[0], by), by=by))

    @drives(settle_by_hand, when=messages("unknown", "not_sent"), weight=2, arrived=st.booleans())
    def ask_whether_it_arrived(self, person: Person, row: Any, arrived: bool) -> None:
        by = self.staff.desk
        self.do(
            settle_by_hand, by, lambda: settle_by_hand(self.find(Message, row[0], by), arrived=arrived, by=by)
        )

    @drives(receive, when=alive, weight=0.4, text=st.sampled_from(["STOP", "Thank you"]))
    def text_comes(self, person: Person, _: None, text: str) -> None:
        """STOP ends texts, and nothing that they agreed to."""
        before = set(person.given())

        def run() -> Any:
            phone = Patient.objects.values_list("phone", flat=True).get(pk=person.key)
            said = {"number": phone, "text": text, "reference": str(uuid4()), "keep_words": True}
            return receive(Patient(pk=person.key), **said, by=SENDER)

        def then(_: Any) -> None:
            self.read_tables()
            assert set(person.given()) == before, "STOP to texts took part in the pilot away"
            assert text != "STOP" or not [row for row in person.messages("due") if row[3] == "sms"]

        self.do(receive, SENDER, run, then)

    @drives(note_called, when=lambda m, p: [row[0] for row in p.rows["texts"]], weight=2, again=st.booleans())
    def call_about_text(self, person: Person, key: str, again: bool) -> None:
        by = self.staff.desk
        self.do(
            note_called, by, lambda: note_called(self.find(ReceivedText, key, by), texts_again=again, by=by)
        )

    # --- Whoever has no business with them ----------------------------------------------------------------

    @drives(
        record_withdrawal, withdraw, book, add_goal, raise_distress, pause, end_referral,
        when=lambda m, p: [None], who=st.integers(0, 9), what=st.integers(0, 6),
    )  # fmt: skip
    def somebody_else_tries(self, person: Person, _: None, who: int, what: int) -> None:
        """Another practice, another provider, a colleague's coach, another patient: each is refused, whatever they try."""
        others = [
            *self.staff.strangers,
            *(each.actor for each in self.persons if each is not person and each.actor),
        ]
        others += [coach for coach in self.staff.coaches if coach != person.coach]
        by = others[who % len(others)]
        assert by is not None
        verb, run = self._attempts(person, by)[what]
        self.do(verb, by, run, must=False)

    def _attempts(self, person: Person, by: Actor) -> list[tuple[Any, Any]]:
        # With the keys in hand, as somebody who has them from elsewhere.
        patient = Patient(pk=person.key, practice_id=self.staff.practice.pk)
        keys = person.open_referral() or [uuid4()]
        referral = Referral(pk=keys[-1], patient_id=person.key, practice_id=self.staff.practice.pk)
        at = timezone.now() + dt.timedelta(days=3)
        phone = Decision.Method.PHONE
        return [
            (record_withdrawal, lambda: record_withdrawal(patient, method=phone, by=by)),
            (withdraw, lambda: withdraw(patient, by=by)),
            (book, lambda: book(referral, starts_at=at, place="phone", by=by)),
            (add_goal, lambda: add_goal(referral, "Mine.", by=by)),
            (raise_distress, lambda: raise_distress(referral, by=by)),
            (pause, lambda: pause(referral, by=by)),
            (end_referral, lambda: end_referral(referral, ending="moved", by=by)),
        ]
