"""The columns of a list of referrals: what they are called, what may stand in them, and which are refused."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column: its own name, the names that practice systems give it, and what goes into it."""

    name: str
    also: tuple[str, ...]
    holds: str
    example: str = ""
    required: bool = False


COLUMNS: tuple[Column, ...] = (
    Column(
        "nhs_number",
        ("nhs no", "nhs no.", "nhs num", "nhsnumber", "patient nhs number"),
        "Ten digits, with or without spaces. Leave it empty if it is not known.",
        "999 000 0018",
    ),
    Column(
        "given_name",
        ("first name", "forename", "forenames", "given names"),
        "First name.",
        "Amina",
        required=True,
    ),
    Column("family_name", ("last name", "surname"), "Last name.", "Tester", required=True),
    Column(
        "date_of_birth",
        ("dob", "d.o.b.", "birth date", "birthdate"),
        "Like 27/03/1984 or 1984-03-27.",
        "27/03/1984",
        required=True,
    ),
    Column("preferred_name", ("known as", "preferred first name"), "What they like to be called."),
    Column("pronouns", (), "Like she/her."),
    Column(
        "phone",
        ("telephone", "mobile", "phone number", "mobile number", "tel"),
        "Phone number.",
        "020 7946 0000",
    ),
    Column("email", ("e-mail", "email address", "e-mail address"), "E-mail address."),
    Column(
        "address",
        ("home address", "postal address"),
        "Postal address; lines may be separated by line breaks.",
    ),
    Column(
        "preferred_contact",
        ("contact preference", "preferred contact method"),
        "letter, phone, email or sms.",
        "phone",
    ),
    Column(
        "message_is_safe",
        ("ok to leave message", "safe to leave a message"),
        "yes or no; empty means no.",
        "no",
    ),
    Column(
        "needs",
        ("access needs", "communication needs"),
        "Any of the codes listed below, separated by semicolons.",
        "large_print;step_free",
    ),
    Column("language", ("preferred language", "first language"), "Like Bengali."),
    Column(
        "reasons",
        ("reason", "reason for referral", "referral reason"),
        "Any of the codes listed below, separated by semicolons; empty means “would like to talk it over”.",
        "find_work",
    ),
    Column(
        "own_words",
        ("what the patient would like", "in their own words", "patient's words"),
        "What the patient would like, in their own words. Nothing clinical.",
        "I would like to work with animals.",
    ),
    Column("best_times", ("best time", "availability"), "Any of the codes listed below.", "weekday_morning"),
)

BY_HEADER = {
    alias: column.name
    for column in COLUMNS
    for alias in (column.name, column.name.replace("_", " "), *column.also)
}
REQUIRED = tuple(column.name for column in COLUMNS if column.required)

# Whatever a clinical system exports that no coach may ever receive. The file comes back; the column is not read.
_CLINICAL = re.compile(
    r"\b(diagnos\w*|medicat\w*|medicine\w*|prescri\w*|drugs?|dosage|dose|allerg\w*|snomed\w*|read ?codes?|icd ?-?10|icd|"
    r"ctv3|conditions?|problems?|symptoms?|histor(y|ies)|consultations?|clinical\w*|phq ?-?\d*|gad ?-?\d*|wsas|fit ?notes?|"
    r"sick ?notes?|med ?3|bmi|blood|pressure|smok\w*|alcohol|pregnan\w*|disabilit\w*|mental health|frailty|qof|"
    r"test results?|results?|vaccin\w*|immunis\w*|notes?)\b"
)


def known_as(header: str) -> str | None:
    """The column that a header stands for, however it is written, or None for one that we do not know."""
    return BY_HEADER.get(_plain(header).replace("_", " ")) or BY_HEADER.get(_plain(header))


def is_clinical(header: str) -> bool:
    """Whether a header that we do not know names clinical information."""
    return known_as(header) is None and _CLINICAL.search(_plain(header).replace("_", " ")) is not None


def _plain(header: str) -> str:
    return re.sub(r"\s+", " ", header.strip().lower())
