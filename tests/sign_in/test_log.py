"""What the guardian reads about signing in, in plain words, and what nobody reads."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from audit.words import SIGN_INS
from pilot.access import Actor, Role
from pilot.people.models import Patient
from tests import factories, second_steps
from tests.sign_in.people import enters_password, signs_in


@pytest.fixture
def guardian(pilot: factories.Pilot) -> Client:
    return factories.sign_in(Client(), factories.make_staff(Role.CALDICOTT_GUARDIAN, pilot.office))


def test_the_log_names_staff_and_says_what_happened(guardian: Client, receptionist: Actor) -> None:
    user = factories.user_of(receptionist)
    second_steps.app_of(user)
    enters_password(Client(), user, "wrong, and long enough")
    signs_in(Client(), user).post("/account/logout/")
    text = guardian.get(reverse("audit:log"), {"person": str(user.pk)}).content.decode()
    for sentence in (
        "Sign-in: a sign-in was refused",
        "Sign-in: passed the second step",
        "Sign-in: signed in",
        "Sign-in: signed out",
    ):
        assert sentence in text, sentence
    assert "Rosa Desk" in text
    assert "at the sign-in page" in text


def test_patients_are_not_named_and_what_was_typed_is_not_there(guardian: Client, patient: Patient) -> None:
    signs_in(Client(), patient.account)
    enters_password(Client(), factories.User(email="typed-by-mistake@example.org"))
    text = guardian.get(reverse("audit:log"), {"kind": "sign_in"}).content.decode()
    assert "A patient’s account" in text
    assert "Somebody unknown" in text
    assert patient.account.display_name not in text
    assert "typed-by-mistake" not in text


def test_every_thing_noted_has_words() -> None:
    noted = set()
    for path in (Path(settings.BASE_DIR) / "pilot" / "sign_in").rglob("*.py"):
        noted |= set(re.findall(r'note\(\s*"(\w+)"', path.read_text()))
    assert {"signed_in", "sign_in_refused", "signed_out"} <= noted
    assert noted <= set(SIGN_INS), noted - set(SIGN_INS)
