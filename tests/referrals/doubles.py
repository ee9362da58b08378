"""Two records of one person, and bringing them together as a clinician does."""

from __future__ import annotations

import datetime as dt
from typing import Any

from consent.models import Purpose
from consent.policies import holds
from pilot.access import Actor, Role, acting
from pilot.people.models import Patient
from referrals.merging.actions import merge
from referrals.merging.policies import version_of
from tests import factories

BORN = dt.date(1980, 5, 4)
SAME = {"given_name": "Ada", "family_name": "Twice", "date_of_birth": BORN}


def looking() -> Any:
    return acting(factories.TESTS, "test.looked")


def fresh(row: Any) -> Any:
    with looking():
        return type(row).objects.get(pk=row.pk)


def record(pilot: factories.Pilot, *, account: bool = False, **details: Any) -> Patient:
    """A record of the one person that all of these are about."""
    details = {**SAME, "nhs_number": None, **details}
    return factories.make_patient(pilot.practice, account=account, **details)


def merged(double: Patient, *, into: Patient, by: Actor | None = None) -> Patient:
    """As a clinician of the practice does who has both before them as they are now."""
    by = by or factories.make_staff(Role.CLINICIAN, double.practice)
    return merge(double, into=into, version=seen(double, into), by=by)


def seen(*both: Patient) -> int:
    """What whoever compares these two as they are now sees of them."""
    one, other = map(fresh, both)
    with looking():
        return version_of(one, other)


def held(patient: Patient) -> set[Purpose]:
    with acting(factories.TESTS, "test.looked", patients=[patient.pk]):
        return {purpose for purpose in Purpose if holds(patient.pk, purpose)}
