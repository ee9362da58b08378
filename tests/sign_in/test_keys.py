"""Passkeys, as a program of an attacker's would answer for one: what stands for both steps, and what does not."""

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client

from pilot.access import Actor, Role
from pilot.people.models import User
from tests import factories
from tests.sign_in.keys import Key
from tests.together import at_once


def challenge_of(client: Client) -> str:
    return client.session["mfa.webauthn.state"]["challenge"]


def ask_to_sign_in(client: Client) -> str:
    script = {"X-Requested-With": "XMLHttpRequest"}
    assert client.get("/account/second-step/webauthn/login/", headers=script).status_code == 200
    return challenge_of(client)


def sign_in(client: Client, answer: str):
    return client.post("/account/second-step/webauthn/login/", {"credential": answer})


def is_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


@pytest.fixture
def actor(pilot: factories.Pilot) -> Actor:
    return factories.make_staff(Role.CLINICIAN, pilot.practice)


@pytest.fixture
def clinician(actor: Actor) -> User:
    return factories.user_of(actor)


def test_a_key_made_for_it_with_a_pin_signs_in_alone(clinician: User) -> None:
    client, key = Client(), Key(clinician, alone=True)
    answered = sign_in(client, key.answer(ask_to_sign_in(client), verified=True))
    assert answered.status_code == 302
    assert client.get("/practice/").status_code == 200


@pytest.mark.parametrize(("alone", "verified"), [(True, False), (False, False), (False, True)])
def test_a_key_without_a_pin_or_not_made_for_it_does_not(
    clinician: User, alone: bool, verified: bool
) -> None:
    client = Client()
    key = Key(clinician, alone=alone)
    sign_in(client, key.answer(ask_to_sign_in(client), verified=verified))
    assert not is_in(client)


@pytest.mark.parametrize("alone", [True, False])
def test_the_challenge_of_a_second_step_is_no_good_for_signing_in_alone(clinician: User, alone: bool) -> None:
    """It asks for no PIN. Somebody begins to sign in as themselves, and answers with a key that is somebody else's."""
    patient = factories.make_patient(factories.make_organisation(), account=True).account
    Key(patient, alone=False)
    key, client = Key(clinician, alone=alone), Client()
    client.post("/account/login/", {"login": patient.email, "password": factories.PASSWORD})
    assert client.get("/account/second-step/authenticate/").status_code == 200
    challenge = challenge_of(client)
    client.post("/account/logout/")
    sign_in(client, key.answer(challenge, verified=False))
    assert not is_in(client)
    assert client.get("/practice/").status_code == 302


def test_two_keys_removed_at_once_leave_one(actor: Actor, clinician: User) -> None:
    keys = [Key(clinician, alone=True, name=name).authenticator for name in ("one", "two")]
    browsers = [factories.sign_in(Client(), actor) for _ in keys]
    removed = at_once(
        *(
            lambda browser=browser, key=key: browser.post(
                f"/account/second-step/webauthn/keys/{key.pk}/remove/"
            )
            for browser, key in zip(browsers, keys, strict=True)
        )
    )
    assert [answer.status_code for answer in removed] == [302, 302]
    left = Authenticator.objects.using("owner").filter(user=clinician, type=Authenticator.Type.WEBAUTHN)
    assert left.count() == 1
