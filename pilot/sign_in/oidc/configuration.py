"""Which providers people may sign in through, read from the environment. Needs nothing of Django's: settings ask it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.core.exceptions import ImproperlyConfigured

NHS_LOGIN, WORK = "nhs-login", "work"
# High identity proofing, and two factors: password and device, password and shared key, or a device's own key.
NHS_LOGIN_VECTORS = ("P9.Cp.Cd", "P9.Cp.Ck", "P9.Cm")
LEAST_KEY_BITS = 2048


@dataclass(frozen=True)
class Provider:
    """A provider that vouches for people: who it is, how we prove to it who we are, and what we ask of it.

    `issuer` is part of every person's key: the same subject at another issuer is somebody else. With a `private_key`
    we sign our requests for tokens; without one we send `client_secret`.
    """

    slug: str
    name: str
    issuer: str
    client_id: str
    scope: tuple[str, ...]
    client_secret: str = field(default="", repr=False)
    private_key: RSAPrivateKey | None = field(default=None, repr=False)
    key_id: str = ""
    vectors: tuple[str, ...] = ()
    # What in its ID token says that it asked for a second factor. With neither, it never does.
    acr: frozenset[str] = frozenset()
    amr: frozenset[str] = frozenset()

    @property
    def is_for_patients(self) -> bool:
        return self.slug == NHS_LOGIN


def from_environment(env: Any, *, production: bool) -> dict[str, Provider]:
    """The providers that are configured, by the name they have in addresses; none where nothing is.

    Refused: half a configuration, a key that is none, and an issuer that is not reached by https (the demo and the
    tests may have one on this machine).
    """
    found = {}
    if given := _given(env, "NHS_LOGIN", ("ISSUER", "CLIENT_ID", "PRIVATE_KEY_FILE"), ("KEY_ID",)):
        found[NHS_LOGIN] = Provider(
            slug=NHS_LOGIN,
            name="NHS login",
            issuer=_issuer(given["ISSUER"], production=production),
            client_id=given["CLIENT_ID"],
            private_key=_private_key(given["PRIVATE_KEY_FILE"]),
            key_id=given["KEY_ID"],
            # `profile` holds NHS number, last name, birthday and proofing level; `email` is for a new account.
            scope=("openid", "profile", "email"),
            vectors=NHS_LOGIN_VECTORS,
        )
    credential = "PRIVATE_KEY_FILE" if env.str("STAFF_SIGN_IN_PRIVATE_KEY_FILE", "") else "CLIENT_SECRET"
    choices = ("NAME", "KEY_ID", "SECOND_FACTOR_ACR", "SECOND_FACTOR_AMR")
    if given := _given(env, "STAFF_SIGN_IN", ("ISSUER", "CLIENT_ID", credential), choices):
        found[WORK] = Provider(
            slug=WORK,
            name=given["NAME"] or "your work account",
            issuer=_issuer(given["ISSUER"], production=production),
            client_id=given["CLIENT_ID"],
            client_secret=given.get("CLIENT_SECRET", ""),
            private_key=_private_key(given["PRIVATE_KEY_FILE"]) if "PRIVATE_KEY_FILE" in given else None,
            key_id=given["KEY_ID"],
            scope=("openid", "email"),
            acr=_words(given["SECOND_FACTOR_ACR"]),
            amr=_words(given["SECOND_FACTOR_AMR"]),
        )
    return found


def _given(env: Any, prefix: str, needed: tuple[str, ...], choices: tuple[str, ...]) -> dict[str, str]:
    values = {name: env.str(f"{prefix}_{name}", "").strip() for name in (*needed, *choices)}
    missing = [f"{prefix}_{name}" for name in needed if not values[name]]
    if missing and any(values.values()):
        raise ImproperlyConfigured(
            f"Signing in through a provider is half configured. Missing: {', '.join(missing)}. "
            f"Set all of {prefix}_*, or none."
        )
    return {} if missing else values


def _issuer(address: str, *, production: bool) -> str:
    """The address as the provider writes it in its tokens: compared character by character."""
    parts = urlsplit(address)
    on_this_machine = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme != "https" and (production or not on_this_machine):
        raise ImproperlyConfigured(f"An issuer is reached by https; {address!r} is not.")
    return address


def _private_key(name: str) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(Path(name).read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as problem:
        raise ImproperlyConfigured(
            f"{name} holds no readable private key (PEM, without a password)."
        ) from problem
    if not isinstance(key, RSAPrivateKey) or key.key_size < LEAST_KEY_BITS:
        raise ImproperlyConfigured(f"{name}: an RSA key of at least {LEAST_KEY_BITS} bits is needed.")
    return key


def _words(text: str) -> frozenset[str]:
    return frozenset(word.strip() for word in text.split(",") if word.strip())
