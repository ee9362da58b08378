"""Short codes that people read out, type in and copy by hand: no 0 and O, no 1, I and L, no U beside V."""

from __future__ import annotations

import hashlib
import re
import secrets

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
# Thirty letters and digits: 729 million references, and 590 million million codes.
_REFERENCE, _CODE = 6, 10


def new_reference() -> str:
    """A referral's reference, like K7M-2QX. Not secret, and not necessarily new."""
    return _in_halves(_any(_REFERENCE))


def new_code() -> str:
    """An invitation's code, like K7M2Q-XP4RW. Cannot be guessed."""
    return _in_halves(_any(_CODE))


def reference_in(text: str) -> str:
    """The reference that the text is, as it is written; '' for a text that is none."""
    letters = normalised(text)
    return _in_halves(letters) if len(letters) == _REFERENCE and set(letters) <= set(ALPHABET) else ""


def digest_of(code: str) -> str:
    """What is kept of a code: the same however it was typed, and not to be turned back."""
    return hashlib.sha256(normalised(code).encode()).hexdigest()


def normalised(code: str) -> str:
    """The letters and digits alone, as capitals."""
    return re.sub(r"[^0-9A-Z]", "", code.upper())


def _any(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def _in_halves(text: str) -> str:
    half = len(text) // 2
    return f"{text[:half]}-{text[half:]}"
