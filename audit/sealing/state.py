"""Whether sealing keeps up: for the guardian's page, the daily mail and whoever is asked."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db import connections
from django.utils import timezone

# More than this are not counted, so that the page is as quick however long sealing stands still.
MOST = 1000
# Sealing comes every 20 seconds. An event that waited longer than this waits for somebody to look.
LATE = dt.timedelta(minutes=5)


@dataclass(frozen=True)
class State:
    """How far the log is sealed: its size, when that was signed; since when the oldest event waits that is not, and how many
    wait: of more than MOST, one more than that.
    """

    size: int
    signed_at: dt.datetime | None
    waiting_since: dt.datetime | None
    waiting: int = 0

    @property
    def waits_in_digits(self) -> str:
        """How many events wait, as a page says it."""
        return f"{MOST:,}+" if self.waiting > MOST else f"{self.waiting:,}"

    @property
    def is_alarming(self) -> bool:
        """Whether somebody has to look: an event waits for too long, or nothing was ever signed."""
        return self.signed_at is None or self.is_late

    @property
    def is_late(self) -> bool:
        """Whether the oldest event that is not sealed waits for more than `LATE`."""
        return self.waiting_since is not None and timezone.now() - self.waiting_since > LATE


def sealing_state(*, using: str = "default") -> State:
    """How far the log is sealed, as the current actor sees it: ask as somebody who sees the whole log, in constant time.

    Waiting are events after the last sealed one, in the order of sealing or by their number: after a restore into another
    cluster the two are not the same (`audit resume`).
    """
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT size, at FROM public.audit_checkpoint ORDER BY size DESC LIMIT 1")
        size, signed_at = cursor.fetchone() or (0, None)
        cursor.execute(
            "SELECT e.epoch, e.transaction, e.id FROM public.audit_leaf l JOIN public.audit_event e ON e.id = l.event_id"
            " ORDER BY l.index DESC LIMIT 1"
        )
        last = cursor.fetchone() or (-1, -1, -1)
        cursor.execute(
            """
            SELECT count(*), min(at) FROM (
                (SELECT e.id, e.at FROM public.audit_event e WHERE (e.epoch, e.transaction, e.id) > (%s, %s, %s)
                    ORDER BY e.epoch, e.transaction, e.id LIMIT %s)
                UNION (SELECT e.id, e.at FROM public.audit_event e WHERE e.id > %s
                    AND NOT EXISTS (SELECT FROM public.audit_leaf l WHERE l.event_id = e.id) ORDER BY e.id LIMIT %s)
            ) waiting
            """,
            [*last, MOST + 1, last[2], MOST + 1],
        )
        waiting, waiting_since = cursor.fetchone()
    return State(size, signed_at, waiting_since, min(waiting, MOST + 1))


def newest_note(*, using: str = "sealer") -> tuple[int, str] | None:
    """The size and the text of the newest checkpoint; None before there is one."""
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT size, note FROM public.audit_checkpoint ORDER BY size DESC LIMIT 1")
        row: tuple[int, str] | None = cursor.fetchone()
    return row
