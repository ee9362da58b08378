"""Naming what is wrong in a stretch of the log that does not match: event by event, leaf by leaf, node by node.

Slow, and asked only where the quick comparison of `verification` differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from audit import merkle
from audit.frontier import Run
from audit.sealing.findings import TOLD, Report
from audit.sealing.leaves import SQL
from audit.sealing.snapshot import Snapshot

Key = tuple[int, int, int]  # epoch, transaction, id: the order of sealing


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


@dataclass(frozen=True)
class _Leaf:
    """A stored leaf and, where it is there, its event: its key, its hash as recomputed, how often it is there."""

    event: int
    stored: bytes
    key: Key | None = None
    recomputed: bytes = b""
    copies: int = 0


def examine(moment: Snapshot, stretch: Stretch, report: Report) -> list[bytes | None]:
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
        hashes.append(_hash(moment, place, leaf, leaves, report))
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
    for event, epoch, number, content in moment.rows(
        f"SELECT e.id, e.epoch, e.transaction, {SQL} FROM public.audit_event e WHERE e.id = ANY(%s)",  # noqa: S608
        [[event for event, _ in stored.values()]],
    ):
        copies = events[event][2] + 1 if event in events else 1
        if copies == 2:
            report.add("twice", f"There are two events {event}.", event=event)
        events[event] = ((epoch, number, event), merkle.leaf_hash(content), copies)
    return {place: _Leaf(event, found, *events.get(event, ())) for place, (event, found) in stored.items()}


def _astray(moment: Snapshot, stretch: Stretch) -> list[tuple[int | None, bytes]]:
    """Events that belong among these by their order and have no leaf anywhere: number and leaf hash."""
    if stretch.up_to is None:
        return []
    rows = moment.rows(
        f"""SELECT e.id, {SQL} FROM public.audit_event e
            WHERE (e.epoch, e.transaction, e.id) > (%s, %s, %s) AND (e.epoch, e.transaction, e.id) <= (%s, %s, %s)
                AND NOT EXISTS (SELECT FROM public.audit_leaf l WHERE l.event_id = e.id)
            ORDER BY e.epoch, e.transaction, e.id LIMIT 1000""",  # noqa: S608 (SQL of our own)
        [*stretch.after, *stretch.up_to],
    )
    return [(event, merkle.leaf_hash(content)) for event, content in rows]


def _hash(
    moment: Snapshot, place: int, leaf: _Leaf, leaves: dict[int, _Leaf], report: Report
) -> bytes | None:
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
    if report.counts.get("changed", 0) < TOLD and _fits(moment, place, leaf.recomputed, leaves):
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


def _fits(moment: Snapshot, place: int, candidate: bytes, leaves: dict[int, _Leaf]) -> bool:
    """Whether the stored node above this place is made of the candidate and the leaf beside it."""
    beside = leaves.get(place ^ 1)
    above: list[Any] = moment.rows(
        "SELECT hash FROM public.audit_node WHERE level = 1 AND index = %s", [place >> 1]
    )
    if beside is None or not above:
        return False
    left, right = (beside.stored, candidate) if place & 1 else (candidate, beside.stored)
    return bool(sha256(merkle.NODE + left + right).digest() == above[0][0])
