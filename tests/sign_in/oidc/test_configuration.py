"""Configured wholly or not at all; and where nothing is configured, nothing of it is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import environ
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from pilot.sign_in.oidc.configuration import NHS_LOGIN, NHS_LOGIN_VECTORS, WORK, from_environment

ISSUER = "https://auth.example"


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _written(tmp_path_factory.mktemp("keys") / "key.pem", rsa.generate_private_key(65537, 2048))


def _written(file: Path, key: Any) -> Path:
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return file


def read(monkeypatch: pytest.MonkeyPatch, *, production: bool = True, **variables: str) -> Any:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return from_environment(environ.Env(), production=production)


def test_nothing_configured_is_nothing_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch) == {}


def test_nhs_login_as_it_is_configured(monkeypatch: pytest.MonkeyPatch, key_file: Path) -> None:
    found = read(
        monkeypatch,
        NHS_LOGIN_ISSUER=ISSUER,
        NHS_LOGIN_CLIENT_ID="pilot",
        NHS_LOGIN_PRIVATE_KEY_FILE=str(key_file),
    )
    [provider] = found.values()
    assert (provider.slug, provider.vectors, provider.client_secret) == (NHS_LOGIN, NHS_LOGIN_VECTORS, "")
    assert "PRIVATE" not in repr(provider)


def test_a_work_sign_in_as_it_is_configured(monkeypatch: pytest.MonkeyPatch, key_file: Path) -> None:
    variables = {
        "STAFF_SIGN_IN_ISSUER": ISSUER,
        "STAFF_SIGN_IN_CLIENT_ID": "pilot",
        "STAFF_SIGN_IN_NAME": "NHSmail",
        "STAFF_SIGN_IN_SECOND_FACTOR_AMR": "mfa, hwk",
    }
    by_secret = read(monkeypatch, **variables, STAFF_SIGN_IN_CLIENT_SECRET="quiet")[WORK]
    assert (by_secret.name, by_secret.client_secret, by_secret.private_key) == ("NHSmail", "quiet", None)
    assert (by_secret.acr, by_secret.amr) == (frozenset(), {"mfa", "hwk"})
    assert "quiet" not in repr(by_secret)
    monkeypatch.delenv("STAFF_SIGN_IN_CLIENT_SECRET")
    by_key = read(monkeypatch, STAFF_SIGN_IN_PRIVATE_KEY_FILE=str(key_file))[WORK]
    assert by_key.private_key
    assert by_key.client_secret == ""


@pytest.mark.parametrize(
    "half",
    [
        {"NHS_LOGIN_ISSUER": ISSUER},
        {"NHS_LOGIN_CLIENT_ID": "pilot", "NHS_LOGIN_PRIVATE_KEY_FILE": "key.pem"},
        {"NHS_LOGIN_KEY_ID": "1"},
        {"STAFF_SIGN_IN_ISSUER": ISSUER, "STAFF_SIGN_IN_CLIENT_ID": "pilot"},
        {"STAFF_SIGN_IN_NAME": "NHSmail"},
    ],
    ids=", ".join,
)
def test_half_a_configuration_is_refused_and_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, half: dict[str, str]
) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"Missing: (NHS_LOGIN|STAFF_SIGN_IN)_"):
        read(monkeypatch, **half)


@pytest.mark.parametrize(
    ("issuer", "production", "taken"),
    [
        ("http://auth.example", True, False),
        ("http://auth.example", False, False),
        ("http://localhost:9000", True, False),
        ("http://localhost:9000", False, True),
        (ISSUER, True, True),
    ],
)
def test_an_issuer_is_reached_by_https(
    monkeypatch: pytest.MonkeyPatch, issuer: str, production: bool, taken: bool
) -> None:
    variables = {
        "STAFF_SIGN_IN_ISSUER": issuer,
        "STAFF_SIGN_IN_CLIENT_ID": "pilot",
        "STAFF_SIGN_IN_CLIENT_SECRET": "quiet",
    }
    if taken:
        assert read(monkeypatch, production=production, **variables)
    else:
        with pytest.raises(ImproperlyConfigured, match="https"):
            read(monkeypatch, production=production, **variables)


@pytest.mark.parametrize("wrong", ["none there", "no key", "too short", "another kind"])
def test_a_key_that_nhs_login_would_not_take_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wrong: str
) -> None:
    file = tmp_path / "key.pem"
    if wrong == "no key":
        file.write_text("a key, it says")
    if wrong == "too short":
        _written(file, rsa.generate_private_key(65537, 1024))  # noqa: S505 (that is the point)
    if wrong == "another kind":
        _written(file, ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(ImproperlyConfigured, match=r"key\.pem"):
        read(
            monkeypatch,
            NHS_LOGIN_ISSUER=ISSUER,
            NHS_LOGIN_CLIENT_ID="pilot",
            NHS_LOGIN_PRIVATE_KEY_FILE=str(file),
        )


@pytest.mark.django_db
def test_where_none_is_configured_there_is_no_button_and_no_address(client: Client, settings: Any) -> None:
    settings.ROOT_URLCONF = "pilot.urls"
    settings.SIGN_IN_PROVIDERS = {}
    page = client.get("/account/login/")
    assert page.status_code == 200
    assert "NHS login" not in page.content.decode()
    for rest in ("", "sign-in/", "callback/", "disconnect/"):
        assert client.get(f"/account/with/nhs-login/{rest}").status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize(
    "address",
    ["social/connections/", "social/signup/", "3rdparty/", "3rdparty/signup/", "oidc/nhs-login/login/"],
)
def test_the_librarys_own_pages_are_not_offered(client: Client, address: str) -> None:
    assert client.get(f"/account/{address}").status_code == 404
    assert client.get(f"/{address}").status_code == 404


@pytest.mark.django_db
def test_the_sign_in_page_offers_each_with_nhs_login_first_and_carries_where_to_go_on(client: Client) -> None:
    text = client.get("/account/login/?next=/my-record/").content.decode()
    nhs = text.index("Continue to NHS login")
    assert nhs < text.index("Continue to NHSmail") < text.index('type="password"')
    assert 'name="next" value="/my-record/"' in text[text.index("nhs-login/sign-in/") : nhs]
