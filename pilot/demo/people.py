"""Invents patients: who they are, how to reach them, what they need."""

from __future__ import annotations

import datetime as dt
import random
from typing import TypeVar
from uuid import UUID

import nhs_number
from django.utils.text import slugify

from pilot.demo import words
from pilot.demo.places import Place, key
from pilot.people.models import Contact, Need, Patient

# How many in a hundred have each background; the order is that of `words.NAMES`.
_SHARES = (38, 8, 8, 6, 10, 8, 10, 7, 5)
_CONTACTS = {Contact.PHONE: 30, Contact.SMS: 30, Contact.EMAIL: 22, Contact.LETTER: 16, Contact.VISIT: 2}
_NEEDS = {
    Need.INTERPRETER: 6,
    Need.LARGE_PRINT: 5,
    Need.EASY_READ: 5,
    Need.STEP_FREE: 5,
    Need.LONGER_TIME: 5,
    Need.QUIET_ROOM: 4,
    Need.SUPPORTER: 4,
    Need.SIGN_LANGUAGE: 1,
    Need.LIP_READING: 1,
    Need.AUDIO: 1,
}
_YOUNGEST_BORN, _OLDEST_BORN = dt.date(2006, 12, 31), dt.date(1961, 1, 1)

Choice = TypeVar("Choice")


def pick(chance: random.Random, shares: dict[Choice, int]) -> Choice:
    """One of the keys, as often as its share says."""
    return chance.choices(list(shares), list(shares.values()))[0]


class Inventor:
    """Invents patients, one after the other and always the same ones."""

    def __init__(self, seed: str) -> None:
        self.chance = random.Random(seed)
        # 999… is never issued to anybody.
        self._number = 999_120_000
        self._count = 0

    def patient(self, place: Place, *, name: tuple[str, str] | None = None, **details: object) -> Patient:
        """Somebody registered with that practice; what is given in `details` is not invented."""
        chance = self.chance
        self._count += 1
        given, family, languages = self._name()
        given, family = name or (given, family)
        given_needs = self._needs(speaks_other=bool(languages) and name is None)
        number = self._nhs_number()
        has_number = chance.random() > 0.03 or name is not None
        columns = {
            "id": self._key(),
            "practice_id": place.id,
            "nhs_number": number if has_number else None,
            "nhs_number_unknown": not has_number,
            "given_name": given,
            "family_name": family,
            "pronouns": chance.choice(words.PRONOUNS) if chance.random() < 0.15 else "",
            "date_of_birth": self._birthday(),
            "address": self._address(),
            # Numbers and addresses that are kept free for stories: nobody is ever called.
            "phone": f"07700 900{chance.randrange(1000):03}",
            "email": f"{slugify(given) or 'p'}.{slugify(family) or 'p'}.{self._count}@example.com",
            "message_is_safe": chance.random() < 0.7,
            "preferred_contact": pick(chance, _CONTACTS).value,
            "needs": given_needs,
            "needs_note": chance.choice(words.NEEDS_NOTES) if given_needs and chance.random() < 0.4 else "",
            "language": chance.choice(languages) if Need.INTERPRETER in given_needs and languages else "",
        }
        return Patient(**{**columns, **details})

    def _nhs_number(self) -> str:
        self._number += self.chance.randrange(1, 400)
        while (digit := nhs_number.calculate_checksum(str(self._number))) == 10:
            self._number += 1
        return f"{self._number}{digit}"

    def _address(self) -> str:
        street, postcode = self.chance.choice(words.STREETS), self.chance.choice(words.POSTCODES)
        return f"{self.chance.randrange(1, 140)} {street}\nLondon\n{postcode}"

    def _key(self) -> UUID:
        return key("patient", self._count)

    def _name(self) -> tuple[str, str, list[str]]:
        given, family, languages = (each.split() for each in self.chance.choices(words.NAMES, _SHARES)[0])
        return self.chance.choice(given), self.chance.choice(family), languages

    def _needs(self, *, speaks_other: bool) -> list[str]:
        found = [need.value for need, share in _NEEDS.items() if self.chance.random() * 100 < share]
        if not speaks_other and Need.INTERPRETER in found:
            found.remove(Need.INTERPRETER)
        return found

    def _birthday(self) -> dt.date:
        days = (_YOUNGEST_BORN - _OLDEST_BORN).days
        return _OLDEST_BORN + dt.timedelta(days=self.chance.randrange(days))
