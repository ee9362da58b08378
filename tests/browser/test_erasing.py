"""The guardian erases a record whose time is over, in a real browser without script: from the list to the receipt."""

from __future__ import annotations

from typing import Any

import pytest

from pilot.access import Role
from referrals.models import Status
from tests import factories
from tests.audit.aged import age

pytestmark = pytest.mark.browser


def test_from_the_list_to_the_receipt(visitor: Any, module_database: str) -> None:
    pilot = factories.make_pilot()
    guardian = factories.make_staff(Role.CALDICOTT_GUARDIAN, pilot.office, name="Greta Guardian")
    patient = factories.make_patient(pilot.practice, account=True)
    factories.give_consent(patient)
    factories.make_referral(patient, status=Status.ENDED)
    age(patient, 9)
    person = visitor(javascript=False)
    person.sign_in(factories.user_of(guardian).email, factories.PASSWORD)

    person.click("Erasing records")
    person.look("retention")
    person.follow(str(patient.pk)[:8])
    person.look("retention-record")
    person.press("Erase this record")
    assert person.reads("Tick to say that you have reviewed this record")
    person.look("retention-record-not-ticked")
    person.tick("I have reviewed this record")
    person.press("Erase this record")
    assert person.reads("This page is the receipt")
    person.look("retention-receipt")
    person.follow("Who erased it")
    assert person.reads("Greta Guardian")
    person.follow("Erasing records")
    assert person.reads("There is no record whose time is over")
    person.look("retention-after")
