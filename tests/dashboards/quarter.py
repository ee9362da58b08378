"""A pilot with a first quarter behind it, counted and published."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import time_machine

from consent.models import Purpose
from pilot.access import Actor, Role
from pilot.people.models import Organisation
from tests import factories

JANUARY, FEBRUARY, MARCH, APRIL = (dt.date(2026, month, 1) for month in (1, 2, 3, 4))


def noon(month: dt.date, day: int = 10) -> dt.datetime:
    return dt.datetime(month.year, month.month, day, 12, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Quarter:
    """Two practices in the first quarter of 2026: enough people at one, too few at the other."""

    large: Organisation
    small: Organisation
    commissioner: Actor
    guardian: Actor
    coach: Actor


def people(practice: Organisation, coach: Actor, number: int, *purposes: Purpose) -> None:
    """So many people who were logged in January, agreed in February, and had two sessions in March."""
    for _ in range(number):
        with time_machine.travel(noon(JANUARY)):
            patient = factories.make_patient(practice, given_name="Zuleika", family_name="Quill")
            referral = factories.make_referral(patient)
        with time_machine.travel(noon(FEBRUARY)):
            factories.give_consent(patient, Purpose.TAKE_PART, Purpose.SHARE_WITH_COACH, *purposes)
        with time_machine.travel(noon(MARCH)):
            for status in ("held", "held", "did_not_happen"):
                rearranged = {"rearranged_by": "coach"} if status == "did_not_happen" else {}
                factories.make_session(referral, coach, status=status, starts_at=noon(MARCH), **rearranged)


def make_quarter() -> Quarter:
    pilot = factories.make_pilot()
    coach = factories.make_staff(Role.COACH, pilot.provider)
    quarter = Quarter(
        large=pilot.practice,
        small=pilot.other_practice,
        commissioner=factories.make_staff(Role.COMMISSIONER, pilot.commissioner, name="Cora Figures"),
        guardian=factories.make_staff(Role.CALDICOTT_GUARDIAN, pilot.office),
        coach=coach,
    )
    people(quarter.large, coach, 6, Purpose.EVALUATION)
    people(quarter.large, coach, 1)  # agreed to take part, but not to be counted
    people(quarter.small, coach, 4, Purpose.EVALUATION)
    return quarter
