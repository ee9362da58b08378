"""Growing the log's tree: events of finished transactions become leaves, and the new root is signed and published.

Nothing is locked while people work: events are put in order afterwards. No event can join a transaction that has
finished, so what was sealed once keeps its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from audit.frontier import Frontier, peaks
from audit.sealing import check_proof, keys, notes, published
from audit.sealing.cluster import current_epoch
from audit.sealing.leaves import SELECT, hashed, key_of
from audit.sealing.reader import copied
from audit.sealing.tree import LOWEST, stored_nodes, through

# Whoever seals holds this advisory lock.
SEALING = 7_010_428
BATCH = 20_000


class SealingRefusedError(RuntimeError):
    """The log is not sealed any further; the message says why and what to do."""


@dataclass(frozen=True)
class Sealed:
    """What one run did: how many events it sealed, and the size that the tree has now."""

    events: int
    size: int


def seal(batch: int = BATCH) -> Sealed | None:
    """Seal every event whose transaction has finished, and publish a checkpoint of the tree where it grew.

    None where somebody else is sealing at this moment. Afterwards every leaf sealed here has its nodes, and the last
    checkpoint in the database is outside it as well. Killed at any point, the next run carries on from there.
    Refused (SealingRefusedError): no database role or key to seal with, nowhere to publish, or a log that is shorter
    than, or not the same as, what was published.
    """
    if "sealer" not in connections:
        raise SealingRefusedError("Nobody may seal here: set SEALER_DATABASE_URL.")
    if not settings.AUDIT_CHECKPOINT_DIR:
        raise SealingRefusedError("There is nowhere to publish checkpoints: set AUDIT_CHECKPOINT_DIR.")
    try:
        signers = [keys.signing_key(), *keys.old_signing_keys()]
        believed = [*(signer.verifier for signer in signers), *keys.listed_verifiers()]
    except keys.NoKeyError as error:
        raise SealingRefusedError(str(error)) from error
    with connections["sealer"].cursor() as cursor:
        cursor.execute("SET client_encoding = 'UTF8'")
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [SEALING])
        if not cursor.fetchone()[0]:
            return None
        try:
            return _seal(cursor, signers, believed, batch)
        except OSError as error:
            # What was sealed stays sealed; the next run publishes it.
            raise SealingRefusedError(
                f"The directory of checkpoints cannot be read or written. {error}"
            ) from error
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [SEALING])


def _seal(
    cursor: CursorWrapper, signers: list[notes.Signer], believed: list[notes.Verifier], batch: int
) -> Sealed:
    frontier = _frontier(cursor)
    _catch_up(cursor, frontier, believed)
    began = frontier.size
    while True:
        with transaction.atomic(using="sealer"):
            added = _add(cursor, frontier, batch)
        if added < batch:
            break
    if frontier.size > began or not _is_signed(cursor, frontier.size):
        _sign(cursor, frontier, signers)
    return Sealed(frontier.size - began, frontier.size)


def _frontier(cursor: CursorWrapper) -> Frontier:
    """The tree as it stands. Refused where its right edge is not whole."""
    cursor.execute("SELECT coalesce(max(index) + 1, 0) FROM public.audit_leaf")
    size = cursor.fetchone()[0]
    try:
        return Frontier.restore(size, stored_nodes(through(cursor), peaks(size)))
    except (KeyError, ValueError) as error:
        raise SealingRefusedError(f"The tree of {size} events has holes: {_LOOK}") from error


def _catch_up(cursor: CursorWrapper, frontier: Frontier, believed: list[notes.Verifier]) -> None:
    """Publish what a killed run left unpublished. Refused where more was published than is here."""
    directory = Path(settings.AUDIT_CHECKPOINT_DIR)
    newest = newest_published(directory, believed)
    if newest and newest.size > frontier.size:
        raise SealingRefusedError(
            f"A log of {newest.size} events was published, and this one has {frontier.size}: {_LOOK} After a restored "
            "backup, docs/audit.md says how to begin a new log."
        )
    if newest and newest.size == frontier.size and newest.root != frontier.root():
        raise SealingRefusedError(
            f"The log of {newest.size} events had another root when it was published: {_LOOK}"
        )
    cursor.execute(
        "SELECT note, at FROM public.audit_checkpoint WHERE size > %s ORDER BY size",
        [newest.size if newest else -1],
    )
    for note, at in cursor.fetchall():
        try:
            check_proof.opened_by_one(note, believed)
        except notes.BadNoteError:
            continue  # Whoever wrote it into the table did not sign it: `audit verify` names it.
        published.publish(directory, note, at)


def newest_published(directory: Path, believed: list[notes.Verifier]) -> notes.Checkpoint | None:
    """The checkpoint of the greatest size that one of these keys signed, in the directory's newest files."""
    texts = [piece.text for file in published.newest(directory) for piece in published.read_file(file)]
    for text in sorted(texts, key=published.claimed_size, reverse=True):
        try:
            return notes.opened(text, settings.AUDIT_ORIGIN, believed)
        except notes.BadNoteError:
            continue  # `audit verify` names it; here it proves nothing.
    return None


def _add(cursor: CursorWrapper, frontier: Frontier, batch: int) -> int:
    """Seal the next events, at most so many, in the order of their transactions. Returns how many."""
    cursor.execute(
        "SELECT e.epoch, e.transaction, e.id FROM public.audit_leaf l JOIN public.audit_event e ON e.id = l.event_id"
        " WHERE l.index = %s",
        [frontier.size - 1],
    )
    last = cursor.fetchone()
    if frontier.size and last is None:
        raise SealingRefusedError(f"The event that was sealed last is gone: {_LOOK}")
    if frontier.size and _is_elsewhere(cursor, *last):
        raise SealingRefusedError(
            "This database was restored into another cluster, where transaction numbers begin again: run"
            " `manage.py audit resume`."
        )
    # Within one snapshot: what is finished by it is all of it there.
    hashes, event_keys = hashed(
        copied(
            connections["sealer"].connection,
            f"""
            SELECT {SELECT} FROM public.audit_event e
            WHERE (e.epoch, e.transaction, e.id) > (%s, %s, %s)
                AND (e.transaction < (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint)
                    OR e.epoch < (SELECT max(epoch) FROM public.audit_event))
            ORDER BY e.epoch, e.transaction, e.id LIMIT %s""",  # noqa: S608 (SQL of our own)
            [*(last or (-1, -1, -1)), batch],
        )
    )
    if not hashes:
        return 0
    cursor.execute(
        "INSERT INTO public.audit_leaf (index, event_id, hash)"
        " SELECT %s - 1 + e.i, e.id, substring(%s::bytea FROM (e.i * 32 - 31)::int FOR 32)"
        " FROM unnest(%s::bigint[]) WITH ORDINALITY AS e(id, i)",
        [frontier.size, b"".join(hashes), [key_of(each)[2] for each in event_keys]],
    )
    for run in frontier.extend(hashes):
        if run.level >= LOWEST:
            cursor.execute(
                "INSERT INTO public.audit_node (level, index, hash)"
                " SELECT %s, %s + i, substring(%s::bytea FROM (i * 32 + 1)::int FOR 32)"
                " FROM generate_series(0, %s::bigint - 1) AS i",
                [run.level, run.first, b"".join(run.hashes), len(run.hashes)],
            )
    return len(hashes)


def _is_elsewhere(cursor: CursorWrapper, epoch: int, number: int, _: int) -> bool:
    """Whether the event that was sealed last is of a transaction that this cluster has not reached."""
    if epoch < current_epoch(cursor):
        return False
    cursor.execute("SELECT %s >= pg_snapshot_xmin(pg_current_snapshot())::text::bigint", [number])
    return bool(cursor.fetchone()[0])


def _is_signed(cursor: CursorWrapper, size: int) -> bool:
    cursor.execute("SELECT EXISTS (SELECT FROM public.audit_checkpoint WHERE size = %s)", [size])
    return bool(cursor.fetchone()[0]) or size == 0


def _sign(cursor: CursorWrapper, frontier: Frontier, signers: list[notes.Signer]) -> None:
    """Keep the checkpoint first and publish it then: a run killed in between leaves nothing published that is not kept."""
    now = timezone.now()
    checkpoint = notes.Checkpoint(settings.AUDIT_ORIGIN, frontier.size, frontier.root())
    note = notes.signed(checkpoint, *signers)
    cursor.execute(
        "INSERT INTO public.audit_checkpoint (size, at, note) VALUES (%s, %s, %s)", [frontier.size, now, note]
    )
    published.publish(Path(settings.AUDIT_CHECKPOINT_DIR), note, now)


_LOOK = "run `manage.py audit verify`, and do not go on before it is known why."
