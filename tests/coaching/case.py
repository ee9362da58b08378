"""A coach with one person, and who is around them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.utils import timezone

from pilot.access import Actor, Role
from referrals.models import Referral
from tests import factories


@dataclass(frozen=True)
class Case:
    """One coach and one person of theirs, with needs and a clinical note; Dr Shah is named."""

    pilot: factories.Pilot
    coach: Actor
    other_coach: Actor
    clinician: Actor
    colleague: Actor
    receptionist: Actor
    referral: Referral


NOTE = "Sertraline 50 mg, moderate depression"


def make_case() -> Case:
    pilot = factories.make_pilot()
    coach = factories.make_staff(Role.COACH, pilot.provider, name="Cara Coach")
    clinician = factories.make_staff(Role.CLINICIAN, pilot.practice, name="Dr Shah", is_named_clinician=True)
    referral = factories.make_case(
        pilot,
        coach,
        account=True,
        given_name="Ana",
        family_name="Bell",
        needs=["step_free"],
        needs_note="The lift is at the back.",
        preferred_contact="4",
    )
    factories.make_note(referral.patient, clinician, text=NOTE)
    return Case(
        pilot=pilot,
        coach=coach,
        other_coach=factories.make_staff(Role.COACH, pilot.provider, name="Otto Other"),
        clinician=clinician,
        colleague=factories.make_staff(Role.CLINICIAN, pilot.practice, name="Dr Jones"),
        receptionist=factories.make_staff(Role.RECEPTIONIST, pilot.practice),
        referral=referral,
    )


def in_days(days: float) -> dt.datetime:
    """A whole minute, that many days from now."""
    return (timezone.now() + dt.timedelta(days=days)).replace(second=0, microsecond=0)
