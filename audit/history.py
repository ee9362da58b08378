"""What a history row holds beside the copied columns. Rows are written by the database trigger alone."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Self

from django.db import models

from audit.privacy import Personal


def revision_of(row: models.Model) -> int:
    """Which state of an audited row stands: it grows with every change, whoever makes it. 0 for a row not yet saved."""
    past = row.history.order_by("-history_id")  # type: ignore[attr-defined]
    return past.values_list("history_id", flat=True).first() or 0


class HistoryRow(models.Model):
    """One state of one row, tied to the event that made it. Fetching one is a look, as with the row itself.

    `nonce` blinds the event's digest: erasing it with the content leaves the event unlinkable to any guess.
    """

    event_id = models.BigIntegerField(null=True, db_index=True, editable=False)
    history_role = models.CharField(max_length=40, null=True, editable=False)  # noqa: DJ001 (NULL is "not known")
    history_action = models.CharField(max_length=80, null=True, editable=False)  # noqa: DJ001
    nonce = models.UUIDField(null=True, editable=False)

    class Meta:
        abstract = True

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any]) -> Self:
        from audit.looks import notice

        instance = super().from_db(db, field_names, values)
        privacy = cls.instance_type.privacy  # type: ignore[attr-defined]
        if isinstance(privacy, Personal):
            notice(privacy, instance, field_names)
        return instance
