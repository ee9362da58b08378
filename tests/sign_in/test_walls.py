"""Accounts in the database: who may change one there, and that what is secret stays out of the history."""

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.db import DatabaseError, connection, transaction

from pilot.access import Actor, Role, acting
from pilot.access.walls import own_policies
from pilot.people.models import User
from tests import factories, second_steps

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

STAFF = [role for role in Role if role not in (Role.PATIENT, Role.SYSTEM)]


@pytest.fixture
def pilot() -> factories.Pilot:
    return factories.make_pilot()


@pytest.fixture
def staff(pilot: factories.Pilot) -> dict[Role, Actor]:
    return factories.make_staff_of_every_role(pilot)


def changes(actor: Actor | None, user: User, sql: str = "is_active = false") -> int:
    """How many rows change when this actor tries; outside any door for None. -1 where the database refuses."""
    try:
        with transaction.atomic():
            if actor is None:
                return _run(user, sql)
            with acting(actor, "test.tried"):
                return _run(user, sql)
    except DatabaseError:
        return -1


def _run(user: User, sql: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE people_user SET {sql} WHERE id = %s", [user.pk])
        return cursor.rowcount


@pytest.mark.parametrize("role", [*STAFF, Role.PATIENT])
def test_nobody_but_the_office_and_the_system_changes_another_account(
    pilot: factories.Pilot, staff: dict[Role, Actor], role: Role
) -> None:
    victim = factories.make_user()
    actor = staff.get(role) or factories.patient_actor(factories.make_patient(pilot.practice))
    allowed = role is Role.PILOT_MANAGER
    for sql in ("is_active = false", "password = 'x'", "email = 'taken@example.org'", "last_login = now()"):
        assert changes(actor, victim, sql) == (1 if allowed else 0), sql
    assert changes(actor, factories.user_of(actor), "display_name = 'Me'") == 1


def test_outside_any_door_no_account_is_changed(pilot: factories.Pilot) -> None:
    user = factories.make_user()
    for sql in ("is_active = false", "is_superuser = true", "password = 'x'", "last_login = now()"):
        assert changes(None, user, sql) in (0, -1)
    user.refresh_from_db()
    assert user.is_active
    assert not user.is_superuser


@pytest.mark.parametrize("role", STAFF)
def test_nobody_makes_anybody_a_superuser(staff: dict[Role, Actor], role: Role) -> None:
    for user in (factories.user_of(staff[role]), factories.make_user()):
        assert changes(staff[role], user, "is_superuser = true") in (0, -1)


def test_nobody_but_the_office_and_the_system_adds_an_account(staff: dict[Role, Actor]) -> None:
    for role in STAFF:
        if role is Role.PILOT_MANAGER:
            continue
        with pytest.raises(DatabaseError), transaction.atomic(), acting(staff[role], "test.tried"):
            User.objects.create_user(f"{role.value}@example.org", display_name="Nobody")


@pytest.mark.parametrize("role", [role for role in STAFF if role is not Role.PILOT_MANAGER])
def test_second_steps_and_sessions_of_others_are_not_there(staff: dict[Role, Actor], role: Role) -> None:
    victim = factories.make_user()
    second_steps.app_of(victim)
    with acting(factories.TESTS, "test.made"):
        UserSession.objects.create(user=victim, ip="192.0.2.1", session_key="k" * 32, user_agent="x")
    with acting(staff[role], "test.tried"):
        assert not Authenticator.objects.exists()
        assert not UserSession.objects.exists()
        assert Authenticator.objects.filter(user=victim).delete()[0] == 0
        with pytest.raises(DatabaseError), transaction.atomic():
            Authenticator.objects.create(user=victim, type="webauthn", data={})


def test_outside_any_door_there_are_none(staff: dict[Role, Actor]) -> None:
    second_steps.app_of(factories.user_of(staff[Role.COACH]))
    assert not Authenticator.objects.exists()


def test_a_table_of_single_users_has_its_four_policies() -> None:
    assert set(own_policies("user_id")) == {"SELECT", "INSERT", "UPDATE", "DELETE"}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity FROM pg_class c"
            " WHERE c.relname IN ('mfa_authenticator', 'usersessions_usersession') ORDER BY 1"
        )
        assert cursor.fetchall() == [("mfa_authenticator", True), ("usersessions_usersession", True)]
