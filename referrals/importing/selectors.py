"""The lists that wait to be decided on."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from django.utils import timezone

from pilot.access import Actor, NotVisible
from referrals.models import ImportBatch

# A list that nobody decides on is forgotten after this many days: it holds people who may never be registered.
KEPT_DAYS = 14


def uploaded_list(actor: Actor, pk: UUID) -> ImportBatch:
    """A list of the actor's practice. Raises `NotVisible` for any other, and for one that was dealt with."""
    found = ImportBatch.objects.visible_to(actor).select_related("practice").filter(pk=pk).first()
    if found is None:
        raise NotVisible("No such list.")
    return found


def expired_lists(actor: Actor) -> list[UUID]:
    """The keys of the lists that waited for their time without being decided on."""
    before = timezone.now() - dt.timedelta(days=KEPT_DAYS)
    rows = ImportBatch.objects.visible_to(actor).filter(created_at__lt=before)
    return list(rows.order_by("created_at").values_list("pk", flat=True))
