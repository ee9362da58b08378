"""What becomes of NHS login when the practice corrects a number, finds two records of one person, or they move."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from consent.models import NEEDED_TO_BEGIN
from consent.policies import holds
from pilot.access import Actor, Role, acting
from pilot.people.actions import PatientDetails, change_details
from pilot.people.models import Patient
from pilot.sign_in.oidc.policies import Why
from referrals.moving.actions import record_move
from tests import factories
from tests.referrals.doubles import merged
from tests.sign_in.oidc.journey import claims_of, refused, travel, who
from tests.sign_in.oidc.provider import RealProvider

pytestmark = pytest.mark.django_db
NHS = "nhs-login"


def fresh(patient: Patient) -> Patient:
    with acting(factories.TESTS, "test.looked"):
        return Patient.objects.get(pk=patient.pk)


def as_known(patient: Patient) -> PatientDetails:
    names = PatientDetails.__dataclass_fields__
    return PatientDetails(**{name: getattr(patient, name) for name in names})


@pytest.fixture
def desk(pilot: factories.Pilot) -> Actor:
    return factories.make_staff(Role.RECEPTIONIST, pilot.practice)


def test_a_corrected_number_keeps_everything_and_is_the_one_that_counts(
    client: Client, nhs: RealProvider, linked: Patient, desk: Actor
) -> None:
    factories.give_consent(linked)
    before, account = fresh(linked), who_has(linked)
    number = next(factories.nhs_numbers(500))
    change_details(before, replace(as_known(before), nhs_number=number), version=before.version, by=desk)
    after = fresh(linked)
    assert after.account_id == account
    with acting(factories.TESTS, "test.looked"):
        assert all(holds(linked.pk, purpose) for purpose in NEEDED_TO_BEGIN)
    # NHS login goes by the new one: the old one fits nobody any more.
    travel(client, nhs, NHS, "sub-1")
    assert refused(client, NHS, Why.CHANGED)
    nhs.knows("sub-1", **claims_of(after))
    travel(client, nhs, NHS, "sub-1")
    assert who(client) == str(account)
    # Old and new stand in the history, for the practice and for the patient.
    page = factories.sign_in(Client(), desk).get(reverse("referrals:patient-past", args=[linked.pk]))
    shown = page.content.decode()
    for each in (before.nhs_number, number):
        assert each
        assert f"{each[:3]} {each[3:6]} {each[6:]}" in shown or each in shown


def as_one(patient: Patient) -> dict[str, Any]:
    """What a second record of the same person says, without the number."""
    return {
        "given_name": patient.given_name,
        "family_name": patient.family_name,
        "date_of_birth": patient.date_of_birth,
        "nhs_number": None,
        "email": "",
    }


def who_has(patient: Patient) -> Any:
    return fresh(patient).account_id


def test_another_patients_number_is_refused_and_changes_nothing(
    pilot: factories.Pilot, patient: Patient, desk: Actor
) -> None:
    other = factories.make_patient(pilot.practice)
    there = fresh(patient)
    with pytest.raises(ValidationError, match="has this NHS number already"):
        change_details(
            there, replace(as_known(there), nhs_number=other.nhs_number), version=there.version, by=desk
        )
    assert fresh(patient).nhs_number == there.nhs_number


def test_nhs_login_opens_the_record_that_is_kept(
    client: Client, nhs: RealProvider, linked: Patient, pilot: factories.Pilot
) -> None:
    same = as_one(linked)
    kept = factories.make_patient(pilot.practice, **same)
    merged(linked, into=kept)
    travel(client, nhs, NHS, "sub-1")
    assert who(client) == str(fresh(kept).account_id)
    assert client.get("/my-record/").status_code == 200


def test_of_two_accounts_nhs_login_opens_the_one_that_counts(
    client: Client, nhs: RealProvider, linked: Patient, pilot: factories.Pilot
) -> None:
    same = as_one(linked)
    kept = factories.make_patient(pilot.practice, account=True, **same)
    merged(linked, into=kept)
    travel(client, nhs, NHS, "sub-1")
    assert who(client) == str(fresh(kept).account_id)


def test_who_has_moved_opens_an_account_at_the_new_practice(
    client: Client, nhs: RealProvider, proven: Patient, pilot: factories.Pilot, desk: Actor
) -> None:
    same = {**as_one(proven), "nhs_number": proven.nhs_number}
    new = factories.make_patient(pilot.other_practice, **same)
    travel(client, nhs, NHS, "sub-1")
    assert refused(client, NHS, Why.SEVERAL)
    record_move(proven, moved_on=timezone.localdate(), by=desk)
    travel(client, nhs, NHS, "sub-1")
    assert who(client) == str(fresh(new).account_id)
    assert fresh(proven).account_id is None
