"""Checks a proof that an event is in the log, with no database and no settings: `python -m audit.sealing.check_proof FILE`.

Needs the standard library and `cryptography`. Nothing in the file is taken on trust: the readable event is encoded again and
compared, the path is followed to the checkpoint's root, and the checkpoint's signature is checked.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import json
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit import merkle
from audit.sealing import leaves, notes

FORM = "pilot-proof/1"
# A proof of a log of 2^63 events is some kilobytes long.
LARGEST_FILE = 1_000_000
EXPLAINED = {
    "event": "The event, readable: every column that is sealed. Bytes are hexadecimal, times are UTC.",
    "leaf": "The same event as the bytes that were sealed (a row as PostgreSQL copies it in binary), in base64.",
    "index": "The event's place in the log, counted from 0.",
    "size": "How many events the log held when the checkpoint was made.",
    "path": "RFC 9162 inclusion proof: the hashes (SHA-256, base64) that lead from the leaf to the root.",
    "checkpoint": "C2SP tlog-checkpoint: origin, size and root of the log, signed (Ed25519 signed note).",
    "public_key": "The key that signed. Compare it with one that reached you by another way.",
}
_TYPES: dict[str, type] = {
    "form": str,
    "explained": dict,
    "origin": str,
    "event": dict,
    "leaf": str,
    "index": int,
    "size": int,
    "path": list,
    "checkpoint": str,
    "public_key": str,
}


class BadProofError(ValueError):
    """This proves nothing; the message says why."""


@dataclass(frozen=True)
class Shown:
    """What a proof shows: this event stood at `index` in the log `origin` of `size` events, whose root `key` signed."""

    event: dict[str, Any]
    index: int
    checkpoint: notes.Checkpoint
    key: notes.Verifier

    def in_words(self, *, is_known_key: bool) -> str:
        """For whoever asked. Values stand as JSON, so that nothing in them can act on a terminal."""
        fields = "\n".join(f"  {name}: {json.dumps(value)}" for name, value in self.event.items())
        trust = (
            "That key is one of those you gave."
            if is_known_key
            else "That key came with the proof itself: compare it with the log's public key as you got it by another way."
        )
        return (
            f"The proof holds. This event is number {self.index} (counted from 0) of the log"
            f" {json.dumps(self.checkpoint.origin)} of {self.checkpoint.size} events, and is as it was sealed:\n{fields}\n"
            f"The log's root at that size is {base64.b64encode(self.checkpoint.root).decode()}.\n"
            f"It was signed with the key {json.dumps(self.key.text)}.\n{trust}"
        )


def check(text: bytes, verifiers: Sequence[notes.Verifier] = ()) -> Shown:
    """What this proof shows, believing these keys; where none is given, the one that it brings along.

    Refused (BadProofError) is whatever is not a whole and right proof; nothing else is ever raised.
    """
    proof = _read(text)
    leaf = _decoded(proof["leaf"], "leaf")
    path = [_decoded(each, "path") for each in proof["path"]]
    try:
        key = notes.Verifier.parse(proof["public_key"])
        believed = list(verifiers) or [key]
        signed_by, checkpoint = opened_by_one(proof["checkpoint"], believed)
    except notes.BadKeyError as error:
        raise BadProofError(f"The public key is none. {error}") from error
    except notes.BadNoteError as error:
        raise BadProofError(f"The checkpoint is not to be believed. {error}") from error
    if (checkpoint.origin, checkpoint.size) != (proof["origin"], proof["size"]):
        raise BadProofError("The proof says another log or another size than its checkpoint.")
    try:
        encoded = leaves.encode(leaves.from_readable(proof["event"]))
    except (ValueError, TypeError, OverflowError, struct.error) as error:
        raise BadProofError("The readable event is not spelt as an event is.") from error
    if encoded != leaf:
        raise BadProofError("The readable event is not the one whose bytes are proved.")
    if not merkle.verify_inclusion(
        proof["index"], proof["size"], merkle.leaf_hash(leaf), path, checkpoint.root
    ):
        raise BadProofError("The path does not lead from the event to the root that was signed.")
    return Shown(proof["event"], proof["index"], checkpoint, signed_by)


def opened_by_one(note: str, verifiers: Sequence[notes.Verifier]) -> tuple[notes.Verifier, notes.Checkpoint]:
    """What a note says and the first of these keys that signed it. Each key is believed for the log of its own name.

    Refused otherwise (BadNoteError), as `notes.opened` refuses.
    """
    origin = note.partition("\n")[0]
    mine = [each for each in verifiers if each.name == origin]
    checkpoint = notes.opened(note, origin, mine)
    for each in mine:
        try:
            return each, notes.opened(note, origin, [each])
        except notes.BadNoteError:
            continue
    return mine[0], checkpoint


def main(arguments: Sequence[str] | None = None, write: Callable[[str], Any] = print) -> int:
    """Check a file and say what it shows. Returns 0 where the proof holds, 1 where not, 2 where nothing could be read."""
    parser = argparse.ArgumentParser(description="Check a proof that an event is in the log.")
    parser.add_argument("file", type=Path, help="the proof, as `manage.py audit prove` wrote it")
    parser.add_argument(
        "--verifiers", type=Path, help="the log's public keys as they reached you, one a line"
    )
    chosen = parser.parse_args(arguments)
    return run(chosen.file, chosen.verifiers, write)


def run(file: Path, verifiers: Path | None, write: Callable[[str], Any]) -> int:
    """As `main`, for whoever has read the arguments already."""
    try:
        with file.open("rb") as opened:
            text = opened.read(LARGEST_FILE + 1)
        known = notes.read_verifiers(verifiers) if verifiers else []
    except (OSError, UnicodeDecodeError, notes.BadKeyError) as error:
        write(f"Nothing was checked. {error}")
        return 2
    try:
        shown = check(text, known)
    except BadProofError as error:
        write(f"The proof does not hold. {error}")
        return 1
    write(shown.in_words(is_known_key=bool(known)))
    return 0


def _read(text: bytes) -> dict[str, Any]:
    if len(text) > LARGEST_FILE:
        raise BadProofError("The file is far too long for a proof.")
    try:
        proof = json.loads(text.decode(), object_pairs_hook=_once)
        json.dumps(proof, ensure_ascii=False).encode()  # Half a character, as JSON may hold one, is no text.
    except (ValueError, RecursionError) as error:
        raise BadProofError("The file is no JSON, or says something twice.") from error
    if type(proof) is not dict or {name: type(value) for name, value in proof.items()} != _TYPES:
        raise BadProofError("The file does not have the parts of a proof, or has others as well.")
    if proof["form"] != FORM or proof["explained"] != EXPLAINED:
        raise BadProofError("The file is of another form, or explains itself in words that are not ours.")
    return proof


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("A name stands there twice.")
    return found


def _decoded(text: object, what: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True) if type(text) is str else b""
    except (binascii.Error, ValueError) as error:
        raise BadProofError(f"Its {what} is not base64.") from error
    if base64.b64encode(raw).decode() != text:
        raise BadProofError(f"Its {what} is not base64.")
    return raw


if __name__ == "__main__":
    sys.exit(main())
