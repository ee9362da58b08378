"""Staff act with a second step passed, or not at all; patients may have one."""

import pytest
from allauth.mfa.models import Authenticator
from django.db import connections
from django.test import Client, RequestFactory

from pilot.access import Actor, Role, acting
from pilot.people.models import Patient
from pilot.sign_in.receivers import used
from pilot.sign_in.sessions import has_passed_second_step
from tests import factories, second_steps
from tests.sign_in.people import ACCOUNT, CODE, enters_password, events_of, signs_in, subjects

FIRST = "/account/second-step/first/"
SET_UP = "/account/second-step/totp/activate/"
CODES = "/account/second-step/recovery-codes/"


def secret_on(client: Client) -> str:
    """The letters on the page for setting an app up."""
    client.get(SET_UP)
    return client.session["mfa.totp.secret"]


def sets_app_up(client: Client) -> str:
    secret = secret_on(client)
    response = client.post(SET_UP, {"code": second_steps.code_for(secret)})
    assert response.headers["Location"] == CODES, response.content.decode()
    return secret


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("address", [ACCOUNT, "/patients/", "/account/sign-out-everywhere/", "/waiting/"])
def test_staff_without_one_are_led_to_it_from_every_page(
    client: Client, receptionist: Actor, method: str, address: str
) -> None:
    signs_in(client, factories.user_of(receptionist))
    response = getattr(client, method)(address)
    assert response.status_code == 302
    assert response.headers["Location"].startswith(FIRST)


def test_setting_one_up_leads_on_and_is_asked_for_from_then_on(client: Client, receptionist: Actor) -> None:
    user = factories.user_of(receptionist)
    signs_in(client, user)
    assert client.get("/", follow=True).redirect_chain[-1][0] == FIRST
    sets_app_up(client)
    assert "shown this once" in client.get(CODES).content.decode()
    assert client.get(ACCOUNT).status_code == 200
    again = Client()
    assert enters_password(again, user).headers["Location"] == CODE
    assert again.get(ACCOUNT).headers["Location"].startswith("/account/login/")
    assert again.post(CODE, {"code": second_steps.code_now(user)}).status_code == 302
    assert again.get(ACCOUNT).status_code == 200
    assert events_of(user) == [
        "signed_in", "second_step_added", "recovery_codes_made", "second_step_passed", "signed_in",
    ]  # fmt: skip
    assert subjects() == [
        "New sign-in to your account", "An app was set up for your account", "New sign-in to your account",
    ]  # fmt: skip


def test_recovery_codes_are_shown_once(client: Client, receptionist: Actor) -> None:
    signs_in(client, factories.user_of(receptionist))
    sets_app_up(client)
    assert client.get(CODES).content.decode().count("<code>") == 10
    assert client.get(CODES).content.decode().count("<code>") == 0


def test_a_patient_needs_none_and_may_have_one(client: Client, patient: Patient) -> None:
    signs_in(client, patient.account)
    assert client.get(ACCOUNT).status_code == 200
    sets_app_up(client)
    assert enters_password(Client(), patient.account).headers["Location"] == CODE


def test_whoever_is_patient_and_staff_needs_it_for_the_one_role_only(
    client: Client, receptionist: Actor, pilot: factories.Pilot
) -> None:
    from pilot.access.grants import grant

    user = factories.user_of(receptionist)
    patient = factories.make_patient(pilot.other_practice)
    with acting(factories.TESTS, "test.made", patients=[patient.pk]):
        patient.account = user
        patient.save(update_fields=["account"])
        grant(user, Role.PATIENT, patient)
    signs_in(client, user)
    session = client.session
    session["acting_as"] = "patient"
    session.save()
    assert client.get(ACCOUNT).status_code == 200
    session["acting_as"] = str(factories.membership_of(receptionist).pk)
    session.save()
    assert client.get(ACCOUNT).headers["Location"].startswith(FIRST)


def test_a_session_that_passed_it_as_somebody_else_has_not(client: Client, receptionist: Actor) -> None:
    signs_in(client, factories.user_of(receptionist))
    session = client.session
    session["second_step"] = str(factories.make_user().pk)
    session.save()
    assert client.get(ACCOUNT).status_code == 302


def test_a_second_step_that_somebody_else_used_is_none_of_this_session(
    client: Client, receptionist: Actor, pilot: factories.Pilot, rf: RequestFactory
) -> None:
    """As when the library tells of a step while another person is signed in in the same browser."""
    own, other = factories.user_of(receptionist), factories.make_user()
    request = rf.get("/", HTTP_HOST="localhost")
    request.user, request.session = own, client.session
    used(request, other, second_steps.app_of(other))
    assert not has_passed_second_step(request)
    assert events_of(other) == ["second_step_passed"]
    used(request, own, second_steps.app_of(own))
    assert has_passed_second_step(request)


def test_the_way_to_it_never_goes_round_in_circles(client: Client, receptionist: Actor) -> None:
    user = factories.user_of(receptionist)
    second_steps.app_of(user)
    factories.sign_in(client, receptionist)
    session = client.session
    del session["second_step"]
    session.save()
    response = client.get(ACCOUNT, follow=True)
    assert [address.split("?")[0] for address, _ in response.redirect_chain] == [
        FIRST,
        "/account/second-step/reauthenticate/",
    ]
    there = response.redirect_chain[-1][0]
    answers = {"code": second_steps.code_now(user), "next": "/account/second-step/first/?next=/account/"}
    passed = client.post(there, answers, follow=True)
    assert passed.redirect_chain[-1][0] == ACCOUNT
    assert passed.status_code == 200


def test_a_code_works_once(client: Client, receptionist: Actor) -> None:
    user = factories.user_of(receptionist)
    code = second_steps.code_now(user)
    enters_password(client, user)
    assert client.post(CODE, {"code": code}).status_code == 302
    other = Client()
    enters_password(other, user)
    assert other.post(CODE, {"code": code}).status_code == 200
    assert other.get(ACCOUNT).status_code == 302


def test_the_code_that_set_an_app_up_is_used_up_by_it(client: Client, receptionist: Actor) -> None:
    user = factories.user_of(receptionist)
    signs_in(client, user)
    secret = sets_app_up(client)
    other = Client()
    enters_password(other, user)
    assert other.post(CODE, {"code": second_steps.code_for(secret)}).status_code == 200


def test_a_recovery_code_works_once_and_its_owner_is_told(client: Client, receptionist: Actor) -> None:
    user = factories.user_of(receptionist)
    second_steps.app_of(user)
    code, *_ = second_steps.recovery_codes_of(user)
    enters_password(client, user)
    assert client.post(CODE, {"code": code}).status_code == 302
    assert client.get(ACCOUNT).status_code == 200
    assert "A recovery code was used" in subjects()
    other = Client()
    enters_password(other, user)
    assert other.post(CODE, {"code": code}).status_code == 200
    assert events_of(user) == ["recovery_code_used", "signed_in", "second_step_refused"]


def test_guessing_codes_is_throttled_by_account_from_everywhere(receptionist: Actor) -> None:
    user = factories.user_of(receptionist)
    second_steps.app_of(user)
    for n in range(5):
        other = Client(REMOTE_ADDR=f"192.0.2.{n}")
        enters_password(other, user)
        assert "Check the code" in other.post(CODE, {"code": "000000"}).content.decode()
    last = Client(REMOTE_ADDR="192.0.2.99")
    enters_password(last, user)
    page = last.post(CODE, {"code": second_steps.code_now(user)}).content.decode()
    assert "Wait 5 minutes" in page
    assert last.get(ACCOUNT).status_code == 302


def test_secrets_are_not_in_the_database_as_they_are(receptionist: Actor) -> None:
    from allauth.mfa.utils import decrypt

    app = second_steps.app_of(factories.user_of(receptionist))
    stored = app.data["secret"]
    assert stored.startswith("gAAAA")
    assert decrypt(stored) not in stored


def test_staff_keep_at_least_one_and_patients_may_remove_theirs(
    client: Client, receptionist: Actor, patient: Patient
) -> None:
    address = "/account/second-step/totp/deactivate/"
    for user, left in ((factories.user_of(receptionist), 1), (patient.account, 0)):
        second_steps.app_of(user)
        browser = signs_in(Client(), user)
        page = browser.get(address).content.decode()
        assert ("Remove it" in page) == (left == 0)
        browser.post(address)
        with acting(factories.TESTS, "test.read"):
            assert Authenticator.objects.filter(user=user).count() == left


def test_other_sessions_end_when_one_is_added(receptionist: Actor, patient: Patient) -> None:
    here, there = signs_in(Client(), patient.account), signs_in(Client(), patient.account)
    sets_app_up(here)
    assert here.get(ACCOUNT).status_code == 200
    assert there.get(ACCOUNT).headers["Location"].startswith("/account/login/")


JUNK = [
    '"x"', "[1]", "1", '{"id": 1}', '{"id": "x", "rawId": "!", "type": "x", "response": []}', "not json",
    '{"response": null}',
    '{"id": "x", "rawId": "eA", "type": "public-key", "response": {"clientDataJSON": "e30", "userHandle": 1}}',
    '{"id": "x", "rawId": "eA", "type": "public-key", "response": {"clientDataJSON": "e30", "attestationObject": "AA"}}',
    '{"id": "x", "rawId": "eA", "type": "public-key", "response": {"userHandle": "_w", "signature": "", '
    '"authenticatorData": "", "clientDataJSON": ""}}',
]  # fmt: skip


@pytest.mark.parametrize("sent", JUNK)
def test_a_passkey_that_is_none_is_refused_everywhere(client: Client, patient: Patient, sent: str) -> None:
    second_steps.app_of(patient.account)
    enters_password(client, patient.account)
    assert client.post(CODE, {"credential": sent}).status_code == 200
    assert client.get(ACCOUNT).status_code == 302
    if sent != "not json":
        assert events_of(patient.account) == ["passkey_refused"]
    alone = Client().post("/account/second-step/webauthn/login/", {"credential": sent})
    assert alone.headers["Location"] == "/account/login/"
    signs_in(client, patient.account)
    for address in ("/account/second-step/webauthn/add/", "/account/second-step/webauthn/reauthenticate/"):
        assert client.post(address, {"credential": sent}).status_code in (200, 302)
    with acting(factories.TESTS, "test.read"):
        assert [each.type for each in Authenticator.objects.filter(user=patient.account)] == ["totp"]


def test_the_log_says_by_what_means_somebody_signed_in(client: Client, receptionist: Actor) -> None:
    user = factories.user_of(receptionist)
    second_steps.app_of(user)
    signs_in(client, user)
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT columns FROM audit_event WHERE action = 'account.signed_in' AND row_id = %s",
            [str(user.pk)],
        )
        assert cursor.fetchall() == [(["password", "totp"],)]
