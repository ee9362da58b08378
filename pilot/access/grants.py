"""The one writer of grants, and the only module that touches django-guardian's shortcuts.

Grants are a projection: nothing else decides who is related to what, and a grant without the membership, account or
allocation behind it opens nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from guardian.shortcuts import assign_perm, remove_perm

from pilot.access.roles import Role

if TYPE_CHECKING:
    from pilot.people.models import User


def grant(user: User, role: Role, over: models.Model) -> None:
    """Let the user act in `role` over this organisation, referral or patient. Safe to repeat."""
    assign_perm(_name(role, over), user, over)


def revoke(user: User, role: Role, over: models.Model) -> None:
    """End it. Safe to repeat."""
    remove_perm(_name(role, over), user, over)


def permissions_for(*roles: Role) -> list[tuple[str, Any]]:
    """What `Meta.permissions` of a model says to let these roles be granted over its rows."""
    return [(_codename(role), f"Acts as {role.label.lower()} here") for role in roles]


def _codename(role: Role) -> str:
    return f"act_as_{role.value}"


def _name(role: Role, over: models.Model) -> str:
    return f"{over._meta.app_label}.{_codename(role)}"
