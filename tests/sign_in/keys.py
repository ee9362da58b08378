"""A security key in software: what an attacker's program would answer with."""

import json

from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2.cose import ES256
from fido2.utils import sha256, websafe_encode
from fido2.webauthn import AttestationObject, AttestedCredentialData, AuthenticatorData

from pilot.access import acting
from pilot.people.models import User
from tests import factories

HOST = "testserver"
FLAG = AuthenticatorData.FLAG


class Key:
    """A security key in software, set up for a user; `alone` as one that signs in without a password."""

    def __init__(self, user: User, *, alone: bool, name: str = "Key") -> None:
        self.user = user
        self.secret = ec.generate_private_key(ec.SECP256R1())
        self.id = f"{user.pk}-{name}".encode()
        public = AttestedCredentialData.create(
            b"\0" * 16, self.id, ES256.from_cryptography_key(self.secret.public_key())
        )
        made = AuthenticatorData.create(sha256(HOST.encode()), FLAG.UP | FLAG.UV | FLAG.AT, 0, bytes(public))
        response = {
            "clientDataJSON": self._client_data("webauthn.create", "AAAA"),
            "attestationObject": websafe_encode(AttestationObject.create("none", made, {})),
        }
        credential = self._credential(response) | {"clientExtensionResults": {"credProps": {"rk": alone}}}
        with acting(factories.TESTS, "test.made"):
            self.authenticator = Authenticator.objects.create(
                user=user,
                type=Authenticator.Type.WEBAUTHN,
                data={"name": name, "credential": credential},
            )

    def answer(self, challenge: str, *, verified: bool) -> str:
        """What the key says to a challenge; `verified` where somebody gave it their PIN."""
        said = AuthenticatorData.create(
            sha256(HOST.encode()), FLAG.UP | (FLAG.UV if verified else FLAG(0)), 1
        )
        client_data = self._client_data("webauthn.get", challenge)
        signed = bytes(said) + sha256(self._json("webauthn.get", challenge))
        response = {
            "clientDataJSON": client_data,
            "authenticatorData": websafe_encode(said),
            "signature": websafe_encode(self.secret.sign(signed, ec.ECDSA(hashes.SHA256()))),
            "userHandle": websafe_encode(str(self.user.pk).encode()),
        }
        return json.dumps(self._credential(response))

    def _credential(self, response: dict[str, str]) -> dict[str, object]:
        return {
            "id": websafe_encode(self.id),
            "rawId": websafe_encode(self.id),
            "type": "public-key",
            "response": response,
        }

    def _client_data(self, kind: str, challenge: str) -> str:
        return websafe_encode(self._json(kind, challenge))

    def _json(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": f"https://{HOST}"}).encode()
