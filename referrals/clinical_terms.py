"""Finds clinical content in free text that a coach can read, so that whoever wrote it is asked before it is saved.

What it finds: medicines by name (also misspelt by a letter, also by the ending that names a class) and doses;
diagnoses in clinicians' and in everyday words; codes of SNOMED CT, ICD-10, Read and CTV3; clinical questionnaires,
scores and measurements; what fit notes say. A word that is somebody's surname, job, employer, postcode, bus or band
is left alone where the words around it say so (vocabulary/*.txt: each line is a list of terms, then where they do
not count and where alone they count).

What it cannot find: symptoms in everyday words ("I get tired"), what is only hinted at, names of medicines that are
not in the lists, abbreviations that are also words, other languages. It does not judge: it asks. Nothing is refused
because of it; docs/clinical-terms.md says how often it is right. It knows nobody, keeps nothing and asks no network.

Promised, and tested: never raises; every span lies in the text; whether letters are capitals, how wide the spaces
are, which apostrophes and hyphens were typed, and whether a term was taken apart by a sign, a gap or letter by letter
changes nothing, but for codes, where capitals carry meaning (one with a point is found in small letters too).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from referrals.vocabulary.characters import as_read, fold
from referrals.vocabulary.patterns import find_codes, find_doses
from referrals.vocabulary.phrases import Phrases, Span, Vocabulary, Words, read_words
from referrals.vocabulary.split import joined

_FOLDER = Path(__file__).parent / "vocabulary"


class Kind(TextChoices):
    """What sort of clinical content it is, in words for the person who wrote it."""

    MEDICINE = "medicine", _("a medicine")
    DOSE = "dose", _("a dose")
    DIAGNOSIS = "diagnosis", _("a health condition")
    CODE = "code", _("a medical code")
    SCORE = "score", _("a clinical questionnaire, score or test")
    FIT_NOTE = "fit_note", _("what a fit note says")


_FILES = {
    Kind.MEDICINE: "medicines.txt",
    Kind.DIAGNOSIS: "conditions.txt",
    Kind.SCORE: "scores.txt",
    Kind.FIT_NOTE: "fit_notes.txt",
}


@dataclass(frozen=True, order=True)
class Finding:
    """A stretch of the text, from `start` up to `end`, and what it seems to be."""

    start: int
    end: int
    kind: Kind

    def words(self, text: str) -> str:
        return text[self.start : self.end]


def screen(text: str) -> list[Finding]:
    """Everything clinical in the text, in its order; what lies inside a longer finding is left out."""
    read, at = as_read(text)
    return [Finding(at[each.start], at[each.end - 1] + 1, each.kind) for each in _screen(read)]


def _screen(text: str) -> list[Finding]:
    folded = fold(text)
    words = read_words(folded.text)
    found = _vocabulary().find(words)
    for kind, its_spans in _split(folded.text, words).items():
        found[kind] += its_spans
    found[Kind.DOSE] = find_doses(folded.text, found[Kind.MEDICINE])
    spans = [
        Finding(folded.places[start], folded.places[end - 1] + 1, Kind(kind))
        for kind, its_spans in found.items()
        for start, end in its_spans
    ]
    diagnoses = [(each.start, each.end) for each in spans if each.kind is Kind.DIAGNOSIS]
    spans += [Finding(start, end, Kind.CODE) for start, end in find_codes(text, diagnoses)]
    return _without_parts(spans)


def _split(text: str, words: Words) -> dict[str, list[Span]]:
    """Terms with a word in them that was taken apart."""
    whole, is_joined = joined(text, words, _vocabulary().knows)
    if not any(is_joined):
        return {}
    places = [(word.start, word.end) for word, joined_up in zip(whole, is_joined, strict=True) if joined_up]
    return {
        kind: [span for span in spans if any(span[0] <= start and end <= span[1] for start, end in places)]
        for kind, spans in _vocabulary().find(whole).items()
    }


def _without_parts(found: list[Finding]) -> list[Finding]:
    kept: list[Finding] = []
    end = 0
    # Longest first where two begin together, so that whatever lies inside another comes after it.
    for each in sorted(set(found), key=lambda each: (each.start, -each.end)):
        if each.end > end:
            kept.append(each)
            end = each.end
    return kept


@cache
def _vocabulary() -> Vocabulary:
    return Vocabulary(
        {kind: Phrases.read((_FOLDER / name).read_text("utf-8")) for kind, name in _FILES.items()}
    )
