"""`audit verify` where nothing is wrong, where something cannot be checked, and beside a log that goes on growing."""

import datetime as dt
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections
from django.utils import timezone

from audit.sealing import checkpoints, notes, snapshot, state
from audit.sealing.findings import Report
from audit.sealing.verification import CannotVerifyError, verify
from pilot.access import Actor, acting
from tests.audit.tampering import Log, connected, seal_all

pytestmark = pytest.mark.usefixtures("own_database", "log_place")


def as_superuser(statement: str, *values: Any) -> None:
    """What the owner does with the triggers off."""
    with connected() as connection, connection.transaction():
        for table in ("event", "leaf", "node", "checkpoint"):
            connection.execute(f"ALTER TABLE audit_{table} DISABLE TRIGGER USER".encode())
        connection.execute(statement.encode(), values or None)
        for table in ("event", "leaf", "node", "checkpoint"):
            connection.execute(f"ALTER TABLE audit_{table} ENABLE TRIGGER USER".encode())


@pytest.mark.parametrize("batch", [1, 2, 3, 7, 8, 16, 10_000])
def test_a_log_is_well_in_batches_of_any_size(write_events: Callable[..., Any], batch: int) -> None:
    for count in (1, 4, 8, 3):
        write_events(count)
        seal_all()
    report = verify(batch=batch)
    assert report.is_well, report.in_words()
    assert (report.size, report.checkpoints) == (16, 4)


def test_an_empty_log_is_well(log_place: Path) -> None:
    seal_all()
    log_place.joinpath("checkpoints").mkdir()
    report = verify()
    assert report.is_well
    assert (report.size, report.checkpoints) == (0, 0)


def test_changes_are_named_in_whichever_batch_they_are(write_events: Callable[..., Any]) -> None:
    write_events(20)
    seal_all()
    with connected() as connection:
        events = Log(connection, Path()).events
    for place in (3, 10, 19):
        as_superuser("UPDATE audit_event SET role = 'nobody' WHERE id = %s", events[place])
    as_superuser("DELETE FROM audit_event WHERE id = %s", events[7])
    for batch in (1, 4, 5, 8, 100):
        report = verify(batch=batch)
        assert [(each.kind, each.place) for each in report.findings] == [
            ("changed", 3),
            ("removed", 7),
            ("changed", 10),
            ("changed", 19),
        ], batch


@pytest.mark.parametrize("gone", [[0], [19], [17, 18, 19], list(range(4, 12)), list(range(20))])
def test_events_removed_where_batches_meet_are_named(
    write_events: Callable[..., Any], gone: list[int]
) -> None:
    write_events(20)
    seal_all()
    with connected() as connection:
        events = Log(connection, Path()).events
    as_superuser("DELETE FROM audit_event WHERE id = ANY(%s)", [events[place] for place in gone])
    for batch in (4, 6, 100):
        report = verify(batch=batch)
        assert [each.place for each in report.findings] == gone
        assert set(report.counts) == {"removed"}


def test_only_the_first_findings_of_a_kind_are_told_and_the_rest_are_counted(
    write_events: Callable[..., Any],
) -> None:
    write_events(30)
    seal_all()
    as_superuser("UPDATE audit_event SET role = 'nobody'")
    report = verify()
    assert report.counts == {"changed": 30}
    assert len(report.findings) == 20
    assert "… and 10 more like the last" in report.in_words()
    assert "Found: 30." in report.in_words()


def test_since_a_checkpoint_only_what_came_later_is_recomputed(write_events: Callable[..., Any]) -> None:
    write_events(10)
    seal_all()
    write_events(10)
    seal_all()
    with connected() as connection:
        events = Log(connection, Path()).events
    as_superuser("UPDATE audit_event SET role = 'nobody' WHERE id = %s", events[3])
    for since, begins in ((10, 10), (15, 10), (20, 20), (9, 0), (0, 0)):
        report = verify(since=since, batch=4)
        assert report.since == begins
        assert report.is_well is (begins > 0), report.in_words()
    assert "Recomputed 10 sealed events from place 10 on" in verify(since=10).in_words()
    as_superuser("UPDATE audit_event SET role = 'nobody' WHERE id = %s", events[13])
    assert [each.place for each in verify(since=10, batch=4).findings] == [13]


def test_since_a_checkpoint_whose_tree_is_not_there_everything_is_recomputed(
    write_events: Callable[..., Any],
) -> None:
    write_events(8)
    seal_all()
    write_events(3)
    seal_all()
    as_superuser("UPDATE audit_node SET hash = sha256(hash) WHERE level = 3")
    report = verify(since=8)
    assert report.since == 0
    assert "everything is recomputed from the start" in report.in_words()


def test_events_that_wait_are_counted_and_late_ones_are_found(write_events: Callable[..., Any]) -> None:
    write_events(2)
    seal_all()
    write_events(3)
    assert verify().unsealed == 3
    assert verify().is_well
    with connected() as connection:
        late = Log(connection, Path()).one("SELECT min(id) + 2 FROM audit_event")
    as_superuser("UPDATE audit_event SET at = at - interval '6 minutes' WHERE id >= %s", late)

    def finished() -> bool:
        return not verify().is_well

    # Other tests' open transactions may hold it back: only what is finished is late.
    while not finished():
        with connections["owner"].cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.02)")
    [finding] = verify().findings
    assert (finding.kind, finding.event) == ("late", late)
    assert "3 events have waited to be sealed for more than 5 minutes" in finding.says


def test_it_can_be_verified_while_the_log_grows(write_events: Callable[..., Any]) -> None:
    write_events(5)
    seal_all()
    stop = threading.Event()

    def grow() -> None:
        try:
            while not stop.is_set():
                write_events(2)
                seal_all()
        finally:
            connections.close_all()

    growing = threading.Thread(target=grow)
    growing.start()
    try:
        for _ in range(10):
            report = verify(batch=3)
            assert report.is_well, report.in_words()
    finally:
        stop.set()
        growing.join()
    assert verify().size > 5


def test_nothing_can_be_written_while_verifying() -> None:
    with snapshot.opened() as moment, pytest.raises(Exception, match=r"read-only|permission denied"):
        moment.rows("DELETE FROM public.audit_leaf")


def test_a_copy_of_some_checkpoints_is_enough_to_see_that_the_log_was_cut(
    write_events: Callable[..., Any], log_place: Path, tmp_path: Path
) -> None:
    for _ in range(3):
        write_events(4)
        seal_all()
    copies = tmp_path / "copies"
    copies.mkdir()
    with connected() as connection:
        (copies / "checkpoint-8.txt").write_text(Log(connection, log_place).notes()[1])
    report = verify(copies, is_partial=True)
    assert report.is_well, report.in_words()
    assert set(verify(copies).counts) == {"not published"}
    as_superuser("DELETE FROM audit_leaf WHERE index >= 5")
    as_superuser("DELETE FROM audit_checkpoint WHERE size >= 5")
    assert "A log of 8 events was signed, and here are 5" in verify(copies, is_partial=True).in_words()


# --- What cannot be checked ---


def test_without_an_auditor_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(connections.settings, "auditor")
    with pytest.raises(CannotVerifyError, match="set AUDITOR_DATABASE_URL"):
        verify()


def test_without_a_directory_it_says_what_to_name(settings: Any, log_place: Path, tmp_path: Path) -> None:
    seal_all()
    with pytest.raises(CannotVerifyError, match="There is no directory"):
        verify(tmp_path / "nowhere")
    settings.AUDIT_CHECKPOINT_DIR = ""
    with pytest.raises(CannotVerifyError, match="--checkpoints DIR"):
        verify()


def test_without_a_key_it_says_what_to_set(settings: Any, log_place: Path, tmp_path: Path) -> None:
    settings.AUDIT_SIGNING_KEY = str(tmp_path / "none")
    with pytest.raises(CannotVerifyError, match="set AUDIT_VERIFIERS"):
        verify(tmp_path)
    assert not (tmp_path / "none").exists()  # Whoever checks makes no key.
    settings.AUDIT_VERIFIERS = str(tmp_path / "verifiers")
    (tmp_path / "verifiers").write_text("nothing of the kind")
    with pytest.raises(CannotVerifyError, match="AUDIT_VERIFIERS cannot be read"):
        verify(tmp_path)


def test_a_key_that_others_may_read_is_not_used(write_events: Callable[..., Any], log_place: Path) -> None:
    write_events(1)
    seal_all()
    (log_place / "key").chmod(0o644)
    with pytest.raises(CannotVerifyError, match="chmod 600"):
        verify()


def test_the_command_tells_by_its_exit_code(
    write_events: Callable[..., Any], log_place: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        try:
            call_command("audit", *arguments)
        except SystemExit as ended:
            return int(str(ended.code)), capsys.readouterr().out
        return 0, capsys.readouterr().out

    write_events(4)
    code, said = run("seal")
    assert (code, "the log has" in said) == (0, True)
    seal_all()
    code, said = run("verify")
    assert (code, "The log is as it was sealed and published." in said) == (0, True)
    code, said = run("verify", "--json")
    assert (code, json.loads(said)["well"]) == (0, True)
    as_superuser("UPDATE audit_event SET role = 'nobody'")
    code, said = run("verify")
    assert (code, "is not what was sealed" in said) == (1, True)
    code, said = run("verify", "--json")
    assert (code, json.loads(said)["counts"]) == (1, {"changed": 4})
    code, said = run("verify", "--checkpoints", str(tmp_path / "none"))
    assert (code, said.startswith("Nothing was checked. ")) == (2, True)
    code, said = run("verify", "--checkpoints", str(tmp_path / "none"), "--json")
    assert (code, "error" in json.loads(said)) == (2, True)


# --- The state that the guardian's page shows ---


def test_the_state_says_how_far_the_log_is_sealed_and_since_when_it_waits(
    write_events: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert state.sealing_state(using="auditor").is_alarming  # nothing was ever signed
    write_events(2)
    seal_all()
    found = state.sealing_state(using="auditor")
    assert (found.size, found.waiting_since, found.is_alarming, found.waiting) == (2, None, False, 0)
    assert found.signed_at is not None
    assert timezone.now() - found.signed_at < dt.timedelta(minutes=5)
    write_events(2)
    found = state.sealing_state(using="auditor")
    assert found.waiting_since is not None
    assert not found.is_alarming
    assert (found.waiting, found.waits_in_digits) == (2, "2")
    monkeypatch.setattr(state, "MOST", 1)
    assert state.sealing_state(using="auditor").waits_in_digits == "1+"
    as_superuser("UPDATE audit_event SET at = at - interval '6 minutes'")
    assert state.sealing_state(using="auditor").is_late
    # The application may look, too: what it is shown of events is its policies' to say.
    with acting(Actor.system("tests"), "tests.looked"):
        assert state.sealing_state().size == 2


def test_events_written_after_a_restore_elsewhere_are_seen_to_wait(write_events: Callable[..., Any]) -> None:
    write_events(2)
    seal_all()
    as_superuser("UPDATE audit_event SET transaction = transaction + 1000000")
    write_events(1)
    assert state.sealing_state(using="auditor").waiting_since is not None


def test_a_note_that_cannot_be_a_checkpoint_is_refused_quickly(tmp_path: Path) -> None:
    """A file made to be read slowly: a single paragraph of many lines."""
    (tmp_path / "2026-01-01.txt").write_text("line\n" * 200_000)
    key = notes.Signer.new("x").verifier
    report = Report()
    assert checkpoints.outside(tmp_path, [key], "x", report) == {}
    assert report.counts == {"no checkpoint": 1}


def test_leaf_and_event_that_match_only_apart_are_found(write_events: Callable[..., Any]) -> None:
    """The number in the leaf's row is compared as well as the hash."""
    write_events(2)
    seal_all()
    as_superuser("UPDATE audit_leaf SET event_id = event_id + 1000 WHERE index = 0")
    report = verify()
    assert not report.is_well
