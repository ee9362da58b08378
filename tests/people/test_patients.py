"""Registering patients, correcting them, finding them, and opening their accounts."""

import datetime as dt

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.utils import timezone

from pilot.access import Actor, NotVisible, Role, acting
from pilot.people.actions import StaleVersion, change_details, open_account, register_patient
from pilot.people.models import Patient, validate_nhs_number
from pilot.people.selectors import likely_same
from tests import factories

pytestmark = pytest.mark.django_db(databases=["default", "owner"])


@pytest.fixture
def receptionist(pilot: factories.Pilot) -> Actor:
    return factories.make_staff(Role.RECEPTIONIST, pilot.practice)


def details(**given: object) -> object:
    return factories.PatientDetailsFactory(**given)


def fresh(patient: Patient) -> Patient:
    with acting(factories.TESTS, "test.looked"):
        return Patient.objects.get(pk=patient.pk)


def years_ago(years: int) -> dt.date:
    return dt.date(timezone.localdate().year - years, 1, 1)


def test_a_patient_is_registered_with_a_number_or_without(
    pilot: factories.Pilot, receptionist: Actor
) -> None:
    known = register_patient(pilot.practice, details(nhs_number="9990000018"), by=receptionist)
    unknown = register_patient(pilot.practice, details(nhs_number=None), by=receptionist)
    assert (known.nhs_number, known.nhs_number_unknown) == ("9990000018", False)
    assert (unknown.nhs_number, unknown.nhs_number_unknown) == (None, True)


def test_a_number_that_the_nhs_would_not_issue_is_refused(
    pilot: factories.Pilot, receptionist: Actor
) -> None:
    validate_nhs_number("9434765919")
    with pytest.raises(ValidationError):
        register_patient(pilot.practice, details(nhs_number="9991234560"), by=receptionist)


def test_a_practice_has_each_number_once_and_learns_nothing_of_another_practice(
    pilot: factories.Pilot, receptionist: Actor
) -> None:
    factories.make_patient(pilot.other_practice, nhs_number="9990000018")
    first = register_patient(pilot.practice, details(nhs_number="9990000018"), by=receptionist)
    with pytest.raises(ValidationError, match="has this NHS number already"):
        register_patient(pilot.practice, details(nhs_number="9990000018"), by=receptionist)
    second = factories.make_patient(pilot.practice)
    with pytest.raises(ValidationError, match="has this NHS number already"):
        change_details(second, details(nhs_number=first.nhs_number), version=1, by=receptionist)


@pytest.mark.parametrize("born", [years_ago(15), years_ago(121), timezone.localdate() + dt.timedelta(days=1)])
def test_somebody_too_young_too_old_or_not_born_yet_is_refused(
    pilot: factories.Pilot, receptionist: Actor, born: dt.date
) -> None:
    with pytest.raises(ValidationError) as refusal:
        register_patient(pilot.practice, details(date_of_birth=born), by=receptionist)
    assert set(refusal.value.message_dict) == {"date_of_birth"}


def test_nobody_registers_at_a_practice_that_is_not_theirs(
    pilot: factories.Pilot, receptionist: Actor
) -> None:
    with pytest.raises(PermissionDenied):
        register_patient(pilot.other_practice, details(), by=receptionist)


def test_a_stale_correction_changes_nothing(pilot: factories.Pilot, receptionist: Actor) -> None:
    patient = factories.make_patient(pilot.practice)
    changed = change_details(patient, details(family_name="First"), version=1, by=receptionist)
    assert changed.version == 2
    with pytest.raises(StaleVersion):
        change_details(patient, details(family_name="Second"), version=1, by=receptionist)
    assert fresh(patient).family_name == "First"


def test_another_practice_corrects_nothing(pilot: factories.Pilot) -> None:
    elsewhere = factories.make_staff(Role.RECEPTIONIST, pilot.other_practice)
    with pytest.raises(NotVisible):
        change_details(factories.make_patient(pilot.practice), details(), version=1, by=elsewhere)


def test_an_account_is_opened_once_and_its_address_is_nobody_elses(pilot: factories.Pilot) -> None:
    patient, other = (factories.make_patient(pilot.practice) for _ in range(2))
    user = open_account(patient, "own@example.org", factories.PASSWORD, by=factories.TESTS)
    assert fresh(patient).account_id == user.pk
    with pytest.raises(ValidationError, match="has an account already"):
        open_account(fresh(patient), "again@example.org", factories.PASSWORD, by=factories.TESTS)
    with pytest.raises(ValidationError, match="in use"):
        open_account(other, "OWN@example.org", factories.PASSWORD, by=factories.TESTS)


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("9990000018", True),
        ("999 000 0018", True),
        ("bel", True),
        ("Annie", True),
        ("ann bell", True),
        ("27/03/1984", True),
        ("bell 1984-03-27", True),
        ("ell", False),
        ("ann smith", False),
        ("28/03/1984", False),
        ("9990000026", False),
    ],
)
def test_finding(pilot: factories.Pilot, text: str, is_found: bool) -> None:
    patient = factories.make_patient(
        pilot.practice,
        given_name="Ann",
        family_name="Bell",
        preferred_name="Annie",
        date_of_birth=dt.date(1984, 3, 27),
        nhs_number="9990000018",
    )
    with acting(factories.TESTS, "test.looked"):
        assert list(Patient.objects.find(text)) == ([patient] if is_found else [])


def test_who_may_be_the_same_person(pilot: factories.Pilot, receptionist: Actor) -> None:
    born = dt.date(1984, 3, 27)
    by_number = factories.make_patient(pilot.practice, nhs_number="9990000018")
    by_birthday = factories.make_patient(pilot.practice, family_name="bell", date_of_birth=born)
    factories.make_patient(pilot.practice, family_name="Bell")
    factories.make_patient(pilot.other_practice, family_name="Bell", date_of_birth=born)
    with acting(receptionist, "test.looked"):
        both = likely_same(
            receptionist, pilot.practice, nhs_number="9990000018", family_name="Bell", date_of_birth=born
        )
        without = likely_same(
            receptionist, pilot.practice, nhs_number="", family_name="Bell", date_of_birth=born
        )
    assert {each.pk for each in both} == {by_number.pk, by_birthday.pk}
    assert [each.pk for each in without] == [by_birthday.pk]


def test_they_are_called_what_they_prefer_to_be_called() -> None:
    assert Patient(given_name="Ann", family_name="Bell").name == "Ann Bell"
    assert str(Patient(given_name="Ann", family_name="Bell", preferred_name="Annie")) == "Annie Bell"
