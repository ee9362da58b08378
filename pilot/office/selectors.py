"""What the pilot's office sees: organisations and staff. Patients' accounts are not among the people here."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from pilot.access import Actor, NotVisible, Permission, check
from pilot.people.models import Membership, Organisation, User


def organisations(actor: Actor) -> QuerySet[Organisation]:
    """Every organisation, in no order."""
    check(actor, Permission.MANAGE_PILOT)
    return Organisation.objects.select_related("served_by")


def organisations_called(found: QuerySet[Organisation], text: str) -> QuerySet[Organisation]:
    return found.filter(Q(name__icontains=text) | Q(ods_code__iexact=text))


def organisation(actor: Actor, key: UUID) -> Organisation:
    found = organisations(actor).filter(pk=key).first()
    if found is None:
        raise NotVisible("No organisation found.")
    return found


def practice(actor: Actor, key: UUID) -> Organisation:
    """One that is part of the pilot today."""
    found = organisations(actor).filter(pk=key, kind=Organisation.Kind.PRACTICE).first()
    if found is None or has_ended(found):
        raise NotVisible("No practice found.")
    return found


def practices_of(provider: Organisation) -> list[Organisation]:
    """The practices where its coaches work."""
    return list(provider.practices.in_force().order_by("name"))


def providers(actor: Actor) -> QuerySet[Organisation]:
    """Providers that exist today."""
    check(actor, Permission.MANAGE_PILOT)
    return Organisation.objects.in_force().filter(kind=Organisation.Kind.PROVIDER).order_by("name")


def memberships_of(place: Organisation) -> list[Membership]:
    """Who works there, worked there or is going to, by name."""
    found = place.memberships.select_related("user")
    return list(found.order_by("user__display_name", "role", "valid_from"))


def people(actor: Actor) -> QuerySet[User]:
    """Everybody who has, had or is going to have a role at an organisation, with those roles."""
    check(actor, Permission.MANAGE_PILOT)
    works = Membership.objects.filter(user=OuterRef("pk"))
    roles = Membership.objects.select_related("organisation").order_by("organisation__name", "role")
    return User.objects.filter(Exists(works)).prefetch_related(Prefetch("memberships", roles))


def people_called(found: QuerySet[User], text: str) -> QuerySet[User]:
    return found.filter(Q(display_name__icontains=text) | Q(email__icontains=text))


def person(actor: Actor, key: UUID) -> User:
    """A member of staff. Raises `NotVisible` for an account that has only ever been a patient's."""
    found = people(actor).filter(pk=key).first()
    if found is None:
        raise NotVisible("No person found.")
    return found


def membership(actor: Actor, key: UUID) -> Membership:
    """One that has not ended. Raises `NotVisible` for any other."""
    check(actor, Permission.MANAGE_PILOT)
    found: Membership | None = (
        Membership.objects.filter(pk=key).select_related("user", "organisation").first()
    )
    if found is None or has_ended(found):
        raise NotVisible("No role found.")
    return found


def has_ended(row: Membership | Organisation) -> bool:
    return row.valid_until is not None and row.valid_until <= timezone.localdate()


@dataclass(frozen=True)
class Change:
    """One state of a configuration row: when it came to be, by whom, by which action, and which fields differ."""

    at: dt.datetime
    who: str
    did: str
    fields: list[str]


def changes_of(row: Any) -> list[Change]:
    """What happened to an impersonal row, newest first. Two queries."""
    states = list(row.history.order_by("history_id"))
    named = {each.history_user_id for each in states}
    names = dict(User.objects.filter(pk__in=named).values_list("pk", "display_name"))
    found = []
    for before, state in zip([None, *states], states, strict=False):
        differing = [
            str(column.verbose_name)
            for column in row._meta.concrete_fields
            if before is not None and getattr(before, column.attname) != getattr(state, column.attname)
        ]
        who = names.get(state.history_user_id, _("The system"))
        found.append(Change(state.history_date, who, state.history_action or "", differing))
    return found[::-1]
