"""Sealing: every event once, in the order of transactions, whoever seals and however often it is cut off."""

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
import time_machine
from django.conf import settings as configured
from django.core.management import call_command
from django.db import OperationalError, connections
from django.utils import timezone

from audit import merkle
from audit.models import Checkpoint, Event, Leaf, Node
from audit.sealing import leaves, notes, published, sealer
from audit.sealing.leaves import COLUMNS
from audit.sealing.verification import verify
from tests.audit.tampering import Log, connected, disable_triggers, seal_all, wait_for_others

pytestmark = pytest.mark.usefixtures("own_database", "log_place")


def test_every_event_becomes_a_leaf_and_the_root_is_published(
    write_events: Callable[..., object], sealed: Callable[[], int], log_place: Path
) -> None:
    write_events(11)
    size = sealed()
    events = {event["id"]: event for event in Event.objects.using("auditor").values(*COLUMNS)}
    stored = list(Leaf.objects.using("auditor").order_by("index"))
    assert size == len(events) == len(stored)
    assert [leaf.index for leaf in stored] == list(range(size))
    hashes = [merkle.leaf_hash(leaves.encode(events[leaf.event_id])) for leaf in stored]
    assert [bytes(leaf.hash) for leaf in stored] == hashes
    [found] = published.read(log_place / "checkpoints")
    key = notes.read_signer(log_place / "key").verifier
    assert notes.opened(found.text, "pilot.example/log", [key]).root == merkle.root(hashes)
    assert Checkpoint.objects.using("auditor").get().note == found.text
    # Of the tree's nodes only those over eight leaves and more are kept.
    nodes = {(each.level, each.index): bytes(each.hash) for each in Node.objects.using("auditor").all()}
    assert nodes == {(3, 0): merkle.root(hashes[:8])}


def test_nothing_happens_where_nothing_has_happened(
    write_events: Callable[..., object], sealed: Callable[[], int], log_place: Path
) -> None:
    assert sealed() == 0
    assert not (log_place / "checkpoints").exists()
    write_events(2)
    assert [sealed(), sealed(), sealed()] == [2, 2, 2]
    assert len(list(published.read(log_place / "checkpoints"))) == 1


def test_a_small_batch_seals_as_much_as_a_large_one(write_events: Callable[..., object]) -> None:
    write_events(10)
    seal_all()
    write_events(9)
    while (done := sealer.seal(batch=2)) is None or done.size < 19:
        pass
    assert verify().is_well


def test_an_open_transaction_holds_back_only_its_own_events_and_later_ones(
    write_events: Callable[..., object], sealed: Callable[[], int]
) -> None:
    write_events(3)
    assert sealed() == 3
    with connected("default") as working:
        working.execute("BEGIN")
        for name, value in (("user", "system:tests"), ("role", "system"), ("action", "tests.looked")):
            working.execute("SELECT set_config(%s, %s, true)", [f"pilot.{name}", value])
        slow = working.execute("SELECT pilot.record('read', '{}', '{}', NULL, NULL)").fetchone()
        write_events(4)  # These are over, and after the one that is not.
        done = sealer.seal()
        assert done is not None
        assert done.size == 3
        assert verify().unsealed == 4
        working.execute("COMMIT")
    write_events(1)
    assert sealed() == 9
    with connected() as connection:
        events = Log(connection, Path()).events
    # The slow one keeps the place that its transaction has, before those that ended sooner.
    assert slow is not None
    assert events[3] == slow[0]
    assert verify().is_well


def test_what_is_rolled_back_leaves_no_gap_in_the_tree(
    write_events: Callable[..., object], sealed: Callable[[], int]
) -> None:
    write_events(2)
    with connected("default") as working:
        working.execute("BEGIN")
        for name, value in (("user", "system:tests"), ("role", "system"), ("action", "tests.looked")):
            working.execute("SELECT set_config(%s, %s, true)", [f"pilot.{name}", value])
        working.execute("SELECT pilot.record('read', '{}', '{}', NULL, NULL)")
        working.execute("ROLLBACK")
    write_events(2)
    assert sealed() == 4
    assert verify().is_well


class CutOffError(Exception):
    """The sealer goes no further than this."""


def cut_off_at(statement: int) -> Callable[..., Any]:
    """Lets so many statements through, and no more."""
    asked = 0

    def execute(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal asked
        asked += 1
        if asked > statement and "unlock" not in sql:
            raise CutOffError
        return execute(sql, params, many, context)

    return execute


def test_cut_off_before_any_statement_the_next_run_carries_on(
    write_events: Callable[..., object], log_place: Path
) -> None:
    write_events(1)
    size = seal_all()
    for statement in range(60):
        write_events(3)
        size += 3
        wait_for_others()
        try:
            with connections["sealer"].execute_wrapper(cut_off_at(statement)):
                done = sealer.seal(batch=2)
        except CutOffError:
            report = verify()
            assert report.is_well, f"after {statement} statements: {report.in_words()}"
        else:
            if done and done.size == size:
                break
    else:
        pytest.fail("It never came to its end.")
    assert seal_all() == size
    report = verify()
    assert report.is_well, report.in_words()
    # Every checkpoint that was kept was published, in order, and none twice.
    sizes = [
        notes.opened(each.text, "pilot.example/log", [notes.read_signer(log_place / "key").verifier]).size
        for each in published.read(log_place / "checkpoints")
    ]
    assert sizes == sorted(set(sizes))
    assert sizes == list(Checkpoint.objects.using("auditor").order_by("size").values_list("size", flat=True))


KILLED = """
import os, signal, sys
import django
django.setup()
from django.conf import settings
from django.db import connections
from audit.sealing import sealer
name, place, statement = sys.argv[1], sys.argv[2], int(sys.argv[3])
for alias in connections: connections.databases[alias]["NAME"] = name
settings.AUDIT_CHECKPOINT_DIR, settings.AUDIT_SIGNING_KEY = place + "/checkpoints", place + "/key"
settings.AUDIT_ORIGIN = "pilot.example/log"
asked = 0
def execute(execute, sql, params, many, context):
    global asked
    asked += 1
    done = execute(sql, params, many, context)
    if asked == statement: os.kill(os.getpid(), signal.SIGKILL)
    return done
with connections["sealer"].execute_wrapper(execute): sealer.seal(batch=4)
"""


@pytest.mark.parametrize("statement", [6, 12])
def test_killed_without_a_word_the_next_run_carries_on(
    write_events: Callable[..., object], own_database: str, log_place: Path, statement: int
) -> None:
    write_events(2)
    seal_all()
    write_events(7)
    command = [sys.executable, "-c", KILLED, own_database, str(log_place), str(statement)]
    done = subprocess.run(command, cwd=configured.BASE_DIR, env=dict(os.environ), check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    while (sealed := sealer.seal()) is None or sealed.size < 9:
        pass  # Its lock goes when the server notices that it has gone.
    report = verify()
    assert report.is_well, report.in_words()


def test_a_checkpoint_that_could_not_be_published_is_published_by_the_next_run(
    write_events: Callable[..., object], log_place: Path
) -> None:
    write_events(2)
    (log_place / "checkpoints").touch()  # No directory can be made here.
    with pytest.raises(sealer.SealingRefusedError, match="cannot be read or written"):
        seal_all()
    (log_place / "checkpoints").unlink()
    assert seal_all() == 2
    [found] = published.read(log_place / "checkpoints")
    assert found.text == Checkpoint.objects.using("auditor").get().note
    assert verify().is_well


def test_a_clock_that_was_wrong_for_a_while_does_no_harm(
    write_events: Callable[..., object], log_place: Path
) -> None:
    """Files are named by the day. The newest checkpoint is then not in those whose names come last."""
    for day in ("2099-01-01T12:00Z", "2099-01-02T12:00Z"):
        write_events(1)
        wait_for_others()
        with time_machine.travel(day):
            sealer.seal()
    for _ in range(3):
        write_events(1)
        seal_all()
    directory = log_place / "checkpoints"
    # Nothing is published again and again.
    assert len(list(published.read(directory))) == Checkpoint.objects.using("auditor").count() == 5
    believed = [notes.read_signer(log_place / "key").verifier]
    newest = sealer.newest_published(directory, believed)
    assert newest is not None
    assert newest.size == 5
    assert verify().is_well
    # And a log that is shorter than what was published last is still seen to be.
    with connected() as connection:
        disable_triggers(connection)
        for statement in (
            "DELETE FROM audit_event WHERE id = (SELECT event_id FROM audit_leaf WHERE index = 4)",
            "DELETE FROM audit_leaf WHERE index = 4",
            "DELETE FROM audit_checkpoint WHERE size = 5",
        ):
            connection.execute(statement)
    with pytest.raises(sealer.SealingRefusedError, match="A log of 5 events was published"):
        seal_all()


def test_a_note_that_nobody_signed_is_not_published_from_the_database(
    write_events: Callable[..., object], log_place: Path
) -> None:
    write_events(1)
    seal_all()
    with connected() as connection:
        for size, note in ((7, "Anything at all"), (8, "pilot.example/log\n8\nAAAA\n\n— x AAAAAAA=\n")):
            connection.execute(
                "INSERT INTO audit_checkpoint (size, at, note) VALUES (%s, now(), %s)", [size, note]
            )
    for _ in range(2):
        write_events(1)
        seal_all()
    texts = [each.text for each in published.read(log_place / "checkpoints")]
    assert [published.claimed_size(text) for text in texts] == [1, 2, 3]
    assert verify().counts["signature"] == 2


@pytest.mark.parametrize("what", ["directory", "pipe", "nothing", "device"])
def test_what_is_no_file_among_the_checkpoints_is_named_and_not_waited_for(
    write_events: Callable[..., object], log_place: Path, what: str
) -> None:
    write_events(1)
    seal_all()
    strange = log_place / "checkpoints" / "2026-01-01.txt"
    if what == "directory":
        strange.mkdir()
    elif what == "pipe":
        os.mkfifo(strange)
    else:
        strange.symlink_to("/dev/zero" if what == "device" else "nowhere")
    with pytest.raises(
        sealer.SealingRefusedError, match=r"2026-01-01.txt in the directory of checkpoints is no file"
    ):
        sealer.seal()
    out = StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("audit", "verify", "--json", stdout=out)
    assert end.value.code == 2
    assert "is no file" in json.loads(out.getvalue())["error"]


def test_a_disk_that_takes_a_part_at_a_time_is_given_all_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, text: write(file, text[:7]))
    checkpoint = notes.Checkpoint("pilot.example/log", 3, bytes(32))
    note = notes.signed(checkpoint, notes.Signer.new("pilot.example/log"))
    for _ in range(3):
        published.publish(tmp_path, note, timezone.now())
    assert [(each.text, each.is_whole) for each in published.read(tmp_path)] == [(note, True)] * 3
    # Each says where it stands.
    [file] = tmp_path.iterdir()
    lines = file.read_text().splitlines()
    assert [lines[each.line - 1] for each in published.read(tmp_path)] == [checkpoint.origin] * 3


def test_two_at_once_seal_everything_once(write_events: Callable[..., object]) -> None:
    stop, wrong = threading.Event(), []

    def work() -> None:
        try:
            while not stop.is_set():
                sealer.seal(batch=3)
        except Exception as error:
            wrong.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            write_events(4)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not wrong
    assert seal_all() == 40
    report = verify()
    assert report.is_well, report.in_words()


def test_while_somebody_else_seals_nothing_is_done(write_events: Callable[..., object]) -> None:
    write_events(1)
    with connected("sealer") as other:
        other.execute("SELECT pg_advisory_lock(%s)", [sealer.SEALING])
        assert sealer.seal() is None
    while sealer.seal() is None:
        pass
    assert seal_all() == 1


# --- What it refuses ---


def test_the_sealer_may_add_to_the_tree_and_do_nothing_else(write_events: Callable[..., object]) -> None:
    write_events(1)
    seal_all()
    with connected("sealer") as connection:
        for statement in (
            "UPDATE audit_event SET actor = 'x'",
            "DELETE FROM audit_event",
            "INSERT INTO audit_event (at) VALUES (now())",
            "UPDATE audit_leaf SET hash = ''",
            "DELETE FROM audit_leaf",
            "DELETE FROM audit_node",
            "UPDATE audit_checkpoint SET note = ''",
            "DELETE FROM audit_checkpoint",
            "TRUNCATE audit_leaf",
            "SELECT * FROM people_patient",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("DELETE FROM audit_event WHERE id = (SELECT event_id FROM audit_leaf WHERE index = 10)", "sealed last is gone"),
        ("DELETE FROM audit_node WHERE level = 3", "has holes"),
        ("UPDATE audit_node SET hash = substring(hash FOR 31) WHERE level = 3", "has holes"),
        ("DELETE FROM audit_leaf WHERE index = 9", "has holes"),
        ("UPDATE audit_leaf SET hash = substring(hash FOR 31) WHERE index = 9", "has holes"),
        ("UPDATE audit_leaf SET hash = sha256(hash) WHERE index = 10", "had another root"),
        ("DELETE FROM audit_leaf WHERE index = 10", "A log of 11 events was published, and this one has 10"),
    ],
)  # fmt: skip
def test_a_log_that_is_not_the_published_one_is_not_sealed_any_further(
    write_events: Callable[..., object], statement: str, says: str
) -> None:
    write_events(11)
    seal_all()
    with connected() as connection:
        disable_triggers(connection)
        connection.execute(statement.encode())
    write_events(1)
    with pytest.raises(sealer.SealingRefusedError, match=says):
        seal_all()
    assert Checkpoint.objects.using("auditor").count() == 1


def test_without_a_role_to_seal_with_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(connections.settings, "sealer")
    with pytest.raises(sealer.SealingRefusedError, match="set SEALER_DATABASE_URL"):
        sealer.seal()


def test_a_connection_that_is_lost_is_no_harm(write_events: Callable[..., object]) -> None:
    write_events(2)
    with connections["sealer"].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone()
    with connected() as connection:
        connection.execute("SELECT pg_terminate_backend(%s)", [pid])
    with pytest.raises(OperationalError):
        sealer.seal()
    connections["sealer"].close()
    assert seal_all() == 2


def test_a_log_that_was_sealed_in_the_old_form_is_refused_in_words(
    write_events: Callable[..., object],
) -> None:
    refused = importlib.import_module("audit.migrations.0006_sealed_form").REFUSED
    with connected() as connection:
        connection.execute(refused)
        write_events(1)
        seal_all()
        with pytest.raises(psycopg.errors.RaiseException, match="make reset"):
            connection.execute(refused)
