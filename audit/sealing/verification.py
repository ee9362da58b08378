"""`audit verify`: everything that was sealed, recomputed from the events and held against the tree and what was published.

Nothing that is stored is believed. Every event is encoded and hashed again, in the order that sealing follows, and
has to be the leaf of its place; every node and every checkpoint's root has to be what those hashes make it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import cast

import psycopg
from django.conf import settings
from django.db import connections

from audit.frontier import Frontier, Run, peaks
from audit.merkle import HASH_LENGTH
from audit.sealing import bound, checkpoints, culprits, keys, notes, reader, snapshot
from audit.sealing.checkpoints import Believed
from audit.sealing.cluster import DEFAULT_EPOCH, epoch_in
from audit.sealing.findings import Report
from audit.sealing.leaves import Key
from audit.sealing.snapshot import Snapshot
from audit.sealing.state import LATE
from audit.sealing.tree import LOWEST, stored_nodes
from audit.sealing.walk import AFTER, FIRST, Stretch, Walk

# So many events are fetched and hashed at a time: while they are hashed the database reads on, as far as the buffers between
# the two take it.
BATCH = 2048
# More places than this without a leaf are not named one by one.
WIDEST_GAP = 10_000


class CannotVerifyError(RuntimeError):
    """Nothing was verified; the message says why and what to do."""


def verify(
    directory: Path | None = None,
    *,
    since: int | None = None,
    is_partial: bool = False,
    batch: int = BATCH,
) -> Report:
    """Recompute the log and hold it against its checkpoints, those in the directory and those in the database.

    `since`: recompute only what came after the newest checkpoint of at most so many events. `is_partial`: the directory
    holds copies of some checkpoints only. Refused (CannotVerifyError): nothing to read with, to hold against or to believe.
    """
    directory = directory or (Path(settings.AUDIT_CHECKPOINT_DIR) if settings.AUDIT_CHECKPOINT_DIR else None)
    if "auditor" not in connections:
        raise CannotVerifyError("Nobody may read everything here: set AUDITOR_DATABASE_URL.")
    if directory is None:
        raise CannotVerifyError(
            "Say where the checkpoints are: --checkpoints DIR, or set AUDIT_CHECKPOINT_DIR."
        )
    try:
        return verify_against(
            snapshot.opened(), directory, keys.believed(), since=since, is_partial=is_partial, batch=batch
        )
    except keys.NoKeyError as error:
        raise CannotVerifyError(str(error)) from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CannotVerifyError(
            f"There is no directory {directory}: name the one that checkpoints are published in, or a copy of it."
        ) from error
    except OSError as error:
        raise CannotVerifyError(f"The checkpoints cannot be read. {error}") from error
    except (psycopg.Error, reader.ReaderError) as error:
        raise CannotVerifyError(f"The database does not let the log be read. {error}") from error


def verify_against(
    reading: AbstractContextManager[Snapshot],
    directory: Path,
    believed: Sequence[notes.Verifier],
    *,
    since: int | None = None,
    is_partial: bool = False,
    batch: int = BATCH,
) -> Report:
    """As `verify`, of a database, a directory and keys that are given."""
    report = Report()
    # Before the database: what was published by now is in every later snapshot of it.
    outside = checkpoints.outside(directory, believed, settings.AUDIT_ORIGIN, report)
    with reading as moment:
        said = checkpoints.inside(
            moment, outside, believed, settings.AUDIT_ORIGIN, report, is_partial=is_partial
        )
        report.checkpoints = len(said)
        _Recount(moment, said, report, batch).run(since)
        checkpoints.check_consistency(moment, said, report.size, report)
    return report


class _Recount:
    """One walk along the log from a size on."""

    def __init__(self, moment: Snapshot, said: Believed, report: Report, batch: int) -> None:
        self.moment, self.said, self.report, self.batch = moment, said, report, batch
        self.sizes = sorted(said)
        self.frontier = Frontier()
        # Once a place's hash is unknown no node or root above it can be told; once a root differs, all later ones do.
        self.is_unknown = self.is_other = False

    def run(self, since: int | None) -> None:
        report = self.report
        report.size = self._size()
        if since is not None:
            self._begin_at(since)
        self._check_tail()
        stretches, last = self._stretches()
        number, attached = Report(), Report()
        with self.moment.meanwhile(
            lambda own: self._check_number(own, last, number), lambda own: bound.check_bound(own, attached)
        ):
            walk = Walk(self.moment, stretches)
            for stretch in stretches:
                self._add(stretch, walk)
        report.root = self.frontier.root()
        self._check_extra_nodes()
        self._check_unsealed(last)
        if report.is_well:
            # Otherwise it has been said already, and better, why the number is not right.
            report.take(number)
        report.take(attached)

    def _size(self) -> int:
        """How many places the tree has. Beyond a gap too wide to be walked through there is nothing to recompute."""
        size, count = self.moment.row("SELECT coalesce(max(index) + 1, 0), count(*) FROM public.audit_leaf")
        if size == count:
            return int(size)
        self.report.add("gap", f"The tree ends at place {size - 1:,} and has {count:,} leaves.")
        if size - count <= WIDEST_GAP:
            return int(size)
        [whole] = self.moment.row(
            "SELECT min(n) FROM (SELECT index, row_number() OVER (ORDER BY index) - 1 AS n FROM public.audit_leaf) numbered"
            " WHERE index <> n"
        )
        return int(whole)

    def _begin_at(self, since: int) -> None:
        """Begin with the tree as it was published at a size, taken from the stored nodes."""
        older = [size for size in self.sizes if size <= min(since, self.report.size)]
        if not older or older[-1] == 0:
            return
        size = older[-1]
        stored = stored_nodes(self.moment.rows, peaks(size))
        try:
            frontier = Frontier.restore(size, stored)
        except (KeyError, ValueError):
            frontier = Frontier()
        if frontier.size == size and frontier.root() == self.said[size][0]:
            self.frontier, self.report.since = frontier, size
        else:
            self.report.add(
                "node",
                f"The stored tree of {size:,} events is not the published one: everything is recomputed from the start.",
            )

    def _check_tail(self) -> None:
        longer = [size for size in self.sizes if size > self.report.size]
        if longer:
            self.report.add(
                "shorter",
                f"A log of {longer[-1]:,} events was signed, and here are {self.report.size:,}: the last"
                f" {longer[-1] - self.report.size:,} were removed, or an older copy of the database was restored.",
                place=self.report.size,
            )

    def _stretches(self) -> tuple[list[Stretch], Key]:
        """The log in pieces of about a batch, and the key of the last event that was sealed and is there."""
        start, size = self.report.since, self.report.size
        rows = self.moment.rows(
            "SELECT l.index, e.epoch, e.transaction, e.id FROM public.audit_leaf l"
            " JOIN public.audit_event e ON e.id = l.event_id"
            " WHERE l.index = ANY(ARRAY(SELECT generate_series(%s::bigint - 1, %s::bigint - 1, %s::bigint))"
            " || (%s::bigint - 1)) ORDER BY l.index",
            [start, size, self.batch, size],
        )
        known = {index: cast(Key, tuple(key)) for index, *key in rows}
        after = known.pop(start - 1, FIRST)
        stretches, first = [], start
        for index, key in known.items():
            if key > after and index >= first:
                stretches.append(Stretch(first, index, after, key))
                first, after = index + 1, key
        stretches = [piece for each in stretches for piece in self._cut(each)]
        if first < size:
            stretches += self._cut(Stretch(first, size - 1, after, None))
        return stretches, after

    def _cut(self, stretch: Stretch) -> Iterator[Stretch]:
        """Where the events at its ends are gone a stretch may be long: in pieces, of which the last has the events."""
        for first in range(stretch.first, stretch.last + 1, self.batch):
            last = min(first + self.batch - 1, stretch.last)
            up_to = stretch.up_to if last == stretch.last else None
            yield Stretch(
                first, last, stretch.after, up_to, is_piece=stretch.last - stretch.first >= self.batch
            )

    def _add(self, stretch: Stretch, walk: Walk) -> None:
        """Add a stretch's leaves to the tree, and compare its root with each checkpoint's, its new nodes with the stored."""
        hashes = walk.hashes(stretch)
        if hashes is None:
            taken = culprits.examine(self.moment, stretch, self.said, self.report)
            self.is_unknown = self.is_unknown or None in taken
            hashes = [each or bytes(HASH_LENGTH) for each in taken]
        grown: dict[int, Run] = {}
        start, end = self.frontier.size, stretch.last + 1
        for size in [*self.sizes[bisect_left(self.sizes, start + 1) : bisect_left(self.sizes, end)], end]:
            for run in self.frontier.extend(hashes[self.frontier.size - start : size - start]):
                if run.level in grown:
                    grown[run.level].hashes.extend(run.hashes)
                else:
                    grown[run.level] = run
            if size in self.said and self.said[size][0] != self.frontier.root():
                self._differs(size)
        for level, _, _ in stretch.completes:
            if not walk.has(grown[level]) and not self.is_unknown:
                culprits.examine_nodes(self.moment, grown[level], self.report)

    def _differs(self, size: int) -> None:
        """Say from where on the log is not the published one, once: all that comes later follows from it."""
        if self.is_unknown or self.is_other:
            return
        self.is_other = True
        right = self.sizes[bisect_left(self.sizes, size) - 1] if size > self.sizes[0] else 0
        event = self.moment.rows("SELECT event_id FROM public.audit_leaf WHERE index = %s", [right])
        named = f", the first of them event {event[0][0]}" if event else ""
        self.report.add(
            "root",
            f"The log of {size:,} events is not the one that was signed: something of places {right:,} to {size - 1:,} was"
            f" changed and hashed anew{named}.",
            event=event[0][0] if event else None,
            place=right,
        )

    def _check_extra_nodes(self) -> None:
        for level, index in self.moment.rows(
            """
            (SELECT level, index FROM public.audit_node WHERE level < %s OR level > 62 LIMIT 100) UNION ALL
            (SELECT n.level, n.index FROM generate_series(1, 62) AS w(level) JOIN public.audit_node n ON n.level = w.level
                AND (n.index < 0 OR n.index >= (%s::bigint >> w.level)) LIMIT 100)
            """,
            [LOWEST, self.report.size],
        ):
            self.report.add(
                "node",
                f"The tree has a node of level {level} at {index:,}, beyond its {self.report.size:,} leaves.",
            )

    def _check_number(self, own: Snapshot, last: Key, report: Report) -> None:
        """No event may be there that is neither sealed nor waiting, whatever the indexes say: where a row is, none says."""
        [found] = own.row("SELECT count(e.ctid) FROM public.audit_event e")
        [waiting] = own.row(f"SELECT count(*) FROM public.audit_event e WHERE {AFTER}", last)  # noqa: S608 (SQL of our own)
        count = found - waiting
        if count != self.report.size:
            report.add(
                "number",
                f"{count:,} events are in the order of those sealed, which are {self.report.size:,}.",
            )

    def _check_unsealed(self, last: Key) -> None:
        report = self.report
        epoch = epoch_in(*self.moment.row(DEFAULT_EPOCH))
        report.unsealed, late, oldest = self.moment.row(
            f"""SELECT count(*), count(*) FILTER (WHERE is_late), min(id) FILTER (WHERE is_late) FROM (
                SELECT e.id, e.at < now() - %s AND (e.epoch < %s OR
                    e.transaction < (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint)) AS is_late
                FROM public.audit_event e WHERE {AFTER} ) waiting""",  # noqa: S608 (SQL of our own)
            [LATE, epoch, *last],
        )
        if late:
            report.add(
                "late",
                f"{late:,} events have waited to be sealed for more than {LATE.seconds // 60} minutes, the first is event"
                f" {oldest}: is the worker running? Its log says why it does not seal.",
                event=oldest,
            )
        for event, of_epoch, number in self.moment.rows(
            f"""SELECT e.id, e.epoch, e.transaction FROM public.audit_event e WHERE {AFTER} AND (e.epoch > %s OR
                (e.epoch = %s AND e.transaction >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint))
                ORDER BY e.id LIMIT 1000""",  # noqa: S608 (SQL of our own)
            [*last, epoch, epoch],
        ):
            report.add(
                "not begun",
                f"Event {event} says that it belongs to transaction {number} of epoch {of_epoch}, which has not begun:"
                " it was put there by hand.",
                event=event,
            )
