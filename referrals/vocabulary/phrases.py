"""Terms of one or more words, found in a text: how their lists are written, and how words are compared.

A line of a list is `term, term … | not: context; context … | only: context …`, for every term of the line.
In a term, `(a/b)` stands for either and `#` for any number. A context is words around the term, which is `_`
there: a term does not count where one of its `not` fits, and where it has `only`, counts only where one fits. In
a context `*` is any word, `..` up to three, `pack*` whatever begins so; one without `_` may stand anywhere in the
sentence. A line for the term `*` is about every term of the list; one of `-endings` names words by how they end;
`!` begins a line of words that are never meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from typing import NamedTuple

from referrals.vocabulary.characters import fold

Span = tuple[int, int]

# --- From a text to words --------------------------------------------------------------------------

_WORD = re.compile(r"[0-9]+(?:[.,][0-9]+)*|[^\W\d_]+(?:'[^\W\d_]+)*|%")
_SENTENCE_ENDS = re.compile(r"[.!?;]\s")
# What may stand between the words of one term.
_JOINT = re.compile(r"[\s\-/.,'()&]*")


class Word(NamedTuple):
    """A word of a folded text: where it stands, in which sentence, and the forms under which it is looked up."""

    start: int
    end: int
    sentence: int
    # Whether it can belong to one term with the word before it.
    follows_on: bool
    forms: tuple[str, ...]

    @property
    def is_number(self) -> bool:
        return self.forms[0][0].isdigit()


Words = list[Word]


def read_words(text: str) -> Words:
    """The words of a folded text. Letters and digits are apart: "phq9" is two words."""
    words: Words = []
    sentence, end = 0, 0
    for match in _WORD.finditer(text):
        start = match.start()
        between = text[end:start]
        joined = between == " "
        if not joined:
            sentence += _SENTENCE_ENDS.search(between) is not None
            joined = _JOINT.fullmatch(between) is not None
        end = match.end()
        words.append(Word(start, end, sentence, joined, forms(match[0])))
    return words


@lru_cache(maxsize=8192)
def forms(word: str) -> tuple[str, ...]:
    """The word itself, and what it may be the plural or genitive of. Apostrophes do not count."""
    plain = word.replace("'", "")
    found = [plain]
    if len(plain) > 3 and plain.endswith("s") and not plain.endswith("ss"):
        found.append(plain[:-1])
        if plain.endswith("es"):
            found.append(plain[:-2])
    return tuple(found)


# --- Lists of terms --------------------------------------------------------------------------------

_ANY, _FEW, _TERM, _NUMBER = "*", "..", "_", "#"
# A word of a context, or several of which any will do.
Part = str | frozenset[str]
# How many words away a context without a place of its own is looked for.
_NEAR = 30
_FEWEST_LETTERS_BEFORE_ENDING = 2


@dataclass(frozen=True)
class Context:
    """Words around a term: those before it, nearest first, and those after it. `anywhere` has no place for it."""

    before: tuple[Part, ...] = ()
    after: tuple[Part, ...] = ()
    anywhere: tuple[Part, ...] = ()

    @classmethod
    def read(cls, text: str) -> Context:
        parts: list[Part] = []
        for each in re.findall(r"\([^)]*\)|[^\s()]+", fold(text).text):
            if each.startswith("("):
                parts.append(frozenset(word.replace("'", "") for word in each.strip("()").split("/")))
            else:
                parts += _split(each)
        if _TERM not in parts:
            return cls(anywhere=tuple(parts))
        at = parts.index(_TERM)
        return cls(before=tuple(reversed(parts[:at])), after=tuple(parts[at + 1 :]))

    def fits(self, words: Words, first: int, last: int) -> bool:
        """Whether the sentence around words[first] … words[last] reads like this."""
        sentence = words[first].sentence
        if self.anywhere:
            near = range(max(0, first - _NEAR), min(len(words), last + _NEAR))
            return any(_reads(self.anywhere, words, at, 1, sentence) for at in near)
        return _reads(self.before, words, first - 1, -1, sentence) and _reads(
            self.after, words, last + 1, 1, sentence
        )


def _reads(parts: Sequence[Part], words: Words, at: int, step: int, sentence: int) -> bool:
    """Whether these parts stand one after another from words[at] on, within the sentence."""
    if not parts:
        return True
    part, rest = parts[0], parts[1:]
    if part == _FEW:
        return any(_reads(rest, words, at + step * skipped, step, sentence) for skipped in range(4))
    if not 0 <= at < len(words) or words[at].sentence != sentence or not _is(part, words[at]):
        return False
    return _reads(rest, words, at + step, step, sentence)


def _is(part: Part, word: Word) -> bool:
    if isinstance(part, frozenset):
        return not part.isdisjoint(word.forms)
    if part == _ANY:
        return True
    if part == _NUMBER:
        return word.is_number
    if part.endswith("*"):
        return word.forms[0].startswith(part[:-1])
    return part in word.forms


@dataclass(frozen=True)
class Term:
    """A term's words, and where it does not count or alone counts."""

    words: tuple[str, ...]
    unless: tuple[Context, ...] = ()
    only: tuple[Context, ...] = ()

    def length_at(self, words: Words, at: int) -> int:
        """How many words of the text, from words[at] on, are this term: all of them or none."""
        end = at + len(self.words)
        if end > len(words):
            return 0
        for part, word in zip(self.words[1:], words[at + 1 : end], strict=True):
            if not word.follows_on or word.sentence != words[at].sentence or not _is(part, word):
                return 0
        return len(self.words)

    def counts(self, words: Words, first: int, last: int) -> bool:
        if any(context.fits(words, first, last) for context in self.unless):
            return False
        return not self.only or any(context.fits(words, first, last) for context in self.only)


@dataclass
class Phrases:
    """A list of terms, indexed by their first words."""

    by_first_word: dict[str, list[Term]] = field(default_factory=dict)
    endings: tuple[str, ...] = ()
    never: frozenset[str] = frozenset()
    # For every term: where none of this list counts.
    unless: tuple[Context, ...] = ()
    _alike: Alike = field(default_factory=lambda: Alike([]))

    @classmethod
    def read(cls, text: str) -> Phrases:
        """The list that a file holds."""
        found = cls()
        for line in text.splitlines():
            if not line.strip() or line.startswith("#"):
                continue
            names, unless, only = _sections(line)
            if names.startswith("!"):
                found.never |= {fold(each).text for each in _items(names[1:], ",")}
            elif names == _ANY:
                found.unless += unless
            elif names.startswith("-"):
                found.endings += tuple(fold(each).text.removeprefix("-") for each in _items(names, ","))
            else:
                for term in _items(names, ","):
                    for parts in _expanded(term):
                        found.by_first_word.setdefault(parts[0], []).append(Term(tuple(parts), unless, only))
        for terms in found.by_first_word.values():
            terms.sort(key=lambda term: -len(term.words))
        single = [
            word for word, terms in found.by_first_word.items() if any(len(t.words) == 1 for t in terms)
        ]
        found._alike = Alike(single)
        return found

    def beginning_with(self, word: str) -> list[Term]:
        """The terms that may begin with this word of a text, longest first; misspelt words are single."""
        its_forms = forms(word)
        if word[0].isdigit():
            return [*self.by_first_word.get(word, ()), *self.by_first_word.get(_NUMBER, ())]
        known = [
            term for form in its_forms if form not in self.never for term in self.by_first_word.get(form, ())
        ]
        if known or not self.never.isdisjoint(its_forms):
            return known
        if meant := next((meant for form in its_forms if (meant := self._alike.to(form))), None):
            return [term for term in self.by_first_word[meant] if len(term.words) == 1]
        return [Term((its_forms[0],))] if any(self._has_ending(form) for form in its_forms) else []

    def knows(self, word: str, last: str = "") -> bool:
        """Whether this very word, or what it is the plural of, is a term by itself; with the `last` of the pieces that
        it was made of, also whether it has an ending that this piece alone does not."""
        its_forms = forms(word)
        if not self.never.isdisjoint(its_forms):
            return False
        if any(len(term.words) == 1 for form in its_forms for term in self.by_first_word.get(form, ())):
            return True
        # "Something-pril" is about the ending.
        is_said_alone = self._has_ending(last) or (last in self.endings and len(last) < _SHORTEST_MISSPELT)
        return bool(last) and not is_said_alone and any(self._has_ending(form) for form in its_forms)

    def _has_ending(self, word: str) -> bool:
        return any(
            word.endswith(ending) and len(word) >= len(ending) + _FEWEST_LETTERS_BEFORE_ENDING
            for ending in self.endings
        )


class Vocabulary:
    """Several lists, each under a name, looked for in one go."""

    def __init__(self, lists: Mapping[str, Phrases]) -> None:
        self._lists = dict(lists)

    @lru_cache(maxsize=16_384)  # noqa: B019 (there is one vocabulary, kept for good)
    def _beginning_with(self, word: str) -> tuple[tuple[str, list[Term]], ...]:
        found = ((name, phrases.beginning_with(word)) for name, phrases in self._lists.items())
        return tuple((name, terms) for name, terms in found if terms)

    @lru_cache(maxsize=16_384)  # noqa: B019 (as above)
    def knows(self, word: str, last: str = "") -> bool:
        return any(phrases.knows(word, last) for phrases in self._lists.values())

    def find(self, words: Words) -> dict[str, list[Span]]:
        """Where terms of each list stand and count; the longest where several begin together."""
        found: dict[str, list[Span]] = {name: [] for name in self._lists}
        until = dict.fromkeys(self._lists, 0)
        for at, word in enumerate(words):
            for name, terms in self._beginning_with(word.forms[0]):
                if at < until[name]:
                    continue
                length, counts = self._longest(self._lists[name], terms, words, at)
                # What a whole term does not mean, its single words do not mean either.
                until[name] = at + length
                if counts:
                    found[name].append((word.start, words[at + length - 1].end))
        return found

    @staticmethod
    def _longest(phrases: Phrases, terms: Sequence[Term], words: Words, at: int) -> tuple[int, bool]:
        """How many words the longest term is that stands here, and whether it counts; one that counts is preferred."""
        there = 0
        for term in terms:
            length = term.length_at(words, at)
            if length and term.counts(words, at, at + length - 1):
                last = at + length - 1
                return length, not any(context.fits(words, at, last) for context in phrases.unless)
            there = max(there, length)
        return there, False


def _sections(line: str) -> tuple[str, tuple[Context, ...], tuple[Context, ...]]:
    names, *rest = (part.strip() for part in line.split("|"))
    contexts: dict[str, list[Context]] = {"not": [], "only": []}
    for section in rest:
        name, _colon, listed = section.partition(":")
        contexts[name.strip()] += [Context.read(item) for item in _items(listed, ";")]
    return names, tuple(contexts["not"]), tuple(contexts["only"])


def _items(text: str, separator: str) -> list[str]:
    return [item.strip() for item in text.split(separator) if item.strip()]


def _expanded(text: str) -> Iterator[list[str]]:
    """“(low/no) blood pressure” as the words of each of its readings."""
    choices = [part.strip("()").split("/") for part in re.findall(r"\([^)]*\)|[^\s()]+", fold(text).text)]
    for chosen in product(*choices):
        yield [word for part in chosen for word in _split(part)]


def _split(text: str) -> list[str]:
    """The words of a term as `read_words` would cut them, its signs left whole."""
    found: list[str] = []
    for part in text.split():
        whole = part in (_ANY, _FEW, _TERM, _NUMBER) or part.endswith("*")
        found += [part] if whole else [match[0].replace("'", "") for match in _WORD.finditer(part)]
    return found


# --- Misspelt words --------------------------------------------------------------------------------

# Longer than any word: comparing letter by letter would take long, and find nothing.
_SHORTEST_MISSPELT, _LONGEST_MISSPELT = 7, 40
_SOUNDS = (
    ("ph", "f"),
    ("y", "i"),
    ("ae", "e"),
    ("oe", "e"),
    ("th", "t"),
    ("ck", "k"),
    ("c", "k"),
    ("z", "s"),
)
_TWICE = re.compile(r"(.)\1")


class Alike:
    """Words that a text may have meant: they sound the same, or one letter is wrong, missing, added or swapped."""

    def __init__(self, words: Iterable[str]) -> None:
        self._by_sound: dict[str, str] = {}
        self._nearby: dict[str, list[str]] = {}
        for word in words:
            if len(word) >= _SHORTEST_MISSPELT and word.isalpha():
                sound = _sound(word)
                self._by_sound.setdefault(sound, word)
                for near in {sound, *_without_one(sound)}:
                    self._nearby.setdefault(near, []).append(sound)

    def to(self, word: str) -> str | None:
        """The word of the list that this one is a misspelling of, or None."""
        if not _SHORTEST_MISSPELT <= len(word) <= _LONGEST_MISSPELT or not word.isalpha():
            return None
        sound = _sound(word)
        if sound in self._by_sound:
            return self._by_sound[sound]
        for near in (sound, *_without_one(sound)):
            for other in self._nearby.get(near, ()):
                # Hardly anybody gets the first letter wrong.
                if other[0] == sound[0] and _is_one_apart(other, sound):
                    return self._by_sound[other]
        return None


def _sound(word: str) -> str:
    for written, spoken in _SOUNDS:
        word = word.replace(written, spoken)
    return _TWICE.sub(r"\1", word)


def _without_one(word: str) -> list[str]:
    return [word[:place] + word[place + 1 :] for place in range(len(word))]


def _is_one_apart(one: str, other: str) -> bool:
    """Whether one letter was added, left out or changed, or two neighbours were swapped."""
    if one == other:
        return True
    if len(one) > len(other):
        one, other = other, one
    if len(other) - len(one) > 1:
        return False
    same = 0
    while same < len(one) and one[same] == other[same]:
        same += 1
    if len(one) < len(other):
        return one[same:] == other[same + 1 :]
    swapped = one[same : same + 2] == other[same : same + 2][::-1] and one[same + 2 :] == other[same + 2 :]
    return one[same + 1 :] == other[same + 1 :] or swapped
