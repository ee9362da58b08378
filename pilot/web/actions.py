"""Remembering which forms were acted on, so that none is acted on twice; ending one's own sessions."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from django.utils import timezone

from pilot.access import Actor, acting
from pilot.people.models import User
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


def sign_out_everywhere(user: User, *, by: Actor) -> None:
    """End every session of the user's, on every device. New ones may begin at once."""
    with acting(by, "account.signed_out_everywhere"):
        user.sessions_valid_from = timezone.now()
        user.save(update_fields=["sessions_valid_from"])
