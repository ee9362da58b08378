"""Whom a provider's word signs in: what it has to vouch for, and whether that is the person we know."""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

import nhs_number

from pilot.people.models import Patient, User
from pilot.sign_in.oidc.tokens import Answer

PROVEN = "P9"  # identity proofing by photograph or in person; P5 is by questions alone


class Why(StrEnum):
    """Why a provider's word did not open an account. For the audit log; people are told the same for all of them."""

    NOT_PROVEN = "identity not proven"
    NOBODY = "no match"
    SEVERAL = "more than one match"
    HAS_ACCOUNT = "has an account that is not connected"
    CHANGED = "connected, but the details differ now"
    NOT_CONNECTED = "not connected"
    WRONG_KIND = "account of another kind"
    SUSPENDED = "suspended"
    NO_ADDRESS = "no e-mail address that an account could have"
    OTHER_ADDRESS = "e-mail address not confirmed, or not the account's"
    TAKEN = "connected already"


class Refused(Exception):  # noqa: N818 (an answer, not an error)
    """The provider's word opens nothing here."""

    def __init__(self, why: Why) -> None:
        super().__init__(why.value)
        self.why = why


@dataclass(frozen=True)
class ProvenPatient:
    """Who NHS login says it has checked. Lives for one request."""

    nhs_number: str = field(repr=False)
    born: dt.date = field(repr=False)
    family_name: str = field(repr=False)
    # Empty unless NHS login has confirmed it.
    email: str = field(repr=False)


def proven_patient(answer: Answer) -> ProvenPatient:
    """Who this is, proven to level P9 by two factors as we asked. Refused where anything is missing or not valid."""
    number, name, born = (answer.claim(claim) for claim in ("nhs_number", "family_name", "birthdate"))
    if answer.claim("identity_proofing_level") != PROVEN or not _meets_a_vector(answer):
        raise Refused(Why.NOT_PROVEN)
    if not (isinstance(number, str) and nhs_number.is_valid(number) and isinstance(name, str) and fold(name)):
        raise Refused(Why.NOT_PROVEN)
    try:
        birthday = dt.date.fromisoformat(born)
    except (TypeError, ValueError) as unreadable:
        raise Refused(Why.NOT_PROVEN) from unreadable
    return ProvenPatient(nhs_number.standardise_format(number), birthday, name, _confirmed_address(answer))


def _meets_a_vector(answer: Answer) -> bool:
    """Whether the signed vector of trust holds every part of one that we asked for."""
    reached = answer.id_token.get("vot")
    parts = set(reached.split(".")) if isinstance(reached, str) else set()
    return any(set(vector.split(".")) <= parts for vector in answer.provider.vectors)


def _confirmed_address(answer: Answer) -> str:
    address = answer.claim("email")
    return address.strip() if isinstance(address, str) and answer.claim("email_verified") is True else ""


def is_same_person(patient: Patient, proven: ProvenPatient) -> bool:
    """Whether number and birthday are the patient's: enough once they are connected, since names change."""
    return patient.nhs_number == proven.nhs_number and patient.date_of_birth == proven.born


def fits(patient: Patient, proven: ProvenPatient) -> bool:
    """Whether number, birthday and last name are the patient's: what a first match needs."""
    return is_same_person(patient, proven) and fold(patient.family_name) == fold(proven.family_name)


# Letters that do not come apart into a plain one and an accent.
_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})


def fold(name: str) -> str:
    """The letters of a name, small and without accents: hyphens, apostrophes and spaces are written as people like."""
    apart = unicodedata.normalize("NFKD", name.casefold()).translate(_PLAIN)
    return "".join(letter for letter in apart if letter.isalpha())


def only_match(patients: Iterable[Patient], proven: ProvenPatient) -> Patient:
    """The one patient without an account who fits. Refused for nobody, for several, and for one with an account.

    Several are the same person at two practices: which one is meant, a practice has to say, and has said where it wrote
    down that they moved. An account that is there
    already is connected by whoever can sign in to it, never from outside.
    """
    fitting = [patient for patient in patients if fits(patient, proven)]
    if not fitting:
        raise Refused(Why.NOBODY)
    fitting = [patient for patient in fitting if patient.moved_on is None] or fitting
    if len(fitting) > 1:
        raise Refused(Why.SEVERAL)
    if fitting[0].account_id:
        raise Refused(Why.HAS_ACCOUNT)
    return fitting[0]


def check_address(user: User, answer: Answer) -> None:
    """Pass where the provider has confirmed the very address that the account has."""
    address = _confirmed_address(answer)
    if not address or address.casefold() != user.email.casefold():
        raise Refused(Why.OTHER_ADDRESS)


def gave_second_factor(answer: Answer) -> bool:
    """Whether the provider says, signed, that it asked for a second factor. What it does not say, it did not do."""
    provider = answer.provider
    if provider.vectors:
        return _meets_a_vector(answer)
    level, methods = answer.id_token.get("acr"), answer.id_token.get("amr")
    used = {method for method in methods if isinstance(method, str)} if isinstance(methods, list) else set()
    return (isinstance(level, str) and level in provider.acr) or bool(used & provider.amr)
