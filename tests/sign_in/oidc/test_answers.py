"""What we ask of a provider, how people come back from it, and what they meet where it is in trouble: against a real one."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import jwt
import pytest
import time_machine
from django.test import Client
from redis.exceptions import ConnectionError as RedisIsAway

from audit.models import Kind
from pilot.people.models import Patient
from pilot.sign_in.oidc.configuration import Provider
from tests import factories
from tests.log import events
from tests.sign_in.oidc.conftest import CLIENT, SECRET
from tests.sign_in.oidc.journey import come_back, depart, just_signed_in, said, travel, who
from tests.sign_in.oidc.provider import RealProvider, make_key, query_of

NHS = "nhs-login"
OTHER_KEY = make_key()


# --- What we send ---


@pytest.mark.django_db
def test_nhs_login_is_asked_for_high_proof_and_two_factors(client: Client) -> None:
    asked = query_of(depart(client, NHS))
    assert json.loads(asked["vtr"]) == ["P9.Cp.Cd", "P9.Cp.Ck", "P9.Cm"]
    assert asked["response_type"] == "code"
    assert set(asked["scope"].split()) == {"openid", "profile", "email"}
    assert asked["redirect_uri"] == "http://testserver/account/with/nhs-login/callback/"
    assert asked["code_challenge_method"] == "S256"
    again = query_of(depart(client, NHS))
    for once in ("state", "nonce", "code_challenge"):
        assert len(asked[once]) >= 32
        assert asked[once] != again[once]


@pytest.mark.django_db
def test_nothing_in_an_address_or_a_form_changes_what_is_asked(client: Client) -> None:
    loosely = {"auth_params": 'vtr=["P0.Cp"]', "scope": "phone", "process": "connect"}
    page = client.post(
        "/account/with/nhs-login/sign-in/?" + "&".join(f"{k}={v}" for k, v in loosely.items()), loosely
    )
    asked = query_of(page.headers["Refresh"].removeprefix("0; url="))
    assert "P0" not in asked["vtr"]
    assert "phone" not in asked["scope"]


@pytest.mark.django_db
def test_nhs_login_gets_our_signature_and_no_secret(
    client: Client, nhs: RealProvider, proven: Patient, client_key: Any
) -> None:
    """The provider in the test checks the signature as NHS login does, or it answers 401."""
    travel(client, nhs, NHS, "sub-1")
    sent = nhs.last("/oauth2/token").form
    assert sent["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert "client_secret" not in sent
    assert len(sent["code_verifier"]) >= 43
    header = jwt.get_unverified_header(sent["client_assertion"])
    assert (header["alg"], header["kid"]) == ("RS512", "pilot-1")
    claims = jwt.decode(
        sent["client_assertion"],
        client_key.public_key(),
        algorithms=["RS512"],
        audience=f"{nhs.issuer}/oauth2/token",
    )
    assert claims["iss"] == claims["sub"] == CLIENT
    assert claims["exp"] - claims["iat"] == 60
    client.logout()
    travel(client, nhs, NHS, "sub-1")
    again = jwt.decode(
        nhs.last("/oauth2/token").form["client_assertion"], options={"verify_signature": False}
    )
    assert again["jti"] != claims["jti"]


@pytest.mark.django_db
def test_another_clients_signature_opens_nothing(
    client: Client, nhs: RealProvider, proven: Patient, configured: dict[str, Provider], settings: Any
) -> None:
    from dataclasses import replace

    settings.SIGN_IN_PROVIDERS = {**configured, NHS: replace(configured[NHS], private_key=OTHER_KEY)}
    assert travel(client, nhs, NHS, "sub-1").status_code == 400
    assert who(client) is None


@pytest.mark.django_db
def test_a_provider_that_knows_a_secret_gets_the_secret(client: Client, work: RealProvider) -> None:
    work.knows("w-1", email="a@example.org", email_verified=True)
    travel(client, work, "work", "w-1")
    sent = work.last("/oauth2/token").form
    assert sent["client_secret"] == SECRET
    assert "client_assertion" not in sent
    assert "vtr" not in query_of(depart(client, "work"))
    assert query_of(depart(client, "work"))["acr_values"] == "AAL2"


# --- Coming back ---


@pytest.mark.django_db
def test_an_address_to_come_back_by_works_once(client: Client, nhs: RealProvider, proven: Patient) -> None:
    back = nhs.agree(depart(client, NHS), "sub-1")
    come_back(client, back)
    client.logout()
    assert come_back(client, back).status_code == 400
    assert who(client) is None


@pytest.mark.django_db
def test_a_code_works_once_whatever_comes_with_it(client: Client, nhs: RealProvider, proven: Patient) -> None:
    used = query_of(nhs.agree(depart(client, NHS), "sub-1"))
    come_back(client, f"/account/with/nhs-login/callback/?code={used['code']}&state={used['state']}")
    client.logout()
    fresh = query_of(depart(client, NHS))["state"]
    page = come_back(client, f"/account/with/nhs-login/callback/?code={used['code']}&state={fresh}")
    assert page.status_code == 400
    assert who(client) is None


@pytest.mark.django_db
def test_a_way_back_belongs_to_the_browser_that_left(nhs: RealProvider, proven: Patient) -> None:
    """Else somebody could be made to sign in as the attacker."""
    back = nhs.agree(depart(Client(), NHS), "sub-1")
    victim = Client()
    page = come_back(victim, back)
    assert page.status_code == 400
    assert who(victim) is None
    assert "begun in another browser" in said(page)


@pytest.mark.django_db
def test_a_way_back_belongs_to_the_provider_that_was_asked(
    client: Client, nhs: RealProvider, work: RealProvider, proven: Patient
) -> None:
    back = nhs.agree(depart(client, NHS), "sub-1").replace("nhs-login", "work")
    assert come_back(client, back).status_code == 400
    back = nhs.agree(depart(client, NHS), "sub-1") + f"&iss={work.issuer}"
    assert come_back(client, back).status_code == 400
    assert who(client) is None


@pytest.mark.django_db
@pytest.mark.parametrize("query", ["", "state=guess&code=guess", "error=access_denied", "code=guess"])
def test_whoever_was_not_sent_is_told_to_start_again(client: Client, nhs: RealProvider, query: str) -> None:
    page = client.get(f"/account/with/nhs-login/callback/?{query}")
    assert page.status_code == 400
    assert "Start again" in said(page)
    assert not nhs.received


@pytest.mark.django_db
def test_a_way_back_closes_after_ten_minutes(client: Client, nhs: RealProvider, proven: Patient) -> None:
    back = nhs.agree(depart(client, NHS), "sub-1")
    with time_machine.travel(time.time() + 601, tick=True):
        assert come_back(client, back).status_code == 400
    assert who(client) is None


@pytest.mark.django_db
def test_whoever_does_not_agree_to_share_is_shown_both_ways_on(client: Client, nhs: RealProvider) -> None:
    page = come_back(client, nhs.decline(depart(client, NHS)))
    assert page.status_code == 200
    assert "That is fine" in said(page)
    assert "/account/with/nhs-login/sign-in/" in said(page)
    assert "/account/login/" in said(page)


@pytest.mark.django_db
def test_any_other_error_of_the_providers_says_to_try_later(client: Client) -> None:
    state = query_of(depart(client, NHS))["state"]
    secretive = "error=server_error&error_description=%3Cscript%3Ealert(1)%3C/script%3E"
    page = come_back(client, f"/account/with/nhs-login/callback/?state={state}&{secretive}")
    assert page.status_code == 503
    assert "alert(1)" not in page.content.decode()


# --- A provider in trouble ---


@pytest.mark.django_db
def test_a_provider_that_is_closed_is_no_trace_and_no_dead_end(
    client: Client, nhs: RealProvider, proven: Patient
) -> None:
    back = nhs.agree(depart(client, NHS), "sub-1")
    nhs.is_down = True
    for page in (client.post("/account/with/nhs-login/sign-in/"), come_back(client, back)):
        assert page.status_code == 503
        assert "Try again in a few minutes" in said(page)
        assert "phone your practice" in said(page)
    assert who(client) is None


@pytest.mark.django_db
def test_a_provider_that_cannot_be_reached_is_answered_the_same(
    client: Client, configured: dict[str, Provider], settings: Any
) -> None:
    from dataclasses import replace

    nowhere = replace(configured[NHS], issuer="http://localhost:9")
    settings.SIGN_IN_PROVIDERS = {**configured, NHS: nowhere}
    assert client.post("/account/with/nhs-login/sign-in/").status_code == 503


@pytest.mark.django_db
def test_nobody_waits_long_for_a_provider_that_says_nothing(
    client: Client, nhs: RealProvider, proven: Patient, settings: Any
) -> None:
    settings.SOCIALACCOUNT_REQUESTS_TIMEOUT = 0.2
    back = nhs.agree(depart(client, NHS), "sub-1")
    answered = threading.Event()
    nhs.changes["/userinfo"] = lambda said: said if answered.wait(10) else {}
    assert come_back(client, back).status_code == 503
    answered.set()
    assert who(client) is None


DISCOVERY = "/.well-known/openid-configuration"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://auth.example"},
        {"token_endpoint": None},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "http://[::1"},
    ],
    ids=str,
)
def test_a_provider_that_describes_itself_wrongly_is_not_gone_to(
    client: Client, nhs: RealProvider, change: dict[str, Any]
) -> None:
    nhs.changes[DISCOVERY] = lambda said: {**said, **change}
    assert client.post("/account/with/nhs-login/sign-in/").status_code == 503
    assert "socialaccount_states" not in client.session


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("/oauth2/token", lambda said: {**said, "id_token": None}),
        ("/oauth2/token", lambda said: 1),
        ("/oauth2/token", lambda said: True),
        (DISCOVERY, lambda said: {**said, "token_endpoint": "http://[::1"}),
        ("/oauth2/token", lambda said: {key: said[key] for key in said if key != "access_token"}),
        ("/jwks", lambda said: {}),
        ("/jwks", lambda said: [said]),
        ("/userinfo", lambda said: {key: said[key] for key in said if key != "sub"}),
    ],
)
def test_an_answer_of_another_shape_is_not_believed(
    client: Client, nhs: RealProvider, proven: Patient, path: str, change: Any
) -> None:
    back = nhs.agree(depart(client, NHS), "sub-1")
    nhs.changes[path] = change
    assert come_back(client, back).status_code == 400
    assert who(client) is None


@pytest.mark.django_db
def test_no_request_of_ours_is_led_elsewhere(client: Client, nhs: RealProvider, work: RealProvider) -> None:
    """What we send to a provider (a code, a signature) goes there and nowhere else."""
    nhs.changes[DISCOVERY] = lambda said: {**said, "jwks_uri": f"{nhs.issuer}/led-elsewhere"}
    nhs.leads = {"/led-elsewhere": f"{work.issuer}/jwks"}
    nhs.knows("sub-1")
    assert travel(client, nhs, NHS, "sub-1").status_code == 503
    assert not work.received


# --- The pages themselves ---


@pytest.mark.django_db
def test_no_session_begins_without_a_click_of_ones_own(client: Client, nhs: RealProvider) -> None:
    assert client.get("/account/with/nhs-login/sign-in/").headers["Location"] == "/account/login/"
    careful = Client(enforce_csrf_checks=True)
    assert careful.post("/account/with/nhs-login/sign-in/").status_code == 403
    assert not nhs.received


@pytest.mark.django_db
def test_setting_out_is_counted_with_the_tries_by_password(client: Client, nhs: RealProvider) -> None:
    """Each would keep a process waiting for the provider, and leave a session behind."""
    address = "/account/with/nhs-login/sign-in/"
    answers = [client.post(address) for _ in range(32)]
    assert [answer.status_code for answer in answers] == [200] * 30 + [429] * 2
    assert "You never need to sign in to stop taking part" in said(answers[-1])
    assert len(nhs.received) == 30
    assert [event.action for event in events(kind=Kind.SIGN_IN)] == ["account.sign_in_paused"]
    assert client.post("/account/login/", {"login": "a@example.org", "password": "x"}).status_code == 429
    assert Client(REMOTE_ADDR="192.0.2.77").post(address).status_code == 200


@pytest.mark.django_db
def test_where_tries_cannot_be_counted_nobody_sets_out(
    client: Client, nhs: RealProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise RedisIsAway

    monkeypatch.setattr("redis.Redis.execute_command", refuse)
    answer = client.post("/account/with/nhs-login/sign-in/")
    assert answer.status_code == 503
    assert "Nobody can sign in for the moment" in said(answer)
    assert not nhs.received


@pytest.mark.django_db
def test_whoever_is_signed_in_need_not_sign_in(client: Client, nhs: RealProvider, proven: Patient) -> None:
    just_signed_in(client, factories.patient_actor(proven))
    assert client.post("/account/with/nhs-login/sign-in/").headers["Location"] == "/"


@pytest.mark.django_db
def test_visitors_cannot_connect_anything(client: Client) -> None:
    for rest in ("", "disconnect/"):
        for answer in (
            client.get(f"/account/with/nhs-login/{rest}"),
            client.post(f"/account/with/nhs-login/{rest}"),
        ):
            assert answer.status_code == 302
            assert answer.headers["Location"].startswith("/account/login/")


@pytest.mark.django_db
def test_what_came_back_in_the_address_is_kept_by_no_browser(client: Client, nhs: RealProvider) -> None:
    page = come_back(client, nhs.decline(depart(client, NHS)))
    assert "no-store" in page.headers["Cache-Control"]
    assert page.headers["Referrer-Policy"] == "same-origin"
