"""Which roles the person who signed in may act in now."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from pilot.access import Actor, Role, acting
from pilot.access.models import PatientGrant
from pilot.people.models import Membership, User

AS_PATIENT = "patient"


@dataclass(frozen=True)
class ActingRole:
    """One of a person's roles, as kept in the session under `key`."""

    key: str
    role: Role
    membership: Membership | None = None

    @property
    def organisation_name(self) -> str:
        return self.membership.organisation.name if self.membership else ""


def acting_roles(user: User) -> list[ActingRole]:
    """Every role the person may act in today: memberships in force, and their own record if they have one."""
    found = [_as(membership) for membership in _memberships(user)]
    return [*found, ActingRole(AS_PATIENT, Role.PATIENT)] if _has_own_record(user) else found


def acting_role(user: User, key: str) -> ActingRole | None:
    """The role kept in the session, if the person may still act in it."""
    if key == AS_PATIENT:
        return ActingRole(AS_PATIENT, Role.PATIENT)
    try:
        # At every request: the one row, and its days looked at here, is half the work of asking for all of it.
        found = Membership.objects.filter(pk=UUID(key), user=user).select_related("organisation")[:1]
    except ValueError:
        return None
    return next((_as(each) for each in found if each.is_in_force and each.organisation.is_open), None)


def _as(membership: Membership) -> ActingRole:
    return ActingRole(str(membership.pk), Role(membership.role), membership)


def _memberships(user: User) -> QuerySet[Membership]:
    today = timezone.localdate()
    exists = Q(organisation__valid_until__isnull=True) | Q(organisation__valid_until__gt=today)
    exists &= Q(organisation__valid_from__lte=today)
    return (
        Membership.objects.in_force(today)
        .filter(exists, user=user)
        .select_related("organisation")
        .order_by("organisation__name", "role")
    )


def _has_own_record(user: User) -> bool:
    # Only the account itself is shown its grant.
    with acting(Actor(Role.PATIENT, user.pk, user.display_name), "web.roles"):
        return PatientGrant.objects.filter(user=user).exists()
