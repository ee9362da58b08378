"""What of the demo is in the database: the personas' accounts and the invitations that can still be tried."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils import timezone

from pilot.access import Actor
from pilot.demo.personas import PERSONAS, Persona
from pilot.demo.places import place
from pilot.demo.stories import INVITATIONS, OpenInvitation
from pilot.people.models import User
from referrals.codes import digest_of
from referrals.models import Invitation
from referrals.policies import MOST_TRIES


@dataclass(frozen=True)
class Group:
    """The personas of one organisation."""

    organisation: str
    personas: list[Persona]


def personas() -> list[Persona]:
    """Everybody whom a visitor can be; nobody before the demo is loaded."""
    accounts = set(
        User.objects.filter(pk__in=[each.account_id for each in PERSONAS], is_active=True).values_list(
            "pk", flat=True
        )
    )
    return [each for each in PERSONAS if each.account_id in accounts]


def groups() -> list[Group]:
    """The personas by organisation."""
    found: dict[str, list[Persona]] = {}
    for each in personas():
        found.setdefault(each.place, []).append(each)
    return [Group(place(code).name, members) for code, members in found.items()]


def account_of(persona: Persona) -> User | None:
    return User.objects.filter(pk=persona.account_id, is_active=True).first()


def open_invitations(actor: Actor) -> list[OpenInvitation]:
    """The demo's invitations that nobody has used yet, and that have not run out.

    Who they are for is written in the code; the database is asked only which are open: nobody is looked at.
    """
    by_digest = {digest_of(each.code): each for each in INVITATIONS}
    still_open = set(
        Invitation.objects.visible_to(actor)
        .filter(code_digest__in=by_digest, used_at=None, cancelled_at=None)
        .filter(expires_at__gt=timezone.now(), attempts__lt=MOST_TRIES)
        .values_list("code_digest", flat=True)
    )
    return [each for digest, each in by_digest.items() if digest in still_open]
