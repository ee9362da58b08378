"""Doses and codes, which are known by their shape and by what stands beside them."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from referrals.vocabulary.phrases import Span

# --- Doses, in a folded text -----------------------------------------------------------------------

_HOW_MANY = r"(?:[0-9]+(?:[.,][0-9]+)?|half(?: an?)?|one|two|three|four|five|six|a|an)"
_TIMES = (
    r"(?:(?:once|twice|thrice|(?:one|two|three|four|five|six|[1-6])(?: times| x|x)) ?(?:(?:a|per|each|every) )?"
    r"(?:day|daily|night|week|weekly)|daily|nightly|od|bd|tds|tid|qds|qid|prn|nocte|mane|"
    r"(?:at|every|each|in the|before|with|after|per) (?:the )?(?:each |every )?"
    r"(?:night|bedtime|bed|morning|evening|lunchtime|breakfast|lunch|dinner|meal|meals|food|day|week)|"
    r"(?:when|as|if) (?:needed|required|necessary)|"
    r"every (?:two|three|four|six|eight|twelve|[0-9]{1,2}) hours|changed (?:daily|weekly))"
)
_NEXT = r"(?: [a-z]+){0,2}? "
_DOSES = [
    # Milligrams and micrograms measure little else.
    re.compile(
        r"(?<![\w.])[0-9]+(?:[.,][0-9]+)?[ -]?(?:mg|mgs|mcg|μg|ug|micrograms?|milligrams?)"
        rf"(?: ?/ ?(?:[0-9]+ ?)?(?:ml|kg|day|dose|h))?(?![\w])(?: {_TIMES}(?!\w))?"
    ),
    re.compile(
        rf"(?<![\w.])[0-9]+(?:[.,][0-9]+)? ?(?:g|grams?|ml|mls|millilitres?)(?: spoonfuls?)?{_NEXT}?{_TIMES}(?!\w)"
    ),
    re.compile(rf"(?<![\w.]){_HOW_MANY} (?:puffs?|sprays?)(?!\w)(?: {_TIMES}(?!\w))?"),
    re.compile(
        rf"(?<![\w.]){_HOW_MANY} (?:tablets?|capsules?|pills?|drops?|sachets?|patch(?:es)?|spoonfuls?|injections?)"
        rf"{_NEXT}?{_TIMES}(?!\w)"
    ),
    re.compile(
        rf"(?<!\w)(?:takes?|taking|took) {_HOW_MANY} "
        r"(?:(?:tablets?|capsules?|pills?|drops?|sachets?)(?!\w)|"
        r"(?=(?:at|before|with|after) (?:breakfast|lunch|dinner|bedtime)))"
        rf"(?: {_TIMES}(?!\w))?"
    ),
    re.compile(
        r"(?<![\w.])[0-9]+ (?:units?|iu) (?:at (?:night|bedtime|lunchtime)|in the (?:morning|evening)|"
        r"(?:before|with|after) (?:each |every )?(?:meals?|food|breakfast|lunch|dinner)|od|bd|tds|nocte|mane)(?!\w)"
    ),
]
_MAY_BE_A_DOSE = re.compile(r"[0-9]|tablet|capsule|pill|puff|spray|drop|sachet|patch|spoonful|injection")
# "Duloxetine 60 od".
_AFTER_A_MEDICINE = re.compile(rf" (?P<amount>[0-9]{{1,4}}(?:[.,][0-9]+)?)(?= {_TIMES}(?!\w)|[.,;:)]|$)")
_UNITS_OF = re.compile(
    r"(?<![\w.])(?P<amount>[0-9]+ ?(?:units?|iu|tablets?|capsules?|g|ml)(?: of)?)(?: (?:her|his|my))? $"
)
# A car of that year, not a dose.
_CAR = re.compile(r"(?:19[0-9]{2}|20[0-3][0-9])[ -]?mg$")
_STAND_FOR_A_CAR = re.compile(r"(?:^|\W)(?:a|an|my|his|her|their|the|old|classic|vintage)\s+$")


def find_doses(text: str, medicines: Sequence[Span]) -> list[Span]:
    """Amounts of medicine in a folded text in which these are the medicines."""
    found: list[Span] = []
    if not _MAY_BE_A_DOSE.search(text):
        return found
    # The shapes above are written with single spaces.
    spaced, places = _single_spaced(text)
    for shape in _DOSES:
        found += [
            match.span()
            for match in shape.finditer(spaced)
            if not (
                _CAR.match(match[0])
                and _STAND_FOR_A_CAR.search(spaced, max(0, match.start() - 12), match.start())
            )
        ]
    for medicine in medicines:
        start, end = (bisect_left(places, place) for place in medicine)
        if after := _AFTER_A_MEDICINE.match(spaced, end):
            found.append(after.span("amount"))
        # As far back as an amount can reach.
        if before := _UNITS_OF.search(spaced, max(0, start - 40), start):
            found.append(before.span("amount"))
    return [(places[start], places[end - 1] + 1) for start, end in found]


def _single_spaced(text: str) -> tuple[str, Sequence[int]]:
    """The text with every run of spaces as one space, and where each character stood."""
    if "  " not in text:
        return text, range(len(text))
    places = [place for place, letter in enumerate(text) if letter != " " or text[place - 1 : place] != " "]
    return "".join(text[place] for place in places), places


# --- Codes, in the text as it was typed: their capitals mean something ----------------------------

_SYSTEMS = re.compile(
    r"(?<!\w)(?:SNOMED(?:[ -]?CT)?|SCTID|concept\s+id|CTV-?3|(?-i:Read|READ)\s+(?:v2\s+)?codes?|"
    r"ICD[ -]?1[01]|DSM[ -]?(?:5|IV|V)|dm\+d|OPCS(?:-?4)?)"
    r"(?:\s+(?:CT|codes?|diagnosis))*(?:\s*[:=]?\s*(?P<code>[A-Za-z]*[0-9][A-Za-z0-9.]{1,17}|Eu[0-9]{2}[0-9a-z.]))?(?!\w)",
    re.IGNORECASE,
)
_WITH_POINT = re.compile(r"(?<![\w.])[A-TV-Z][0-9]{2}\.[0-9]{1,2}[A-Z]?(?![\w.]*[0-9])")
_BARE = r"[A-TV-Z][0-9]{2}(?:\.[0-9]{1,2})?"
# In small letters too, but for those that begin prices, pages, versions and the like.
_WITH_POINT_SMALL = re.compile(r"(?<![\w.£$€])[a-gi-nqrsz][0-9]{2}\.[0-9](?![\w.]*[0-9])")
_AFTER_A_CUE = re.compile(
    r"(?:(?<!\w)(?:[Cc]oded(?:\s+as)?|[Dd]iagnos(?:is|es|tic)(?:\s+codes?)?|[Dd]x|[Pp]roblem\s+list)\s*[:=]?\s*)"
    rf"(?P<code>{_BARE}|[0-9]{{6,18}})(?![\w])"
)
_JOINED = re.compile(rf"\s*(?:,|and|&|/|;)\s*(?P<code>{_BARE})(?![\w.]*[0-9])(?!\w)")
_FIGURE = re.compile(r"[0-9]")
_UP_TO_A_WORD = re.compile(r"[\s:,\-–(]{1,5}")
_ALONE = re.compile(rf"(?<![\w.]){_BARE}(?!\w)")
_READ = [
    re.compile(r"(?<![\w.])Eu[0-9]{2}[0-9a-zA-Z.](?!\w)"),
    re.compile(r"(?<![\w.])(?=[A-Za-z]*[0-9])[A-Z][A-Za-z0-9]{2}\.\.(?![\w.])"),
    re.compile(r"(?<![\w.])[A-Z][0-9]{2}[A-Za-z0-9]\.(?=\s+[a-z])"),
    re.compile(
        r"(?<![\w.])X(?:a[A-Z0-9][A-Za-z0-9]{2}|(?=[E0-9]*[0-9]+[0-9]*[A-Za-z])[E0-9][0-9][A-Za-z0-9]{2})(?!\w)"
    ),
]
_DATE = re.compile(r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])")
_LONG_NUMBER = re.compile(r"(?<![\w+.£#/-])[1-9][0-9]{5,17}(?![\w/-])(?!\.[0-9])")
# What makes letters and figures a place, a door or a thing.
_PLACE = re.compile(
    r"(?:room|desk|seat|platform|bus|route|locker|version|section|table|figure|form|gate|bay|unit|flat|block|"
    r"door|error|model|part|paragraph|clause|page|lot|road|stand|stop|grid|square|size)\s+(?:code\s+)?$",
    re.IGNORECASE,
)


def find_codes(text: str, diagnoses: Sequence[Span]) -> list[Span]:
    """Codes of SNOMED CT, ICD-10, Read and CTV3 in a text in which these are the diagnoses."""
    return [
        span for span in _codes(text, diagnoses) if not _PLACE.search(text, max(0, span[0] - 30), span[0])
    ]


def _codes(text: str, diagnoses: Sequence[Span]) -> Iterator[Span]:
    for match in _SYSTEMS.finditer(text):
        yield match.span()
    for shape in _READ:
        for match in shape.finditer(text):
            yield match.span()
    if not _FIGURE.search(text):
        return
    for match in _WITH_POINT.finditer(text):
        yield match.span()
        yield from _joined_to(text, match.end())
    for match in _WITH_POINT_SMALL.finditer(text):
        yield match.span()
    for match in _AFTER_A_CUE.finditer(text):
        yield match.span("code")
        yield from _joined_to(text, match.end())
    begins = {start for start, _end in diagnoses}
    for match in _ALONE.finditer(text):
        # "G35 multiple sclerosis".
        after = _UP_TO_A_WORD.match(text, match.end())
        if after and after.end() in begins:
            yield match.span()
    for match in _LONG_NUMBER.finditer(text):
        if is_snomed(match[0]):
            yield match.span()


def _joined_to(text: str, end: int) -> Iterator[Span]:
    """A bare code that follows one: "E11.9 and I10"."""
    if match := _JOINED.match(text, end):
        yield match.span("code")


def is_snomed(number: str) -> bool:
    """Whether a number is made like a concept or description of SNOMED CT: its partition and check digit fit."""
    is_component = number[-3:-1] in ("00", "01", "10", "11") and not _DATE.fullmatch(number)
    return is_component and 6 <= len(number) <= 18 and _verhoeff(number) == 0


# --- Verhoeff's check digit -----------------------------------------------------------------------


def _product(a: int, b: int) -> int:
    """In the dihedral group of the pentagon: below 5 are turns, the others are reflections."""
    turn = (a + b) % 5 if a < 5 else (a - b) % 5
    return turn if (a < 5) == (b < 5) else turn + 5


_PERMUTE = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]


def _verhoeff(number: str) -> int:
    check = 0
    for place, figure in enumerate(reversed(number)):
        digit = int(figure)
        for _turn in range(place % 8):
            digit = _PERMUTE[digit]
        check = _product(check, digit)
    return check
