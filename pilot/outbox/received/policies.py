"""Whose number a text came from, and what it says."""

from __future__ import annotations

import re

from django.db.models import F, Func, Value
from django.db.models.functions import Right

from pilot.outbox.models import ReceivedText
from pilot.people.models import Patient, PatientQuerySet

# What the telephone networks take for a stop, and people write.
STOPPING = frozenset({"stop", "stopall", "stop all", "stop texts", "unsubscribe", "end", "quit", "cancel"})
_LAST_DIGITS = 10


def is_stop(text: str) -> bool:
    """Whether the text asks for no more texts: one of a few words, however it is written. Anything else is for a person."""
    return re.sub(r"[^a-z]+", " ", text.lower()).strip() in STOPPING


def digits_of(number: str) -> str:
    """The number as digits, without the country's code: 07700900018 for +44 7700 900018. Empty where it is none."""
    digits = re.sub(r"\D", "", number)
    return f"0{digits[-_LAST_DIGITS:]}" if len(digits) >= _LAST_DIGITS else ""


def with_number(patients: PatientQuerySet, number: str) -> PatientQuerySet:
    """Of these patients those whose phone number this is, however it was typed in."""
    only_digits = Func(F("phone"), Value(r"\D"), Value(""), Value("g"), function="regexp_replace")
    wanted = digits_of(number)
    if not wanted:
        return patients.none()
    return patients.annotate(last_digits=Right(only_digits, _LAST_DIGITS)).filter(last_digits=wanted[1:])


def are_texts_stopped(patient: Patient, number: str = "") -> bool:
    """Whether somebody wrote STOP from this number (the one that the patient has now, unless told), and nobody has asked for
    texts since."""
    digits = digits_of(number or patient.phone)
    return bool(digits) and ReceivedText.objects.filter(patient=patient, number=digits).stopping().exists()
