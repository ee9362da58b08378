"""Proofs that an event is in the log: made from a few nodes, checked with no database, and never by what a file claims."""

import base64
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from audit import merkle
from audit.management.commands.audit import Command
from audit.sealing import check_proof, leaves, notes, proofs, verification
from audit.sealing.check_proof import BadProofError
from tests.audit.tampering import Log, connected, seal_all, write_some_of_everything

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def log(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    place = tmp_path_factory.mktemp("log")
    where = {"AUDIT_CHECKPOINT_DIR": str(place / "checkpoints"), "AUDIT_SIGNING_KEY": str(place / "key")}
    with override_settings(**where, AUDIT_ORIGIN="pilot.example/log"), connected() as connection:
        for _ in range(2):
            write_some_of_everything()
            seal_all()
        yield Log(connection, place)


@pytest.fixture
def proof(log: Log) -> dict[str, Any]:
    return proofs.prove(log.events[4])


def text_of(proof: Any) -> bytes:
    return json.dumps(proof).encode()


def test_every_event_can_be_proved_to_somebody_who_has_nothing_but_the_public_key(log: Log) -> None:
    key = log.key.verifier
    for place, event in enumerate(log.events):
        shown = check_proof.check(text_of(proofs.prove(event)), [key])
        assert (shown.index, shown.checkpoint.size, shown.key) == (place, 12, key)
        assert shown.event["id"] == event


def test_the_proof_is_checked_where_there_is_no_database_and_no_django(
    proof: dict[str, Any], log: Log, tmp_path: Path
) -> None:
    (tmp_path / "proof.json").write_bytes(text_of(proof))
    (tmp_path / "keys.txt").write_text(f"# The log's key\n{log.key.verifier.text}\n")
    program = (
        "import sys\n"
        "for name in ('django', 'psycopg'): sys.modules[name] = None\n"
        "from audit.sealing import check_proof\n"
        "sys.exit(check_proof.main(sys.argv[1:]))\n"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            program,
            str(tmp_path / "proof.json"),
            "--verifiers",
            str(tmp_path / "keys.txt"),
        ],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "The proof holds. This event is number 4 (counted from 0)" in done.stdout
    assert 'role: "system"' in done.stdout
    assert "That key is one of those you gave." in done.stdout


def from_the_guide(language: str, begin: str) -> str:
    """The one block of code in docs/audit.md that begins like this."""
    text = (ROOT / "docs" / "audit.md").read_text()
    [code] = [
        each
        for each in re.findall(rf"```{language}\n(.+?)```", text, flags=re.DOTALL)
        if each.startswith(begin)
    ]
    assert "audit." not in code
    return str(code)


# What docs/audit.md gives to those who do not believe us, as it stands there, and what it says of a proof that holds.
IN_THE_TREE = "Number {index} of the {size} events of {origin}:"
TOOLS = {
    "shell": (["sh", "-c", from_the_guide("sh", "# sh check.sh"), "check.sh"], IN_THE_TREE),
    "python": ([sys.executable, "-c", from_the_guide("python", "import base64, hashlib")], IN_THE_TREE),
    "pymerkle": (
        [sys.executable, "-c", from_the_guide("python", "import base64, json, sys\nfrom pymerkle")],
        "pymerkle: place {index} of {size} in {origin}",
    ),
}


@pytest.mark.parametrize("tool", TOOLS)
def test_the_guides_way_with_a_tool_we_did_not_write_works_as_it_stands_there(
    log: Log, tmp_path: Path, tool: str
) -> None:
    command, says = TOOLS[tool]
    if tool == "shell" and not (shutil.which("jq") and shutil.which("openssl")):
        pytest.skip("openssl and jq are not here")

    def run(proof: dict[str, Any], key: notes.Verifier) -> subprocess.CompletedProcess[str]:
        (tmp_path / "proof.json").write_bytes(text_of(proof))
        return subprocess.run(
            [*command, str(tmp_path / "proof.json"), key.text],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip

    ours = log.key.verifier
    for event in log.events[::3]:
        proof = proofs.prove(event)
        done = run(proof, ours)
        assert done.returncode == 0, done.stderr
        assert says.format(**proof) in done.stdout
        if tool != "pymerkle":
            assert "pilot-event/1" in done.stdout
            assert proof["event"]["action"] in done.stdout
    sibling = [base64.b64encode(bytes(32)).decode(), *proof["path"][1:]]
    changed = base64.b64encode(base64.b64decode(proof["leaf"]).replace(b"system", b"sister")).decode()
    wrong = [
        {**proof, "index": proof["index"] - 1},
        {**proof, "index": proof["size"]},
        {**proof, "path": sibling},
        {**proof, "path": proof["path"][:-1]},
        {**proof, "path": [*proof["path"], proof["path"][0]]},
        {**proof, "leaf": changed},
    ]
    if tool == "shell":
        wrong += [{**proof, "index": "a[$(touch here)]"}, {**proof, "index": -1}, {**proof, "checkpoint": ""}]
    if tool != "pymerkle":
        # It checks no signature, and the guide says so.
        wrong.append({**proof, "checkpoint": proof["checkpoint"].replace("\n12\n", "\n13\n")})
        assert run(proof, notes.Signer.new("pilot.example/log").verifier).returncode != 0
    for each in wrong:
        done = run(each, ours)
        assert done.returncode != 0
        assert "pilot-event/1" not in done.stdout
        assert "pymerkle:" not in done.stdout
    assert not (tmp_path / "here").exists()


@pytest.mark.skipif(
    not (shutil.which("jq") and shutil.which("openssl")), reason="openssl and jq are not here"
)
def test_the_shell_finds_the_right_one_of_two_signatures(log: Log, tmp_path: Path) -> None:
    """While a key is replaced there are two under one name."""
    other = notes.Signer.new("pilot.example/log")
    proof = proofs.prove(log.events[4])
    opened = notes.opened(proof["checkpoint"], "pilot.example/log", [log.key.verifier])
    for signers in ((other, log.key), (log.key, other)):
        proof["checkpoint"] = notes.signed(opened, *signers)
        (tmp_path / "proof.json").write_bytes(text_of(proof))
        for key in (other, log.key):
            done = subprocess.run(
                [*TOOLS["shell"][0], str(tmp_path / "proof.json"), key.verifier.text],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr


def test_a_key_that_came_with_the_proof_is_said_to_be_no_more_than_that(
    proof: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "proof.json").write_bytes(text_of(proof))
    assert check_proof.main([str(tmp_path / "proof.json")]) == 0
    assert "That key came with the proof itself" in capsys.readouterr().out


def test_a_proof_signed_by_somebody_else_does_not_hold_against_the_logs_key(
    proof: dict[str, Any], log: Log
) -> None:
    other = notes.Signer.new("pilot.example/log")
    leaf = leaves.encode(leaves.from_readable({**proof["event"], "actor": "nobody"}))
    proof |= {
        "event": {**proof["event"], "actor": "nobody"},
        "leaf": base64.b64encode(leaf).decode(),
        "index": 0,
        "size": 1,
        "path": [],
        "checkpoint": notes.signed(notes.Checkpoint("pilot.example/log", 1, merkle.leaf_hash(leaf)), other),
        "public_key": other.verifier.text,
    }
    assert check_proof.check(text_of(proof)).key == other.verifier  # It holds, for whoever believes that key.
    with pytest.raises(BadProofError, match="Nobody whose key is known"):
        check_proof.check(text_of(proof), [log.key.verifier])


@pytest.mark.parametrize("field", list(leaves.COLUMNS))
def test_a_readable_field_that_is_not_what_was_sealed_is_refused(proof: dict[str, Any], field: str) -> None:
    for wrong in (
        None,
        1,
        True,
        1.0,
        "x",
        "2026-01-01T00:00:00+00:00",
        [],
        ["x"],
        [1],
        {},
        "00",
        2**80,
        "\ud800",
    ):
        if wrong == proof["event"][field] and type(wrong) is type(proof["event"][field]):
            continue
        with pytest.raises(BadProofError):
            check_proof.check(text_of({**proof, "event": {**proof["event"], field: wrong}}))


@pytest.mark.parametrize("part", list(check_proof._TYPES))
@pytest.mark.parametrize(
    "wrong", [None, True, 0, -1, 2**70, 1.5, "", "x", "AAAA", [], ["x"], [[]], {}, {"x": 1}]
)
def test_a_part_that_is_wrong_is_refused(proof: dict[str, Any], part: str, wrong: Any) -> None:
    with pytest.raises(BadProofError):
        check_proof.check(text_of({**proof, part: wrong}))


@pytest.mark.parametrize("part", list(check_proof._TYPES))
def test_a_part_that_is_missing_and_one_too_many_are_refused(proof: dict[str, Any], part: str) -> None:
    without = {name: value for name, value in proof.items() if name != part}
    for broken in (without, {**proof, "also": "It was me."}):
        with pytest.raises(BadProofError, match="parts of a proof"):
            check_proof.check(text_of(broken))


def test_a_time_or_a_number_spelt_in_another_way_is_refused(proof: dict[str, Any]) -> None:
    at = proof["event"]["at"]
    for field, other in (
        ("at", at.replace("+00:00", "Z")),
        ("at", at.replace("T", " ")),
        ("id", str(proof["event"]["id"])),
        ("columns", [*proof["event"]["columns"], ""]),
    ):
        with pytest.raises(BadProofError):
            check_proof.check(text_of({**proof, "event": {**proof["event"], field: other}}))


HOSTILE = {
    "empty": b"",
    "no JSON": b"proof",
    "no text": b"\xff\xfe\x00",
    "null": b"null",
    "a list": b"[]",
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "a huge number": b'{"index": ' + b"9" * 10_000 + b"}",
    "infinity": b'{"index": Infinity}',
    "far too long": b" " * 2_000_000,
    "twice": b'{"form": "pilot-proof/1", "form": "pilot-proof/2"}',
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_is_refused_in_a_sentence(
    text: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "proof.json").write_bytes(text)
    assert check_proof.main([str(tmp_path / "proof.json")]) == 1
    said = capsys.readouterr().out
    assert said.startswith("The proof does not hold. ")
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        ("public_key", "x until " + "9" * 5000),
        ("public_key", "a+b+c"),
        ("checkpoint", "pilot.example/log\n" + "9" * 5000 + "\nAAAA\n\n— x AAAAAAA=\n"),
        ("checkpoint", "\ud800\n1\nAAAA\n\n— x AAAAAAA=\n"),
        ("path", ["AAAA"] * 100_000),
        ("origin", "other.example/log"),
        ("size", 11),
        ("index", 3),
    ],
)
def test_what_is_made_to_make_it_stumble_is_refused(proof: dict[str, Any], part: str, wrong: Any) -> None:
    with pytest.raises(BadProofError):
        check_proof.check(text_of({**proof, part: wrong}))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*check_proof._TYPES, "x"]), inner),
    max_leaves=10,
)


@given(JSON)
def test_no_json_makes_it_stumble(value: Any) -> None:
    with pytest.raises(BadProofError):
        check_proof.check(json.dumps(value).encode())


@given(st.binary(max_size=300))
def test_no_bytes_make_it_stumble(text: bytes) -> None:
    with pytest.raises(BadProofError):
        check_proof.check(text)


def test_a_file_that_is_not_there_is_said_to_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_proof.main([str(tmp_path / "none.json")]) == 2
    (tmp_path / "keys.txt").write_text("no key\n")
    (tmp_path / "proof.json").write_text("{}")
    arguments = [str(tmp_path / "proof.json"), "--verifiers", str(tmp_path / "keys.txt")]
    assert check_proof.main(arguments) == 2
    assert capsys.readouterr().out.count("Nothing was checked.") == 2


def test_a_list_of_keys_that_never_ends_is_refused(
    proof: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "proof.json").write_bytes(text_of(proof))
    assert check_proof.main([str(tmp_path / "proof.json"), "--verifiers", "/dev/zero"]) == 2
    assert "zero is far too long for a list of keys" in capsys.readouterr().out


def test_a_proof_takes_few_rows(log: Log) -> None:
    """A proof in a log of 2^n events reads n nodes: here, a handful and no scan."""
    with connections["auditor"].cursor() as cursor:
        asked: list[str] = []

        def watched(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            asked.append(sql)
            return execute(sql, params, many, context)

        with connections["auditor"].execute_wrapper(watched):
            proofs.prove(log.events[0])
        assert len(asked) == 3
        cursor.execute("SELECT 1")


def test_an_event_that_is_not_sealed_yet_has_no_proof(log: Log) -> None:
    write_some_of_everything()
    newest = log.one("SELECT max(id) FROM audit_event")
    with pytest.raises(proofs.NoProofError, match=f"Event {newest} is not sealed yet"):
        proofs.prove(newest)
    with pytest.raises(proofs.NoProofError, match="There is no event 123456789"):
        proofs.prove(123456789)


def test_an_event_that_was_changed_or_whose_tree_has_holes_has_no_proof(log: Log) -> None:
    event = log.events[10]
    for statement, says in (
        ("UPDATE audit_event SET actor = 'x' WHERE id = %s", "is not what was sealed"),
        ("UPDATE audit_event SET columns = ARRAY[NULL] WHERE id = %s", "is not what was sealed"),
        ("DELETE FROM audit_node WHERE level = 3 AND %s > 0", "has holes"),
        ("DELETE FROM audit_leaf WHERE index = 11 AND %s > 0", "has holes"),
        (
            "UPDATE audit_checkpoint SET note = replace(note, 'pilot', 'other') WHERE %s > 0",
            "not to be believed",
        ),
    ):
        undo = "ALTER TABLE {} {} TRIGGER USER"
        tables = ("audit_event", "audit_leaf", "audit_node", "audit_checkpoint")
        kept = {table: log.rows(f"SELECT * FROM {table}") for table in tables}
        for table in tables:
            log.run(undo.format(table, "DISABLE"))
        log.run(statement, event)
        try:
            with pytest.raises(proofs.NoProofError, match=says):
                proofs.prove(event)
        finally:
            for table, rows in kept.items():
                log.run(f"DELETE FROM {table}")
                marks = ", ".join(["%s"] * len(rows[0]))
                for row in rows:
                    log.run(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE VALUES ({marks})", *row)
                log.run(undo.format(table, "ENABLE"))
    assert verification.verify().is_well


def test_the_commands_write_a_proof_and_check_it(
    log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("audit", "prove", str(log.events[3]))
    (tmp_path / "proof.json").write_text(capsys.readouterr().out)
    call_command("audit", "verify-proof", str(tmp_path / "proof.json"))
    assert "The proof holds." in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        call_command("audit", "prove", "123456789")
    assert ended.value.code == 1
    assert "There is no event" in capsys.readouterr().out
    (tmp_path / "proof.json").write_text("[]")
    with pytest.raises(SystemExit) as ended:
        call_command("audit", "verify-proof", str(tmp_path / "proof.json"))
    assert ended.value.code == 1


@pytest.mark.parametrize("number", [0, -1, 10**15, 2**63, 10**40])
def test_a_number_that_no_event_has_is_no_trouble(
    log: Log, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        call_command("audit", "prove", str(number))
    assert end.value.code == 1
    assert re.search("There is no event|No event has such a number", capsys.readouterr().out)


def test_every_subcommand_says_what_it_does() -> None:
    text = Command().create_parser("manage.py", "audit").format_help()
    for name in ("seal", "verify", "prove", "verify-proof", "make-key", "verifier", "rotate-key", "resume"):
        assert name in text
