"""One moment of the whole database, read by several connections at once: while one batch is hashed the next are fetched."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from queue import SimpleQueue
from typing import Any

import psycopg
from django.db import connections

HELPERS = 2

Connection = psycopg.Connection[Any]
Rows = list[tuple[Any, ...]]
# Queries that are asked together; of the first, whose one column is bytes, only those are wanted.
Batch = Sequence[tuple[str, Sequence[Any]]]
Answers = tuple[list[bytes], list[Rows]]


class Snapshot:
    """Reads from one connection or, where it has helpers, ahead of time on those."""

    def __init__(self, connection: Connection, helpers: Sequence[Connection] = ()) -> None:
        self._connection = connection
        self._helpers = len(helpers)
        self._free: SimpleQueue[Connection] = SimpleQueue()
        for each in helpers:
            self._free.put(each)

    def rows(self, query: str, values: Sequence[Any] = ()) -> Rows:
        """What this query tells."""
        return _rows(self._connection, query, values)

    def row(self, query: str, values: Sequence[Any] = ()) -> tuple[Any, ...]:
        """The one row of a query that has one."""
        [row] = self.rows(query, values)
        return row

    def each(self, batches: Iterable[Batch]) -> Iterator[Answers]:
        """The answers to each batch, in order. At most one batch more than there are helpers is held."""
        if not self._helpers:
            for batch in batches:
                yield _answers(self._connection, batch)
            return
        ahead: deque[Future[Answers]] = deque()
        with ThreadPoolExecutor(self._helpers) as pool:
            try:
                for batch in batches:
                    ahead.append(pool.submit(self._ask, batch))
                    if len(ahead) > self._helpers:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                for future in ahead:
                    future.cancel()

    def _ask(self, batch: Batch) -> Answers:
        connection = self._free.get()
        try:
            return _answers(connection, batch)
        finally:
            self._free.put(connection)


@contextmanager
def opened(alias: str = "auditor") -> Iterator[Snapshot]:
    """A snapshot of the database behind this alias; nothing can be written through it."""
    # Django's parameters without its cursors and adapters: what is read here is numbers and bytes.
    parameters = {
        name: value
        for name, value in connections[alias].get_connection_params().items()
        if name not in ("context", "cursor_factory")
    }
    begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    with ExitStack() as stack:
        first, *helpers = (
            stack.enter_context(psycopg.connect(**parameters, autocommit=True)) for _ in range(HELPERS + 1)
        )
        for connection in (first, *helpers):
            connection.execute("SET client_encoding = 'UTF8'")
            connection.execute("SET search_path = pg_catalog, public")
            connection.execute(begin)
        [name] = first.execute("SELECT pg_export_snapshot()").fetchone() or ("",)
        for connection in helpers:
            # They read along indexes, however little the planner knows of the tables.
            for way in ("seqscan", "bitmapscan", "sort"):
                connection.execute(f"SET LOCAL enable_{way} = off")
            connection.execute(f"SET TRANSACTION SNAPSHOT '{name}'")
        yield Snapshot(first, helpers)


def _answers(connection: Connection, batch: Batch) -> Answers:
    first, *others = batch
    return contents(connection, *first), [_rows(connection, *query) for query in others]


def contents(connection: Connection, query: str, values: Sequence[Any]) -> list[bytes]:
    """The bytes of a query's one column, taken as they came: a million times nothing is made of them but a hash."""
    with psycopg.Cursor(connection) as cursor:
        cursor.execute(query.encode(), values or None, binary=True)
        result = cursor.pgresult
        if result is None:
            return []
        value = result.get_value
        return [value(row, 0) or b"" for row in range(result.ntuples)]


def _rows(connection: Connection, query: str, values: Sequence[Any]) -> Rows:
    with psycopg.Cursor(connection) as cursor:
        cursor.execute(query.encode(), values or None, binary=True)
        return cursor.fetchall()
