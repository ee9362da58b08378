"""The one door: what the database knows while somebody acts, and that it forgets afterwards."""

import threading

import pytest
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import DatabaseError, connection, connections, transaction

from audit.models import Event, Subject
from pilot.access import Actor, NotVisible, Role, acting, current
from pilot.people.actions import PatientDetails, change_details, register_patient
from pilot.people.models import Patient, User
from tests import factories

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

NAMES = ("user", "role", "action", "patients", "reason", "request")


def context_in_database() -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT " + ", ".join(f"coalesce(current_setting('pilot.{n}', true), '')" for n in NAMES)
        )
        return dict(zip(NAMES, cursor.fetchone(), strict=True))


def nobody() -> dict[str, str]:
    return dict.fromkeys(NAMES, "")


def test_the_database_knows_who_acts_and_forgets_when_they_have_done() -> None:
    actor = Actor.system("tests")
    with acting(actor, "something.done", reason="because"):
        known = context_in_database()
    assert known == {
        **nobody(),
        "user": "system:tests",
        "role": "system",
        "action": "something.done",
        "reason": "because",
    }
    assert context_in_database() == nobody()


def test_it_forgets_after_an_error_too() -> None:
    with pytest.raises(ZeroDivisionError), acting(Actor.system("tests"), "something.done"):
        1 / 0  # noqa: B018
    assert context_in_database() == nobody()


def test_an_inner_subject_lasts_as_long_as_the_inner_action() -> None:
    pilot = factories.make_pilot()
    patient = factories.make_patient(pilot.practice)
    actor = Actor.system("tests")
    with acting(actor, "outer.done"):
        with acting(actor, "inner.done", patients=[patient.pk]):
            assert context_in_database()["patients"] == str(patient.pk)
        assert context_in_database()["patients"] == ""
        assert context_in_database()["action"] == "outer.done"
        assert current().action == "outer.done"


def test_nobody_else_can_act_within_somebodys_action() -> None:
    with (
        acting(Actor.system("tests"), "outer.done"),
        pytest.raises(ImproperlyConfigured),
        acting(Actor.system("another"), "inner.done"),
    ):
        pass


def test_whoever_acts_says_for_what() -> None:
    with pytest.raises(ImproperlyConfigured), acting(Actor.system("tests"), ""):
        pass


def test_outside_it_nothing_is_shown_and_everything_is_refused() -> None:
    pilot = factories.make_pilot()
    patient = factories.make_patient(pilot.practice)
    assert not Patient.objects.exists()
    with transaction.atomic():
        assert Patient.objects.filter(pk=patient.pk).update(given_name="Changed") == 0
    with pytest.raises(DatabaseError, match="policy"), transaction.atomic():
        patient.save(force_insert=True)


def test_a_row_of_somebody_else_than_the_subject_cannot_be_written() -> None:
    pilot = factories.make_pilot()
    one, other = factories.make_patient(pilot.practice), factories.make_patient(pilot.practice)
    receptionist = factories.make_staff(Role.RECEPTIONIST, pilot.practice)
    with acting(receptionist, "patient.changed", patients=[one.pk]):
        assert Patient.objects.filter(pk=other.pk).count() == 1
        assert Patient.objects.filter(pk=other.pk).update(given_name="Changed") == 0
        assert Patient.objects.filter(pk=one.pk).update(given_name="Changed") == 1


def test_fetching_leaves_one_look_for_all_that_was_fetched() -> None:
    pilot = factories.make_pilot()
    patients = {factories.make_patient(pilot.practice).pk for _ in range(3)}
    receptionist = factories.make_staff(Role.RECEPTIONIST, pilot.practice)
    guardian = factories.make_staff(Role.CALDICOTT_GUARDIAN, pilot.office)
    with acting(receptionist, "patients.listed"):
        assert {patient.pk for patient in Patient.objects.visible_to(receptionist)} == patients
    with acting(guardian, "log.read"):
        look = Event.objects.latest("id")
        subjects = Subject.objects.filter(event_id=look.pk)
        assert {subject.patient_id for subject in subjects} == patients
    assert (look.kind, look.role, look.action) == ("read", "receptionist", "patients.listed")
    assert look.actor == receptionist.label
    assert set(look.columns) == {"identity", "case"}


def test_no_look_is_left_where_nothing_was_fetched() -> None:
    pilot = factories.make_pilot()
    factories.make_patient(pilot.practice)
    receptionist = factories.make_staff(Role.RECEPTIONIST, pilot.practice)
    guardian = factories.make_staff(Role.CALDICOTT_GUARDIAN, pilot.office)
    with acting(receptionist, "patients.counted"):
        assert Patient.objects.count() == 1
    with acting(guardian, "log.read"):
        assert not Event.objects.filter(action="patients.counted").exists()


def test_a_suspended_user_reaches_nothing_at_once() -> None:
    pilot = factories.make_pilot()
    patient = factories.make_patient(pilot.practice)
    receptionist = factories.make_staff(Role.RECEPTIONIST, pilot.practice)
    with acting(receptionist, "patients.listed"):
        assert Patient.objects.visible_to(receptionist).filter(pk=patient.pk).exists()
    with acting(factories.TESTS, "test.suspended"):
        assert User.objects.filter(pk=receptionist.user_id).update(is_active=False) == 1
    with acting(receptionist, "patients.listed"):
        assert not Patient.objects.exists()
        assert not Patient.objects.visible_to(receptionist).exists()


def test_somebody_elses_patient_is_not_there_and_ones_own_can_be_refused() -> None:
    pilot = factories.make_pilot()
    patient = factories.make_patient(pilot.practice)
    stranger = factories.make_staff(Role.RECEPTIONIST, pilot.other_practice)
    details = PatientDetails(patient.given_name, patient.family_name, patient.date_of_birth)
    with pytest.raises(NotVisible):
        change_details(patient, details, version=1, by=stranger)
    with pytest.raises(PermissionDenied):
        register_patient(pilot.practice, details, by=stranger)


def test_acting_in_a_role_one_does_not_hold_opens_nothing() -> None:
    pilot = factories.make_pilot()
    factories.make_patient(pilot.practice)
    receptionist = factories.make_staff(Role.RECEPTIONIST, pilot.practice)
    for role in (Role.CLINICIAN, Role.CALDICOTT_GUARDIAN, Role.COACH, Role.PATIENT):
        pretender = Actor(role, receptionist.user_id)
        with acting(pretender, "patients.listed"):
            assert not Patient.objects.exists(), role
            assert not Event.objects.exists(), role


def test_threads_do_not_share_who_acts(own_database: str) -> None:
    seen: list[dict[str, str]] = []

    def look() -> None:
        try:
            seen.append(context_in_database())
        finally:
            connections.close_all()

    with acting(Actor.system("tests"), "something.done"):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert seen == [nobody()]
