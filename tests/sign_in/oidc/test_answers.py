"""What we ask of a provider, and what of its answers we believe: both against a real one."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
import time_machine
from django.test import Client

from pilot.people.models import Patient
from pilot.sign_in.oidc import tokens
from pilot.sign_in.oidc.configuration import Provider
from pilot.sign_in.oidc.tokens import NotBelieved, read_id_token
from tests import factories
from tests.sign_in.oidc.conftest import CLIENT, SECRET
from tests.sign_in.oidc.journey import claims_of, come_back, depart, just_signed_in, said, travel, who
from tests.sign_in.oidc.provider import Claims, RealProvider, make_key, public_pem, query_of

NHS = "nhs-login"
OTHER_KEY = make_key()


@pytest.fixture
def patient(db: None, nhs: RealProvider) -> Patient:
    """A patient who has an NHS login, as `sub-1`."""
    found = factories.make_patient(factories.make_pilot().practice)
    nhs.knows("sub-1", **claims_of(found))
    return found


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
    client: Client, nhs: RealProvider, patient: Patient, client_key: Any
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
    client: Client, nhs: RealProvider, patient: Patient, configured: dict[str, Provider], settings: Any
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


# --- ID tokens that are wrong in one point ---

Forger = Callable[[RealProvider, Claims], str]


def _with(**others: Any) -> Forger:
    return lambda nhs, claims: nhs.sign({**claims, **others})


def _without(name: str) -> Forger:
    return lambda nhs, claims: nhs.sign({key: value for key, value in claims.items() if key != name})


def _unsigned(nhs: RealProvider, claims: Claims) -> str:
    return jwt.encode(claims, None, algorithm="none", headers={"kid": "own"})


def _signed_with_the_public_key_as_a_secret(nhs: RealProvider, claims: Claims) -> str:
    # By hand: the library refuses to do it.
    import base64
    import hashlib
    import hmac

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    start = ".".join(part(json.dumps(one).encode()) for one in ({"alg": "HS256", "kid": "own"}, claims))
    return f"{start}.{part(hmac.digest(public_pem(nhs.own_key), start.encode(), hashlib.sha256))}"


def _with_a_key_of_its_own(nhs: RealProvider, claims: Claims) -> str:
    jwk = jwt.algorithms.RSAAlgorithm.to_jwk(OTHER_KEY.public_key(), as_dict=True)
    return jwt.encode(claims, OTHER_KEY, algorithm="RS512", headers={"kid": "brought along", "jwk": jwk})


def _altered_after_signing(nhs: RealProvider, claims: Claims) -> str:
    head, _, signature = nhs.sign(claims).split(".")
    _, body, _ = nhs.sign({**claims, "nhs_number": "9990000018"}).split(".")
    return f"{head}.{body}.{signature}"


WRONG: dict[str, Forger] = {
    "unsigned": _unsigned,
    "signed with the public key as a secret": _signed_with_the_public_key_as_a_secret,
    "signed with a key of its own": _with_a_key_of_its_own,
    "signed by another under the right name for the key": lambda nhs, claims: nhs.sign(claims, key=OTHER_KEY),
    "altered after signing": _altered_after_signing,
    "weakly signed": lambda nhs, claims: nhs.sign(claims, algorithm="RS384"),
    "another nonce": _with(nonce="another"),
    "no nonce": _without("nonce"),
    "another issuer": _with(iss="https://auth.example"),
    "no issuer": _without("iss"),
    "for somebody else": _with(aud="another-client"),
    "for somebody else as well as us": _with(aud=[CLIENT, "another"], azp="another"),
    "for several without saying for whom": _with(aud=[CLIENT, "another"]),
    "for us, but issued to another": _with(azp="another"),
    "for nobody": _without("aud"),
    "expired": _with(exp=int(time.time()) - 120),
    "never expiring": _without("exp"),
    "not valid yet": _with(nbf=int(time.time()) + 600),
    "from the future": _with(iat=int(time.time()) + 600),
    "undated": _without("iat"),
    "about nobody": _without("sub"),
    "about an empty name": _with(sub=""),
    "about a number": _with(sub=7),
    "about a name too long to keep": _with(sub="s" * 192),
    "no token at all": lambda nhs, claims: "not a token",
}
# Through the whole journey, since what reads them must not be left out anywhere.
ALL_THE_WAY = (
    "unsigned", "signed with the public key as a secret", "another nonce", "another issuer", "for somebody else",
    "expired",
)  # fmt: skip


@pytest.fixture
def right(nhs: RealProvider) -> Claims:
    """A token's claims that are right in every point."""
    now = int(time.time())
    return {"iss": nhs.issuer, "aud": CLIENT, "sub": "sub-1", "nonce": "once", "iat": now, "exp": now + 60}


def _read(token: str, nhs: RealProvider, provider: Provider) -> Claims:
    own = jwt.algorithms.RSAAlgorithm.to_jwk(nhs.own_key.public_key(), as_dict=True)
    return read_id_token(token, {"keys": [{**own, "kid": "own", "use": "sig"}]}, provider, "once")


@pytest.mark.parametrize("forge", WRONG.values(), ids=WRONG)
def test_a_token_that_is_wrong_in_one_point_is_not_believed(
    nhs: RealProvider, configured: dict[str, Provider], right: Claims, forge: Forger
) -> None:
    assert _read(nhs.sign(right), nhs, configured[NHS]) == right
    with pytest.raises(NotBelieved):
        _read(forge(nhs, right), nhs, configured[NHS])


def test_a_key_for_something_else_signs_no_token(
    nhs: RealProvider, configured: dict[str, Provider], right: Claims
) -> None:
    own = jwt.algorithms.RSAAlgorithm.to_jwk(nhs.own_key.public_key(), as_dict=True)
    with pytest.raises(NotBelieved):
        read_id_token(
            nhs.sign(right), {"keys": [{**own, "kid": "own", "use": "enc"}]}, configured[NHS], "once"
        )


def test_two_clocks_may_differ_by_a_minute_and_no_more(
    nhs: RealProvider, configured: dict[str, Provider], right: Claims
) -> None:
    now, skew = right["iat"], tokens.CLOCK_SKEW
    for near in ({"exp": now - skew + 20}, {"iat": now + skew - 20}):
        assert _read(nhs.sign({**right, **near}), nhs, configured[NHS])
    for far in ({"exp": now - skew - 20}, {"iat": now + skew + 20}):
        with pytest.raises(NotBelieved):
            _read(nhs.sign({**right, **far}), nhs, configured[NHS])


@pytest.mark.django_db
@pytest.mark.parametrize("point", ALL_THE_WAY)
def test_a_token_that_is_wrong_in_one_point_signs_nobody_in(
    client: Client, nhs: RealProvider, patient: Patient, point: str
) -> None:
    nhs.forge = lambda claims: WRONG[point](nhs, claims)
    page = travel(client, nhs, NHS, "sub-1")
    assert page.status_code == 400
    assert who(client) is None
    assert "could not check what NHS login sent us" in said(page)


@pytest.mark.django_db
def test_the_same_token_right_in_every_point_does(
    client: Client, nhs: RealProvider, patient: Patient
) -> None:
    """Without this the test above would pass for any reason."""
    nhs.forge = nhs.sign
    travel(client, nhs, NHS, "sub-1")
    assert who(client)


@pytest.mark.django_db
def test_user_information_about_somebody_else_is_not_believed(
    client: Client, nhs: RealProvider, patient: Patient
) -> None:
    nhs.changes["/userinfo"] = lambda said: {**said, "sub": "sub-2"}
    assert travel(client, nhs, NHS, "sub-1").status_code == 400
    assert who(client) is None


# --- Coming back ---


@pytest.mark.django_db
def test_an_address_to_come_back_by_works_once(client: Client, nhs: RealProvider, patient: Patient) -> None:
    back = nhs.agree(depart(client, NHS), "sub-1")
    come_back(client, back)
    client.logout()
    assert come_back(client, back).status_code == 400
    assert who(client) is None


@pytest.mark.django_db
def test_a_code_works_once_whatever_comes_with_it(
    client: Client, nhs: RealProvider, patient: Patient
) -> None:
    used = query_of(nhs.agree(depart(client, NHS), "sub-1"))
    come_back(client, f"/account/with/nhs-login/callback/?code={used['code']}&state={used['state']}")
    client.logout()
    fresh = query_of(depart(client, NHS))["state"]
    page = come_back(client, f"/account/with/nhs-login/callback/?code={used['code']}&state={fresh}")
    assert page.status_code == 400
    assert who(client) is None


@pytest.mark.django_db
def test_a_way_back_belongs_to_the_browser_that_left(nhs: RealProvider, patient: Patient) -> None:
    """Else somebody could be made to sign in as the attacker."""
    back = nhs.agree(depart(Client(), NHS), "sub-1")
    victim = Client()
    page = come_back(victim, back)
    assert page.status_code == 400
    assert who(victim) is None
    assert "begun in another browser" in said(page)


@pytest.mark.django_db
def test_a_way_back_belongs_to_the_provider_that_was_asked(
    client: Client, nhs: RealProvider, work: RealProvider, patient: Patient
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
def test_a_way_back_closes_after_ten_minutes(client: Client, nhs: RealProvider, patient: Patient) -> None:
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
    client: Client, nhs: RealProvider, patient: Patient
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
    client: Client, nhs: RealProvider, patient: Patient, settings: Any
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
        ("/oauth2/token", lambda said: {key: said[key] for key in said if key != "access_token"}),
        ("/jwks", lambda said: {}),
        ("/jwks", lambda said: [said]),
        ("/userinfo", lambda said: {key: said[key] for key in said if key != "sub"}),
    ],
)
def test_an_answer_of_another_shape_is_not_believed(
    client: Client, nhs: RealProvider, patient: Patient, path: str, change: Any
) -> None:
    nhs.changes[path] = change
    assert travel(client, nhs, NHS, "sub-1").status_code == 400
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
def test_whoever_is_signed_in_need_not_sign_in(client: Client, nhs: RealProvider, patient: Patient) -> None:
    just_signed_in(client, factories.patient_actor(patient))
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
