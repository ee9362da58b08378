"""Reading what a provider signed: an ID token is believed only after every check here, whichever way it came."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt

from pilot.sign_in.oidc.configuration import Provider

# Asymmetric ones only: a public key can then never be taken for a shared secret, and `none` is none of them.
ALGORITHMS = ("RS256", "RS512", "PS256", "PS512", "ES256", "ES512")
REQUIRED = ("iss", "sub", "aud", "exp", "iat", "nonce")
CLOCK_SKEW = 60  # seconds by which two machines may differ
LONGEST_SUBJECT = 191  # as long as the table of links holds

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS = 60
ASSERTION_ALGORITHM = "RS512"  # the one that NHS login takes


class NotBelieved(Exception):  # noqa: N818 (what is the matter, not an error of ours)
    """A provider's answer that cannot be relied upon. The text is for us, and quotes nothing of the answer."""


@dataclass(frozen=True)
class Answer:
    """What a provider vouches for about one person. Never written anywhere as it stands."""

    provider: Provider
    subject: str
    # Signed, and then what was fetched with the token that came along.
    id_token: Mapping[str, Any] = field(repr=False)
    userinfo: Mapping[str, Any] = field(repr=False)

    def claim(self, name: str) -> Any:
        """What it says under this name, or None. Refused where its two papers contradict each other."""
        said = [paper[name] for paper in (self.id_token, self.userinfo) if paper.get(name) is not None]
        if len(said) > 1 and said[0] != said[1]:
            raise NotBelieved("The ID token and the user information differ.")
        return said[0] if said else None


def read_id_token(token: str, keys: Mapping[str, Any], provider: Provider, nonce: str) -> dict[str, Any]:
    """The claims of an ID token that this issuer signed for us, for this very request, and that has not expired.

    Refused otherwise. The keys are those that the configured issuer publishes; keys that a token names or carries
    itself count for nothing.
    """
    try:
        key = _key_of(token, keys)
        claims: dict[str, Any] = jwt.decode(
            token,
            key=key,
            algorithms=list(ALGORITHMS),
            issuer=provider.issuer,
            audience=provider.client_id,
            leeway=CLOCK_SKEW,
            options={"require": list(REQUIRED)},
        )
    except (jwt.PyJWTError, ValueError, TypeError) as problem:
        raise NotBelieved(f"The ID token does not hold ({type(problem).__name__}).") from problem
    # A token for several services has to say that it was issued to this one.
    for_several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if claims.get("azp", None if for_several else provider.client_id) != provider.client_id:
        raise NotBelieved("The ID token was issued to somebody else.")
    if not secrets.compare_digest(str(claims["nonce"]).encode(), nonce.encode()):
        raise NotBelieved("The ID token answers another request.")
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT or not subject.isprintable():
        raise NotBelieved("The ID token names nobody.")
    return claims


def _key_of(token: str, keys: Mapping[str, Any]) -> Any:
    published = [
        key for key in jwt.PyJWKSet.from_dict(dict(keys)).keys if key.public_key_use in (None, "sig")
    ]
    name = jwt.get_unverified_header(token).get("kid")
    if name is None and len(published) == 1:
        return published[0].key
    for key in published:
        if key.key_id == name:
            return key.key
    raise NotBelieved("The ID token is signed with a key that its issuer does not publish.")


def assertion_for(provider: Provider, audience: str) -> str:
    """Our proof, for a minute and for one request, that we are the client that the provider knows (RFC 7523)."""
    now = int(time.time())
    claims = {
        "iss": provider.client_id,
        "sub": provider.client_id,
        "aud": audience,
        "jti": secrets.token_urlsafe(24),
        "iat": now,
        "exp": now + ASSERTION_SECONDS,
    }
    assert provider.private_key  # noqa: S101 (asked only where there is one)
    headers = {"kid": provider.key_id} if provider.key_id else None
    return jwt.encode(claims, provider.private_key, algorithm=ASSERTION_ALGORITHM, headers=headers)
