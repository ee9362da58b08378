"""What the log costs: sealing and verifying a million events, how much memory that takes, and proving one of them."""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from django.db import connections
from django.test import override_settings

from bench.table import Row

EVENTS, FEW, PROOFS = 1_000_000, 250_000, 200


def measure() -> list[Row]:
    """On a scratch database: seal a million events, verify them in a process of its own, and prove some.

    Verifying a quarter of them takes as much memory.
    """
    from tests.databases import Cloner

    cloner = Cloner()
    cloner.prepare()
    try:
        with cloner.clone(), tempfile.TemporaryDirectory() as place:
            where = {"AUDIT_CHECKPOINT_DIR": f"{place}/checkpoints", "AUDIT_SIGNING_KEY": f"{place}/key"}
            with override_settings(**where):
                return _measured()
    finally:
        cloner.close()


def _measured() -> list[Row]:
    from audit.sealing import proofs

    _sealed(0, FEW)
    _, few = _apart(lambda: _verify(FEW))
    rate = _sealed(FEW, EVENTS)
    seconds, many = _apart(lambda: _verify(EVENTS))
    first = _first_event()
    proving = []
    for number in range(PROOFS):
        began = time.perf_counter()
        proofs.prove(first + number * (EVENTS // PROOFS))
        proving.append(time.perf_counter() - began)
    return [
        Row(f"seal, up to {EVENTS:,} events", rate, 60_000, "events/s", at_most=False),
        Row(f"verify, of {EVENTS:,} events", EVENTS / seconds, 300_000, "events/s", at_most=False),
        Row(f"verify, memory for {EVENTS:,} events (it is one process)", many, 300, "MB"),
        Row(f"verify, memory: {EVENTS:,} events ÷ {FEW:,} events", many / few, 1.1),
        Row(f"prove one of {EVENTS:,} events (median)", 1000 * statistics.median(proving), 20, "ms"),
    ]


def _sealed(begin: int, end: int) -> float:
    """Put in events up to this number, and seal them. Returns how many were sealed in a second."""
    from audit.sealing import sealer

    _fill(begin, end)
    began = time.perf_counter()
    done = sealer.seal()
    seconds = time.perf_counter() - began
    if done is None or done.size != end:
        raise RuntimeError("The log was not sealed as a whole.")
    with connections["owner"].cursor() as cursor:
        cursor.execute("ANALYZE audit_leaf, audit_node")
    connections.close_all()
    return (end - begin) / seconds


def _fill(begin: int, end: int) -> None:
    """Invented changes, put in by the owner behind the triggers' back, in transactions that are over."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("ALTER TABLE audit_event DISABLE TRIGGER USER")
        cursor.execute(
            """
            INSERT INTO audit_event (at, transaction, kind, actor, role, action, request, relation, row_id, patient_id,
                practice_id, columns, shape, digest)
            SELECT now() - interval '1 year' + i * interval '10 seconds', 3 + i / 5000, 'changed', gen_random_uuid()::text,
                'coach', 'session.booked', 'a1b2c3d4', 'coaching_session', gen_random_uuid()::text, gen_random_uuid(),
                gen_random_uuid(), ARRAY['status', 'starts_at', 'version'], '0123456789abcdef', sha256(i::text::bytea)
            FROM generate_series(%s, %s) AS i
            """,
            [begin, end - 1],
        )
        cursor.execute("ANALYZE audit_event")


def _first_event() -> int:
    with connections["auditor"].cursor() as cursor:
        cursor.execute("SELECT event_id FROM public.audit_leaf WHERE index = 0")
        return int(cursor.fetchone()[0])


def _verify(events: int) -> tuple[float, float]:
    """Seconds, and megabytes at the most, of which this process had some before."""
    from audit.sealing.verification import verify

    began = time.perf_counter()
    report = verify()
    seconds = time.perf_counter() - began
    if not report.is_well or report.size != events:
        raise RuntimeError(report.in_words())
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _apart(work: Callable[[], Any]) -> Any:
    """What this returns in a process of its own, whose memory nothing else has filled."""
    mine, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_send, args=(theirs, work))
    process.start()
    theirs.close()
    result = mine.recv()
    process.join()
    return result


def _send(to: Connection, work: Callable[[], Any]) -> None:
    to.send(work())
