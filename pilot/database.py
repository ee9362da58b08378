"""Makes the database's roles and closes what PostgreSQL leaves open to everybody; knows no table.

Serves both the embedded PostgreSQL and one that somebody else runs (PostgreSQL 15 or newer).
"""

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

# Any fixed number. Whoever prepares roles holds this lock: two at once collide in the catalogue.
PREPARING = 7_010_426
OLDEST = 150000


# Large objects lie beside all tables and have no row policies, and only a superuser can close them to everybody.
NO_LARGE_OBJECTS = """DO $$ DECLARE one regprocedure; BEGIN
    FOR one IN SELECT oid FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
        AND proname ~ '^lo(_|read$|write$)' AND has_function_privilege('public', oid, 'EXECUTE')
    LOOP EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', one); END LOOP;
END $$"""
MAY_MAKE_LARGE_OBJECTS = "SELECT has_function_privilege(%s, 'pg_catalog.lo_create(oid)', 'EXECUTE')"


class DatabaseNotReadyError(RuntimeError):
    """The database cannot be used as it is; the message says what to grant or change."""


@dataclass(frozen=True)
class Roles:
    """The names of the four roles: who owns the tables, who serves requests, who seals and who audits."""

    owner: str = "pilot_owner"
    app: str = "pilot_app"
    sealer: str = "pilot_sealer"
    auditor: str = "pilot_auditor"

    @property
    def all(self) -> tuple[str, ...]:
        return (self.owner, self.app, self.sealer, self.auditor)


def roles_of(*, owner_url: str, app_url: str, sealer_url: str = "", auditor_url: str = "") -> Roles:
    """The role names that these URLs log in as; without a URL, the sealer and the auditor keep their usual names."""
    usual = Roles()
    return Roles(
        owner=_user(owner_url),
        app=_user(app_url),
        sealer=_user(sealer_url) if sealer_url else usual.sealer,
        auditor=_user(auditor_url) if auditor_url else usual.auditor,
    )


def for_django(url: str, **extra: Any) -> dict[str, Any]:
    """Django's description of the database behind a PostgreSQL URL, unix sockets and TLS options included."""
    parts = dict(conninfo_to_dict(url))
    known = {name: parts.pop(key, None) for name, key in _DJANGO_NAMES.items()}
    named = {name: str(value) for name, value in known.items() if value is not None}
    return {"ENGINE": "django.db.backends.postgresql", **named, "OPTIONS": parts, **extra}


_DJANGO_NAMES = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}


def prepare_embedded(superuser_url: str, name: str, *, for_tests: bool) -> None:
    """Make the four roles and the database in a cluster of our own. Changes nothing that is there."""
    roles = Roles()
    with _preparing(superuser_url) as connection:
        for role in roles.all:
            _create_role(connection, role, password=None)
        if for_tests:
            # Tests clone databases, and drop them while a server or worker of theirs may still be connected.
            _run(connection, "ALTER ROLE {} CREATEDB", roles.owner)
            _run(connection, "GRANT pg_signal_backend TO {}", roles.owner)
        if not _exists(connection, "SELECT 1 FROM pg_database WHERE datname = %s", name):
            _run(connection, "CREATE DATABASE {} OWNER {}", name, roles.owner)
        # Every database: those to come are copied from one of them.
        rows = connection.execute("SELECT datname FROM pg_database WHERE datallowconn").fetchall()
        for (each,) in rows:
            with psycopg.connect(superuser_url, autocommit=True, dbname=each) as there:
                there.execute(NO_LARGE_OBJECTS)
    close_to_public(superuser_url, name, roles)


def prepare(*, owner_url: str, app_url: str, sealer_url: str = "", auditor_url: str = "") -> None:
    """Make the roles that are missing in a PostgreSQL run by somebody else, and check those that exist.

    The owner needs CREATEROLE for this, unless all roles are there already, and must own the database. A role whose
    URL is not given is made without a password: nobody can use it yet.
    """
    roles = roles_of(owner_url=owner_url, app_url=app_url, sealer_url=sealer_url, auditor_url=auditor_url)
    if len(set(roles.all)) < len(roles.all):
        raise DatabaseNotReadyError(
            "DATABASE_URL, OWNER_DATABASE_URL, SEALER_DATABASE_URL and AUDITOR_DATABASE_URL must log in as different roles."
        )
    urls = {roles.app: app_url, roles.sealer: sealer_url, roles.auditor: auditor_url}
    with _preparing(owner_url) as connection:
        if connection.info.server_version < OLDEST:
            raise DatabaseNotReadyError("PostgreSQL 15 or newer is needed.")
        for role in roles.all:
            if _exists(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", role):
                continue
            password = conninfo_to_dict(urls.get(role) or "").get("password")
            try:
                _create_role(connection, role, password=str(password) if password else None)
            except psycopg.errors.InsufficientPrivilege as error:
                raise DatabaseNotReadyError(
                    f"{roles.owner} may not create the role {role}: as a superuser run "
                    f"`ALTER ROLE {roles.owner} CREATEROLE` or `CREATE ROLE {role} LOGIN`."
                ) from error
        _check_powers(connection, roles)
    close_to_public(owner_url, _database(owner_url), roles)


def close_to_public(url: str, name: str, roles: Roles) -> None:
    """Leave in this database only what each role needs; PUBLIC gets nothing, not even temporary tables.

    A clone of a database does not inherit these rights: close it too.
    """
    others = (roles.app, roles.sealer, roles.auditor)
    with psycopg.connect(url, autocommit=True, dbname=name) as connection:
        try:
            _run(connection, "REVOKE ALL ON DATABASE {} FROM PUBLIC", name)
            _run(connection, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
            for role in others:
                _run(connection, "REVOKE ALL ON DATABASE {} FROM {}", name, role)
                _run(connection, "REVOKE CREATE ON SCHEMA public FROM {}", role)
                _run(connection, "GRANT CONNECT ON DATABASE {} TO {}", name, role)
                _run(connection, "GRANT USAGE ON SCHEMA public TO {}", role)
        except psycopg.errors.InsufficientPrivilege as error:
            raise DatabaseNotReadyError(
                f"{roles.owner} must own the database {name}: as a superuser run "
                f"`ALTER DATABASE {name} OWNER TO {roles.owner}`."
            ) from error
        # PostgreSQL only warns when a REVOKE did nothing because we may not: look at what came of it.
        for role in others:
            row = connection.execute(
                "SELECT has_database_privilege(%s, %s, 'TEMP')"
                " OR has_schema_privilege(%s, 'public', 'CREATE')",
                [role, name, role],
            ).fetchone()
            if row and row[0]:
                raise DatabaseNotReadyError(
                    f"{role} can make tables in {name}: the database must belong to {roles.owner}, "
                    f"and {role} to no other role."
                )


def _check_powers(connection: psycopg.Connection[Any], roles: Roles) -> None:
    """No role may be above the row policies, and none but the owner may become the owner."""
    rows = connection.execute(
        "SELECT rolname, rolsuper, rolbypassrls, rolname <> %(owner)s AND (rolcreaterole OR rolcreatedb"
        " OR pg_has_role(oid, %(owner)s, 'MEMBER')) FROM pg_roles WHERE rolname = ANY(%(all)s)",
        {"owner": roles.owner, "all": list(roles.all)},
    )
    for role, superuser, bypasses, too_mighty in rows:
        if superuser or bypasses:
            raise DatabaseNotReadyError(
                f"{role} would see every row whatever the policies say: "
                f"run `ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS`."
            )
        if too_mighty:
            raise DatabaseNotReadyError(
                f"{role} has more power than it needs: run `ALTER ROLE {role} NOCREATEROLE NOCREATEDB` "
                f"and `REVOKE {roles.owner} FROM {role}`."
            )


def _create_role(connection: psycopg.Connection[Any], role: str, *, password: str | None) -> None:
    try:
        # Everything else is off unless asked for; naming it here would need more rights than making the role.
        _run(connection, "CREATE ROLE {} LOGIN", role)
        if password:
            statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                sql.Identifier(role), sql.Literal(password)
            )
            connection.execute(statement)
    except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
        return  # Made by another process, perhaps for another database of the same cluster.


class _preparing:  # noqa: N801 - reads as a statement
    """A connection that holds the lock of whoever prepares this cluster."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True)

    def __enter__(self) -> psycopg.Connection[Any]:
        self.connection.execute("SELECT pg_advisory_lock(%s)", [PREPARING])
        return self.connection

    def __exit__(self, *_: object) -> None:
        self.connection.close()


def _run(connection: psycopg.Connection[Any], statement: str, *names: str) -> None:
    connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _exists(connection: psycopg.Connection[Any], query: str, *values: str) -> bool:
    return connection.execute(query, values).fetchone() is not None


def _user(url: str) -> str:
    user = conninfo_to_dict(url).get("user")
    if not user:
        raise DatabaseNotReadyError("A database URL must name the role it logs in as.")
    return str(user)


def _database(url: str) -> str:
    return str(conninfo_to_dict(url).get("dbname") or _user(url))


def _missing(names: Iterable[str]) -> list[str]:
    return [name for name in names if not os.environ.get(name)]


if __name__ == "__main__":
    missing = _missing(["DATABASE_URL", "OWNER_DATABASE_URL"])
    if missing:
        sys.exit(f"Set {' and '.join(missing)} first.")
    try:
        prepare(
            owner_url=os.environ["OWNER_DATABASE_URL"],
            app_url=os.environ["DATABASE_URL"],
            sealer_url=os.environ.get("SEALER_DATABASE_URL", ""),
            auditor_url=os.environ.get("AUDITOR_DATABASE_URL", ""),
        )
        with psycopg.connect(os.environ["DATABASE_URL"]) as app:
            row = app.execute(MAY_MAKE_LARGE_OBJECTS, [app.info.user]).fetchone()
        if row and row[0]:
            sys.stdout.write(
                f"Advice: so that nobody makes large objects, as a superuser run\n{NO_LARGE_OBJECTS};\n"
            )
    except (DatabaseNotReadyError, psycopg.OperationalError) as error:
        sys.exit(str(error).strip())
