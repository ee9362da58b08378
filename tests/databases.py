"""Databases for tests: one template with every migration and wall in it, cloned for each worker or test.

The application's role can neither make databases nor empty tables, so Django's own way is no use here.
"""

import copy
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import connections, transaction
from psycopg import sql

from pilot import database

PREFIX = "pilot_test"
# Whoever builds the template, or looks for clones that nobody uses any more, holds this advisory lock.
BUILDING = 7_010_427


class Cloner:
    """Makes clones of the template, as the owner. A lock that dies with its process marks those in use."""

    def __init__(self) -> None:
        self.home = dict(connections.databases["owner"])
        self.roles = settings.DATABASE_ROLES
        self.connection = self._connect(self.home["NAME"])
        self.template = f"{PREFIX}_template_{_digest_of_schema()}"

    def close(self) -> None:
        self.connection.close()

    def prepare(self) -> None:
        """Build the template unless it is there, and drop what earlier runs left."""
        self.connection.execute("SELECT pg_advisory_lock(%s)", [BUILDING])
        try:
            existing = self._names()
            if self.template not in existing:
                self._build()
            # Shared by every run that clones it: a run with other tables must not take it for left over.
            self.connection.execute("SELECT pg_advisory_lock_shared(%s)", [_number(self.template)])
            for name in existing:
                if name != self.template and self._mark(name):
                    self._drop(name)
                    self._unmark(name)
        finally:
            self.connection.execute("SELECT pg_advisory_unlock(%s)", [BUILDING])

    @contextmanager
    def clone(self, of: str = "") -> Iterator[str]:
        """A fresh clone that all aliases point to; afterwards it is gone and they point where they did.

        Of the template, or `of` another database that nobody but this thread is connected to.
        """
        name = f"{PREFIX}_{os.getpid()}_{secrets.token_hex(4)}"
        before = connections.databases["default"]["NAME"]
        self._mark(name)
        connections.close_all()
        self._run("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", name, of or self.template)
        try:
            database.close_to_public(self._url(name), name, self.roles)
            point_to(name)
            yield name
        finally:
            point_to(before)
            self._drop(name)
            self._unmark(name)

    def _build(self) -> None:
        before = connections.databases["default"]["NAME"]
        draft = f"{PREFIX}_draft_{secrets.token_hex(4)}"
        self._run("CREATE DATABASE {}", draft)
        try:
            database.close_to_public(self._url(draft), draft, self.roles)
            point_to(draft)
            call_command("migrate", interactive=False, verbosity=0)
            point_to(before)
            self._run("ALTER DATABASE {} RENAME TO {}", draft, self.template)
        finally:
            point_to(before)
            self._drop(draft)

    def _names(self) -> list[str]:
        rows = self.connection.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [PREFIX + "_"]
        )
        return [name for (name,) in rows]

    def _mark(self, name: str) -> bool:
        row = self.connection.execute("SELECT pg_try_advisory_lock(%s)", [_number(name)]).fetchone()
        return bool(row and row[0])

    def _unmark(self, name: str) -> None:
        self.connection.execute("SELECT pg_advisory_unlock(%s)", [_number(name)])

    def _drop(self, name: str) -> None:
        # One that another role is still connected to goes at the next run.
        with suppress(psycopg.errors.ObjectInUse, psycopg.errors.InsufficientPrivilege):
            self._run("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def _run(self, statement: str, *names: str) -> None:
        self.connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))  # type: ignore[arg-type]

    def _connect(self, name: str) -> psycopg.Connection:
        return psycopg.connect(self._url(name), autocommit=True)

    def _url(self, name: str) -> str:
        parts = {"dbname": name, "user": self.home["USER"], "password": self.home.get("PASSWORD")}
        parts |= {"host": self.home.get("HOST"), "port": self.home.get("PORT"), **self.home["OPTIONS"]}
        return psycopg.conninfo.make_conninfo("", **{key: value for key, value in parts.items() if value})


class Prepared:
    """A clone in which people were made once, for many tests, each of which sees them in a transaction that is rolled
    back. It has connections of its own, kept open between those tests: a new one reads the whole catalogue first.
    """

    def __init__(self, cloner: Cloner, make: Callable[[], Any]) -> None:
        before = connections.databases["default"]["NAME"]
        with ExitStack() as stack:
            self.name = stack.enter_context(cloner.clone())
            with rolled_back_or_kept(keep=True):
                self.made = make()
            # Kept, now that nothing went wrong.
            self.stack = stack.pop_all()
        point_to(before)
        self.connections = {alias: connections.create_connection(alias) for alias in connections}

    def close(self) -> None:
        for connection in self.connections.values():
            connection.close()
        self.stack.close()

    @contextmanager
    def use(self) -> Iterator[None]:
        """Every alias is this database, until the block ends."""
        before = {alias: (connections[alias], connections.databases[alias]["NAME"]) for alias in connections}
        try:
            for alias, connection in self.connections.items():
                connections.databases[alias]["NAME"] = self.name
                connections[alias] = connection
            yield
        finally:
            for alias, (connection, name) in before.items():
                connections.databases[alias]["NAME"] = name
                connections[alias] = connection

    def copy(self) -> Any:
        """What was made, as if it had been made just now: whatever a test does to it stays in that test."""
        return copy.deepcopy(self.made)


@contextmanager
def rolled_back_or_kept(*, keep: bool = False) -> Iterator[None]:
    """One transaction of the application and one of the owner. Either way, nothing that waits for the commit is done."""
    with ExitStack() as stack:
        for alias in ("default", "owner"):
            atomic = transaction.atomic(using=alias)
            atomic._from_testcase = True  # type: ignore[attr-defined]  # lets durable blocks run inside
            stack.enter_context(atomic)
        yield
        for alias in ("default", "owner"):
            connection = connections[alias]
            if not connection.needs_rollback:
                connection.check_constraints()
            if keep:
                connection.run_on_commit = []
            else:
                connection.set_rollback(True)


def point_to(name: str) -> None:
    """Make every alias use this database, in this thread and in those to come."""
    connections.close_all()
    for alias in connections:
        connections.databases[alias]["NAME"] = name


def _digest_of_schema() -> str:
    """Changes whenever the tables or the walls around them might."""
    base: Path = settings.BASE_DIR
    files = [base / "pilot/database.py", base / "requirements/production.txt"]
    for app in settings.FIRST_PARTY_APPS:
        folder = base / app.replace(".", "/")
        files += [*folder.glob("migrations/*.py"), *folder.glob("*models*.py"), *folder.glob("models/*.py")]
        files += folder.glob("policies.py")  # referrals' says who is allocated what, in SQL
        if app in ("audit", "pilot.access"):
            files += [file for kind in ("*.py", "*.sql") for file in folder.rglob(kind)]
    # What grows and checks the log's tree makes no table.
    files = [file for file in files if not {"sealing", "management"} & set(file.parts)]
    digest = hashlib.sha256()
    for file in sorted(set(files)):
        digest.update(str(file.relative_to(base)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
