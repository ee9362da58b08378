"""What grants are a projection of: memberships, patients' accounts and allocations, each said once, in SQL.

`compare` says where the grants differ, `rebuild` makes them what they should be. Grants that differ open nothing by
themselves, since a live grant also needs what is behind it; but a missing one keeps somebody out.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.apps import apps
from django.db import connections, models

from pilot.access.context import Actor, acting
from pilot.access.grants import grant, revoke
from pilot.access.models import OrganisationGrant, PatientGrant
from pilot.access.roles import Role
from pilot.access.walls import table

OWNER = "owner"


@dataclass(frozen=True, order=True)
class Related:
    """Somebody, in a role, over an organisation, patient or referral."""

    over: UUID
    user: UUID
    role: str


@dataclass(frozen=True)
class Projection:
    """Which grants there should be: `expected` selects the user's id, the id of what it is over, and the role.

    `patient` selects the id of the patient that something is about, by its id; empty for organisations.
    """

    grants: type[models.Model]
    expected: str
    patient: str = ""


@dataclass(frozen=True)
class Difference:
    """Where one kind of grant is not what it should be."""

    projection: Projection
    kept: int
    missing: tuple[Related, ...]
    left_over: tuple[Related, ...]

    @property
    def name(self) -> str:
        """What the grants are over, in the plural."""
        return str(_over(self.projection)._meta.verbose_name_plural)


PROJECTIONS: list[Projection] = [
    Projection(
        OrganisationGrant,
        # Those yet to begin have their grant already; it opens nothing before the day.
        "SELECT m.user_id, m.organisation_id, m.role FROM public.people_membership m"
        " JOIN public.people_user u ON u.id = m.user_id AND u.is_active"
        " WHERE m.valid_until IS NULL OR m.valid_until > pilot.today()",
    ),
    Projection(
        PatientGrant,
        "SELECT p.account_id, p.id, 'patient' FROM public.people_patient p"
        " WHERE p.account_id IS NOT NULL AND p.died_on IS NULL AND p.merged_into_id IS NULL",
        "SELECT %s::uuid",
    ),
]


def register_projection(projection: Projection) -> None:
    """Tell what another kind of grant is a projection of. Safe to repeat."""
    if projection not in PROJECTIONS:
        PROJECTIONS.append(projection)


def compare() -> list[Difference]:
    """How the grants stand against memberships, accounts and allocations now. Changes nothing.

    Asks as the owner of the database: no context of the application shows everybody's grants at once.
    """
    return [_compare(projection) for projection in PROJECTIONS]


def rebuild(*, by: Actor) -> list[Difference]:
    """Make the grants what they should be, one by one; returns what was different. Safe to repeat."""
    found = compare()
    users = apps.get_model("people", "User")._default_manager
    for difference in found:
        model = _over(difference.projection)
        for change, ones in ((grant, difference.missing), (revoke, difference.left_over)):
            for one in ones:
                with acting(by, "grants.rebuilt", patients=_patients(difference.projection, one)):
                    change(users.get(pk=one.user), Role(one.role), model(pk=one.over))
    return found


def _patients(projection: Projection, one: Related) -> list[UUID]:
    if not projection.patient:
        return []
    with connections[OWNER].cursor() as cursor:
        cursor.execute(projection.patient, [one.over])
        return [patient for (patient,) in cursor.fetchall()]


def _compare(projection: Projection) -> Difference:
    there = (
        "SELECT g.user_id, g.content_object_id, replace(p.codename, 'act_as_', '')"  # noqa: S608 (our own name)
        f" FROM {table(projection.grants)} g JOIN public.auth_permission p ON p.id = g.permission_id"
    )
    have, wanted = _related(there), _related(projection.expected)
    return Difference(
        projection, len(have & wanted), tuple(sorted(wanted - have)), tuple(sorted(have - wanted))
    )


def _related(query: str) -> set[Related]:
    with connections[OWNER].cursor() as cursor:
        cursor.execute(query)
        return {Related(over, user, role) for user, over, role in cursor.fetchall()}


def _over(projection: Projection) -> type[models.Model]:
    model: type[models.Model] = projection.grants._meta.get_field("content_object").related_model  # type: ignore[assignment]
    return model
