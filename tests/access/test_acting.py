"""The one door: what the database knows while somebody acts, and that it forgets afterwards."""

import threading
from contextvars import copy_context
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import DatabaseError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from audit.models import Event, Subject
from pilot.access import (
    Actor,
    NotVisible,
    Permission,
    Role,
    acting,
    action,
    current,
    current_or_none,
    note_decision,
    patient_of,
)
from pilot.access.context import ACTIONS, hold
from pilot.people.actions import PatientDetails, change_details, register_patient
from pilot.people.models import Organisation, Patient, User
from referrals.models import ImportBatch, Referral
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


def test_a_thread_that_was_handed_our_variables_opens_a_door_of_its_own(own_database: str) -> None:
    seen: list[tuple[Actor, bool, dict[str, str]]] = []

    def act() -> None:
        try:
            with acting(Actor.system("another"), "other.done") as context:
                seen.append((context.actor, context.looks is outer.looks, context_in_database()))
        finally:
            connections.close_all()

    with acting(Actor.system("tests"), "something.done", reason="because") as outer:
        thread = threading.Thread(target=copy_context().run, args=[act])
        thread.start()
        thread.join()
    told = {**nobody(), "user": "system:another", "role": "system", "action": "other.done"}
    assert seen == [(Actor.system("another"), False, told)]


def test_a_person_acts_in_a_role_of_theirs_and_the_system_under_a_name() -> None:
    person = uuid4()
    assert Actor(Role.COACH, person, "Asha").label == str(person)
    system = Actor.system("tests")
    assert (system.role, system.user_id, system.name, system.label) == (
        Role.SYSTEM,
        None,
        "tests",
        "system:tests",
    )
    with pytest.raises(ValueError, match="Either a person acts"):
        Actor(Role.SYSTEM, person)
    with pytest.raises(ValueError, match="Either a person acts"):
        Actor(Role.COACH)


def test_outside_the_door_nobody_acts() -> None:
    assert current_or_none() is None
    note_decision(Patient)
    with pytest.raises(ImproperlyConfigured, match="Nobody is acting"):
        current()


def test_within_an_action_what_was_said_at_the_door_holds_until_something_else_is_said() -> None:
    patient = factories.make_patient(factories.make_pilot().practice)
    with acting(factories.TESTS, "outer.done", reason="because", request="r1") as outer:
        note_decision(None)
        outer.held.add(patient.pk)
        with acting(factories.TESTS, "inner.done", patients=[patient.pk]) as inner:
            assert current() is current_or_none() is inner
            assert (inner.reason, inner.request, inner.action) == ("because", "r1", "inner.done")
            assert inner.patients == {patient.pk}
            assert inner.looks is outer.looks
            assert inner.held == {patient.pk}
            inner.held.add(uuid4())
            note_decision(Patient)
        with acting(factories.TESTS, "inner.done", reason="another", request="r2") as inner:
            assert (inner.reason, inner.request) == ("another", "r2")
        assert current() is outer
        assert outer.decisions == {None, Patient}
        # What was locked within may have been given up again.
        assert outer.held == {patient.pk}


def test_a_second_door_starts_afresh() -> None:
    with acting(factories.TESTS, "first.done", reason="because", request="r1") as first:
        note_decision(Patient)
    with acting(factories.TESTS, "second.done") as second:
        assert (second.reason, second.request, second.decisions) == ("", "", set())
        assert second.looks is not first.looks


def test_the_database_is_told_all_of_it_and_told_again_when_the_inner_part_is_over() -> None:
    one, other = sorted([uuid4(), uuid4()])
    with acting(factories.TESTS, "outer.done", patients=[other, one], reason="because", request="r1"):
        outer = ["system:tests", "system", "outer.done", f"{one},{other}", "because", "r1"]
        assert list(context_in_database().values()) == outer
        with acting(factories.TESTS, "inner.done", patients=[one]):
            inner = ["system:tests", "system", "inner.done", str(one), "because", "r1"]
            assert list(context_in_database().values()) == inner
        assert list(context_in_database().values()) == outer
    assert list(context_in_database().values()) == [""] * 6


def test_a_page_may_go_on_after_a_refused_action_and_an_action_may_not_after_a_refused_part_of_it() -> None:
    patient = factories.make_patient(factories.make_pilot().practice)

    def refused_part() -> None:
        with acting(factories.TESTS, "part.done", patients=[patient.pk]):
            assert Patient.objects.filter(pk=patient.pk).update(given_name="Changed") == 1
            raise PermissionDenied

    def whole() -> None:
        with acting(factories.TESTS, "whole.done", patients=[patient.pk]):
            with pytest.raises(PermissionDenied):
                refused_part()
            Patient.objects.get(pk=patient.pk)

    with acting(factories.TESTS, "page.opened"):
        with pytest.raises(PermissionDenied):
            refused_part()
        assert Patient.objects.get(pk=patient.pk).given_name != "Changed"
    with pytest.raises(transaction.TransactionManagementError):
        whole()


def held() -> dict[int, str]:
    """The advisory locks of this transaction, by the key they are taken under, and how."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (classid::bigint << 32) | objid::bigint, mode FROM pg_locks"
            " WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND objsubid = 1"
        )
        return dict(cursor.fetchall())


def number(key: UUID) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT hashtextextended(%s, 0)", [str(key)])
        return cursor.fetchone()[0]


SHARED, EXCLUSIVE = "ShareLock", "ExclusiveLock"


def test_the_locks_of_all_keys_are_taken_shared_or_alone() -> None:
    one, two, three = uuid4(), uuid4(), uuid4()
    with transaction.atomic():
        hold(one, two, exclusive=False)
        hold(three, exclusive=True)
        assert held() == {number(one): SHARED, number(two): SHARED, number(three): EXCLUSIVE}


def test_whoever_withdrawal_shuts_out_holds_the_lock_of_each_of_theirs_from_the_door_on() -> None:
    pilot = factories.make_pilot()
    coach = factories.make_staff(Role.COACH, pilot.provider)
    mine = [factories.make_case(pilot, coach).patient_id for _ in range(2)]
    factories.make_case(pilot, factories.make_staff(Role.COACH, pilot.provider))
    before = held()
    with acting(coach, "caseload.opened") as context:
        assert context.is_shut_out_by_withdrawal
        assert context.held == set(mine)
        taken = {key: mode for key, mode in held().items() if key not in before}
        assert taken.items() <= {number(patient): SHARED for patient in mine}.items()
        assert {number(patient) for patient in mine} <= held().keys()
    with acting(factories.make_staff(Role.RECEPTIONIST, pilot.practice), "patients.listed") as context:
        assert not context.is_shut_out_by_withdrawal
        assert set(context.grants.organisations) == {pilot.practice.pk}
        assert context.held == set()


def test_who_is_allocated_is_asked_at_the_outermost_door_and_of_those_it_concerns() -> None:
    pilot = factories.make_pilot()
    asked = {}
    for role, home in ((Role.COACH, pilot.provider), (Role.RECEPTIONIST, pilot.practice)):
        actor = factories.make_staff(role, home)
        with (
            CaptureQueriesContext(connection) as queries,
            acting(actor, "page.opened"),
            acting(actor, "part.done"),
        ):
            pass
        asked[role] = sum("allocated_patients" in query["sql"] for query in queries.captured_queries)
    assert asked == {Role.COACH: 1, Role.RECEPTIONIST: 0}


def test_somebody_allocated_since_the_door_opened_is_read_under_their_lock(own_database: str) -> None:
    pilot = factories.make_pilot()
    coach = factories.make_staff(Role.COACH, pilot.provider)
    first = factories.make_case(pilot, coach)
    since: list[Referral] = []

    def allocate() -> None:
        try:
            since.append(factories.make_case(pilot, coach))
        finally:
            connections.close_all()

    with acting(coach, "caseload.opened") as context:
        assert held() == {number(first.patient_id): SHARED}
        thread = threading.Thread(target=allocate)
        thread.start()
        thread.join()
        both = {first.patient_id, since[0].patient_id}
        assert set(context.grants.patients) == context.held == both
        assert set(context.grants.referrals) == {first.pk, since[0].pk}
        assert held() == {number(patient): SHARED for patient in both}
        before = context.grants
        assert context.grants is before
        context.forget_grants()
        assert context.grants is not before


@pytest.mark.parametrize("exclusive", [False, True])
def test_an_action_asks_with_the_lock_held_and_is_about_one_patient(exclusive: bool) -> None:
    pilot = factories.make_pilot()
    patient = factories.make_patient(pilot.practice)
    receptionist = factories.make_staff(Role.RECEPTIONIST, pilot.practice)
    seen: list[Any] = []

    def verb(subject: Patient, *, by: Actor, word: str) -> str:
        """Says a word."""
        context = current()
        seen.append((context.action, context.actor, context.patients, held()[number(subject.pk)]))
        assert context.decisions == {Patient}
        return word

    try:
        made = action("word.said", Permission.REGISTER_PATIENTS, exclusive=exclusive)(verb)
        assert ACTIONS["word.said"] is made
        assert (made.permission, made.action_name) == (Permission.REGISTER_PATIENTS, "word.said")
        assert made.about_patient is True
        assert made.__doc__ == "Says a word."
        assert made(patient, by=receptionist, word="yes") == "yes"
        mode = EXCLUSIVE if exclusive else SHARED
        assert seen == [("word.said", receptionist, {patient.pk}, mode)]
        with pytest.raises(NotVisible):
            made(patient, by=factories.make_staff(Role.RECEPTIONIST, pilot.other_practice), word="no")
        assert len(seen) == 1
    finally:
        del ACTIONS["word.said"]


def test_an_action_about_an_organisation_is_about_no_patient() -> None:
    pilot = factories.make_pilot()
    receptionist = factories.make_staff(Role.RECEPTIONIST, pilot.practice)

    def verb(subject: Organisation, *, by: Actor) -> Any:
        return current().patients

    try:
        made = action("word.said", Permission.REGISTER_PATIENTS, about_patient=False)(verb)
        assert made(pilot.practice, by=receptionist) == frozenset()
        with pytest.raises(PermissionDenied):
            made(pilot.other_practice, by=receptionist)
    finally:
        del ACTIONS["word.said"]


def test_an_action_asks_anew_what_ended_while_it_waited() -> None:
    pilot = factories.make_pilot()
    patient = factories.make_patient(pilot.practice)
    receptionist = factories.make_staff(Role.RECEPTIONIST, pilot.practice)
    with acting(receptionist, "page.opened") as context:
        before = context.grants
    made = action("word.said", Permission.REGISTER_PATIENTS)(lambda subject, *, by: current().grants)
    try:
        assert made(patient, by=receptionist) == before
        # Unless it says otherwise, an action shares the lock with others.
        assert held()[number(patient.pk)] == SHARED
        assert made(patient, by=receptionist) is not before
    finally:
        del ACTIONS["word.said"]


def test_only_what_is_about_a_patient_has_a_patient() -> None:
    pilot = factories.make_pilot()
    patient = factories.make_patient(pilot.practice)
    referral = factories.make_referral(patient)
    assert patient_of(patient) == patient_of(referral) == patient.pk
    for stranger in (pilot.practice, ImportBatch(), object()):
        with pytest.raises(ImproperlyConfigured, match=f"^{type(stranger).__name__} is not about a patient"):
            patient_of(stranger)
    with pytest.raises(ImproperlyConfigured, match="This Referral has no patient yet"):
        patient_of(Referral())
