"""The four database roles, on servers of ours and on somebody else's."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from pilot import database
from pilot.embedded import Servers

ALL = ("pilot_owner", "pilot_app", "pilot_sealer", "pilot_auditor")


class Foreign:
    """A database in a cluster that somebody else runs, with roles whose names are theirs to choose."""

    def __init__(self, superuser_url: str) -> None:
        self.superuser = psycopg.connect(superuser_url, autocommit=True)
        tag = uuid4().hex[:8]
        self.name, self.owner, self.app = f"their_{tag}", f"owner_{tag}", f"app_{tag}"
        self.owner_url = make_conninfo(superuser_url, user=self.owner, dbname=self.name)
        self.app_url = make_conninfo(superuser_url, user=self.app, dbname=self.name, password="it's secret")

    def run(self, statement: str, *names: str) -> None:
        self.superuser.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))  # type: ignore[arg-type]

    def prepare(self) -> None:
        database.prepare(owner_url=self.owner_url, app_url=self.app_url)


@pytest.fixture
def foreign(cluster: Servers) -> Iterator[Foreign]:
    foreign = Foreign(cluster.superuser_url)
    with foreign.superuser:
        foreign.run("CREATE ROLE {} LOGIN CREATEROLE", foreign.owner)
        foreign.run("CREATE DATABASE {} OWNER {}", foreign.name, foreign.owner)
        yield foreign


def test_no_role_is_above_the_row_policies(cluster: Servers) -> None:
    with psycopg.connect(cluster.superuser_url) as connection:
        powers = connection.execute(
            "SELECT rolname, rolcanlogin, rolsuper OR rolbypassrls OR rolcreaterole OR rolreplication,"
            " rolcreatedb FROM pg_roles WHERE rolname = ANY(%s)",
            [list(ALL)],
        ).fetchall()
    # Tests clone databases, and only they.
    assert sorted(powers) == sorted((role, True, False, role == "pilot_owner") for role in ALL)


def test_only_the_owner_makes_tables(cluster: Servers) -> None:
    for url in (cluster.app_url, cluster.sealer_url, cluster.auditor_url):
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in ("CREATE TABLE mine ()", "CREATE TEMP TABLE mine ()", "CREATE SCHEMA mine"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)  # type: ignore[arg-type]
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SET ROLE pilot_owner")
    with psycopg.connect(cluster.owner_url) as connection:
        connection.execute("CREATE TABLE mine ()")
        connection.rollback()


def test_nobody_but_a_superuser_makes_large_objects(cluster: Servers) -> None:
    """They lie beside the tables, where no policy is. A database that is made later is closed too, once prepared."""
    with psycopg.connect(cluster.superuser_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS later")
        connection.execute("CREATE DATABASE later TEMPLATE template1")
    for url in (cluster.app_url, cluster.sealer_url, make_conninfo(cluster.owner_url, dbname="later")):
        with psycopg.connect(url, autocommit=True) as connection:
            for asked in ("lo_create(0)", "lo_creat(-1)", "lo_from_bytea(0, 'words')"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(f"SELECT {asked}")  # type: ignore[arg-type]


def test_processes_may_prepare_at_once(cluster: Servers) -> None:
    names = [f"raced_{number}" for number in range(4)]
    with psycopg.connect(cluster.superuser_url, autocommit=True) as connection:
        for name in names:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
    with ThreadPoolExecutor(len(names)) as pool:
        list(
            pool.map(
                lambda name: database.prepare_embedded(cluster.superuser_url, name, for_tests=True),
                names,
            )
        )


def test_somebody_elses_postgresql_gets_the_roles_it_lacks(foreign: Foreign) -> None:
    foreign.prepare()
    foreign.prepare()  # safe to repeat
    with psycopg.connect(foreign.app_url, autocommit=True) as connection:
        assert connection.execute("SELECT current_user").fetchone() == (foreign.app,)
        for statement in ("CREATE TABLE mine ()", "CREATE TEMP TABLE mine ()"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)  # type: ignore[arg-type]


def test_an_owner_who_may_not_make_roles_is_told_what_to_grant(foreign: Foreign) -> None:
    foreign.run("ALTER ROLE {} NOCREATEROLE", foreign.owner)
    with pytest.raises(database.DatabaseNotReadyError, match=f"CREATE ROLE {foreign.app} LOGIN"):
        foreign.prepare()
    foreign.run("CREATE ROLE {} LOGIN", foreign.app)
    foreign.prepare()


def test_an_owner_who_does_not_own_the_database_is_told_so(foreign: Foreign) -> None:
    foreign.run("ALTER DATABASE {} OWNER TO postgres", foreign.name)
    with pytest.raises(
        database.DatabaseNotReadyError, match=f"must (own|belong to)|belong to {foreign.owner}"
    ):
        foreign.prepare()


@pytest.mark.parametrize(
    ("power", "complaint"),
    [
        ("ALTER ROLE {app} SUPERUSER", "would see every row"),
        ("ALTER ROLE {app} BYPASSRLS", "would see every row"),
        ("ALTER ROLE {app} CREATEDB", "more power than it needs"),
        ("GRANT {owner} TO {app}", "more power than it needs"),
        ("ALTER ROLE {owner} BYPASSRLS", "would see every row"),
    ],
)
def test_a_role_with_too_much_power_is_refused(foreign: Foreign, power: str, complaint: str) -> None:
    foreign.run("CREATE ROLE {} LOGIN", foreign.app)
    names = {"app": sql.Identifier(foreign.app), "owner": sql.Identifier(foreign.owner)}
    foreign.superuser.execute(sql.SQL(power).format(**names))  # type: ignore[arg-type]
    with pytest.raises(database.DatabaseNotReadyError, match=complaint):
        foreign.prepare()


def test_one_role_for_both_is_refused(foreign: Foreign) -> None:
    with pytest.raises(database.DatabaseNotReadyError, match="must log in as different roles"):
        database.prepare(owner_url=foreign.owner_url, app_url=foreign.owner_url)


def test_the_sealer_and_the_auditor_are_those_of_their_urls(foreign: Foreign, cluster: Servers) -> None:
    sealer, auditor = f"grows_{foreign.name}", f"reads_{foreign.name}"
    urls = {
        name: make_conninfo(cluster.superuser_url, user=role, dbname=foreign.name, password=f"{role}'s")
        for name, role in (("sealer_url", sealer), ("auditor_url", auditor))
    }
    for _ in range(2):
        database.prepare(owner_url=foreign.owner_url, app_url=foreign.app_url, **urls)
    for role in (sealer, auditor):
        row = foreign.superuser.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [role])
        assert str(row.fetchone()).startswith("('SCRAM-SHA-256$")
    with psycopg.connect(urls["sealer_url"], autocommit=True) as connection:
        assert connection.execute("SELECT current_user").fetchone() == (sealer,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE TABLE mine ()")


def test_without_urls_the_sealer_and_the_auditor_cannot_log_in_with_a_password(foreign: Foreign) -> None:
    foreign.prepare()
    rows = foreign.superuser.execute(
        "SELECT rolpassword FROM pg_authid WHERE rolname IN ('pilot_sealer', 'pilot_auditor')"
    )
    assert rows.fetchall() == [(None,), (None,)]


@pytest.mark.parametrize("same", ["owner_url", "app_url"])
def test_a_sealer_that_is_somebody_else_as_well_is_refused(foreign: Foreign, same: str) -> None:
    with pytest.raises(database.DatabaseNotReadyError, match="must log in as different roles"):
        database.prepare(
            owner_url=foreign.owner_url, app_url=foreign.app_url, sealer_url=getattr(foreign, same)
        )


@pytest.mark.parametrize("which", ["sealer", "auditor"])
def test_a_sealer_or_auditor_above_the_row_policies_is_refused(
    foreign: Foreign, cluster: Servers, which: str
) -> None:
    role = f"mighty_{foreign.name}"
    foreign.run("CREATE ROLE {} LOGIN BYPASSRLS", role)
    url = make_conninfo(cluster.superuser_url, user=role, dbname=foreign.name)
    with pytest.raises(database.DatabaseNotReadyError, match="would see every row"):
        database.prepare(owner_url=foreign.owner_url, app_url=foreign.app_url, **{f"{which}_url": url})


def test_urls_keep_their_options() -> None:
    settings = database.for_django(
        "postgresql://ann:p%40ss@db.example:6432/pilot?sslmode=require", CONN_MAX_AGE=1
    )
    assert settings == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "pilot",
        "USER": "ann",
        "PASSWORD": "p@ss",
        "HOST": "db.example",
        "PORT": "6432",
        "OPTIONS": {"sslmode": "require"},
        "CONN_MAX_AGE": 1,
    }
