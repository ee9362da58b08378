"""What is sealed of an event: the database and `encode` make the same bytes of it; and how those bytes are read."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.pq import TransactionStatus

from audit import merkle
from audit.sealing import leaves, reader
from audit.sealing.leaves import COLUMNS
from tests.audit.tampering import connected

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
AT = dt.datetime(2026, 5, 12, tzinfo=dt.UTC)
VALUES = {
    "int2": st.integers(0, 2**15 - 1),
    "int8": st.integers(0, 2**63 - 1),
    "timestamptz": st.integers(-(10**15), 10**16).map(lambda n: AT + dt.timedelta(microseconds=n)),
    "text": texts,
    "uuid": st.uuids(),
    "bytea": st.binary(max_size=40),
    "text[]": st.lists(texts, max_size=4),
}
NEVER_NULL = {"epoch", "transaction", "id", "at", "columns"}
events = st.fixed_dictionaries(
    {name: VALUES[kind] if name in NEVER_NULL else VALUES[kind] | st.none() for name, kind in COLUMNS.items()}
)


@pytest.fixture(scope="module")
def connection(module_database: str) -> Iterator[psycopg.Connection[Any]]:
    with connected("auditor") as connection:
        yield connection


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(events, max_size=3))
def test_the_database_and_python_seal_the_same_bytes(
    connection: psycopg.Connection[Any], some: list[dict[str, Any]]
) -> None:
    one = " UNION ALL ".join(
        f"SELECT {number} AS n, " + ", ".join(f"%s::{kind} AS {name}" for name, kind in COLUMNS.items())
        for number in range(len(some))
    )
    query = f"SELECT {leaves.SELECT} FROM ({one}) e ORDER BY e.n" if some else "SELECT 1 WHERE false"
    values = [each[name] for each in some for name in COLUMNS]
    contents = [leaves.encode(each) for each in some]
    assert [bytes(each) for each in reader.copied(connection, query, values)] == contents
    hashes, keys = leaves.hashed(map(memoryview, contents))
    assert hashes == [merkle.leaf_hash(each) for each in contents]
    found = [(each["epoch"], each["transaction"], each["id"]) for each in some]
    assert [leaves.key_of(key) for key in keys] == found
    assert leaves.numbers(keys) == b"".join(each["id"].to_bytes(8) for each in some)


@settings(deadline=None, max_examples=50)
@given(events, events)
def test_no_two_events_have_the_same_bytes(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert (leaves.encode(one) == leaves.encode(other)) is (one == other)
    assert leaves.from_readable(leaves.readable(one)) == one


def test_fields_that_run_into_each_other_are_told_apart() -> None:
    assert leaves.row(b"ab", b"c") != leaves.row(b"a", b"bc")
    assert leaves.row(b"", None) != leaves.row(None, b"")
    assert leaves.row(b"a", b"") != leaves.row(b"a")


def test_an_event_with_no_whole_key_comes_before_all_others() -> None:
    content = leaves.row(leaves.FORM.encode(), None, bytes(8), bytes(8), *[bytes(8)] * 14)
    assert leaves.key_of(leaves.hashed([memoryview(content)])[1][0]) == (-1, -1, -1)


# --- Reading them ---


def test_rows_come_whole_and_one_at_a_time(connection: psycopg.Connection[Any]) -> None:
    query = "SELECT n::int8, NULL::text FROM generate_series(1, %s) n"
    found = [bytes(each) for each in reader.copied(connection, query, [3000])]
    assert found == [leaves.row(number.to_bytes(8), None) for number in range(1, 3001)]
    assert connection.info.transaction_status == TransactionStatus.IDLE
    assert reader.rows(connection, "SELECT 1") == [(1,)]


@pytest.mark.parametrize("rows", [0, 1, 5000])
def test_an_error_in_the_midst_of_rows_is_one(connection: psycopg.Connection[Any], rows: int) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        list(reader.copied(connection, "SELECT 1 / (%s - n) FROM generate_series(0, 6000) n", [rows]))
    assert reader.rows(connection, "SELECT 1") == [(1,)]
    with pytest.raises(psycopg.errors.UndefinedTable):
        list(reader.copied(connection, "SELECT 1 FROM nowhere"))


def test_a_connection_that_is_lost_is_an_error_and_no_end(module_database: str) -> None:
    with connected("auditor") as reading, connected() as other:
        rows = reader.copied(reading, "SELECT n, repeat('x', 1000) FROM generate_series(1, 1000000) n")
        next(rows)
        other.execute("SELECT pg_terminate_backend(%s)", [reading.info.backend_pid])
        with pytest.raises(psycopg.OperationalError):
            list(rows)


class _Lines:
    """A connection that says what it is told to."""

    def __init__(self, *messages: bytes, status: Any = reader.ExecStatus.COMMAND_OK) -> None:
        self.messages, self.pgconn = [*messages], self
        self.results: list[Any] = [self]
        self.status = reader.ExecStatus.COPY_OUT
        self._end = status

    def exec_(self, _: bytes) -> Any:
        return self

    def get_copy_data(self, _: int) -> tuple[int, bytes | None]:
        message = self.messages.pop(0) if self.messages else None
        return (-1, None) if message is None else (len(message), message)

    def get_result(self) -> Any:
        self.status = self._end
        return self.results.pop() if self.results else None


HEADER, ROW, TRAILER = reader._HEADER, leaves.row(b"x"), b"\xff\xff"


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [HEADER],
        [HEADER + ROW],
        [HEADER + ROW, b"\0\0"],
        [HEADER + ROW, TRAILER, ROW],
        [HEADER[:-1] + b"\1" + ROW, TRAILER],
        [ROW * 5, TRAILER],
        [TRAILER],
    ],
)
def test_anything_but_whole_rows_and_a_proper_end_is_refused(
    monkeypatch: pytest.MonkeyPatch, messages: list[bytes]
) -> None:
    class _Query:
        def __init__(self, _: Any) -> None: ...

        def mogrify(self, *_: Any) -> str:
            return ""

    monkeypatch.setattr(psycopg, "ClientCursor", _Query)
    right: Any = _Lines(HEADER + ROW, ROW, TRAILER)
    assert list(reader.copied(right, "")) == [ROW, ROW]
    apart: Any = _Lines(HEADER, ROW, TRAILER)
    assert list(reader.copied(apart, "")) == [ROW]
    wrong: Any = _Lines(*messages)
    with pytest.raises(reader.ReaderError):
        list(reader.copied(wrong, ""))
