"""Reading the database for sealing and verifying: as few steps as there can be between its bytes and a hash of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus

Connection = psycopg.Connection[Any]
Rows = list[tuple[Any, ...]]

# What a binary COPY begins and ends with: its signature, no flags, no extension; and a row of -1 fields.
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"


class ReaderError(RuntimeError):
    """What came from the database is not what PostgreSQL sends."""


def connect(parameters: Mapping[str, Any], snapshot: str | None = None) -> Connection:
    """A connection that sees one moment, that of the named snapshot where one is given, and can write nothing."""
    connection = psycopg.connect(**parameters, autocommit=True)
    connection.execute("SET client_encoding = 'UTF8'")
    connection.execute("SET search_path = pg_catalog, public")
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    if snapshot is not None:
        connection.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'".encode())
    return connection


def rows(connection: Connection, query: str, values: Sequence[Any] = ()) -> Rows:
    """What a query tells."""
    with psycopg.Cursor(connection) as cursor:
        cursor.execute(query.encode(), values or None, binary=True)
        return cursor.fetchall()


def copied(connection: Connection, query: str, values: Sequence[Any] = ()) -> Iterator[memoryview]:
    """The rows of a query as a binary COPY has them, one at a time as they come.

    The connection is busy until the last of them was taken. Anything but whole rows and a proper end is an error
    (ReaderError, or psycopg's own).
    """
    statement = psycopg.ClientCursor(connection).mogrify(
        f"COPY ({query}) TO STDOUT (FORMAT BINARY)".encode(), values or None
    )
    started = connection.pgconn.exec_(statement.encode())
    if started.status != ExecStatus.COPY_OUT:
        raise error_from_result(started)
    # Below psycopg's own way of copying, which costs more than hashing does.
    get: Any = connection.pgconn.get_copy_data
    length, row = get(0)
    if length >= 0:
        if row[: len(_HEADER)] != _HEADER:
            raise ReaderError("The database sends rows in a form that is not known.")
        length, row = length - len(_HEADER), row[len(_HEADER) :]
        if not length:
            length, row = get(0)
        while length > len(_TRAILER):
            yield row
            length, row = get(0)
    is_whole = length == len(_TRAILER) and row == _TRAILER and get(0)[0] == -1
    ended = connection.pgconn.get_result()
    while connection.pgconn.get_result() is not None:
        pass
    if ended is not None and ended.status == ExecStatus.FATAL_ERROR:
        raise error_from_result(ended)
    if not is_whole:
        raise ReaderError("The database's rows end before their end.")
