"""Making the file: events as they were sealed, a proof for each, and how to check all of it."""

from __future__ import annotations

import base64
import csv
import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any

from django.db import connection
from django.template.loader import render_to_string
from django.utils import timezone

from audit import merkle, words
from audit.actions import record_disclosure, record_look
from audit.frontier import inclusion_proof_from, nodes_for_inclusion
from audit.models import Checkpoint, Disclosure, Event, Leaf
from audit.sealing import check_proof, keys, notes
from audit.sealing.leaves import COLUMNS, FORM, encode, readable
from audit.sealing.tree import stored_nodes, through
from audit.selectors import Found
from pilot.access import Actor, Permission, acting, check

LIMIT = 1000


def take_away(found: Found, *, recipient: str, purpose: str, by: Actor) -> bytes:
    """These events as a ZIP file for somebody outside. Afterwards the ledger of disclosures says for every patient whose
    key is in it that it went out, to whom and what for; the log says that it was taken away.

    It holds what is sealed of an event: no name, no content and no reason, which are not in the log's tree either.
    """
    check(by, Permission.REVIEW_AUDIT)
    wanted = [each.pk for each in found.events]
    events = list(Event.objects.filter(pk__in=wanted).defer("reason").newest_first())
    patients = sorted({each.patient_id for each in events if each.patient_id})
    with acting(by, "audit.exported", patients=patients, reason=f"{recipient}: {purpose}"):
        record_look(patients, [words.LOG])
        for patient in patients:
            record_disclosure(
                patient,
                recipient_kind=Disclosure.RecipientKind.OTHER,
                recipient=recipient,
                purpose=purpose,
                classes=[words.LOG],
                fields=sorted(COLUMNS),
            )
    return _file(events, is_all=found.older is None)


def _file(events: list[Event], *, is_all: bool) -> bytes:
    sealed = {each.pk: {name: getattr(each, name) for name in COLUMNS} for each in events}
    spelt = [readable(each) for each in sealed.values()]
    proofs = dict(_proofs(sealed))
    checkpoint = Checkpoint.objects.order_by("-size").first()
    made = {"form": FORM, "made_at": timezone.now().isoformat(), "is_all_that_fits": is_all, "events": spelt}
    about = {
        "count": len(events),
        "limit": LIMIT,
        "is_all": is_all,
        "checkpoint": checkpoint,
        "unproved": [number for number in sealed if number not in proofs],
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("README.txt", render_to_string("audit/export.txt.jinja", about))
        file.writestr("events.json", json.dumps(made, indent=1))
        file.writestr("events.csv", _table(spelt))
        if checkpoint is not None:
            file.writestr("checkpoint.txt", checkpoint.note)
        for number, proof in proofs.items():
            file.writestr(f"proofs/event-{number}.json", json.dumps(proof, indent=1))
    return packed.getvalue()


def _proofs(sealed: dict[int, dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The proof of each event that the newest checkpoint reaches, as `prove` makes it, for all of them in three queries.
    One that does not hold is left out: `audit verify` names what is wrong."""
    checkpoint = Checkpoint.objects.order_by("-size").first()
    if checkpoint is None:
        return
    try:
        signed_by, opened = check_proof.opened_by_one(checkpoint.note, keys.believed())
    except (notes.BadNoteError, keys.NoKeyError):
        return
    places = dict(
        Leaf.objects.filter(event_id__in=list(sealed), index__lt=opened.size).values_list("event_id", "index")
    )
    steps = {number: nodes_for_inclusion(index, opened.size) for number, index in places.items()}
    wanted = {node for found in steps.values() for step in found for node in step}
    with connection.cursor() as cursor:
        nodes = stored_nodes(through(cursor), wanted)
    for number, index in places.items():
        leaf = encode(sealed[number])
        try:
            path = inclusion_proof_from(index, opened.size, nodes)
        except (KeyError, ValueError):
            continue
        if merkle.verify_inclusion(index, opened.size, merkle.leaf_hash(leaf), path, opened.root):
            yield (
                number,
                {
                    "form": check_proof.FORM,
                    "explained": check_proof.EXPLAINED,
                    "origin": opened.origin,
                    "event": readable(sealed[number]),
                    "leaf": base64.b64encode(leaf).decode(),
                    "index": index,
                    "size": opened.size,
                    "path": [base64.b64encode(each).decode() for each in path],
                    "checkpoint": checkpoint.note,
                    "public_key": signed_by.text,
                },
            )


def _table(values: Iterable[dict[str, Any]]) -> str:
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(COLUMNS)
    for each in values:
        table.writerow([_cell(value) for value in each.values()])
    return text.getvalue()


def _cell(value: Any) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = " ".join(value) if isinstance(value, list) else "" if value is None else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
