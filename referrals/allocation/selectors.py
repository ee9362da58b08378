"""Which referrals do not agree with the organisations any more: keys only, since nobody looks at them here."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from django.db.models import Case, F, Q, When
from django.utils import timezone

from pilot.access import Actor, Role
from referrals.models import Allocation, Referral, Status

# What one run of a task sees to; the next one goes on.
AT_ONCE = 300


def waiting_elsewhere(actor: Actor) -> list[UUID]:
    """Who waits with another provider than the one that works at their practice today, or with none though one does."""
    today = timezone.localdate()
    serving = When(
        _is_open("practice", today) & _is_open("practice__served_by", today), then=F("practice__served_by")
    )
    rows = Referral.objects.visible_to(actor).filter(status=Status.WAITING).annotate(due=Case(serving))
    differs = Q(provider__isnull=True, due__isnull=False) | Q(provider__isnull=False, due__isnull=True)
    differs |= Q(provider__isnull=False, due__isnull=False) & ~Q(provider=F("due"))
    return list(rows.filter(differs).order_by("pk").values_list("pk", flat=True)[:AT_ONCE])


def with_coaches_of_closed(actor: Actor) -> list[UUID]:
    """Who is with a coach although the provider or the practice is closed."""
    today = timezone.localdate()
    rows = Allocation.objects.visible_to(actor).current().filter(role=Role.COACH.value)
    rows = rows.exclude(_is_open("practice", today) & _is_open("provider", today))
    return list(rows.order_by("pk").values_list("referral_id", flat=True)[:AT_ONCE])


def _is_open(name: str, today: dt.date) -> Q:
    """The same as `Organisation.is_open`, of the organisation of that name."""
    ends_later = Q(**{f"{name}__valid_until__isnull": True}) | Q(**{f"{name}__valid_until__gt": today})
    return ends_later & Q(**{f"{name}__valid_from__lte": today})
