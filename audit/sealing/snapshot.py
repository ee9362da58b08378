"""One moment of the whole database, for everything that a verification asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from typing import Any

from django.db import connections

from audit.sealing.reader import Connection, Rows, connect, copied, rows


class Snapshot:
    """Reads one moment, through one connection or, with the parameters of it, through several at once."""

    def __init__(self, connection: Connection, parameters: Mapping[str, Any] | None = None) -> None:
        self._connection, self._parameters = connection, parameters
        self._others = ExitStack()

    def rows(self, query: str, values: Sequence[Any] = ()) -> Rows:
        """What this query tells."""
        return rows(self._connection, query, values)

    def row(self, query: str, values: Sequence[Any] = ()) -> tuple[Any, ...]:
        """The one row of a query that has one."""
        [row] = self.rows(query, values)
        return row

    def copied(self, query: str, values: Sequence[Any] = ()) -> list[memoryview]:
        """The rows of this query as a binary COPY has them."""
        return list(copied(self._connection, query, values))

    def stream(self, query: str, values: Sequence[Any] = ()) -> Iterator[memoryview]:
        """The same one at a time, on a connection of its own: the database reads on while what came is worked on."""
        if self._parameters is None:
            return iter(self.copied(query, values))
        own = self._another()
        # It reads along indexes, however little the planner knows of the tables.
        for way in ("seqscan", "bitmapscan", "sort"):
            own.execute(f"SET LOCAL enable_{way} = off".encode())
        return copied(own, query, values)

    @contextmanager
    def meanwhile(self, *works: Callable[[Snapshot], Any]) -> Iterator[None]:
        """Do this work on a connection of its own while what is inside goes on, and have it done by its end."""
        if self._parameters is None:
            yield
            for work in works:
                work(self)
            return
        own = Snapshot(self._another())
        with ThreadPoolExecutor(1) as pool:
            done = [pool.submit(work, own) for work in works]
            yield
            for each in done:
                each.result()

    def close(self) -> None:
        """Close every connection but the first."""
        self._others.close()

    def _another(self) -> Connection:
        [name] = self.row("SELECT pg_export_snapshot()")
        return self._others.enter_context(closing(connect(self._parameters or {}, name)))


@contextmanager
def opened(alias: str = "auditor") -> Iterator[Snapshot]:
    """A snapshot of the database behind this alias; nothing can be written through it."""
    # Django's parameters without its cursors and adapters: what is read here is numbers and bytes.
    parameters = {
        name: value
        for name, value in connections[alias].get_connection_params().items()
        if name not in ("context", "cursor_factory")
    }
    with closing(connect(parameters)) as first, closing(Snapshot(first, parameters)) as moment:
        yield moment
