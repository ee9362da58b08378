"""ID tokens that are wrong in one point are not believed: read alone, and at the end of a real journey."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from django.test import Client

from pilot.people.models import Patient
from pilot.sign_in.oidc import tokens
from pilot.sign_in.oidc.configuration import Provider
from pilot.sign_in.oidc.tokens import NotBelieved, read_id_token
from tests.sign_in.oidc.conftest import CLIENT
from tests.sign_in.oidc.journey import said, travel, who
from tests.sign_in.oidc.provider import Claims, RealProvider, make_key, public_pem

NHS = "nhs-login"
OTHER_KEY = make_key()


Forger = Callable[[RealProvider, Claims], str]


# The tokens are made when this module is loaded, which a long run asks for much earlier than it tests.
A_DAY = 24 * 60 * 60


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
    "not valid yet": _with(nbf=int(time.time()) + A_DAY),
    "from the future": _with(iat=int(time.time()) + A_DAY),
    "undated": _without("iat"),
    "about nobody": _without("sub"),
    "about an empty name": _with(sub=""),
    "about a number": _with(sub=7),
    "about a name too long to keep": _with(sub="s" * 192),
    "about a name that no table holds": _with(sub="sub\0-1"),
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
    client: Client, nhs: RealProvider, proven: Patient, point: str
) -> None:
    nhs.forge = lambda claims: WRONG[point](nhs, claims)
    page = travel(client, nhs, NHS, "sub-1")
    assert page.status_code == 400
    assert who(client) is None
    assert "could not check what NHS login sent us" in said(page)


@pytest.mark.django_db
def test_the_same_token_right_in_every_point_does(client: Client, nhs: RealProvider, proven: Patient) -> None:
    """Without this the test above would pass for any reason."""
    nhs.forge = nhs.sign
    travel(client, nhs, NHS, "sub-1")
    assert who(client)


@pytest.mark.django_db
def test_user_information_about_somebody_else_is_not_believed(
    client: Client, nhs: RealProvider, proven: Patient
) -> None:
    nhs.changes["/userinfo"] = lambda said: {**said, "sub": "sub-2"}
    assert travel(client, nhs, NHS, "sub-1").status_code == 400
    assert who(client) is None
