"""Checkpoints of the log as C2SP tlog-checkpoints: a signed note that says origin, size and root.

Formats: c2sp.org/signed-note, c2sp.org/tlog-checkpoint. Keys are Ed25519, written as Go's `note` package writes them,
so that tools made for transparency logs read both.
"""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from audit.merkle import HASH_LENGTH

_ED25519 = b"\x01"
_DASH = "— "
_LARGEST = 2**63 - 1
_LONGEST_LIST = 100_000


class BadNoteError(ValueError):
    """This is no checkpoint, or nobody we know signed it; the message says which."""


class BadKeyError(ValueError):
    """This is no key of ours; the message says why, and never what the key is."""


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint says: the log `origin` had this `root` when it held `size` events."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The signed part of the note."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True)
class Verifier:
    """A public key by which checkpoints are believed, up to the size at which it was retired, if it was."""

    name: str
    public: bytes
    until: int | None = None

    @property
    def key_id(self) -> bytes:
        """What a signature's line begins with, to say which key made it."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    @property
    def text(self) -> str:
        """The key as one line, to be given to whoever checks."""
        encoded = base64.b64encode(_ED25519 + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    @classmethod
    def parse(cls, line: str) -> Verifier:
        """Read a line of `text`, perhaps followed by ` until SIZE`. Refused: anything else (BadKeyError)."""
        text, _, until = line.strip().partition(" until ")
        name, _, rest = text.partition("+")
        claimed, _, encoded = rest.partition("+")
        raw = _decoded(encoded)
        if not _is_name(name) or raw is None or len(raw) != 33 or raw[:1] != _ED25519:
            raise BadKeyError(f"{line.strip()[:40]!r} is no public key of a signed note.")
        if until and not (until.isascii() and until.isdigit() and len(until) < 20):
            raise BadKeyError(f"{name}: the key is retired at a size, and {until[:20]!r} is none.")
        verifier = cls(name, raw[1:], int(until) if until else None)
        if verifier.key_id.hex() != claimed:
            raise BadKeyError(f"{name}: the key's own check does not match it. Was it copied whole?")
        return verifier

    def signed(self, checkpoint: Checkpoint, signature: bytes) -> bool:
        """Whether this key, while it was in use, signed this checkpoint."""
        if self.until is not None and checkpoint.size > self.until:
            return False
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, checkpoint.text.encode())
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class Signer:
    """The private key that signs checkpoints. Its text is a secret."""

    name: str
    seed: bytes

    def __repr__(self) -> str:
        return f"Signer({self.name!r})"

    @classmethod
    def new(cls, name: str) -> Signer:
        """A fresh key. Refused where the name could not stand in a note (BadKeyError)."""
        if not _is_name(name):
            raise BadKeyError(
                f"{name!r} is no name for a key: it has a space or a plus sign in it, or is empty."
            )
        return cls(name, Ed25519PrivateKey.generate().private_bytes_raw())

    @property
    def verifier(self) -> Verifier:
        """The public key that belongs to it."""
        return Verifier(self.name, self._private.public_key().public_bytes_raw())

    @property
    def text(self) -> str:
        """The key as one line, to be kept where only the sealer reads."""
        encoded = base64.b64encode(_ED25519 + self.seed).decode()
        return f"PRIVATE+KEY+{self.name}+{self.verifier.key_id.hex()}+{encoded}"

    @classmethod
    def parse(cls, text: str) -> Signer:
        """Read what `text` wrote. Refused: anything else (BadKeyError, which does not quote it)."""
        parts = text.strip().split("+", 4)
        raw = _decoded(parts[4]) if len(parts) == 5 else None
        if parts[:2] != ["PRIVATE", "KEY"] or raw is None or len(raw) != 33 or raw[:1] != _ED25519:
            raise BadKeyError("The signing key's file holds no private key of a signed note.")
        signer = cls(parts[2], raw[1:])
        if signer.verifier.key_id.hex() != parts[3]:
            raise BadKeyError("The signing key's own check does not match it. Was the file copied whole?")
        return signer

    def line(self, checkpoint: Checkpoint) -> str:
        """The line that a note ends with: this key's signature."""
        signature = self._private.sign(checkpoint.text.encode())
        return f"{_DASH}{self.name} {base64.b64encode(self.verifier.key_id + signature).decode()}\n"

    @property
    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


def signed(checkpoint: Checkpoint, *signers: Signer) -> str:
    """The checkpoint as a note with a signature of each signer: while a key is replaced, both the old and the new."""
    return f"{checkpoint.text}\n{''.join(signer.line(checkpoint) for signer in signers)}"


def opened(note: str, origin: str, verifiers: list[Verifier]) -> Checkpoint:
    """What a note says, once one of the verifiers has signed it and it is about this log.

    Refused otherwise (BadNoteError): another form, another origin, no valid signature, a valid one of a retired key, or
    a second line of the same key that does not fit.
    """
    checkpoint, lines = _parsed(note)
    if checkpoint.origin != origin:
        raise BadNoteError(f"It is about another log: {checkpoint.origin[:80]!r}.")
    known = {(each.name, each.key_id): each for each in verifiers}
    is_signed = False
    for name, raw in lines:
        verifier = known.get((name, raw[:4]))
        if verifier is None:
            continue  # Others may sign as well; who they are is not ours to say.
        if not verifier.signed(checkpoint, raw[4:]):
            raise BadNoteError(f"The signature of {name} is not right, or its key was retired before.")
        is_signed = True
    if not is_signed:
        raise BadNoteError("Nobody whose key is known has signed it.")
    return checkpoint


def read_verifiers(file: Path) -> list[Verifier]:
    """The keys of this file. Refused as `verifiers_in` refuses, and a file that no list of keys is as long as."""
    with file.open(encoding="utf-8") as opened:
        text = opened.read(_LONGEST_LIST + 1)
    if len(text) > _LONGEST_LIST:
        raise BadKeyError(f"{file.name} is far too long for a list of keys.")
    return verifiers_in(text)


def verifiers_in(text: str) -> list[Verifier]:
    """The keys of this text: one to a line, `#` before a comment. Refused: a text without any (BadKeyError)."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    found = [Verifier.parse(line) for line in lines if line]
    if not found:
        raise BadKeyError("There is no public key in it.")
    return found


def read_signer(file: Path) -> Signer:
    """The private key of this file. Refused where others may read the file (BadKeyError)."""
    if os.stat(file).st_mode & 0o077:
        raise BadKeyError(
            f"Others may read {file.name}: run `chmod 600` on it, and replace the key if they did."
        )
    return Signer.parse(file.read_text(encoding="utf-8"))


def _parsed(note: str) -> tuple[Checkpoint, list[tuple[str, bytes]]]:
    """The checkpoint and its signatures (name, key's id ‖ signature), believed or not."""
    text, separator, signatures = note.rpartition("\n\n")
    if not separator or not signatures.endswith("\n") or any(ord(c) < 32 and c != "\n" for c in note):
        raise BadNoteError("It is no signed note.")
    origin, size, root, *extensions = (
        [*text.split("\n"), "", ""] if text.count("\n") < 2 else text.split("\n")
    )
    raw = _decoded(root)
    if (
        not origin
        or not size.isascii()
        or not size.isdigit()
        or str(int(size[:20])) != size
        or int(size) > _LARGEST
    ):
        raise BadNoteError("It does not say of which log, and of how many events.")
    if raw is None or len(raw) != HASH_LENGTH or extensions:
        raise BadNoteError("It does not say which root the log had, or says more than that.")
    lines = []
    for line in signatures.removesuffix("\n").split("\n"):
        name, _, encoded = line.removeprefix(_DASH).partition(" ")
        signature = _decoded(encoded)
        if not line.startswith(_DASH) or not _is_name(name) or signature is None or len(signature) < 5:
            raise BadNoteError("One of its signatures is none.")
        lines.append((name, signature))
    return Checkpoint(origin, int(size), raw), lines


def _decoded(text: str) -> bytes | None:
    """What this stands for in base64, written in the one right way; None otherwise."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if base64.b64encode(raw).decode() == text else None


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(c.isspace() for c in name)
