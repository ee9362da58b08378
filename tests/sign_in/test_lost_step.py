"""Somebody lost their phone: a pilot manager who made sure who asks takes the second step away."""

import pytest
from allauth.mfa.models import Authenticator
from django.core import mail
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connections
from django.test import Client

from pilot.access import Actor, Role, acting
from pilot.people.models import Patient
from pilot.sign_in.actions import reset_second_step
from tests import factories, second_steps
from tests.forms import hidden_in
from tests.sign_in.people import ACCOUNT, enters_password, events_of, signs_in, subjects


def resets(client: Client, person: Actor | factories.User, reason: str = "seen in person"):
    key = person.user_id if isinstance(person, Actor) else person.pk
    address = f"/office/people/{key}/second-step/"
    return client.post(address, {**hidden_in(client.get(address)), "reason": reason})


def test_the_old_one_is_gone_the_sessions_too_and_the_person_is_told(
    receptionist: Actor, manager: Actor
) -> None:
    user = factories.user_of(receptionist)
    second_steps.app_of(user)
    second_steps.recovery_codes_of(user)
    theirs = signs_in(Client(), user)
    mail.outbox.clear()
    office = factories.sign_in(Client(), manager)
    assert resets(office, receptionist).status_code == 302
    assert theirs.get(ACCOUNT).headers["Location"].startswith("/account/login/")
    with acting(factories.TESTS, "test.read"):
        assert not Authenticator.objects.filter(user=user).exists()
    assert subjects() == ["Your second step was taken away"]
    assert mail.outbox[0].to == [user.email]
    assert "http" not in mail.outbox[0].body
    # With the password alone they get to the page for setting a new one up, and no further.
    again = Client()
    assert enters_password(again, user).headers["Location"] == "/"
    assert again.get(ACCOUNT).headers["Location"].startswith("/account/second-step/first/")
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT actor, role, reason FROM audit_event WHERE action = 'second_step.reset' AND kind = 'sign_in'"
            " AND row_id = %s",
            [str(user.pk)],
        )
        assert cursor.fetchall() == [(str(manager.user_id), "pilot_manager", "seen in person")]


def test_nobody_does_it_for_themselves(manager: Actor) -> None:
    second_steps.app_of(factories.user_of(manager))
    office = factories.sign_in(Client(), manager)
    page = resets(office, manager)
    assert page.status_code == 422
    assert "Somebody else has to do this for you" in page.content.decode()


def test_a_reason_is_needed(receptionist: Actor, manager: Actor) -> None:
    second_steps.app_of(factories.user_of(receptionist))
    assert resets(factories.sign_in(Client(), manager), receptionist, reason="").status_code == 422


def test_patients_and_strangers_are_not_found(patient: Patient, manager: Actor) -> None:
    office = factories.sign_in(Client(), manager)
    second_steps.app_of(patient.account)
    for user in (patient.account, factories.make_user()):
        assert office.get(f"/office/people/{user.pk}/second-step/").status_code == 404
        with pytest.raises(ValidationError):
            reset_second_step(user, reason="seen in person", by=manager)


def test_whoever_has_none_is_told_so(receptionist: Actor, manager: Actor) -> None:
    office = factories.sign_in(Client(), manager)
    page = office.get(f"/office/people/{receptionist.user_id}/second-step/").content.decode()
    assert "They have no second step" in page
    with pytest.raises(ValidationError, match="no second step to take away"):
        reset_second_step(factories.user_of(receptionist), reason="seen in person", by=manager)


@pytest.mark.parametrize(
    "role", [role for role in Role if role not in (Role.PATIENT, Role.SYSTEM, Role.PILOT_MANAGER)]
)
def test_nobody_else_may(pilot: factories.Pilot, receptionist: Actor, role: Role) -> None:
    staff = factories.make_staff_of_every_role(pilot)
    user = factories.user_of(receptionist)
    second_steps.app_of(user)
    with pytest.raises(PermissionDenied):
        reset_second_step(user, reason="seen in person", by=staff[role])
    assert (
        factories.sign_in(Client(), staff[role]).get(f"/office/people/{user.pk}/second-step/").status_code
        == 403
    )
    assert events_of(user) == []
