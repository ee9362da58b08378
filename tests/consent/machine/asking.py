"""The patient's own record: notes and words beside them, corrections, complaints, rights, restriction, copies."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from hypothesis import strategies as st

from coaching.models import Goal, Session
from pilot.access import Actor
from pilot.people.actions import PatientDetails, change_details, register_patient
from pilot.people.models import Patient
from pilot.people.restrictions.actions import end_restriction
from pilot.record.copies.actions import Files, ask_for_copy, claim, keep, take, wipe
from pilot.record.copies.models import Copy, Part
from pilot.record.models import Kind, Request
from pilot.record.notes.actions import ask_to_correct_note, correct_note, let_note_stand, reply_to_note
from pilot.record.replies.actions import reply_to_session
from pilot.record.requests.actions import (
    answer_correction,
    answer_request,
    ask_for_correction,
    confirm_complaint,
    give_more_time,
    open_request,
)
from referrals.models import ClinicalNote
from referrals.notes.actions import disclose_note, go_on_withholding, withhold_note, write_note
from referrals.notes.models import NoteCorrection
from referrals.notes.policies import Grounds
from tests.consent.machine.base import DRIVEN, SYSTEM, Machine, drives
from tests.consent.machine.deciding import alive, with_account
from tests.consent.machine.facts import moment
from tests.consent.machine.people import Person

GROUNDS = Grounds("third_party", "It is about somebody else.")
OUTCOMES = st.sampled_from(["accepted", "accepted", "partly", "not_accepted"])
KINDS = st.sampled_from(
    [Kind.RESTRICTION, Kind.COMPLAINT, Kind.COMPLAINT, Kind.OBJECTION, Kind.ERASURE, Kind.ACCESS_QUERY]
)
# Everybody the machine is about was added by it.
DRIVEN[register_patient.action_name] = register_patient  # type: ignore[attr-defined]


def notes(*, withheld: bool) -> Any:
    return lambda machine, person: [row[0] for row in person.rows["notes"] if row[1] is withheld][-2:]


def own_notes(machine: Machine, person: Person) -> list[str]:
    return notes(withheld=False)(machine, person) if with_account(machine, person) else []


def asked(*, practice: bool = False, coach: bool = False) -> Any:
    """What this side was asked and has not answered; the guardian, unless told."""

    def those(machine: Machine, person: Person) -> list[Any]:
        return [row for row in person.rows["requests"] if (row[2], row[3]) == (practice, coach)]

    return those


def asked_of_coach(machine: Machine, person: Person) -> list[Any]:
    rows = asked(coach=True)(machine, person)
    return rows if person.coach and machine.takes_part(person) else []


def own_things(model: str) -> Any:
    return lambda machine, person: (
        [r[0] for r in person.rows[model]][-2:] if with_account(machine, person) else []
    )


def copies(*statuses: str) -> Any:
    def those(machine: Machine, person: Person) -> list[Any]:
        rows = person.rows["copies"] if with_account(machine, person) else []
        return [row for row in rows if row[1] in statuses and moment(row[5]) > timezone.now()]

    return those


class Asking(Machine):
    """What patients ask about their record, and what is answered."""

    def themselves(self, person: Person) -> Actor:
        assert person.actor is not None
        return person.actor

    # --- Clinical notes -----------------------------------------------------------------------------------

    @drives(write_note, when=lambda m, p: [None], weight=0.8, withheld=st.booleans())
    def write_clinical_note(self, person: Person, _: None, withheld: bool) -> None:
        by, grounds = self.staff.doctor, GROUNDS if withheld else None
        self.do(
            write_note,
            by,
            lambda: write_note(self.find(Patient, person.key, by), "A note.", withheld=grounds, by=by),
        )

    @drives(withhold_note, when=notes(withheld=False), weight=0.4)
    def withhold(self, person: Person, key: str) -> None:
        by = self.staff.doctor
        self.do(withhold_note, by, lambda: withhold_note(self.find(ClinicalNote, key, by), GROUNDS, by=by))

    @drives(go_on_withholding, disclose_note, when=notes(withheld=True), weight=1, on=st.booleans())
    def look_again(self, person: Person, key: str, on: bool) -> None:
        by = self.staff.doctor
        if on:
            self.do(
                go_on_withholding,
                by,
                lambda: go_on_withholding(self.find(ClinicalNote, key, by), GROUNDS, by=by),
            )
        else:
            self.do(disclose_note, by, lambda: disclose_note(self.find(ClinicalNote, key, by), by=by))

    @drives(
        ask_to_correct_note,
        reply_to_note,
        when=own_notes,
        weight=1.5,
        correct=st.sampled_from([True, True, False]),
    )
    def see_note_differently(self, person: Person, key: str, correct: bool) -> None:
        by, verb = self.themselves(person), ask_to_correct_note if correct else reply_to_note
        self.do(verb, by, lambda: verb(self.find(ClinicalNote, key, by), "I see this differently.", by=by))

    @drives(
        correct_note,
        let_note_stand,
        when=lambda m, p: [r[0] for r in p.rows["note_corrections"]],
        weight=3,
        yes=st.booleans(),
    )
    def answer_about_note(self, person: Person, key: str, yes: bool) -> None:
        by = self.staff.doctor
        if yes:
            words = f"A note of {timezone.now():%H:%M:%S}."
            self.do(
                correct_note,
                by,
                lambda: correct_note(self.find(NoteCorrection, key, by), words, "Done.", by=by),
            )
        else:
            self.do(
                let_note_stand,
                by,
                lambda: let_note_stand(self.find(NoteCorrection, key, by), "It stands.", by=by),
            )

    # --- Corrections of everything else ---------------------------------------------------------------------

    @drives(reply_to_session, when=own_things("sessions"))
    def see_session_differently(self, person: Person, key: str) -> None:
        by = self.themselves(person)
        self.do(
            reply_to_session, by, lambda: reply_to_session(self.find(Session, key, by), "I saw it so.", by=by)
        )

    def _ask(self, person: Person, model: Any, key: Any, detail: str = "") -> None:
        by = self.themselves(person)

        def run() -> Any:
            return ask_for_correction(self.find(model, key, by), "This is not right.", detail=detail, by=by)

        self.do(ask_for_correction, by, run)

    @drives(ask_for_correction, when=own_things("sessions"))
    def session_is_not_right(self, person: Person, key: str) -> None:
        self._ask(person, Session, key)

    @drives(ask_for_correction, when=own_things("goals"))
    def goal_is_not_right(self, person: Person, key: str) -> None:
        self._ask(person, Goal, key)

    @drives(ask_for_correction, when=with_account, detail=st.sampled_from(["name", "reach", "contact"]))
    def detail_is_not_right(self, person: Person, _: None, detail: str) -> None:
        self._ask(person, Patient, person.key, detail)

    @drives(answer_correction, when=asked(practice=True), outcome=OUTCOMES)
    def practice_answers(self, person: Person, row: Any, outcome: str) -> None:
        self._answer(answer_correction, person, row, outcome, self.staff.desk)

    @drives(answer_correction, when=asked_of_coach, outcome=OUTCOMES)
    def coach_answers(self, person: Person, row: Any, outcome: str) -> None:
        assert person.coach is not None
        self._answer(answer_correction, person, row, outcome, person.coach)

    @drives(
        change_details,
        when=alive,
        weight=0.4,
        way=st.sampled_from("44149"),
        has_email=st.sampled_from([True, True, True, False]),
    )
    def write_details(self, person: Person, _: None, way: str, has_email: bool) -> None:
        """What they asked to be corrected, or another way to be written to."""
        by = self.staff.desk

        def run() -> Any:
            there = self.find(Patient, person.key, by)
            road = f"{timezone.now():%M%S} Invented Road"
            now = PatientDetails(
                there.given_name, there.family_name, there.date_of_birth, preferred_name=f"The {way}", address=road,
                phone=there.phone, email=person.email if has_email else "", message_is_safe=True, preferred_contact=way,
            )  # fmt: skip
            return change_details(there, now, version=there.version, by=by)

        self.do(change_details, by, run)

    # --- Complaints and rights --------------------------------------------------------------------------------

    @drives(open_request, when=with_account, weight=0.8, kind=KINDS)
    def ask(self, person: Person, _: None, kind: Kind) -> None:
        by = self.themselves(person)
        self.do(
            open_request, by, lambda: open_request(self.find(Patient, person.key, by), kind, "Please.", by=by)
        )

    @drives(
        confirm_complaint, when=lambda m, p: [r for r in asked()(m, p) if r[1] == "complaint" and not r[4]]
    )
    def confirm(self, person: Person, row: Any) -> None:
        by = self.staff.guardian
        self.do(confirm_complaint, by, lambda: confirm_complaint(self.find(Request, row[0], by), by=by))

    @drives(
        give_more_time,
        when=lambda m, p: [r for r in asked()(m, p) if not r[5] and r[8] >= str(timezone.localdate())],
    )
    def take_longer(self, person: Person, row: Any) -> None:
        by = self.staff.guardian
        self.do(
            give_more_time,
            by,
            lambda: give_more_time(self.find(Request, row[0], by), "It takes longer.", by=by),
        )

    @drives(answer_request, when=asked(), weight=2, outcome=OUTCOMES)
    def guardian_answers(self, person: Person, row: Any, outcome: str) -> None:
        kind = row[1]
        outcome = "" if kind in ("access_query", "erasure") else outcome
        if kind in ("objection", "restriction") and outcome == "partly":
            outcome = "not_accepted"
        self._answer(answer_request, person, row, outcome, self.staff.guardian)

    def _answer(self, verb: Any, person: Person, row: Any, outcome: str, by: Actor) -> None:
        def then(_: Any) -> None:
            if row[1] in ("objection", "restriction") and outcome == "accepted":
                person.restricted = True

        self.do(
            verb, by, lambda: verb(self.find(Request, row[0], by), "An answer.", outcome=outcome, by=by), then
        )

    @drives(end_restriction, when=lambda m, p: with_account(m, p) if p.restricted else [], weight=5)
    def use_it_again(self, person: Person, _: None) -> None:
        by = self.themselves(person)

        def then(was_restricted: bool) -> None:
            assert was_restricted
            person.restricted = False

        self.do(
            end_restriction,
            by,
            lambda: end_restriction(self.find(Patient, person.key, by), by=by),
            then,
            must=True,
        )

    # --- Copies: what is in one is not what this is about -------------------------------------------------------

    @drives(ask_for_copy, when=with_account, weight=0.3)
    def want_a_copy(self, person: Person, _: None) -> None:
        by = self.themselves(person)
        # Whoever withdraws, or is restricted, keeps the right to their own copy.
        self.do(ask_for_copy, by, lambda: ask_for_copy(self.find(Patient, person.key, by), by=by), must=True)

    @drives(claim, keep, when=copies("waiting", "building"), weight=2)
    def make_the_copy(self, person: Person, row: Any) -> None:
        by, wanted = self.themselves(person), Copy(pk=row[0], patient_id=person.key)
        begun: list[Any] = []
        self.do(claim, by, lambda: claim(wanted, by=by), begun.append)
        if begun and begun[0]:
            files = Files(b"a page", b"{}")
            self.do(keep, by, lambda: keep(wanted, files, attempt=begun[0], by=by))

    @drives(take, when=copies("ready"), weight=3, part=st.sampled_from(Part))
    def take_the_copy(self, person: Person, row: Any, part: Part) -> None:
        by = self.themselves(person)
        self.do(take, by, lambda: take(self.find(Copy, row[0], by), part, by=by))

    @drives(wipe, when=lambda m, p: [r for r in p.rows["copies"] if r[1] in ("waiting", "building", "ready")])
    def wipe_the_copy(self, person: Person, row: Any) -> None:
        self.do(wipe, SYSTEM, lambda: wipe(Copy(pk=row[0], patient_id=person.key), by=SYSTEM))
