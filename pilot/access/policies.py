"""Whether an actor may do something to a row. `visible_to` is the one definition; `check` derives from it."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, TypeVar

from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import models
from django.http import Http404

from audit.privacy import Impersonal, Personal, privacy_of
from pilot.access.context import Actor, Context, current, current_or_none, note_decision
from pilot.access.roles import Permission, Reach, reach_of

if TYPE_CHECKING:
    from django.db.models import QuerySet

M = TypeVar("M", bound=models.Model)


class NotVisible(Http404):
    """The row does not exist as far as this actor is concerned."""


def may(actor: Actor, permission: Permission) -> bool:
    """Whether the actor's role holds the permission at all, over anything."""
    return reach_of(actor.role, permission) is not None


def check(actor: Actor, permission: Permission, obj: models.Model | None = None) -> None:
    """Pass, or raise: `PermissionDenied` where the role lacks the permission or it does not reach a row that the actor
    may see, `NotVisible` where the actor may not know that the row exists. One query when it passes.

    Without an object the role alone is asked. Organisations and other impersonal rows are reached by membership.
    """
    if obj is None:
        note_decision(None)
        if not may(actor, permission):
            raise PermissionDenied(f"{actor.role.label} cannot {permission.label}.")
        return
    if not can(actor, permission, obj):
        privacy = privacy_of(type(obj))
        if isinstance(privacy, Personal) and not can(actor, Permission(privacy.see), obj):
            raise NotVisible(f"No {type(obj)._meta.verbose_name} found.")
        raise PermissionDenied(f"{actor.role.label} cannot {permission.label} here.")


def can(actor: Actor, permission: Permission, obj: models.Model) -> bool:
    """Whether the actor holds the permission over this very row, asked of the database now."""
    model = type(obj)
    note_decision(model)
    if isinstance(privacy_of(model), Impersonal):
        return _reaches_organisation(current(), actor, permission, obj)
    return visible_to(model._default_manager.all(), actor, permission).filter(pk=obj.pk).exists()


def visible_to(queryset: QuerySet[M], actor: Actor, permission: Permission | None = None) -> QuerySet[M]:
    """The rows over which the actor holds the permission (the model's own `see` unless another is named).

    Takes the acting role's live grants, read once per context, and filters on indexed columns. Nothing for an actor
    whose role does not hold it. What their relation does not show of a row is left out.
    """
    privacy = privacy_of(queryset.model)
    if not isinstance(privacy, Personal):
        raise TypeError(f"{queryset.model.__name__} holds nothing personal: everybody may see it.")
    note_decision(queryset.model)
    reach = reach_of(actor.role, permission or Permission(privacy.see))
    if reach is None:
        return queryset.none()
    if reach is Reach.EVERYWHERE:
        return queryset
    lookup = lookup_for(privacy, reach, current())
    if lookup is None:
        return queryset.none()
    queryset = queryset.filter(**lookup)
    if reach is Reach.PROVIDER and privacy.unless_provider:
        queryset = queryset.defer(*privacy.unless_provider)
    while_empty = {Reach.SELF: privacy.hidden_from_patient, Reach.PROVIDER: privacy.provider_until}.get(reach)
    return queryset.filter(**{f"{while_empty}__isnull": True}) if while_empty else queryset


def check_fields(privacy: Personal, fields: Collection[str]) -> None:
    """Pass, or stop a page that fetches a field which its reader's relation to the row does not show.

    An action may: it shows nobody what it works on.
    """
    kept = set(privacy.unless_provider).intersection(fields) if privacy.unless_provider else set()
    context = current_or_none() if kept else None
    if context is None or context.patients:
        return
    if reach_of(context.actor.role, Permission(privacy.see)) is Reach.PROVIDER:
        raise ImproperlyConfigured(
            f"{context.actor.role.label} is not shown {', '.join(sorted(kept))} of {privacy.model.__name__}."
        )


def lookup_for(privacy: Personal, reach: Reach, context: Context) -> dict[str, Any] | None:
    """The filter that a relation means on a model, or None where the model has no column for it."""
    grants = context.grants
    if reach is Reach.PRACTICE and privacy.practice:
        return {f"{privacy.practice}__in": grants.organisations}
    if reach is Reach.PROVIDER and privacy.provider:
        return {f"{privacy.provider}__in": grants.organisations}
    if reach is Reach.REFERRAL and privacy.referral:
        return {f"{privacy.referral}__in": grants.referrals}
    if reach in (Reach.REFERRAL, Reach.SELF) and privacy.patient:
        return {f"{privacy.patient}__in": grants.patients}
    return None


def _reaches_organisation(context: Context, actor: Actor, permission: Permission, obj: models.Model) -> bool:
    reach = reach_of(actor.role, permission)
    if reach is Reach.EVERYWHERE:
        return True
    return reach in (Reach.PRACTICE, Reach.PROVIDER) and obj.pk in context.grants.organisations
