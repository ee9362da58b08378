"""From being suggested to having a coach, and how the support goes on: referrals, invitations, allocation."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import strategies as st

from pilot.access import Actor, Role
from pilot.people.actions import open_account
from pilot.people.models import Membership, Patient
from pilot.record.actions import accept_invitation
from referrals.actions import allocate, end_referral, hand_back, log_referral, pause, resume
from referrals.clinical_terms import Kind
from referrals.invitations.actions import invite, try_invitation, use_invitation
from referrals.models import Invitation, Referral
from referrals.screening.actions import confirm_own_words
from tests import factories
from tests.consent.machine.base import DRIVEN, SYSTEM, TOLD, Machine, drives
from tests.consent.machine.people import Person

# Whoever changes how the support goes on: the coach where there is one, the practice, the patient.
WHOSE = st.sampled_from(["coach", "desk", "doctor", "patient"])
ENDINGS = st.sampled_from(["support_complete", "health_first", "patients_choice", "moved"])
# As part of accepting an invitation.
DRIVEN.update({verb.action_name: verb for verb in (use_invitation, open_account)})  # type: ignore[attr-defined]


def coached(machine: Machine, person: Person) -> list[str]:
    """The referral in which somebody coaches them, as far as the coach can do anything."""
    return [person.coached_in] if person.coach and machine.takes_part(person) else []


def with_coach(machine: Machine, person: Person) -> list[str]:
    return [key for key in coached(machine, person) if key in person.open_referral("with_coach")]


def paused(machine: Machine, person: Person) -> list[str]:
    return [key for key in coached(machine, person) if key in person.open_referral("paused")]


def waiting(machine: Machine, person: Person) -> list[str]:
    return person.open_referral("waiting")


def to_invite(machine: Machine, person: Person) -> list[str]:
    return [] if person.actor or person.is_gone else person.open_referral()


def for_coach(person: Person) -> Actor:
    assert person.coach is not None
    return person.coach


class Helping(Machine):
    """What the practice and the supervisor do, and the coach and the patient beside them."""

    def whoever(self, who: str, person: Person) -> Actor:
        by = {
            "coach": person.coach,
            "desk": self.staff.desk,
            "doctor": self.staff.doctor,
            "patient": person.actor,
        }[who]
        return by or self.staff.desk

    # --- Referrals ----------------------------------------------------------------------------------------

    @drives(
        log_referral, when=lambda m, p: [] if p.is_gone or p.open_referral() else [None], weight=6,
        by_doctor=st.booleans(), asked=st.sampled_from([True, True, False]),
    )  # fmt: skip
    def suggest(self, person: Person, _: None, by_doctor: bool, asked: bool) -> None:
        by = self.staff.doctor if by_doctor else self.staff.desk

        def run() -> Any:
            patient = self.find(Patient, person.key, by)
            return log_referral(
                patient, reasons=["find_work"], own_words="A job.", patient_asked=asked, by=by
            )

        self.do(log_referral, by, run)

    @drives(allocate, when=waiting, weight=6, to=st.integers(0, 1))
    def give_to_coach(self, person: Person, key: str, to: int) -> None:
        by, coach = self.staff.supervisor, self.staff.coaches[to]

        def run() -> Any:
            membership = Membership.objects.get(user_id=coach.user_id, role=Role.COACH.value)
            return allocate(self.find(Referral, key, by), membership, by=by)

        def then(_: Any) -> None:
            assert self.may_go_on(person), "Allocated without consent"
            person.coach, person.coached_in = coach, key

        self.do(allocate, by, run, then)

    @drives(hand_back, when=lambda m, p: p.open_referral("with_coach", "paused"), weight=0.2)
    def take_back(self, person: Person, key: str) -> None:
        by = self.staff.supervisor

        def then(_: Any) -> None:
            person.stop_being_coached()

        self.do(hand_back, by, lambda: hand_back(self.find(Referral, key, by), by=by), then)

    @drives(pause, when=with_coach, weight=0.4, who=WHOSE)
    def rest(self, person: Person, key: str, who: str) -> None:
        by = self.whoever(who, person)
        self.do(pause, by, lambda: pause(self.find(Referral, key, by), by=by))

    @drives(resume, when=paused, weight=5, who=WHOSE)
    def go_on(self, person: Person, key: str, who: str) -> None:
        by = self.whoever(who, person)

        def then(_: Any) -> None:
            assert self.may_go_on(person), "Resumed without consent"

        self.do(resume, by, lambda: resume(self.find(Referral, key, by), by=by), then)

    @drives(
        end_referral, when=lambda m, p: p.open_referral("waiting", "with_coach", "paused"), weight=0.2,
        who=WHOSE, ending=ENDINGS,
    )  # fmt: skip
    def end(self, person: Person, key: str, who: str, ending: str) -> None:
        by = self.whoever(who, person)

        def then(_: Any) -> None:
            person.stop_being_coached()

        self.do(
            end_referral, by, lambda: end_referral(self.find(Referral, key, by), ending=ending, by=by), then
        )

    @drives(confirm_own_words, when=with_coach, weight=0.5)
    def confirm_words(self, person: Person, key: str) -> None:
        by = for_coach(person)

        def run() -> Any:
            patient = self.find(Patient, person.key, by)
            return confirm_own_words(patient, box="coaching.Goal.words", kinds=[Kind.DIAGNOSIS], by=by)

        self.do(confirm_own_words, by, run)

    # --- Invitations --------------------------------------------------------------------------------------

    @drives(invite, when=to_invite, weight=2, channel=st.sampled_from(["letter", "email", "sms"]))
    def send_invitation(self, person: Person, key: str, channel: str) -> None:
        by = self.staff.desk
        self.do(invite, by, lambda: invite(self.find(Referral, key, by), channel=channel, by=by))

    @drives(
        try_invitation,
        when=lambda m, p: [row[0] for row in p.rows["invitations"]],
        weight=3,
        right=st.booleans(),
    )
    def try_code(self, person: Person, key: str, right: bool) -> None:
        day = person.born if right else person.born + dt.timedelta(days=1)
        self.do(
            try_invitation, SYSTEM, lambda: try_invitation(self.find(Invitation, key, SYSTEM), day, by=SYSTEM)
        )

    @drives(
        accept_invitation,
        when=lambda m, p: [] if p.actor or p.is_gone else [r[0] for r in p.rows["invitations"]],
        weight=2,
    )
    def open_own_account(self, person: Person, key: str) -> None:
        def run() -> Any:
            invitation, words = self.find(Invitation, key, SYSTEM), factories.PASSWORD
            return accept_invitation(invitation, email=f"own.{person.email}", password=words, by=SYSTEM)

        def then(user: Any) -> None:
            person.actor = Actor(Role.PATIENT, user.pk, user.display_name)
            for verb in (use_invitation, open_account):
                TOLD[verb.action_name, "done"] += 1  # type: ignore[attr-defined]

        self.do(accept_invitation, SYSTEM, run, then)
