"""The characters of a text as somebody reads them, and as words are compared by them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

_ALIKE = {**dict.fromkeys("‘’‚‛ʼ′`´＇", "'"), **dict.fromkeys("‐‑‒–—―−﹣－", "-")}
_ONE_FOR_ONE = str.maketrans({**_ALIKE, **dict.fromkeys("\t\n\r\x0b\x0c\u00a0\u202f\u2007\u2009", " ")})
# Letters of other alphabets that look just like ours, in small letters: pasted text brings them, and so do jokers.
_LOOK_ALIKE = dict(zip("авеікмнорстухјѕһԁԛԝαεικνορτυχ", "abeikmhopctyxjshdqwaeikvoptux", strict=True))
# Marks, and what controls direction, joining and variants: nobody sees that they stand in a word.
_UNSEEN = ("Mn", "Me", "Cf")
# Letters by their kind, and empty all the same: they fill the place of a Korean one.
_FILLERS = "\u115f\u1160\u3164\uffa0"
_WIDE = re.compile(r"\s{2}|[^\S ]")


def as_read(text: str) -> tuple[str, Sequence[int]]:
    """The text as somebody reads it: without characters that nobody sees, and with one space for each stretch of white
    space. And where in the text each of its characters stands."""
    if text.isascii() and not _WIDE.search(text):
        return text, range(len(text))
    characters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        if is_unseen(character):
            continue
        is_space = character.isspace()
        if not (is_space and characters and characters[-1] == " "):
            characters.append(" " if is_space else character)
            places.append(place)
    return "".join(characters), places


@dataclass(frozen=True)
class Folded:
    """A text in small plain letters, and where each of its characters stood in the original."""

    text: str
    places: Sequence[int]


def fold(text: str) -> Folded:
    """Small letters, no accents, one kind of apostrophe, hyphen and space; ligatures taken apart."""
    # One for one, so that places stay.
    usual = text.translate(_ONE_FOR_ONE)
    if usual.isascii():
        return Folded(usual.lower(), range(len(text)))
    characters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        for plain in _plain(character):
            characters.append(plain)
            places.append(place)
    return Folded("".join(characters), places)


@lru_cache(maxsize=4096)
def is_unseen(character: str) -> bool:
    """Whether nobody sees that it stands there."""
    return unicodedata.category(character) in _UNSEEN or character in _FILLERS


@lru_cache(maxsize=4096)
def _plain(character: str) -> str:
    if is_unseen(character):
        return ""
    if character in _ALIKE:
        return _ALIKE[character]
    if character.isspace():
        return " "
    parts = unicodedata.normalize("NFKD", character.casefold())
    seen = (part for part in parts if not is_unseen(part))
    return "".join(" " if part.isspace() else _LOOK_ALIKE.get(part, part) for part in seen)
