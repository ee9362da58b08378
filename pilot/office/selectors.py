"""What the pilot's office sees: organisations and staff. Patients' accounts are not among the people here."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet
from django.utils import timezone

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
