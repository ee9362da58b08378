"""What somebody could do who owns the database, or its backups, or the directory of checkpoints: each is found and named."""

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.test import override_settings

from audit.sealing import notes, sealer
from audit.sealing.findings import Report
from audit.sealing.leaves import COLUMNS
from audit.sealing.verification import verify
from pilot import embedded
from tests import tamper_demo
from tests.audit.tampering import Log, connected, disable_triggers, seal_all, write_some_of_everything

# `make test` takes some of each kind; AUDIT_MUTATIONS=10000 takes as many as the promise says.
MUTATIONS = int(os.environ.get("AUDIT_MUTATIONS", "200"))

UNSEALED_COLUMNS = ("reason", "reason_nonce")
# Another value of each type: one bit of it is different.
FLIPPED = {
    "int2": "({0} # 1)::smallint",
    "int8": "{0} # 1",
    "timestamptz": "{0} + interval '1 microsecond'",
    "text": "overlay({0} placing chr(ascii({0}) # 1) from 1 for 1)",
    "uuid": "encode(set_bit(uuid_send({0}), 5, 1 - get_bit(uuid_send({0}), 5)), 'hex')::uuid",
    "bytea": "set_bit({0}, 5, 1 - get_bit({0}, 5))",
    "text[]": "array_append({0}, 'x')",
}
INSTEAD_OF_NOTHING = {"text": "'x'", "uuid": "gen_random_uuid()", "bytea": r"'\x00'::bytea"}


@pytest.fixture(scope="module")
def log(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    """A log of eighteen events and three checkpoints, whose triggers are off."""
    place = tmp_path_factory.mktemp("log")
    where = {"AUDIT_CHECKPOINT_DIR": str(place / "checkpoints"), "AUDIT_SIGNING_KEY": str(place / "key")}
    with override_settings(**where, AUDIT_ORIGIN="pilot.example/log"), connected() as connection:
        for _ in range(3):
            write_some_of_everything()
            seal_all()
        disable_triggers(connection)
        yield Log(connection, place)


@pytest.fixture
def tampering(log: Log) -> Iterator[Log]:
    with log.tampering():
        yield log


def kinds(report: Report) -> set[str]:
    return set(report.counts)


def named(report: Report, kind: str) -> list[int | None]:
    return [each.event for each in report.findings if each.kind == kind]


def test_a_log_that_nobody_touched_is_well(log: Log) -> None:
    report = log.verify()
    assert report.is_well, report.in_words()
    assert (report.size, report.checkpoints, report.unsealed) == (18, 3, 0)


@pytest.mark.parametrize("column", [*COLUMNS, *UNSEALED_COLUMNS])
def test_one_bit_of_any_column_of_any_event_is_found(log: Log, column: str) -> None:
    kind = {"reason": "text", "reason_nonce": "uuid"}.get(column) or COLUMNS[column]
    for event in log.events:
        with log.tampering():
            value = (
                FLIPPED[kind].format(column)
                if log.one(f"SELECT {column} IS NOT NULL FROM audit_event WHERE id = %s", event)
                else INSTEAD_OF_NOTHING[kind]
            )
            if column == "id":
                value = "id + 1000"
            log.run(f"UPDATE audit_event SET {column} = {value} WHERE id = %s", event)
            report = log.verify()
            kind_found = (
                "reason" if column in UNSEALED_COLUMNS else "removed" if column == "id" else "changed"
            )
            assert event in named(report, kind_found), f"{column} of {event}: {report.in_words()}"


def test_an_event_that_is_deleted_is_named(tampering: Log) -> None:
    tampering.run("DELETE FROM audit_event WHERE id = %s", tampering.events[7])
    report = tampering.verify()
    assert named(report, "removed") == [tampering.events[7]]
    assert f"Event {tampering.events[7]}, sealed at place 7, is gone." in report.in_words()
    # The tree itself fits what was published, and that is said by saying nothing of it.
    assert kinds(report) <= {"removed", "subjects", "disclosure"}


@pytest.mark.parametrize("keep", [0, 1, 5, 6, 12, 17])
def test_a_tail_that_is_removed_everywhere_in_the_database_is_seen_from_outside_it(
    tampering: Log, keep: int
) -> None:
    gone = tampering.events[keep:]
    for statement in (
        "DELETE FROM audit_event WHERE id = ANY(%s)",
        "DELETE FROM audit_subject WHERE event_id = ANY(%s)",
        "DELETE FROM audit_disclosure WHERE event_id = ANY(%s)",
        "DELETE FROM audit_leaf WHERE event_id = ANY(%s)",
    ):
        tampering.run(statement, gone)
    tampering.run("DELETE FROM audit_node WHERE (index + 1) << level > %s", keep)
    tampering.run("DELETE FROM audit_checkpoint WHERE size > %s", keep)
    report = tampering.verify()
    assert kinds(report) == {"shorter", "checkpoint dropped"}
    assert f"A log of 18 events was signed, and here are {keep}" in report.in_words()


def test_two_events_that_change_places_are_named(tampering: Log) -> None:
    first, second = tampering.events[4:6]
    # The leaves change places, hashes and all.
    tampering.run("UPDATE audit_leaf SET index = index + 1000 WHERE index IN (4, 5)")
    tampering.run("UPDATE audit_leaf SET index = CASE index WHEN 1004 THEN 5 ELSE 4 END WHERE index > 999")
    report = tampering.verify()
    assert named(report, "order") == [first]
    assert "the order was changed" in report.in_words()
    assert second in tampering.events


def test_two_events_whose_order_is_changed_and_all_of_it_hashed_again_are_found(tampering: Log) -> None:
    first, second = tampering.rows(
        "SELECT id, transaction FROM audit_event WHERE id = ANY(%s) ORDER BY id", tampering.events[4:6]
    )
    for (event, _), (_, number) in ((first, second), (second, first)):
        tampering.run("UPDATE audit_event SET transaction = %s WHERE id = %s", number, event)
    tampering.hash_again()
    report = tampering.verify()
    assert "root" in kinds(report)
    assert "something of places 0 to 5 was changed" in report.in_words()


def test_contents_that_change_places_are_named(tampering: Log) -> None:
    events = tampering.events[0:2]
    for column in set(COLUMNS) - {"id", "epoch", "transaction"}:
        tampering.run(
            f"UPDATE audit_event e SET {column} = o.{column} FROM audit_event o"
            " WHERE e.id = ANY(%s) AND o.id = ANY(%s) AND o.id <> e.id",
            events,
            events,
        )
    assert named(tampering.verify(), "changed") == events


@pytest.mark.parametrize("place", [0, 5, 6, 11, 12, 17])
def test_a_log_hashed_again_from_some_event_on_is_not_the_published_one(tampering: Log, place: int) -> None:
    tampering.run("UPDATE audit_event SET actor = 'somebody' WHERE id = %s", tampering.events[place])
    root = tampering.hash_again()
    # Even the checkpoint in the database is made anew, with a key that is not the log's.
    tampering.keep(tampering.note(18, root, notes.Signer.new(settings.AUDIT_ORIGIN)), 18)
    report = tampering.verify()
    begin = place // 6 * 6
    assert kinds(report) >= {"root", "signature"}
    [root_finding] = [each for each in report.findings if each.kind == "root"]
    assert root_finding.place == begin
    assert root_finding.event == tampering.events[begin]


def test_a_log_hashed_again_and_signed_with_the_stolen_key_is_found_by_the_old_checkpoints(
    tampering: Log,
) -> None:
    tampering.run("UPDATE audit_event SET actor = 'somebody' WHERE id = %s", tampering.events[2])
    for size in (6, 12, 18):
        tampering.keep(tampering.note(size, tampering.hash_again(of_size=size)), size)
    report = tampering.verify()
    assert report.counts["checkpoint"] == 3
    assert (
        "The checkpoint of 6 events in the database is not the one that was published." in report.in_words()
    )
    assert "root" in kinds(report)


def test_with_the_key_and_every_copy_of_the_checkpoints_a_log_can_be_replaced(tampering: Log) -> None:
    """What is not promised: docs/audit.md says so, and what to do about it."""
    tampering.run("UPDATE audit_event SET actor = 'somebody' WHERE id = %s", tampering.events[2])
    texts = []
    for size in (6, 12, 18):
        texts.append(tampering.note(size, tampering.hash_again(of_size=size)))
        tampering.keep(texts[-1], size)
    tampering.publish_only(*texts)
    assert tampering.verify().is_well


def test_everything_emptied_is_found(tampering: Log) -> None:
    for table in ("event", "subject", "disclosure", "leaf", "node", "checkpoint"):
        tampering.run(f"TRUNCATE audit_{table}")
    report = tampering.verify()
    assert "A log of 18 events was signed, and here are 0" in report.in_words()


def test_an_event_put_into_the_past_is_named(tampering: Log) -> None:
    columns = ", ".join(name for name in COLUMNS if name != "id")
    new = tampering.one(
        f"INSERT INTO audit_event ({columns}) SELECT {columns} FROM audit_event WHERE id = %s RETURNING id",
        tampering.events[3],
    )
    report = tampering.verify()
    assert new in named(report, "slipped in")
    assert f"Event {new} was put among those that were sealed already" in report.in_words()


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 100])
def test_more_events_put_into_the_past_than_belong_there_are_all_named(tampering: Log, batch: int) -> None:
    columns = ", ".join(name for name in COLUMNS if name != "id")
    new = [
        event
        for (event,) in tampering.rows(
            f"INSERT INTO audit_event ({columns}) SELECT {columns} FROM audit_event, generate_series(1, 9)"
            " WHERE id = ANY(%s) RETURNING id",
            [tampering.events[3], tampering.events[4]],
        )
    ]
    report = tampering.verify(batch=batch)
    assert report.counts["slipped in"] == len(new) == 18
    assert set(named(report, "slipped in")) <= set(new)
    assert kinds(report) <= {"slipped in", "subjects", "disclosure", "reason"}


def test_an_event_put_into_a_transaction_that_has_not_begun_is_named(tampering: Log) -> None:
    columns = ", ".join(name for name in COLUMNS if name not in ("id", "transaction", "epoch"))
    for epoch, number in ((0, 10**15), (1, 5)):
        new = tampering.one(
            f"INSERT INTO audit_event (epoch, transaction, {columns}) SELECT %s, %s, {columns}"
            " FROM audit_event WHERE id = %s RETURNING id",
            epoch,
            number,
            tampering.events[0],
        )
        assert new in named(tampering.verify(), "not begun")


def test_an_event_that_is_there_twice_is_named(tampering: Log) -> None:
    tampering.run("ALTER TABLE audit_event DROP CONSTRAINT audit_event_pkey")
    tampering.run("INSERT INTO audit_event SELECT * FROM audit_event WHERE id = %s", tampering.events[5])
    report = tampering.verify(batch=6)
    assert not report.is_well
    assert kinds(report) <= {"twice", "number", "slipped in", "stretch", "order"}


def test_a_leaf_that_is_replayed_is_named(tampering: Log) -> None:
    tampering.run("ALTER TABLE audit_leaf DROP CONSTRAINT audit_leaf_event_id_key")
    tampering.run("INSERT INTO audit_leaf SELECT 18, event_id, hash FROM audit_leaf WHERE index = 5")
    report = tampering.verify()
    assert named(report, "order") == [tampering.events[5]]
    assert "stands at place 18" in report.in_words()


@pytest.mark.parametrize("place", [0, 9, 17])
def test_a_gap_in_the_tree_is_named(tampering: Log, place: int) -> None:
    event = tampering.events[place]
    tampering.run("DELETE FROM audit_leaf WHERE index = %s", place)
    report = tampering.verify()
    if place == 17:
        # Without its last leaf the tree is a shorter one.
        assert "A log of 18 events was signed, and here are 17" in report.in_words()
    else:
        assert event in named(report, "gap")
        assert f"Place {place} of the tree has no leaf; event {event} has none" in report.in_words()


@pytest.mark.parametrize("place", [50_000, 2**40, 2**62])
def test_a_leaf_at_the_end_of_the_world_is_found_without_walking_there(tampering: Log, place: int) -> None:
    tampering.run("UPDATE audit_leaf SET index = %s WHERE index = 16", place)
    report = tampering.verify()
    assert f"The tree ends at place {place:,} and has 18 leaves." in report.in_words()
    assert report.size == 16


def test_places_that_are_shifted_are_found(tampering: Log) -> None:
    tampering.run("UPDATE audit_leaf SET index = index + 1000 WHERE index >= 9")
    tampering.run("UPDATE audit_leaf SET index = index - 999 WHERE index >= 1000")
    report = tampering.verify()
    assert "gap" in kinds(report)
    assert "Place 9 of the tree has no leaf" in report.in_words()


def test_a_leaf_that_is_edited_is_told_from_an_event_that_is(tampering: Log) -> None:
    tampering.run("UPDATE audit_leaf SET hash = sha256(hash) WHERE index = 8")
    report = tampering.verify()
    assert named(report, "leaf") == [tampering.events[8]]
    assert "itself is as it was sealed" in report.in_words()


def test_a_leaf_and_its_event_edited_to_fit_are_found_by_the_node_above(tampering: Log) -> None:
    event = tampering.events[8]
    tampering.run("UPDATE audit_event SET action = 'nothing.happened' WHERE id = %s", event)
    nodes = tampering.rows("SELECT level, index, hash FROM audit_node ORDER BY level, index")
    tampering.hash_again()
    for level, index, found in nodes:
        tampering.run("UPDATE audit_node SET hash = %s WHERE (level, index) = (%s, %s)", found, level, index)
    report = tampering.verify()
    assert next(each for each in report.findings if each.kind == "node").place == 8


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_node SET hash = sha256(hash) WHERE (level, index) = (3, 1)",
        "DELETE FROM audit_node WHERE (level, index) = (3, 1)",
        "INSERT INTO audit_node SELECT 3, 9, hash FROM audit_node WHERE (level, index) = (3, 1)",
        "INSERT INTO audit_node SELECT 5, 0, hash FROM audit_node WHERE (level, index) = (3, 1)",
        "INSERT INTO audit_node SELECT 2, 1, hash FROM audit_node WHERE (level, index) = (3, 1)",
        "UPDATE audit_node SET index = 1000 WHERE (level, index) = (3, 0)",
    ],
)
def test_a_node_changed_dropped_or_added_is_named(tampering: Log, statement: str) -> None:
    tampering.run(statement)
    report = tampering.verify()
    assert "node" in kinds(report), report.in_words()


def test_hashes_cut_differently_do_not_pass(tampering: Log) -> None:
    """Two hashes of 31 and 33 bytes are, one after the other, the same 64."""
    first, second = (
        found for (found,) in tampering.rows("SELECT hash FROM audit_leaf WHERE index < 2 ORDER BY index")
    )
    both = first + second
    tampering.run("UPDATE audit_leaf SET hash = %s WHERE index = 0", both[:31])
    tampering.run("UPDATE audit_leaf SET hash = %s WHERE index = 1", both[31:])
    assert [each.place for each in tampering.verify().findings if each.kind in ("leaf", "changed")] == [0, 1]


def test_triggers_disabled_and_an_event_edited_by_the_owner(tampering: Log) -> None:
    event = tampering.events[8]
    tampering.run("UPDATE audit_event SET patient_id = NULL, columns = '{}' WHERE id = %s", event)
    [finding] = [each for each in tampering.verify().findings if each.kind == "changed"]
    assert (finding.event, finding.place) == (event, 8)
    assert (
        finding.says
        == f"Event {event}, sealed at place 8, is not what was sealed: it was changed afterwards."
    )


# --- Checkpoints ---


def test_a_forged_checkpoint_is_not_believed(tampering: Log) -> None:
    forged = tampering.note(18, bytes(32), notes.Signer.new(settings.AUDIT_ORIGIN))
    tampering.publish_only(*tampering.notes(), forged)
    report = tampering.verify()
    assert kinds(report) == {"signature"}
    assert "2026-01-01.txt, line" in report.in_words()


def test_a_checkpoint_of_another_log_is_not_believed(tampering: Log) -> None:
    other = notes.Signer.new("other.example/log")
    tampering.publish_only(
        *tampering.notes(), notes.signed(notes.Checkpoint("other.example/log", 3, bytes(32)), other)
    )
    assert kinds(tampering.verify()) == {"signature"}


def test_a_second_log_signed_with_the_same_key_is_found(tampering: Log) -> None:
    tampering.publish_only(*tampering.notes(), tampering.note(12, bytes(32)))
    assert "two logs" in kinds(tampering.verify())


def test_one_bit_of_a_published_checkpoint_is_found(tampering: Log) -> None:
    texts = tampering.notes()
    for place in range(0, len(texts[1].encode()), 5):
        raw = bytearray(texts[1].encode())
        raw[place] ^= 1
        tampering.publish_only(texts[0], texts[2])
        with (tampering.directory / "2026-01-01.txt").open("ab") as file:
            file.write(b"\n\n" + raw)
        assert not tampering.verify().is_well, place


def test_one_bit_of_a_kept_checkpoint_is_found(tampering: Log) -> None:
    text = tampering.notes()[1]
    for place in range(0, len(text), 5):
        tampering.run(
            "UPDATE audit_checkpoint SET note = %s WHERE size = 12",
            text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :],
        )
        assert not tampering.verify().is_well, place


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_checkpoint_dropped_from_the_directory_is_named(tampering: Log, which: int) -> None:
    texts = tampering.notes()
    tampering.run("UPDATE audit_checkpoint SET at = at - interval '1 hour'")
    tampering.publish_only(*texts[:which], *texts[which + 1 :])
    report = tampering.verify()
    assert kinds(report) == {"not published"}
    assert f"(of {(which + 1) * 6} events)" in report.in_words()
    assert tampering.verify(is_partial=True).is_well


@pytest.mark.parametrize("size", [6, 12, 18])
def test_a_checkpoint_dropped_from_the_database_is_named(tampering: Log, size: int) -> None:
    tampering.run("DELETE FROM audit_checkpoint WHERE size = %s", size)
    report = tampering.verify()
    assert kinds(report) == {"checkpoint dropped"}
    assert f"The checkpoint of {size} events was published" in report.in_words()


def test_a_kept_checkpoint_under_another_size_is_named(tampering: Log) -> None:
    tampering.run("UPDATE audit_checkpoint SET size = 13 WHERE size = 12")
    report = tampering.verify()
    assert "The database's checkpoint of 13 events says 12 in its text." in report.in_words()


def test_rubbish_in_the_directory_is_named(tampering: Log) -> None:
    tampering.publish_only(*tampering.notes(), "All is well.\n")
    report = tampering.verify()
    assert kinds(report) == {"no checkpoint"}


def test_half_a_checkpoint_after_a_power_cut_is_no_finding_once_it_was_published_whole(
    tampering: Log,
) -> None:
    first, second, third = tampering.notes()
    tampering.publish_only(first, second, third[:40], third)
    assert tampering.verify().is_well


# --- What is bound to an event ---


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("UPDATE audit_event SET reason = NULL, reason_nonce = NULL WHERE id = {reasoned}", "reason"),
        ("UPDATE audit_event SET reason = 'None', reason_nonce = gen_random_uuid() WHERE id = {plain}", "reason"),
        ("UPDATE audit_event SET reason = 'None' WHERE id = {plain}", "reason"),
        ("DELETE FROM audit_subject WHERE id = (SELECT min(id) FROM audit_subject)", "subjects"),
        ("UPDATE audit_subject SET patient_id = gen_random_uuid() WHERE id = 1", "subjects"),
        ("INSERT INTO audit_subject (event_id, patient_id) VALUES ({plain}, gen_random_uuid())", "subjects"),
        ("INSERT INTO audit_subject (event_id, patient_id) VALUES (99999, gen_random_uuid())", "subjects"),
        ("DELETE FROM audit_disclosure WHERE id = (SELECT min(id) FROM audit_disclosure)", "disclosure"),
        ("UPDATE audit_disclosure SET recipient = 'Nobody' WHERE id = (SELECT min(id) FROM audit_disclosure)", "disclosure"),
        ("UPDATE audit_disclosure SET event_id = {plain} WHERE id = (SELECT min(id) FROM audit_disclosure)", "disclosure"),
    ],
)  # fmt: skip
def test_what_is_bound_to_an_event_cannot_change_either(tampering: Log, statement: str, kind: str) -> None:
    reasoned = tampering.one("SELECT min(id) FROM audit_event WHERE reason IS NOT NULL")
    plain = tampering.one("SELECT min(id) FROM audit_event WHERE reason IS NULL AND patient_id IS NOT NULL")
    tampering.run(statement.format(reasoned=reasoned, plain=plain))
    assert kind in kinds(tampering.verify())


@pytest.mark.parametrize(
    ("gone", "of", "later", "is_well"),
    [
        ("reason = NULL, reason_nonce = NULL", "patient_id", 1, True),
        ("reason = NULL", "patient_id", 1, False),
        ("reason_nonce = NULL", "patient_id", 1, False),
        ("reason = 'Other'", "patient_id", 1, False),
        ("reason = NULL, reason_nonce = NULL", "gen_random_uuid()", 1, False),
        ("reason = NULL, reason_nonce = NULL", "patient_id", -1, False),
    ],
)
def test_a_reason_may_be_gone_where_a_tombstone_that_came_later_says_so(
    tampering: Log, gone: str, of: str, later: int, is_well: bool
) -> None:
    event = tampering.one(
        "SELECT min(id) FROM audit_event WHERE reason IS NOT NULL AND patient_id IS NOT NULL"
    )
    tampering.run(f"UPDATE audit_event SET {gone} WHERE id = %s", event)
    tampering.run(
        "INSERT INTO audit_erasure (event_id, patient_id, at, transaction, ground, retained_until, rows)"
        f" SELECT id + %s, {of}, now(), 1, 'retention', now(), '{{}}' FROM audit_event WHERE id = %s",
        later,
        event,
    )
    assert tampering.verify().is_well is is_well


@pytest.mark.parametrize(
    "column",
    [
        "at",
        "patient_id",
        "recipient_kind",
        "recipient",
        "purpose",
        "decision_id",
        "classes",
        "fields",
        "row_id",
        "nonce",
    ],
)
def test_one_bit_of_any_column_of_the_ledger_is_found(tampering: Log, column: str) -> None:
    kind = {"at": "timestamptz", "classes": "text[]", "fields": "text[]"}.get(column, "text")
    kind = "uuid" if column in ("patient_id", "nonce", "decision_id") else kind
    value = INSTEAD_OF_NOTHING["uuid"] if column == "decision_id" else FLIPPED[kind].format(column)
    event = tampering.one("SELECT min(event_id) FROM audit_disclosure")
    tampering.run(f"UPDATE audit_disclosure SET {column} = {value} WHERE event_id = %s", event)
    assert named(tampering.verify(), "disclosure") == [event]


# --- Chance ---

Mutation = Callable[[Log, random.Random], None]


def _any_row(log: Log, table: str, chance: random.Random) -> str:
    """A condition that names one row."""
    return f"ctid = '{chance.choice(log.rows(f'SELECT ctid::text FROM audit_{table}'))[0]}'"


def change_a_value(log: Log, chance: random.Random) -> None:
    table = chance.choice(["event", "leaf", "node", "checkpoint", "subject", "disclosure"])
    # Keys of rows that nothing is bound to, and when a checkpoint was kept, are told by nobody else.
    unbound = {("subject", "id"), ("disclosure", "id"), ("checkpoint", "at")}
    column, kind = chance.choice(
        [
            (name, kind)
            for name, kind in log.rows(
                "SELECT attname, format_type(atttypid, -1) FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0",
                f"public.audit_{table}",
            )
            if (table, name) not in unbound
        ]
    )
    row = _any_row(log, table, chance)
    if log.one(f"SELECT {column} IS NULL FROM audit_{table} WHERE {row}"):
        value = INSTEAD_OF_NOTHING[{"character varying": "text"}.get(kind, kind)]
    else:
        value = _mutated(column, kind, chance)
    log.run(f"UPDATE audit_{table} SET {column} = {value} WHERE {row}")


def _mutated(column: str, kind: str, chance: random.Random) -> str:
    some = chance.randrange(10_000)
    if kind in ("smallint", "bigint"):
        return f"({column} # {1 << (some % 14)})::{kind}"
    if kind == "timestamp with time zone":
        return f"{column} + interval '{some + 1} microseconds'"
    if kind == "uuid":
        sent, bit = f"uuid_send({column})", some % 128
        return f"encode(set_bit({sent}, {bit}, 1 - get_bit({sent}, {bit})), 'hex')::uuid"
    if kind == "bytea":
        bit = f"{some} % (8 * length({column}))"
        return f"set_bit({column}, {bit}, 1 - get_bit({column}, {bit}))"
    if kind == "text[]":
        return chance.choice([f"array_append({column}, 'x')", f"array_prepend(NULL, {column})"])
    place = f"1 + {some} % length({column})"
    return f"overlay({column} placing chr(ascii(substr({column}, {place})) # {1 << (some % 4)}) from {place} for 1)"


def delete_a_row(log: Log, chance: random.Random) -> None:
    table = chance.choice(["event", "leaf", "node", "checkpoint", "subject", "disclosure"])
    log.run(f"DELETE FROM audit_{table} WHERE {_any_row(log, table, chance)}")


def copy_an_event(log: Log, chance: random.Random) -> None:
    columns = ", ".join(name for name in (*COLUMNS, *UNSEALED_COLUMNS) if name != "id")
    log.run(
        f"INSERT INTO audit_event ({columns}) SELECT {columns} FROM audit_event WHERE {_any_row(log, 'event', chance)}"
    )


def swap_two_hashes(log: Log, chance: random.Random) -> None:
    one, other = chance.sample(range(18), 2)
    log.run(
        "UPDATE audit_leaf l SET hash = o.hash FROM audit_leaf o"
        " WHERE l.index = ANY(%s) AND o.index = ANY(%s) AND o.index <> l.index",
        [one, other],
        [one, other],
    )


def swap_two_events(log: Log, chance: random.Random) -> None:
    one, other = chance.sample(log.events, 2)
    log.run("UPDATE audit_event SET id = -1 WHERE id = %s", one)
    log.run("UPDATE audit_event SET id = %s WHERE id = %s", one, other)
    log.run("UPDATE audit_event SET id = %s WHERE id = -1", other)


def change_a_file(log: Log, chance: random.Random) -> None:
    file = chance.choice(sorted(log.directory.iterdir()))
    raw = bytearray(file.read_bytes())
    raw[chance.choice([place for place, byte in enumerate(raw) if byte != 10])] ^= 1 << chance.randrange(8)
    file.write_bytes(raw)


@pytest.mark.slow
def test_every_random_change_is_found(log: Log) -> None:
    chance = random.Random(MUTATIONS)
    changes: list[Mutation] = [change_a_value] * 6
    changes += [delete_a_row, copy_an_event, swap_two_hashes, swap_two_events, change_a_file]
    log.run("UPDATE audit_checkpoint SET at = at - interval '1 hour'")
    done = 0
    while done < MUTATIONS:
        change = chance.choice(changes)
        with log.tampering():
            state = chance.getstate()
            try:
                change(log, chance)
            except psycopg.errors.IntegrityError:
                continue  # The database itself refuses it.
            done += 1
            report = log.verify()
            assert not report.is_well, f"{change.__name__} after {done} others: {state}"
            assert report.findings
            assert all(each.says for each in report.findings)


@pytest.mark.skipif(
    bool(os.environ.get("DATABASE_URL")), reason="only the embedded servers have a superuser of ours"
)
def test_the_demonstration_shows_a_superuser_being_found_out(own_database: str) -> None:
    superuser = embedded.servers_of_tests(settings.HOME / "test").superuser_url
    said: list[str] = []
    assert tamper_demo.show(superuser, own_database, said.append)
    assert "is not what was sealed: it was changed afterwards." in "\n".join(said)


@pytest.mark.skipif(
    bool(os.environ.get("DATABASE_URL")), reason="only the embedded servers have a superuser of ours"
)
def test_an_event_hidden_from_the_index_that_sealing_follows_is_counted(
    own_database: str, log_place: Path
) -> None:
    write_some_of_everything()
    seal_all()
    superuser = embedded.servers_of_tests(settings.HOME / "test").superuser_url
    columns = ", ".join(name for name in COLUMNS if name != "id")
    index = "UPDATE pg_index SET indisready = %s WHERE indexrelid = 'event_in_sealing_order'::regclass"
    with psycopg.connect(superuser, dbname=own_database, autocommit=True) as connection:
        connection.execute("SET allow_system_table_mods = on")
        connection.execute(index, [False])
        connection.execute(
            f"INSERT INTO audit_event ({columns}) SELECT {columns} FROM audit_event ORDER BY id LIMIT 1".encode()
        )
        connection.execute(index, [True])
    assert "7 events are in the order of those sealed, which are 6." in verify().in_words()


# --- Backups ---


def test_yesterdays_backup_put_back_is_seen(log_place: Path, cloner: Any, own_database: str) -> None:
    write_some_of_everything()
    seal_all()
    with cloner.clone(of=own_database):
        # In the database that goes on. (Its clone is today's; what is left alone is yesterday's.)
        write_some_of_everything()
        assert seal_all() == 12
    with connected() as connection:
        report = Log(connection, log_place).verify()
    assert kinds(report) == {"shorter", "checkpoint dropped"}
    assert "A log of 12 events was signed, and here are 6" in report.in_words()
    assert "an older copy of the database was restored" in report.in_words()
    # Nor does it grow any further, as if nothing had been.
    write_some_of_everything()
    with pytest.raises(sealer.SealingRefusedError, match="A log of 12 events was published"):
        seal_all()
