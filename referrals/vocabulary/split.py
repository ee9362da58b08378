"""Words that were taken apart in the writing: "sertra-line", "bi/polar", "s e r t r a l i n e", "parace tamol".

The pieces count as one word only where together they are a term of a list, letter for letter, or have an ending that
names a class and is itself taken apart: ordinary words that stand side by side hardly ever do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from referrals.vocabulary.phrases import Word, Words, forms

# What may stand inside a word: a sign, and after it the end of a line.
_SIGN = re.compile(r"[^\w\s,;:!?()\"“”%]{1,2} {0,3}|_+")
# What may stand between letters that are spelled out.
_BETWEEN_LETTERS = re.compile(r"[\s\W_]{1,3}")
_GAP = re.compile(r" +")

_MOST_PIECES, _MOST_LETTERS = 6, 24
# Fewer letters are a coincidence more often than not.
_FEWEST_BY_SIGN, _FEWEST_SPELLED_OUT, _FEWEST_BY_GAP, _SHORTEST_PIECE = 6, 4, 9, 3

# Whether some letters are a term, given the last of the pieces that they come from where an ending will do.
Knows = Callable[[str, str], bool]


def joined(text: str, words: Words, knows: Knows) -> tuple[Words, list[bool]]:
    """The words of a text with those put together that are one, and which of them are."""
    found: Words = []
    is_joined: list[bool] = []
    at = 0
    while at < len(words):
        end = _end_of_one(text, words, at, knows)
        first, last = words[at], words[end - 1]
        if end == at + 1:
            found.append(first)
        else:
            whole = _letters(words, at, end)
            found.append(Word(first.start, last.end, first.sentence, first.follows_on, forms(whole)))
        is_joined.append(end > at + 1)
        at = end
    return found, is_joined


def _end_of_one(text: str, words: Words, at: int, knows: Knows) -> int:
    """Where the word ends that begins with words[at]: after it, or after the last of its pieces."""
    if at + 1 == len(words) or not words[at].forms[0].isalpha():
        return at + 1
    readings = (
        (end, _letters(words, at, end), last) for end, last in _readings(text, words, at) if end > at + 1
    )
    return next((end for end, whole, last in readings if knows(whole, last)), at + 1)


def _readings(text: str, words: Words, at: int) -> Iterator[tuple[int, str]]:
    """Where the word that begins with words[at] could end, the longest first, with its last piece where that matters."""
    end = _run(text, words, at, _SIGN, _MOST_PIECES)
    while end > at + 1:
        if (
            words[end - 1].end - words[at].start >= _FEWEST_BY_SIGN + 1
            and len(_letters(words, at, end)) >= _FEWEST_BY_SIGN
        ):
            yield end, words[end - 1].forms[0]
        end -= 1
    if _is_letter(words[at]) and not (at and _is_letter(words[at - 1]) and _is_near(text, words, at)):
        end = _run(text, words, at, _BETWEEN_LETTERS, _MOST_LETTERS, longest=1)
        yield from ((end, "") for end in range(end, at + _FEWEST_SPELLED_OUT - 1, -1))
    end = _run(text, words, at, _GAP, 2)
    pieces = [len(word.forms[0]) for word in words[at:end]]
    if len(pieces) > 1 and min(pieces) >= _SHORTEST_PIECE and sum(pieces) >= _FEWEST_BY_GAP:
        yield end, ""


def _is_letter(word: Word) -> bool:
    return len(word.forms[0]) == 1


def _is_near(text: str, words: Words, at: int) -> bool:
    return _BETWEEN_LETTERS.fullmatch(text, words[at - 1].end, words[at].start) is not None


def _run(text: str, words: Words, at: int, between: re.Pattern[str], most: int, *, longest: int = 40) -> int:
    """Up to where pieces follow words[at] with nothing but this between them."""
    end = at + 1
    while end < len(words) and end - at < most:
        piece = words[end].forms[0]
        if not piece.isalpha() or len(piece) > longest:
            break
        if not between.fullmatch(text, words[end - 1].end, words[end].start):
            break
        end += 1
    return end


def _letters(words: Words, at: int, end: int) -> str:
    return "".join(word.forms[0] for word in words[at:end])
