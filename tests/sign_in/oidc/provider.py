"""A real OpenID Connect provider on this machine (`oidc-provider-mock`), and what it lacks to be like NHS login.

It does all that the protocol asks. In front of it stands what a test wants besides: a note of everything that came in,
the check of a client's signature (the provider knows secrets only), and ID tokens that are wrong in one point.
"""

from __future__ import annotations

import io
import json
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import jwt
import requests
from authlib.deprecate import AuthlibDeprecationWarning
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from werkzeug.serving import make_server

with warnings.catch_warnings():
    # Authlib says at import that a part of it will move; the provider still uses it where it was.
    warnings.simplefilter("ignore", AuthlibDeprecationWarning)
    import oidc_provider_mock

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
Claims = dict[str, Any]


def make_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@dataclass
class Received:
    """One request as it came in."""

    path: str
    query: dict[str, str]
    form: dict[str, str]


@dataclass
class RealProvider:
    """The provider, as a test sees it."""

    issuer: str = ""
    # The key that the client registered, where it signs.
    client_key: Any = None
    received: list[Received] = field(default_factory=list)
    # Changes an answer on its way out: path → function of the decoded JSON.
    changes: dict[str, Callable[[Claims], Claims]] = field(default_factory=dict)
    # Makes another ID token out of the claims of the real one.
    forge: Callable[[Claims], str] | None = None
    is_down: bool = False
    # Leads whoever asks here to another address.
    leads: dict[str, str] = field(default_factory=dict)
    own_key: rsa.RSAPrivateKey = field(default_factory=make_key)

    def knows(self, subject: str, **claims: Any) -> None:
        """From now on this person has an account there, and these things are known of them."""
        requests.put(f"{self.issuer}/users/{subject}", json=claims, timeout=5).raise_for_status()

    def agree(self, address: str, subject: str) -> str:
        """Sign in there and agree; returns the address that the browser is sent back to."""
        answer = requests.post(address, data={"sub": subject}, allow_redirects=False, timeout=5)
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]

    def decline(self, address: str) -> str:
        """Say no there. The provider forgets to send the state back, which the protocol demands: it is added here."""
        answer = requests.post(address, data={"action": "deny"}, allow_redirects=False, timeout=5)
        return f"{answer.headers['Location']}&state={query_of(address)['state']}"

    def last(self, path: str) -> Received:
        return next(one for one in reversed(self.received) if one.path == path)

    def sign(self, claims: Claims, *, algorithm: str = "RS512", key: Any = None, kid: str = "own") -> str:
        return jwt.encode(claims, key or self.own_key, algorithm=algorithm, headers={"kid": kid})

    def forget(self) -> None:
        self.received.clear()
        self.changes.clear()
        self.leads.clear()
        self.forge, self.is_down = None, False


class InFront:
    """Stands between the network and the provider."""

    def __init__(self, app: Any, provider: RealProvider) -> None:
        self.app = app
        self.provider = provider

    def __call__(self, environ: Any, start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        is_form = environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded")
        form = dict(parse_qsl(body.decode())) if is_form else {}
        self.provider.received.append(Received(path, dict(parse_qsl(environ["QUERY_STRING"])), form))
        if self.provider.is_down:
            start_response("503 Service Unavailable", [("Content-Type", "text/plain")])
            return [b"closed"]
        if path in self.provider.leads:
            start_response("302 Found", [("Location", self.provider.leads[path])])
            return [b""]
        if path == "/oauth2/token" and self.provider.client_key:
            if not self._knows_the_client(form, f"{self.provider.issuer}{path}"):
                start_response("401 Unauthorized", [("Content-Type", "application/json")])
                return [b'{"error": "invalid_client"}']
            body = urlencode({**form, "client_secret": "vouched for by the signature"}).encode()
            environ["CONTENT_LENGTH"] = str(len(body))
        environ["wsgi.input"] = io.BytesIO(body)
        return self._pass_on(path, environ, start_response)

    def _knows_the_client(self, form: dict[str, str], endpoint: str) -> bool:
        """What NHS login asks of a client: RS512 with the registered key, for this endpoint, for a short time."""
        if form.get("client_assertion_type") != ASSERTION or "client_secret" in form:
            return False
        try:
            said = jwt.decode(
                form["client_assertion"], self.provider.client_key, algorithms=["RS512"], audience=endpoint,
                options={"require": ["iss", "sub", "aud", "exp", "jti"]},
            )  # fmt: skip
        except jwt.PyJWTError:
            return False
        return said["iss"] == said["sub"] == form["client_id"]

    def _pass_on(self, path: str, environ: Any, start_response: Any) -> Any:
        answer: dict[str, Any] = {}

        def start(status: str, headers: Any, problem: Any = None) -> None:
            answer.update(status=status, headers=headers)

        text = b"".join(self.app(environ, start))
        if answer["status"].startswith("200") and "json" in dict(answer["headers"]).get("Content-Type", ""):
            text = json.dumps(self._changed(path, json.loads(text))).encode()
            answer["headers"] = [pair for pair in answer["headers"] if pair[0] != "Content-Length"]
        start_response(answer["status"], answer["headers"])
        return [text]

    def _changed(self, path: str, said: Claims) -> Claims:
        if path == "/jwks" and self.provider.forge:
            own = jwt.algorithms.RSAAlgorithm.to_jwk(self.provider.own_key.public_key(), as_dict=True)
            said = {"keys": [*said["keys"], {**own, "kid": "own", "use": "sig"}]}
        if path == "/oauth2/token" and self.provider.forge:
            claims = jwt.decode(said["id_token"], options={"verify_signature": False})
            said["id_token"] = self.provider.forge(claims)
        return self.provider.changes[path](said) if path in self.provider.changes else said


@contextmanager
def running(client_key: Any = None) -> Iterator[RealProvider]:
    """Start it on a free port of this machine, in a thread."""
    provider = RealProvider(client_key=client_key)
    app = InFront(oidc_provider_mock.app(), provider)
    server = make_server("localhost", 0, app, threaded=True)
    provider.issuer = f"http://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


def query_of(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
