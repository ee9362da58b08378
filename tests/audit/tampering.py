"""A small sealed log, and the hands of somebody who owns its database: triggers off, every table open."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from django.conf import settings
from django.db import connections

from audit import actions
from audit.frontier import Frontier
from audit.sealing import notes, published, sealer, verification
from audit.sealing.findings import Report
from audit.sealing.leaves import SELECT, hashed, key_of
from audit.sealing.reader import copied
from audit.sealing.snapshot import Snapshot
from audit.sealing.tree import LOWEST
from pilot.access import Actor, acting

TABLES = ("event", "subject", "disclosure", "leaf", "node", "checkpoint")


@dataclass
class Log:
    """A log, where its checkpoints are, and the key that signs them."""

    connection: psycopg.Connection[Any]
    place: Path

    @property
    def directory(self) -> Path:
        return self.place / "checkpoints"

    @property
    def key(self) -> notes.Signer:
        return notes.read_signer(self.place / "key")

    def run(self, statement: str, *values: Any) -> None:
        self.connection.execute(statement.encode(), values or None)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(query.encode(), values or None).fetchall()

    def one(self, query: str, *values: Any) -> Any:
        [[value]] = self.rows(query, *values)
        return value

    @property
    def events(self) -> list[int]:
        """Every event in the order of sealing."""
        return [event for (event,) in self.rows("SELECT event_id FROM audit_leaf ORDER BY index")]

    @contextmanager
    def tampering(self) -> Iterator[None]:
        """What is done inside is undone afterwards, in the database and in the directory."""
        kept = self.place / "kept"
        shutil.copytree(self.directory, kept)
        self.run("BEGIN")
        try:
            yield
        finally:
            self.run("ROLLBACK")
            shutil.rmtree(self.directory, ignore_errors=True)
            kept.rename(self.directory)

    def verify(self, **how: Any) -> Report:
        """Verify what this connection sees, what is not committed included."""
        return verification.verify_against(
            nullcontext(Snapshot(self.connection)), self.directory, [self.key.verifier], **how
        )

    def hash_again(self, *, of_size: int | None = None) -> bytes:
        """Make leaves and nodes that fit the events as they are now, in their order. Returns the root."""
        frontier = Frontier()
        leaves = [
            (key_of(key)[2], found)
            for found, key in zip(
                *hashed(
                    copied(
                        self.connection,
                        f"SELECT {SELECT} FROM audit_event e ORDER BY e.epoch, e.transaction, e.id LIMIT %s",
                        [of_size or len(self.events)],
                    )
                ),
                strict=True,
            )
        ]
        self.run("DELETE FROM audit_leaf")
        self.run("DELETE FROM audit_node")
        for index, (event, found) in enumerate(leaves):
            self.run(
                "INSERT INTO audit_leaf (index, event_id, hash) VALUES (%s, %s, %s)", index, event, found
            )
        for run in frontier.extend(found for _, found in leaves):
            if run.level < LOWEST:
                continue
            for index, found in enumerate(run.hashes, run.first):
                self.run(
                    "INSERT INTO audit_node (level, index, hash) VALUES (%s, %s, %s)", run.level, index, found
                )
        return frontier.root()

    def note(self, size: int, root: bytes, key: notes.Signer | None = None) -> str:
        """A checkpoint of the log, signed by its own key unless another is given."""
        return notes.signed(notes.Checkpoint(settings.AUDIT_ORIGIN, size, root), key or self.key)

    def keep(self, note: str, size: int) -> None:
        self.run("DELETE FROM audit_checkpoint WHERE size = %s", size)
        self.run("INSERT INTO audit_checkpoint (size, at, note) VALUES (%s, now(), %s)", size, note)

    def notes(self) -> list[str]:
        """The texts in the directory."""
        return [each.text for each in published.read(self.directory)]

    def publish_only(self, *texts: str) -> None:
        """Leave these texts in the directory and no others."""
        for file in self.directory.iterdir():
            file.unlink()
        (self.directory / "2026-01-01.txt").write_text("\n\n".join(texts))


def connected(alias: str = "owner") -> psycopg.Connection[Any]:
    """A connection of its own, without Django's adapters."""
    parameters = connections[alias].get_connection_params()
    for name in ("context", "cursor_factory"):
        parameters.pop(name, None)
    return psycopg.connect(**parameters, autocommit=True)


def disable_triggers(connection: psycopg.Connection[Any]) -> None:
    """As an owner can who means it."""
    for table in TABLES:
        connection.execute(f"ALTER TABLE audit_{table} DISABLE TRIGGER USER".encode())


def write_some_of_everything() -> None:
    """Looks at one and at several, with and without a reason, a refusal, and something sent."""
    actor = Actor.system("tests")
    for number in range(3):
        with acting(actor, "tests.looked", reason="A complaint, 12 May" if number else ""):
            actions.record_look([uuid4()], ["identity", "case"])
    with acting(actor, "tests.listed", reason="A list"):
        actions.record_look([uuid4() for _ in range(3)], ["identity"])
    with acting(actor, "tests.refused"):
        actions.record_refusal("referrals_referral", str(uuid4()))
    patient = uuid4()
    with acting(actor, "tests.sent", patients=[patient]):
        actions.record_disclosure(
            patient,
            recipient_kind="practice",
            recipient="Harbour Street Practice",
            purpose="reply",
            classes=["case"],
            fields=["status"],
            relation="outbox_message",
            row_id=str(uuid4()),
        )


def seal_all() -> int:
    """Seal all there is and say how large the tree is then."""
    wait_for_others()
    done = sealer.seal()
    assert done is not None
    return done.size


def wait_for_others() -> None:
    """Return when everything written so far can be sealed: any open transaction of the same server holds sealing back, those
    of other tests included.
    """
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        reached = cursor.fetchone()[0]
        while True:
            cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
            if cursor.fetchone()[0] > reached:
                break
            cursor.execute("SELECT pg_sleep(0.02)")
