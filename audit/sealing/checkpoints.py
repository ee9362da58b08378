"""The signed checkpoints, those outside the database and those in it, held against each other."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from audit import merkle
from audit.frontier import consistency_proof_from, nodes_for_consistency
from audit.sealing import check_proof, notes, published
from audit.sealing.findings import Report
from audit.sealing.snapshot import Snapshot
from audit.sealing.tree import stored_nodes

# A run killed between keeping a checkpoint and publishing it leaves this to the next one, which comes sooner than that.
GRACE = dt.timedelta(minutes=5)
# Between more checkpoints than this an even choice of them is held against each other as an outsider would: the root
# of every single one is recomputed anyway.
PAIRS = 1000

# Of each size: the root, and a hash of the note's text.
Believed = dict[int, tuple[bytes, int]]


def outside(directory: Path, verifiers: Sequence[notes.Verifier], origin: str, report: Report) -> Believed:
    """What the directory's checkpoints say by size. What is no checkpoint, or has no signature that is believed, is found.

    Refused where there is no such directory (FileNotFoundError).
    """
    found: Believed = {}
    pieces: list[published.Found] = []
    texts: set[str] = set()
    for each in published.read(directory):
        if not each.is_whole:
            pieces.append(each)
            continue
        checkpoint = _believed(each.text, f"The checkpoint in {each.place}", verifiers, report)
        if checkpoint is None or checkpoint.origin != origin:
            continue
        if pieces:
            texts.add(each.text)
        said = found.setdefault(checkpoint.size, (checkpoint.root, hash(each.text)))
        if said[0] != checkpoint.root:
            report.add(
                "two logs",
                f"Two checkpoints of {checkpoint.size:,} events were signed with different roots, the second in"
                f" {each.place}: somebody with the key has shown two different logs.",
            )
    for each in pieces:
        # A power cut leaves the beginning of a note, which the next run then publishes whole.
        torn = each.text.strip("\0\n")
        if not any(text.startswith(torn) for text in texts):
            report.add("no checkpoint", f"What stands in {each.place} is no checkpoint.")
    return found


def inside(
    snapshot: Snapshot,
    published_before: Believed,
    verifiers: Sequence[notes.Verifier],
    origin: str,
    report: Report,
    *,
    is_partial: bool,
) -> Believed:
    """What all checkpoints say by size, once the database's are held against those outside, which were read before it.

    `is_partial`: outside are copies of some only.
    """
    found: Believed = {}
    doubtful: set[int] = set()
    newest = max(published_before, default=-1)
    missing: list[int] = []
    for size, note, is_fresh in _stored(snapshot):
        outside_too = published_before.get(size)
        if outside_too is not None and outside_too[1] == hash(note):
            found[size] = outside_too
            continue
        doubtful.add(size)
        checkpoint = _believed(note, f"The database's checkpoint of {size:,} events", verifiers, report)
        if checkpoint is None:
            continue
        if checkpoint.size != size:
            report.add(
                "checkpoint",
                f"The database's checkpoint of {size:,} events says {checkpoint.size:,} in its text.",
            )
        elif outside_too is not None:
            report.add(
                "checkpoint",
                f"The checkpoint of {size:,} events in the database is not the one that was published.",
            )
        else:
            found[size] = (checkpoint.root, hash(note))
            # One that is newer than all that were published is still on its way there.
            if checkpoint.origin == origin and not (is_fresh and size > newest):
                missing.append(size)
    if missing and not is_partial:
        some = ", ".join(f"{size:,}" for size in missing[:5]) + (", …" if len(missing) > 5 else "")
        report.add(
            "not published",
            f"Checkpoints of the database that are not in the directory: {len(missing):,} (of {some} events). They were"
            " dropped there, or never published.",
        )
    for size in sorted(published_before.keys() - found.keys() - doubtful):
        report.add(
            "checkpoint dropped",
            f"The checkpoint of {size:,} events was published and is not in the database.",
        )
    return {**found, **published_before}


def _stored(snapshot: Snapshot) -> Iterator[tuple[int, str, bool]]:
    """Size, text, and whether it was kept just now; a thousand at a time."""
    last = -1
    while True:
        rows = snapshot.rows(
            "SELECT size, note, at > now() - %s FROM public.audit_checkpoint WHERE size > %s ORDER BY size LIMIT 1000",
            [GRACE, last],
        )
        yield from rows
        if len(rows) < 1000:
            return
        last = rows[-1][0]


def _believed(
    note: str, what: str, verifiers: Sequence[notes.Verifier], report: Report
) -> notes.Checkpoint | None:
    try:
        return check_proof.opened_by_one(note, verifiers)[1]
    except notes.BadNoteError as error:
        report.add("signature", f"{what} is not to be believed. {error}")
        return None


def check_consistency(snapshot: Snapshot, believed: Believed, size: int, report: Report) -> None:
    """Prove to ourselves, from the stored nodes alone and as an outsider would, that each log began with the one before."""
    sizes = [each for each in sorted(believed) if 0 < each <= size]
    step = max(1, -(-len(sizes) // PAIRS))
    chosen = sorted({*sizes[::step], *sizes[-1:]})
    pairs = list(itertools.pairwise(chosen))
    for begin in range(0, len(pairs), 100):
        some = pairs[begin : begin + 100]
        stored = stored_nodes(
            snapshot.rows, {node for pair in some for path in nodes_for_consistency(*pair) for node in path}
        )
        for older, newer in some:
            try:
                proof = consistency_proof_from(older, newer, stored)
            except (KeyError, ValueError):
                proof = []
            if not merkle.verify_consistency(older, newer, believed[older][0], believed[newer][0], proof):
                report.add(
                    "consistency",
                    f"The stored tree does not prove that the log of {newer:,} events began with the published log of"
                    f" {older:,}.",
                    place=older,
                )
