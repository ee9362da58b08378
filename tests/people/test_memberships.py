"""Who works where, from when until when; and the accounts behind it."""

import datetime as dt

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from pilot.access import Role, acting
from pilot.access.models import OrganisationGrant
from pilot.people.actions import appoint, end_membership
from pilot.people.models import Membership, Patient, User
from tests import factories

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

TODAY = timezone.localdate()
DAY = dt.timedelta(days=1)


def sees(actor: object, patient: Patient) -> bool:
    with acting(actor, "test.looked"):  # type: ignore[arg-type]
        return Patient.objects.filter(pk=patient.pk).exists()


def grants(user: User) -> int:
    with acting(factories.TESTS, "test.looked"):
        return OrganisationGrant.objects.filter(user=user).count()


def test_access_ends_on_the_day_the_membership_ends(pilot: factories.Pilot) -> None:
    patient = factories.make_patient(pilot.practice)
    receptionist = factories.make_staff(Role.RECEPTIONIST, pilot.practice)
    assert sees(receptionist, patient)
    end_membership(factories.membership_of(receptionist), by=factories.TESTS)
    assert not sees(receptionist, patient)
    assert grants(factories.user_of(receptionist)) == 0


def test_a_membership_that_ends_later_holds_until_then(pilot: factories.Pilot) -> None:
    patient = factories.make_patient(pilot.practice)
    receptionist = factories.make_staff(Role.RECEPTIONIST, pilot.practice)
    end_membership(factories.membership_of(receptionist), on=TODAY + DAY, by=factories.TESTS)
    assert sees(receptionist, patient)
    assert grants(factories.user_of(receptionist)) == 1


def test_a_membership_that_has_not_begun_opens_nothing(pilot: factories.Pilot) -> None:
    patient = factories.make_patient(pilot.practice)
    soon = factories.make_staff(Role.RECEPTIONIST, pilot.practice, valid_from=TODAY + DAY)
    assert not sees(soon, patient)


def test_a_role_belongs_to_one_kind_of_organisation(pilot: factories.Pilot) -> None:
    with pytest.raises(ValidationError, match="does not belong"):
        appoint(pilot.practice, factories.make_user(), Role.COACH, by=factories.TESTS)


def test_nobody_has_the_same_role_twice_at_once(pilot: factories.Pilot) -> None:
    receptionist = factories.make_staff(Role.RECEPTIONIST, pilot.practice)
    with pytest.raises(ValidationError):
        appoint(pilot.practice, factories.user_of(receptionist), Role.RECEPTIONIST, by=factories.TESTS)


@pytest.mark.parametrize(
    "role", [role for role in Role if role not in (Role.PILOT_MANAGER, Role.PATIENT, Role.SYSTEM)]
)
def test_only_a_pilot_manager_appoints(pilot: factories.Pilot, role: Role) -> None:
    staff = factories.make_staff_of_every_role(pilot)
    with pytest.raises(PermissionDenied):
        appoint(pilot.practice, factories.make_user(), Role.RECEPTIONIST, by=staff[role])
    appoint(pilot.practice, factories.make_user(), Role.RECEPTIONIST, by=staff[Role.PILOT_MANAGER])


@pytest.mark.parametrize(
    "columns",
    [
        {"role": "receptionist", "caseload_limit": 3},
        {"role": "receptionist", "is_named_clinician": True},
        {"role": "receptionist", "valid_until": TODAY - DAY},
    ],
)
def test_the_database_refuses_memberships_that_make_no_sense(
    pilot: factories.Pilot, columns: dict[str, object]
) -> None:
    membership = Membership(organisation=pilot.practice, user=factories.make_user(), **columns)
    with acting(factories.TESTS, "test.made"), pytest.raises(IntegrityError), transaction.atomic():
        membership.save(force_insert=True)


def test_memberships_and_organisations_say_what_they_are(pilot: factories.Pilot) -> None:
    receptionist = factories.make_staff(Role.RECEPTIONIST, pilot.practice)
    assert str(factories.membership_of(receptionist)) == f"Receptionist at {pilot.practice.name}"


def test_an_account_needs_an_address_and_is_found_however_it_is_typed() -> None:
    with pytest.raises(ValueError, match="e-mail"):
        User.objects.create_user("")
    with acting(factories.TESTS, "test.made"):
        user = User.objects.create_superuser("Boss@Example.org", factories.PASSWORD, display_name="Boss")
    assert user.is_superuser
    assert not user.is_staff
    assert user.email == "boss@example.org"
    assert User.objects.get_by_natural_key("BOSS@example.ORG") == user
    assert str(user) == "Boss"
