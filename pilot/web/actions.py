"""Remembering which forms were acted on, so that none is acted on twice."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from django.utils import timezone

from pilot.web.models import IdempotencyKey

KEPT_FOR = dt.timedelta(days=2)


def claim_key(key: UUID) -> str | None:
    """Take the key for the current transaction; None when it is ours, else the address that it led to before.

    Waits for another request that holds the same key: if that one is rolled back, the key is ours after all.
    """
    # An INSERT that waits on the unique key is what makes this safe against a double click.
    row, is_ours = IdempotencyKey.objects.get_or_create(key=key)
    return None if is_ours else row.location


def settle_key(key: UUID, location: str) -> None:
    """Remember where the form led."""
    changed = IdempotencyKey.objects.filter(key=key, location="").update(location=location)
    if changed != 1:
        raise RuntimeError("The key was not claimed in this transaction.")


def forget_old_keys() -> int:
    """Remove the keys of forms that nobody can still send. Returns how many."""
    return IdempotencyKey.objects.filter(created_at__lt=timezone.now() - KEPT_FOR).delete()[0]
