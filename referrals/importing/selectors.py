"""The lists that wait to be decided on."""

from __future__ import annotations

from uuid import UUID

from pilot.access import Actor, NotVisible
from referrals.models import ImportBatch


def uploaded_list(actor: Actor, pk: UUID) -> ImportBatch:
    """A list of the actor's practice. Raises `NotVisible` for any other, and for one that was dealt with."""
    found = ImportBatch.objects.visible_to(actor).select_related("practice").filter(pk=pk).first()
    if found is None:
        raise NotVisible("No such list.")
    return found
