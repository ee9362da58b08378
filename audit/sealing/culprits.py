"""Naming what is wrong in a stretch of the log that does not match: event by event, leaf by leaf, node by node.

Slow, and asked only where the quick comparison of `verification` differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from audit import merkle
from audit.frontier import Run, inclusion_proof_from, nodes_for_inclusion
from audit.sealing.checkpoints import Believed
from audit.sealing.findings import TOLD, Report
from audit.sealing.leaves import SELECT, Key, hashed, key_of
from audit.sealing.snapshot import Snapshot
from audit.sealing.tree import stored_nodes
from audit.sealing.walk import AFTER, Stretch


@dataclass(frozen=True)
class _Leaf:
    """A stored leaf and, where it is there, its event: its key, its hash as recomputed, how often it is there."""

    event: int
    stored: bytes
    key: Key | None = None
    recomputed: bytes = b""
    copies: int = 0


def examine(moment: Snapshot, stretch: Stretch, said: Believed, report: Report) -> list[bytes | None]:
    """Name everything that is wrong in this stretch. Returns the hash that each place is taken to have, None where unknown.

    An event that was altered is told; the tree is then recomputed with what had been sealed, so that what follows from it is
    not told again, and what does not is.
    """
    before = sum(report.counts.values())
    leaves = _leaves(moment, stretch, report)
    astray = _astray(moment, stretch)
    hashes: list[bytes | None] = []
    latest, latest_place = stretch.after, stretch.first - 1
    for place in range(stretch.first, stretch.last + 1):
        leaf = leaves.get(place)
        if leaf is None:
            event, found = astray.pop(0) if astray else (None, None)
            fits = f"; event {event} has none, and may be the one" if event else ""
            report.add("gap", f"Place {place:,} of the tree has no leaf{fits}.", event=event, place=place)
            hashes.append(found)
            continue
        hashes.append(_hash(moment, place, leaf, said, report))
        if leaf.key is None:
            continue
        if leaf.key <= latest:
            report.add(
                "order",
                f"Event {leaf.event} stands at place {place:,}, and in the order of transactions it comes before the event"
                f" of place {latest_place:,}: the order was changed.",
                event=leaf.event,
                place=place,
            )
        else:
            latest, latest_place = leaf.key, place
    for event, _ in astray:
        report.add(
            "slipped in",
            f"Event {event} was put among those that were sealed already, between places {stretch.first:,} and"
            f" {stretch.last:,}: it was never sealed.",
            event=event,
        )
    if sum(report.counts.values()) == before and not stretch.is_piece:
        report.add(
            "stretch",
            f"Events and leaves of places {stretch.first:,} to {stretch.last:,} do not match, though each alone does.",
            place=stretch.first,
        )
    return hashes


def examine_nodes(moment: Snapshot, run: Run, report: Report) -> None:
    """Name every stored node of this run that is not what its leaves make it."""
    last = run.first + len(run.hashes) - 1
    stored: dict[int, list[bytes]] = {}
    for index, found in moment.rows(
        "SELECT index, hash FROM public.audit_node WHERE level = %s AND index BETWEEN %s AND %s ORDER BY index",
        [run.level, run.first, last],
    ):
        stored.setdefault(index, []).append(found)
    for index, wanted in enumerate(run.hashes, run.first):
        if stored.get(index) == [wanted]:
            continue
        what = "is not the hash of what is under it" if index in stored else "is missing from the stored tree"
        begin, end = index << run.level, ((index + 1) << run.level) - 1
        report.add("node", f"The node over places {begin:,} to {end:,} {what}.", place=begin)


def _leaves(moment: Snapshot, stretch: Stretch, report: Report) -> dict[int, _Leaf]:
    stored: dict[int, tuple[int, bytes]] = {}
    for place, event, found in moment.rows(
        "SELECT index, event_id, hash FROM public.audit_leaf WHERE index BETWEEN %s AND %s ORDER BY index",
        [stretch.first, stretch.last],
    ):
        if place in stored:
            report.add("leaf", f"Place {place:,} of the tree has two leaves.", event=event, place=place)
        stored[place] = (event, found or b"")
    events: dict[int, tuple[Key, bytes, int]] = {}
    for key, found in _hashed(
        moment,
        f"SELECT {SELECT} FROM public.audit_event e WHERE e.id = ANY(%s::bigint[])",  # noqa: S608 (SQL of our own)
        [[event for event, _ in stored.values()]],
    ):
        event = key[2]
        copies = events[event][2] + 1 if event in events else 1
        if copies == 2:
            report.add("twice", f"There are two events {event}.", event=event)
        events[event] = (key, found, copies)
    return {place: _Leaf(event, found, *events.get(event, ())) for place, (event, found) in stored.items()}


def _astray(moment: Snapshot, stretch: Stretch) -> list[tuple[int | None, bytes]]:
    """Events that belong among these by their order and have no leaf anywhere: number and leaf hash."""
    if stretch.up_to is None:
        return []
    found = _hashed(
        moment,
        f"""SELECT {SELECT} FROM public.audit_event e
            WHERE {AFTER} AND (e.epoch, e.transaction, e.id) <= (%s, %s, %s)
                AND NOT EXISTS (SELECT FROM public.audit_leaf l WHERE l.event_id = e.id)
            ORDER BY e.epoch, e.transaction, e.id LIMIT 1000""",  # noqa: S608 (SQL of our own)
        [*stretch.after, *stretch.up_to],
    )
    return [(key[2], each) for key, each in found]


def _hashed(moment: Snapshot, query: str, values: Sequence[Any]) -> list[tuple[Key, bytes]]:
    """Key and leaf hash of each event of a query."""
    hashes, keys = hashed(moment.copied(query, values))
    return list(zip(map(key_of, keys), hashes, strict=True))


def _hash(moment: Snapshot, place: int, leaf: _Leaf, said: Believed, report: Report) -> bytes | None:
    """What this place's hash is taken to be; tells what is wrong with it."""
    if leaf.key is None:
        report.add(
            "removed",
            f"Event {leaf.event}, sealed at place {place:,}, is gone.",
            event=leaf.event,
            place=place,
        )
        return leaf.stored if len(leaf.stored) == merkle.HASH_LENGTH else None
    if leaf.stored == leaf.recomputed:
        return leaf.stored
    if report.counts.get("changed", 0) < TOLD and _was_signed(moment, place, leaf.recomputed, said):
        report.add(
            "leaf",
            f"The leaf of place {place:,} was changed; event {leaf.event} itself is as it was sealed.",
            event=leaf.event,
            place=place,
        )
        return leaf.recomputed
    report.add(
        "changed",
        f"Event {leaf.event}, sealed at place {place:,}, is not what was sealed: it was changed afterwards.",
        event=leaf.event,
        place=place,
    )
    return leaf.stored if len(leaf.stored) == merkle.HASH_LENGTH else leaf.recomputed


def _was_signed(moment: Snapshot, place: int, candidate: bytes, said: Believed) -> bool:
    """Whether the stored tree proves that this was in its place in the first published log that reached there."""
    size = min((size for size in said if size > place), default=0)
    wanted = nodes_for_inclusion(place, size)
    stored = stored_nodes(moment.rows, [node for step in wanted for node in step])
    try:
        path = inclusion_proof_from(place, size, stored)
    except (KeyError, ValueError):
        return False
    return bool(size) and merkle.verify_inclusion(place, size, candidate, path, said[size][0])
