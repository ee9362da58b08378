"""The log's keys: made once, replaced in the open, and worth nothing afterwards to whoever stole the old one."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from django.db import connections
from django.utils import timezone

from audit import tasks
from audit.sealing import cluster, keys, notes, published, sealer, verification
from audit.sealing.findings import Report
from audit.sealing.snapshot import Snapshot
from audit.sealing.verification import verify
from tests.audit.tampering import Log, connected, disable_triggers, seal_all

pytestmark = pytest.mark.usefixtures("own_database", "log_place")


class Commands:
    """Types `manage.py audit …` and reads what comes back."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str]:
        code = 0
        try:
            call_command("audit", *arguments)
        except SystemExit as ended:
            code = int(str(ended.code))
        return code, self.capsys.readouterr().out


@pytest.fixture
def audit(capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(capsys)


def test_a_key_is_made_once_and_for_this_account_alone(audit: Commands, tmp_path: Path) -> None:
    code, said = audit("make-key", str(tmp_path / "new" / "key"))
    assert code == 0
    assert notes.Verifier.parse(said).name == "pilot.example/log"
    assert (tmp_path / "new" / "key").stat().st_mode & 0o777 == 0o600
    assert notes.read_signer(tmp_path / "new" / "key").verifier.text == said.strip()
    before = (tmp_path / "new" / "key").read_text()
    code, said = audit("make-key", str(tmp_path / "new" / "key"))
    assert (code, "is left alone" in said) == (1, True)
    assert (tmp_path / "new" / "key").read_text() == before
    assert before.strip() not in said


def test_the_public_key_can_be_asked_for(audit: Commands, log_place: Path, settings: Any) -> None:
    code, said = audit("verifier")
    assert (code, said.strip()) == (0, notes.read_signer(log_place / "key").verifier.text)
    settings.AUDIT_SIGNING_KEY = ""
    code, said = audit("verifier")
    assert (code, "set AUDIT_SIGNING_KEY" in said) == (1, True)


def test_production_makes_no_key_by_itself(settings: Any, log_place: Path) -> None:
    settings.PRODUCTION = True
    with pytest.raises(sealer.SealingRefusedError, match="audit make-key"):
        sealer.seal()
    assert not (log_place / "key").exists()


def test_public_keys_can_be_named_by_a_file_or_given_as_they_are(settings: Any, tmp_path: Path) -> None:
    one, two = (notes.Signer.new(name).verifier for name in ("a.example/log", "b.example/log"))
    (tmp_path / "keys").write_text(f"# Ours\n{one.text} until 12\n\n{two.text}  # new\n")
    settings.AUDIT_VERIFIERS = str(tmp_path / "keys")
    listed = keys.believed()
    assert [(each.name, each.until) for each in listed] == [("a.example/log", 12), ("b.example/log", None)]
    settings.AUDIT_VERIFIERS = f"{one.text} until 12, {two.text}"
    assert keys.believed() == listed
    settings.AUDIT_VERIFIERS = f"{one.text[:-5]}"
    with pytest.raises(keys.NoKeyError, match="AUDIT_VERIFIERS cannot be read"):
        keys.believed()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda place, settings: (place / "key").chmod(0o640), "Others may read key"),
        (lambda place, settings: (place / "key").write_text("PRIVATE+KEY+x"), "holds no private key"),
        (lambda place, settings: setattr(settings, "AUDIT_ORIGIN", "other.example/log"), "each log has its own"),
        (lambda place, settings: setattr(settings, "AUDIT_CHECKPOINT_DIR", ""), "set AUDIT_CHECKPOINT_DIR"),
        (lambda place, settings: setattr(settings, "AUDIT_OLD_SIGNING_KEY", "/nowhere/key"), "The key key cannot"),
        (lambda place, settings: setattr(settings, "AUDIT_VERIFIERS", "/nowhere/keys"), "AUDIT_VERIFIERS"),
    ],
)  # fmt: skip
def test_sealing_is_refused_with_a_key_that_is_not_right(
    spoil: Callable[[Path, Any], Any], says: str, log_place: Path, settings: Any
) -> None:
    seal_all()
    keys.signing_key()
    spoil(log_place, settings)
    with pytest.raises(sealer.SealingRefusedError, match=says) as refused:
        sealer.seal()
    assert "PRIVATE" not in str(refused.value)


def test_a_refusal_in_the_worker_is_logged_and_nothing_more(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.AUDIT_SIGNING_KEY = ""
    tasks.seal()
    [record] = caplog.records
    assert record.levelname == "ERROR"
    assert record.getMessage() == (
        "The log is not sealed any further. There is no key to sign with: set AUDIT_SIGNING_KEY to its file."
    )


def test_the_worker_seals(write_events: Callable[..., Any]) -> None:
    write_events(3)
    seal_all()
    tasks.seal()
    assert verify().size == 3


def test_the_newest_checkpoint_is_mailed_to_whoever_keeps_a_copy(
    write_events: Callable[..., Any], settings: Any, tmp_path: Path, log_place: Path
) -> None:
    settings.AUDIT_CHECKPOINT_EMAIL = ["guardian@example.org"]
    tasks.mail_checkpoint()  # There is none yet.
    assert mail.outbox == []
    write_events(3)
    seal_all()
    tasks.mail_checkpoint()
    [message] = mail.outbox
    assert message.to == ["guardian@example.org"]
    assert message.subject == "Checkpoint of the log: 3 events"
    [(name, content, _)] = message.attachments
    # The attachment, put into a directory, is what `audit verify --partial` takes.
    (tmp_path / "copies").mkdir()
    (tmp_path / "copies" / str(name)).write_text(str(content))
    report = verify(tmp_path / "copies", is_partial=True)
    assert report.is_well, report.in_words()
    settings.AUDIT_CHECKPOINT_EMAIL = []
    tasks.mail_checkpoint()
    assert len(mail.outbox) == 1


def test_a_key_is_replaced_in_the_open_and_the_old_one_is_worth_nothing_afterwards(
    write_events: Callable[..., Any], audit: Commands, log_place: Path, settings: Any
) -> None:
    write_events(4)
    seal_all()
    old_file, new_file, listed = log_place / "key", log_place / "key-2", log_place / "verifiers"
    stolen = notes.read_signer(old_file)

    # 1. A new key is made; the log goes on being signed with the old one until the worker is told.
    code, said = audit("rotate-key", str(new_file))
    assert code == 0
    assert f"AUDIT_OLD_SIGNING_KEY={old_file}" in said
    new = notes.read_signer(new_file).verifier
    assert said.startswith(new.text)

    # Not before both keys have signed can the old one be retired.
    settings.AUDIT_SIGNING_KEY = str(new_file)
    code, said = audit("rotate-key", "--finish", str(old_file))
    assert (code, "no checkpoint that both keys have signed" in said) == (1, True)

    # 2. With both set, the next checkpoint is signed by both: whoever knows one of the keys can follow.
    settings.AUDIT_OLD_SIGNING_KEY = str(old_file)
    code, said = audit("rotate-key", str(log_place / "key-3"))
    assert (code, "being replaced already" in said) == (1, True)
    code, said = audit("rotate-key", "--finish", str(old_file))
    assert (code, "still signs" in said) == (1, True)
    write_events(3)
    seal_all()
    newest = list(published.read(log_place / "checkpoints"))[-1].text
    for key in (stolen.verifier, new):
        assert notes.opened(newest, "pilot.example/log", [key]).size == 7
    assert verify().is_well

    # 3. The old key is retired at that size.
    settings.AUDIT_OLD_SIGNING_KEY = ""
    code, said = audit("rotate-key", "--finish", str(old_file))
    assert code == 0
    assert f"{stolen.verifier.text} until 7\n{new.text}\n" in said
    listed.write_text("\n".join(line for line in said.splitlines() if line.startswith("pilot.example")))
    settings.AUDIT_VERIFIERS = str(listed)
    old_file.unlink()
    write_events(2)
    seal_all()
    report = verify()
    assert report.is_well, report.in_words()
    assert (report.size, report.checkpoints) == (9, 3)

    # Whoever stole the old key signs a log of their own, longer or as long: neither is believed.
    with connected() as connection:
        disable_triggers(connection)
        log = Log(connection, log_place)
        for size, kind in ((12, "signature"), (9, "signature"), (4, "two logs")):
            with log.tampering():
                forged = log.note(size, bytes(32), stolen)
                published.publish(log.directory, forged, timezone.now())
                found = verify()
                assert kind in found.counts, found.in_words()
            with log.tampering():
                log.run(
                    "UPDATE audit_event SET actor = 'nobody' WHERE id = (SELECT max(id) FROM audit_event)"
                )
                root = log.hash_again()
                log.keep(log.note(9, root, stolen), 9)
                found = log_verified(log)
                assert {"signature", "root"} <= set(found.counts)


def log_verified(log: Log) -> Report:
    """As `Log.verify`, with the keys that are listed."""
    return verification.verify_against(nullcontext(Snapshot(log.connection)), log.directory, keys.believed())


def test_while_a_key_is_replaced_nothing_is_published_again(
    write_events: Callable[..., Any], log_place: Path, settings: Any
) -> None:
    """The checkpoints before it were signed by the old key alone, and are believed all the same."""
    write_events(2)
    seal_all()
    keys.make_key(log_place / "key-2")
    settings.AUDIT_OLD_SIGNING_KEY, settings.AUDIT_SIGNING_KEY = (
        str(log_place / "key"),
        str(log_place / "key-2"),
    )
    write_events(2)
    seal_all()
    assert len(list(published.read(log_place / "checkpoints"))) == 2


def test_a_rotation_needs_a_key_and_a_place(audit: Commands, log_place: Path, settings: Any) -> None:
    keys.signing_key()
    (log_place / "taken").touch()
    code, said = audit("rotate-key", str(log_place / "taken"))
    assert (code, "is left alone" in said) == (1, True)
    code, said = audit("rotate-key", "--finish", str(log_place / "nothing"))
    assert (code, "cannot be read" in said) == (1, True)
    settings.AUDIT_SIGNING_KEY = ""
    code, said = audit("rotate-key", str(log_place / "new"))
    assert (code, "no key to replace" in said) == (1, True)


# --- A database that was restored into another cluster ---


def lived_elsewhere(log_place: Path, ahead: int = 10**9) -> None:
    """Make the log as it would be had it grown in a cluster whose transactions are far ahead of this one's."""
    with connected() as connection:
        for statement in ("DISABLE", "ENABLE"):
            for table in ("event", "leaf", "node", "checkpoint"):
                connection.execute(f"ALTER TABLE audit_{table} {statement} TRIGGER USER".encode())
            if statement == "DISABLE":
                log = Log(connection, log_place)
                log.run("UPDATE audit_event SET transaction = transaction + %s", ahead)
                root = log.hash_again()
                size = len(log.events)
                log.run("DELETE FROM audit_checkpoint")
                log.keep(log.note(size, root), size)
                log.publish_only(log.note(size, root))


def test_after_a_restore_elsewhere_sealing_waits_for_resume_and_then_goes_on(
    write_events: Callable[..., Any], audit: Commands, log_place: Path
) -> None:
    write_events(5)
    seal_all()
    code, said = audit("resume")
    assert (code, "nothing to resume" in said) == (1, True)

    lived_elsewhere(log_place)
    assert verify().is_well
    write_events(2)  # Somebody works before anybody has thought of it.
    with pytest.raises(sealer.SealingRefusedError, match="audit resume"):
        sealer.seal()

    code, said = audit("resume")
    assert (code, "epoch 1" in said, "2 that were written since the restore" in said) == (0, True, True)
    write_events(3)
    assert seal_all() == 10
    report = verify()
    assert report.is_well, report.in_words()
    with connections["auditor"].cursor() as cursor:
        cursor.execute("SELECT epoch, count(*) FROM audit_event GROUP BY epoch ORDER BY epoch")
        assert cursor.fetchall() == [(0, 5), (1, 5)]
    code, said = audit("resume")
    assert (code, "nothing to resume" in said) == (1, True)
    # What is append-only is so again.
    with connections["owner"].cursor() as cursor, pytest.raises(Exception, match="only ever grows"):
        cursor.execute("UPDATE audit_event SET epoch = 7")


def test_after_newer_events_were_lost_for_good_the_log_goes_on_under_another_name(
    write_events: Callable[..., Any], audit: Commands, log_place: Path, settings: Any
) -> None:
    """As docs/audit.md says it is done."""
    write_events(4)
    seal_all()
    write_events(3)
    seal_all()
    with connected() as connection:
        for statement in ("DISABLE", "ENABLE"):
            for table in ("event", "leaf", "node", "checkpoint"):
                connection.execute(f"ALTER TABLE audit_{table} {statement} TRIGGER USER".encode())
            if statement == "DISABLE":
                log = Log(connection, log_place)
                for event in log.events[4:]:
                    log.run("DELETE FROM audit_event WHERE id = %s", event)
                    log.run("DELETE FROM audit_leaf WHERE event_id = %s", event)
                log.run("DELETE FROM audit_node WHERE (index + 1) << level > 4")
                log.run("DELETE FROM audit_checkpoint WHERE size > 4")
    assert "A log of 7 events was signed, and here are 4" in verify().in_words()
    with pytest.raises(sealer.SealingRefusedError, match="A log of 7 events was published"):
        sealer.seal()

    old = notes.read_signer(log_place / "key").verifier
    settings.AUDIT_ORIGIN, settings.AUDIT_SIGNING_KEY = "pilot.example/log-2", str(log_place / "key-2")
    settings.AUDIT_CHECKPOINT_DIR = str(log_place / "checkpoints-2")
    _, new = audit("make-key", str(log_place / "key-2"))
    settings.AUDIT_VERIFIERS = str(log_place / "verifiers")
    (log_place / "verifiers").write_text(f"{old.text} until 4\n{new}")
    write_events(2)
    assert seal_all() == 6
    report = verify()
    assert report.is_well, report.in_words()
    # And what was lost can be shown: the old directory has it, signed by the old key.
    sizes = [
        notes.opened(each.text, old.name, [old]).size for each in published.read(log_place / "checkpoints")
    ]
    assert sizes == [4, 7]


def test_the_epoch_is_read_as_postgresql_spells_it() -> None:
    assert [cluster.epoch_in(each) for each in (None, "0", "'3'::smallint", "12")] == [0, 0, 3, 12]
