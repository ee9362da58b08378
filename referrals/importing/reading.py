"""Reads a list of referrals as practices really export it, and judges it row by row. Touches no database."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

import nhs_number
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from pilot.people.actions import PatientDetails
from pilot.people.models import Contact, Need, Patient
from pilot.people.policies import check_age
from referrals.clinical_terms import screen
from referrals.importing import columns
from referrals.models import BestTime, Reason

LARGEST_FILE = 10 * 1024 * 1024
MOST_ROWS = 20_000
MOST_WORDS = 2000
# As on the form for a patient's details.
LONGEST_ADDRESS = 300
# What no keyboard types; line breaks and tabs stand in addresses.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# Of the words that look medical: more would not be read.
_MOST_NAMED = 5


class UnreadableFile(Exception):  # noqa: N818 (what is the matter, as the person reads it)
    """The file as a whole could not be read; the message says why and what to do."""


@dataclass(frozen=True)
class Problem:
    """Why a row is refused. Rows are numbered as a spreadsheet shows them: the heading is row 1."""

    row: int
    column: str
    problem: str


@dataclass(frozen=True)
class Candidate:
    """A row that could be saved: a patient's details and what the referral says."""

    row: int
    details: PatientDetails
    reasons: list[str]
    own_words: str
    best_times: list[str]

    def as_json(self) -> dict[str, Any]:
        found = asdict(self)
        found["details"]["date_of_birth"] = self.details.date_of_birth.isoformat()
        return found

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Candidate:
        details = dict(data["details"])
        details["date_of_birth"] = dt.date.fromisoformat(details["date_of_birth"])
        return cls(**{**data, "details": PatientDetails(**details)})


@dataclass
class Reading:
    """What was found in a file: rows that could be saved, rows that cannot, and columns that were left alone."""

    candidates: list[Candidate] = field(default_factory=list)
    refused: list[Problem] = field(default_factory=list)
    ignored_columns: list[str] = field(default_factory=list)

    @property
    def has_clinical_columns(self) -> bool:
        return any(problem.row == 1 for problem in self.refused)


def read(content: bytes) -> Reading:
    """Read a CSV file: UTF-8 or Windows-1252, commas, semicolons or tabs, columns in any order.

    Columns that we do not know are named and left alone. A file with a clinical column comes back without a row of it
    being read. Raises `UnreadableFile` for what is no such list at all.
    """
    rows = _rows(_text(content))
    try:
        header = next(rows)
    except StopIteration:
        raise UnreadableFile(_("The file is empty.")) from None
    names = [columns.known_as(cell) for cell in header]
    reading = Reading(
        ignored_columns=[
            cell.strip() for cell, name in zip(header, names, strict=True) if not name and cell.strip()
        ]
    )
    reading.refused = [_clinical(cell) for cell in reading.ignored_columns if columns.is_clinical(cell)]
    if reading.refused:
        return reading
    _check_header(names)
    for number, cells in enumerate(rows, start=2):
        if number > MOST_ROWS + 1:
            raise UnreadableFile(_("The file has more than %(most)s rows. Split it.") % {"most": MOST_ROWS})
        if any(cell.strip() for cell in cells):
            _judge(number, names, cells, reading)
    return reading


def _clinical(header: str) -> Problem:
    return Problem(
        1,
        header,
        _(
            "This column looks clinical. Coaching never receives clinical information, so the file was not read. "
            "Take the column out and try again."
        ),
    )


# --- From bytes to rows ----------------------------------------------------------------------------


def _text(content: bytes) -> str:
    if len(content) > LARGEST_FILE:
        raise UnreadableFile(_("The file is larger than 10 MB. Split it."))
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise UnreadableFile(
            _("This is an Excel workbook. Save it as “CSV (comma delimited)” and try again.")
        )
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if wide else ("utf-8-sig", "cp1252"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise UnreadableFile(_("This is not a text file. Save the list as CSV and try again."))


def _rows(text: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        yield from reader
    except csv.Error as error:
        raise UnreadableFile(
            _("The file breaks off or its quotation marks do not match, near line %(line)s. Export it again.")
            % {"line": reader.line_num}
        ) from error


def _delimiter(text: str) -> str:
    """The separator that the heading uses most, outside quotation marks."""
    heading = re.sub(r'"[^"]*"', "", text.lstrip("\r\n").partition("\n")[0])
    return max(",;\t", key=heading.count)


def _check_header(names: Sequence[str | None]) -> None:
    missing = [name for name in columns.REQUIRED if name not in names]
    if missing:
        raise UnreadableFile(
            _("These columns are missing: %(names)s. The first row has to name the columns.")
            % {"names": ", ".join(missing)}
        )
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise UnreadableFile(_("These columns are there twice: %(names)s.") % {"names": ", ".join(twice)})


# --- From cells to a candidate ---------------------------------------------------------------------


class _Refusal(Exception):  # noqa: N818
    """One cell cannot be right."""


def _judge(number: int, names: Sequence[str | None], cells: Sequence[str], reading: Reading) -> None:
    problems: list[Problem] = []
    if any(cell.strip() for cell in cells[len(names) :]):
        problems.append(
            Problem(number, "", _("This row has more cells than the heading. Is a quotation mark missing?"))
        )
    written = {name: cell.strip() for name, cell in zip(names, cells, strict=False) if name}
    for name, cell in written.items():
        if _CONTROL.search(cell):
            problems.append(
                Problem(number, name, _("There are characters in it that nobody can see. Type it again."))
            )
    values: dict[str, Any] = {}
    for name, convert in _CONVERSIONS.items():
        try:
            values[name] = convert(written.get(name, ""))
        except _Refusal as refusal:
            problems.append(Problem(number, name, str(refusal)))
    if not problems:
        problems = list(_problems_of_details(number, values))
    if problems:
        reading.refused += problems
        return
    referral = {name: values.pop(name) for name in ("reasons", "own_words", "best_times")}
    reading.candidates.append(Candidate(number, PatientDetails(**values), **referral))


def _problems_of_details(number: int, values: dict[str, Any]) -> Iterator[Problem]:
    """What the patient's own rules say: lengths, the e-mail address, the youngest age."""
    details = PatientDetails(**{name: value for name, value in values.items() if name not in _OF_REFERRAL})
    try:
        check_age(details.date_of_birth)
        Patient(**details.columns()).clean_fields(exclude=["practice", "account", "id"])
    except ValidationError as error:
        for name, messages in error.message_dict.items():
            yield Problem(number, name, " ".join(messages))


_OF_REFERRAL = ("reasons", "own_words", "best_times")


def _name(text: str) -> str:
    if not text:
        raise _Refusal(_("This is missing."))
    return text


def _nhs_number(text: str) -> str | None:
    if not text:
        return None
    digits = re.sub(r"[\s\-]", "", text)
    if not nhs_number.is_valid(digits):
        raise _Refusal(
            _("This is not a valid NHS number. Check it, or leave the cell empty if it is not known.")
        )
    return digits


def _date(text: str) -> dt.date:
    # Some systems add midnight to every date.
    day = re.sub(r"[T ]00:00(:00)?$", "", text)
    for pattern in ("%d/%m/%Y", "%Y-%m-%d", "%d-%m-%Y", "%d.%m.%Y"):
        try:
            return dt.datetime.strptime(day, pattern).replace(tzinfo=dt.UTC).date()
        except ValueError:
            continue
    raise _Refusal(_("Write the date like 27/03/1984 or 1984-03-27.") if text else _("This is missing."))


def _yes_no(text: str) -> bool:
    if text.lower() in ("yes", "y", "true", "1"):
        return True
    if text.lower() in ("no", "n", "false", "0", ""):
        return False
    raise _Refusal(_("Write yes or no."))


_CONTACT_WORDS = {
    "": Contact.LETTER,
    "letter": Contact.LETTER,
    "post": Contact.LETTER,
    "phone": Contact.PHONE,
    "telephone": Contact.PHONE,
    "mobile": Contact.PHONE,
    "email": Contact.EMAIL,
    "e-mail": Contact.EMAIL,
    "sms": Contact.SMS,
    "text": Contact.SMS,
    "text message": Contact.SMS,
}


def _contact(text: str) -> str:
    found = _CONTACT_WORDS.get(text.lower()) or (text if text in Contact.values else None)
    if found is None:
        raise _Refusal(_("Write letter, phone, email or sms."))
    return str(found)


def _codes(choices: type[Need] | type[Reason] | type[BestTime], text: str) -> list[str]:
    """Codes or their labels, separated by semicolons, bars or commas; each once, in the order of the list."""
    words = {word.strip().lower().replace(" ", "_") for word in re.split(r"[;|,]", text) if word.strip()}
    by_word = _by_word(choices) if words else {}
    unknown = sorted(words - set(by_word))
    if unknown:
        raise _Refusal(
            _("We do not know “%(unknown)s”. Use: %(codes)s.")
            % {"unknown": ", ".join(unknown), "codes": ", ".join(choices.values)}
        )
    found = {by_word[word] for word in words}
    return [code.value for code in choices if code in found]


@cache
def _by_word(choices: type[Need] | type[Reason] | type[BestTime]) -> dict[str, Any]:
    return {word: code for code in choices for word in (code.value, code.label.lower().replace(" ", "_"))}


def _at_most(most: int, text: str) -> str:
    if len(text) > most:
        raise _Refusal(_("This is longer than %(most)s characters.") % {"most": most})
    return text


def _words(text: str) -> str:
    _at_most(MOST_WORDS, text)
    if found := screen(text):
        # A list has nobody to ask. Whoever knows that the patient wants it passed on logs this one by hand.
        listed = "; ".join(f"“{each.words(text)}” ({each.kind.label})" for each in found[:_MOST_NAMED])
        raise _Refusal(
            _(
                "A coach can read this, and some words look medical: %(words)s. Use other words. If the patient wants "
                "the coach to read them, take this row out and log the referral by hand."
            )
            % {"words": listed}
        )
    return text


_CONVERSIONS: dict[str, Callable[[str], Any]] = {
    "nhs_number": _nhs_number,
    "given_name": _name,
    "family_name": _name,
    "date_of_birth": _date,
    "preferred_name": str,
    "pronouns": str,
    "phone": str,
    "email": str,
    "address": lambda text: _at_most(LONGEST_ADDRESS, text),
    "preferred_contact": _contact,
    "message_is_safe": _yes_no,
    "needs": lambda text: _codes(Need, text),
    "language": str,
    "reasons": lambda text: _codes(Reason, text) or [Reason.TALK_IT_OVER.value],
    "own_words": _words,
    "best_times": lambda text: _codes(BestTime, text),
}
