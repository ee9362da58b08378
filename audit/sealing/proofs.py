"""Proofs that an event is in the log: a file that somebody else can check, made from a few stored nodes."""

from __future__ import annotations

import base64
from typing import Any

from django.db import connections
from django.db.backends.utils import CursorWrapper

from audit import merkle
from audit.frontier import inclusion_proof_from, nodes_for_inclusion
from audit.sealing import check_proof, keys, notes
from audit.sealing.leaves import COLUMNS, encode, readable
from audit.sealing.tree import stored_nodes, through


class NoProofError(LookupError):
    """There is no proof of this event; the message says why."""


def prove(event_id: int, *, using: str = "auditor") -> dict[str, Any]:
    """The proof that this event is in the log, as JSON holds it: `check_proof` says what each part is.

    It leads to the newest checkpoint and was checked before it was returned. Refused (NoProofError): an event that is not
    there, is not sealed yet, or is not what was sealed. Costs a number of rows that grows with the log's logarithm.
    """
    with connections[using].cursor() as cursor:
        event = _event(cursor, event_id)
        index, size, note = _place(cursor, event_id)
        wanted = nodes_for_inclusion(index, size)
        found = stored_nodes(through(cursor), [node for step in wanted for node in step])
    try:
        path = inclusion_proof_from(index, size, found)
    except (KeyError, ValueError) as error:
        raise NoProofError(f"The log’s tree has holes: {_LOOK}") from error
    try:
        signed_by, checkpoint = check_proof.opened_by_one(note, keys.believed())
    except (notes.BadNoteError, keys.NoKeyError) as error:
        raise NoProofError(f"The newest checkpoint is not to be believed. {error}") from error
    leaf = _encoded(event)
    if leaf is None or not merkle.verify_inclusion(
        index, size, merkle.leaf_hash(leaf), path, checkpoint.root
    ):
        raise NoProofError(f"Event {event_id} is not what was sealed in its place: {_LOOK}")
    return {
        "form": check_proof.FORM,
        "explained": check_proof.EXPLAINED,
        "origin": checkpoint.origin,
        "event": readable(event),
        "leaf": base64.b64encode(leaf).decode(),
        "index": index,
        "size": size,
        "path": [base64.b64encode(each).decode() for each in path],
        "checkpoint": note,
        "public_key": signed_by.text,
    }


def _encoded(event: dict[str, Any]) -> bytes | None:
    """Its bytes; None where it has a value that no event could be written with."""
    try:
        return encode(event)
    except (TypeError, ValueError):
        return None


def _event(cursor: CursorWrapper, event_id: int) -> dict[str, Any]:
    if not 0 <= event_id < 2**63:
        raise NoProofError("No event has such a number.")
    columns = ", ".join(f"e.{name}" for name in COLUMNS)
    cursor.execute(f"SELECT {columns} FROM public.audit_event e WHERE e.id = %s", [event_id])  # noqa: S608 (our own names)
    row = cursor.fetchone()
    if row is None:
        raise NoProofError(f"There is no event {event_id}.")
    return dict(zip(COLUMNS, row, strict=True))


def _place(cursor: CursorWrapper, event_id: int) -> tuple[int, int, str]:
    """The event's place, and the size and text of the newest checkpoint, which has to reach it."""
    cursor.execute(
        "SELECT l.index, c.size, c.note FROM public.audit_leaf l LEFT JOIN LATERAL (SELECT * FROM public.audit_checkpoint"
        " ORDER BY size DESC LIMIT 1) c ON c.size > l.index WHERE l.event_id = %s",
        [event_id],
    )
    row: tuple[int, int | None, str] | None = cursor.fetchone()
    if row is None or row[1] is None:
        raise NoProofError(
            f"Event {event_id} is not sealed yet. That takes a minute or less after its transaction has ended;"
            " where it takes longer, the guardian’s page says so."
        )
    return row[0], row[1], row[2]


_LOOK = "run `manage.py audit verify`."
