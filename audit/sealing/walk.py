"""Reading the log from end to end: every event hashed again and held against its leaf, stretch by stretch."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from audit.frontier import Run
from audit.merkle import HASH_LENGTH
from audit.sealing.leaves import SELECT, Key, hashed, key_of, numbers, row
from audit.sealing.snapshot import Snapshot
from audit.sealing.tree import LOWEST

FIRST: Key = (-1, -1, -1)
AFTER = "(e.epoch, e.transaction, e.id) > (%s, %s, %s)"


@dataclass(frozen=True)
class Stretch:
    """Places `first` to `last` of the tree, whose events come after one key and up to another; None where that is lost.

    One piece of several, between whose events no key is known, has all of theirs or none.
    """

    first: int
    last: int
    after: Key
    up_to: Key | None
    is_piece: bool = False

    @property
    def completes(self) -> list[tuple[int, int, int]]:
        """The stored nodes whose last leaf is in it: level, first index and last."""
        end = self.last + 1
        runs = [(level, self.first >> level, (end >> level) - 1) for level in range(LOWEST, end.bit_length())]
        return [(level, first, last) for level, first, last in runs if first <= last]


class Walk:
    """One reading of these stretches, which follow each other, in their order."""

    def __init__(self, moment: Snapshot, stretches: Sequence[Stretch]) -> None:
        # Hashes and keys of events that were read too soon.
        self._ahead: tuple[list[bytes], list[bytes]] = [], []
        # None come where no key is known: those events are missing, and are named one by one.
        ends = [each.up_to for each in stretches if each.up_to]
        begin, end = (stretches[0].after, ends[-1]) if ends else (FIRST, FIRST)
        self._events = moment.stream(_EVENTS, [*begin, *end])
        places = [(each.first, each.last) for each in stretches]
        self._leaves = moment.stream(_LEAVES, [[each[part] for each in places] for part in range(2)])
        nodes = [each for stretch in stretches for each in stretch.completes]
        self._nodes = moment.stream(_NODES, [[each[part] for each in nodes] for part in range(3)])

    def hashes(self, stretch: Stretch) -> list[bytes] | None:
        """The leaf hashes of the next stretch's events as they are now; None where its leaves are not exactly those."""
        leaves, count = next(self._leaves), stretch.last - stretch.first + 1
        hashes, keys = self._taken(stretch.up_to, count) if stretch.up_to else ([], [])
        expected = row(_places(stretch.first, count), numbers(keys), b"".join(hashes), _TRUE)
        return hashes if bytes(leaves) == expected else None

    def has(self, run: Run) -> bool:
        """Whether the stored nodes of the next run, of those that the stretch completes, are exactly these."""
        expected = row(_places(run.first, len(run.hashes)), b"".join(run.hashes), _TRUE)
        return bytes(next(self._nodes)) == expected

    def _taken(self, up_to: Key, count: int) -> tuple[list[bytes], list[bytes]]:
        """Hashes and keys of the next events, up to this key; none where they are more than there should be."""
        is_more = False
        while True:
            hashes, keys = self._ahead
            # One more than there should be, to see that there is none.
            read = hashed(islice(self._events, max(count + 1 - len(keys), 0)))
            hashes, keys = hashes + read[0], keys + read[1]
            end = bisect_right(keys, up_to, key=key_of)
            self._ahead = hashes[end:], keys[end:]
            if end <= count or end < len(keys):
                return ([], []) if is_more else (hashes[:end], keys[:end])
            is_more = True


def _places(first: int, count: int) -> bytes:
    return struct.pack(f">{count}q", *range(first, first + count))


_TRUE = b"\1"

_EVENTS = f"""
    SELECT {SELECT} FROM public.audit_event e WHERE {AFTER} AND (e.epoch, e.transaction, e.id) <= (%s, %s, %s)
    ORDER BY e.epoch, e.transaction, e.id"""  # noqa: S608 (SQL of our own)

# Of each stretch the leaves' indexes, events and hashes, and whether each hash is 32 bytes: others could be cut differently.
_LEAVES = f"""
    SELECT s.* FROM unnest(%s::bigint[], %s::bigint[]) AS w(first, last), LATERAL (
        SELECT string_agg(int8send(l.index), ''::bytea), string_agg(int8send(l.event_id), ''::bytea),
            string_agg(l.hash, ''::bytea), bool_and(length(l.hash) = {HASH_LENGTH})
        FROM (SELECT * FROM public.audit_leaf l WHERE l.index BETWEEN w.first AND w.last ORDER BY l.index) l) s"""  # noqa: S608 (SQL of our own)

_NODES = f"""
    SELECT s.* FROM unnest(%s::int[], %s::bigint[], %s::bigint[]) AS w(level, first, last), LATERAL (
        SELECT string_agg(int8send(n.index), ''::bytea), string_agg(n.hash, ''::bytea),
            bool_and(length(n.hash) = {HASH_LENGTH})
        FROM (SELECT * FROM public.audit_node n WHERE n.level = w.level AND n.index BETWEEN w.first AND w.last
            ORDER BY n.index) n) s"""  # noqa: S608 (SQL of our own)
