"""A patient with a past and a future, and somebody else's."""

from dataclasses import dataclass

from django.test import Client

from coaching.models import SessionStatus
from consent.models import Purpose
from pilot.access import Actor, Role
from pilot.people.models import Patient
from referrals.models import Referral
from tests import factories


@dataclass(frozen=True)
class Case:
    """One patient with an account, their coach and their practice's staff."""

    pilot: factories.Pilot
    patient: Patient
    referral: Referral
    actor: Actor
    coach: Actor
    receptionist: Actor
    clinician: Actor

    @property
    def browser(self) -> Client:
        return factories.sign_in(Client(), self.actor)


def make_case(pilot: factories.Pilot, name: str) -> Case:
    coach = factories.make_staff(Role.COACH, pilot.provider, name=f"Coach of {name}")
    patient = factories.make_patient(
        pilot.practice, account=True, given_name=name, preferred_name="", email=f"{name.lower()}@example.org"
    )
    referral = factories.make_referral(patient, status=factories.Status.WAITING)
    factories.give_consent(patient, Purpose.REMINDERS)
    factories.allocate_to(referral, coach)
    return Case(
        pilot, patient, referral, factories.patient_actor(patient), coach,
        factories.make_staff(Role.RECEPTIONIST, pilot.practice, name=f"Receptionist of {name}"),
        factories.make_staff(Role.CLINICIAN, pilot.practice, name=f"Doctor of {name}"),
    )  # fmt: skip


def make_full_case() -> Case:
    """A patient with sessions, a goal, a note and a message."""
    case = make_case(factories.make_pilot(), "Amina")
    factories.make_session(case.referral, case.coach, where="Room 7")
    factories.make_session(
        case.referral, case.coach, status=SessionStatus.HELD, agreed="We will look at two part-time jobs."
    )
    factories.make_session(case.referral, case.coach, status=SessionStatus.DID_NOT_HAPPEN)
    factories.GoalFactory(referral=case.referral, words="Work near home, two mornings.")
    factories.make_note(case.patient, case.clinician, text="Feeling stronger this spring.")
    factories.MessageFactory(
        patient=case.patient, subject="A message from the practice", text="Come and see us."
    )
    return case


def make_other_case(case: Case) -> Case:
    """Somebody else at the same practice."""
    other = make_case(case.pilot, "Ben")
    factories.make_note(other.patient, other.clinician, text="Something about Ben.")
    return other
