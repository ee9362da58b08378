"""Which cluster the database lives in: in another one transaction numbers begin again, and events would be out of order."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper

OWNER = "owner"
DEFAULT_EPOCH = """
    SELECT pg_get_expr(d.adbin, d.adrelid)
    FROM pg_attrdef d JOIN pg_attribute a ON (a.attrelid, a.attnum) = (d.adrelid, d.adnum)
    WHERE d.adrelid = 'public.audit_event'::regclass AND a.attname = 'epoch'"""


class NothingToResumeError(RuntimeError):
    """Transaction numbers go on from where they were."""


@dataclass(frozen=True)
class Resumed:
    """The epoch that events are of from now on, and how many of those written since the restore were moved to it."""

    epoch: int
    moved: int


def current_epoch(cursor: CursorWrapper) -> int:
    """The epoch that new events are of: the default of their column, which only the owner can change."""
    cursor.execute(DEFAULT_EPOCH)
    return epoch_in(*(cursor.fetchone() or [None]))


def epoch_in(default: str | None) -> int:
    """The number in a column's default as PostgreSQL spells it: 0, or '1'::smallint."""
    digits = re.search(r"\d+", default or "")
    return int(digits[0]) if digits else 0


def is_elsewhere(cursor: CursorWrapper) -> bool:
    """Whether this cluster has yet to reach the transactions that the log's newest events belong to."""
    cursor.execute(
        "SELECT max(transaction) >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint FROM public.audit_event"
        " WHERE epoch = %s",
        [current_epoch(cursor)],
    )
    return bool(cursor.fetchone()[0])


def resume() -> Resumed:
    """Begin a new epoch, after a restore into a cluster whose transaction numbers are lower than the log's.

    Events that were written since and not sealed are moved to it, behind those that were sealed before. Refused where
    transaction numbers go on (NothingToResumeError).
    """
    with transaction.atomic(using=OWNER), connections[OWNER].cursor() as cursor:
        # Nobody writes meanwhile: no event may come in between with the old default.
        cursor.execute("LOCK TABLE public.audit_event IN SHARE ROW EXCLUSIVE MODE")
        if not is_elsewhere(cursor):
            raise NothingToResumeError(
                "This cluster's transactions come after those of the log: there is nothing to resume."
            )
        epoch = current_epoch(cursor) + 1
        cursor.execute(f"ALTER TABLE public.audit_event ALTER COLUMN epoch SET DEFAULT {epoch:d}")
        cursor.execute("ALTER TABLE public.audit_event DISABLE TRIGGER USER")
        cursor.execute(
            """
            UPDATE public.audit_event e SET epoch = %s
            FROM (SELECT e.epoch, e.transaction, e.id FROM public.audit_leaf l JOIN public.audit_event e ON e.id = l.event_id
                ORDER BY l.index DESC LIMIT 1) last
            WHERE e.id > (SELECT max(event_id) FROM public.audit_leaf)
                AND (e.epoch, e.transaction, e.id) < (last.epoch, last.transaction, last.id)
            """,
            [epoch],
        )
        moved = cursor.rowcount
        cursor.execute("ALTER TABLE public.audit_event ENABLE TRIGGER USER")
    return Resumed(epoch, moved)
