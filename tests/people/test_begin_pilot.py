"""The first manager of a new pilot: made once, from the command line, and able to get in."""

import io
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client

from pilot.access import Role
from pilot.people.models import Membership, Organisation, User
from tests import factories

pytestmark = pytest.mark.django_db


def test_an_empty_pilot_gets_its_office_and_a_manager_who_can_choose_a_password(
    django_capture_on_commit_callbacks: Any,
) -> None:
    said = io.StringIO()
    call_command("begin_pilot", "first@example.org", "First Manager", stdout=said)
    assert "First Manager is the first manager" in said.getvalue()
    membership = Membership.objects.get()
    assert membership.role == Role.PILOT_MANAGER
    assert membership.organisation.kind == Organisation.Kind.PILOT_OFFICE
    with django_capture_on_commit_callbacks(execute=True):
        Client().post("/account/password/reset/", {"email": "first@example.org"})
    assert [message.to for message in mail.outbox] == [["first@example.org"]]


def test_an_office_that_is_there_is_used() -> None:
    pilot = factories.make_pilot()
    call_command("begin_pilot", "first@example.org", "First Manager", stdout=io.StringIO())
    assert Membership.objects.get().organisation == pilot.office


def test_there_is_no_second_first_manager() -> None:
    factories.make_staff(Role.PILOT_MANAGER, factories.make_pilot().office)
    with pytest.raises(CommandError, match="already"):
        call_command("begin_pilot", "second@example.org", "Second", stdout=io.StringIO())
    assert not User.objects.filter(email="second@example.org").exists()


def test_a_code_that_cannot_be_is_refused_in_words() -> None:
    with pytest.raises(CommandError, match="Capital letters and digits"):
        call_command(
            "begin_pilot", "first@example.org", "First", "--ods-code", "no code", stdout=io.StringIO()
        )
    assert not User.objects.exists()
    assert not Organisation.objects.exists()
