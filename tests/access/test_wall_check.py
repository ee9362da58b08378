"""`manage.py wall check`: whatever somebody does to a wall by hand, it is found and named."""

import io
import os
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.conninfo import conninfo_to_dict

from pilot import embedded
from pilot.access.inspection import expectations, inspect

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

WITHOUT_INDEXES = (
    "DO $$ DECLARE i regclass; BEGIN FOR i IN SELECT indexrelid::regclass FROM pg_index"
    " WHERE indrelid = '{table}'::regclass AND NOT indisunique LOOP"
    " EXECUTE format('DROP INDEX %s', i); END LOOP; END $$"
)
DAMAGE = {
    "row security switched off": (
        "ALTER TABLE people_patient DISABLE ROW LEVEL SECURITY",
        "people_patient: row security is off",
    ),
    "the owner let through": (
        "ALTER TABLE coaching_goal NO FORCE ROW LEVEL SECURITY",
        "coaching_goal: row security is not forced",
    ),
    "a policy opened wide": (
        "ALTER POLICY app_select ON referrals_clinicalnote USING (true)",
        "referrals_clinicalnote: the policy app_select is not as declared",
    ),
    "a policy for everybody": (
        "ALTER POLICY owner_all ON coaching_session TO PUBLIC",
        "coaching_session: the policy owner_all is not as declared",
    ),
    "a second way in": (
        "CREATE POLICY friendly ON referrals_historicalclinicalnote FOR SELECT TO pilot_app USING (true)",
        "referrals_historicalclinicalnote: the policy friendly should not be there",
    ),
    "a policy taken away": (
        "DROP POLICY app_update ON people_patient",
        "people_patient: the policy app_update is missing",
    ),
    "a library's table opened": (
        "DROP POLICY app_select ON mfa_authenticator",
        "mfa_authenticator: the policy app_select is missing",
    ),
    "more rights": (
        "GRANT DELETE ON consent_decision TO pilot_app",
        "consent_decision: the app role may delete, and should not",
    ),
    "fewer rights": (
        "REVOKE UPDATE, INSERT ON people_membership FROM pilot_app",
        "people_membership: the app role may not add, change, and should",
    ),
    "rights on one column": (
        "GRANT UPDATE (answer) ON consent_decision TO pilot_app",
        "consent_decision: somebody has rights on the column answer alone",
    ),
    "rights for everybody": (
        "GRANT SELECT ON people_organisation TO PUBLIC",
        "people_organisation: everybody may read",
    ),
    "rights for the auditor": (
        "GRANT UPDATE ON audit_event TO pilot_auditor",
        "audit_event: pilot_auditor may change",
    ),
    "the sealer's rights for the auditor": (
        "GRANT INSERT ON audit_leaf TO pilot_auditor",
        "audit_leaf: pilot_auditor may add",
    ),
    "rights for the sealer": (
        "GRANT SELECT ON people_patient TO pilot_sealer",
        "people_patient: pilot_sealer may read",
    ),
    "triggers of the app's own": (
        "GRANT TRIGGER ON people_patient TO pilot_app",
        "people_patient: the app role may trigger, and should not",
    ),
    "triggers of the auditor's own": (
        "GRANT TRIGGER ON audit_event TO pilot_auditor",
        "audit_event: pilot_auditor may trigger",
    ),
    "a table nobody declared": (
        "CREATE TABLE notes_to_self (words text); ALTER TABLE notes_to_self ENABLE ROW LEVEL SECURITY",
        "notes_to_self: nothing declares this table",
    ),
    "a view that the app may read": (
        "CREATE VIEW names AS SELECT * FROM people_patient; GRANT SELECT ON names TO pilot_app",
        "names: nothing declares this table, and the app role may read it",
    ),
    "a view round the policies": (
        "CREATE VIEW everybody AS SELECT * FROM people_patient",
        "everybody: nothing declares this table",
    ),
    "a copy in another schema": (
        "CREATE SCHEMA leak; CREATE VIEW leak.notes AS SELECT * FROM referrals_clinicalnote",
        "leak.notes: a table outside the schema public",
    ),
    "a view among the functions": (
        "CREATE VIEW pilot.notes AS SELECT * FROM referrals_clinicalnote; GRANT SELECT ON pilot.notes TO pilot_app",
        "pilot.notes: a table outside the schema public",
    ),
    "a function under a name that stands elsewhere": (
        "CREATE FUNCTION public.patients() RETURNS bigint LANGUAGE sql SECURITY DEFINER"
        " AS 'SELECT count(*) FROM public.people_patient'",
        "the function patients() runs with its owner's rights, and nothing declares it",
    ),
    "a function that answers nothing to nothing": (
        "ALTER FUNCTION pilot.everywhere(text) STRICT",
        "the function everywhere(permission text) is not as declared",
    ),
    "a function that the app cannot run": (
        "REVOKE EXECUTE ON FUNCTION pilot.today() FROM pilot_app",
        "pilot_app may not run the function pilot.today(), and should",
    ),
    "history that vanishes": (
        "CREATE RULE gone AS ON INSERT TO referrals_historicalclinicalnote DO INSTEAD NOTHING",
        "referrals_historicalclinicalnote: the rule gone rewrites what is asked of it",
    ),
    "a child table": (
        "CREATE TABLE leak.child () INHERITS (consent_receipt)",
        "consent_receipt: leak.child holds rows of it that no policy covers",
    ),
    "a publication": ("CREATE PUBLICATION everything", "the publication everything sends tables elsewhere"),
    "whatever comes, for everybody": (
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
        "whatever pilot_owner makes will be open to others",
    ),
    "superusers by default": (
        "ALTER TABLE people_user ALTER is_superuser SET DEFAULT true",
        "people_user: the column is_superuser has a default that nothing declares",
    ),
    "a column more": (
        "ALTER TABLE people_membership ADD COLUMN secret text",
        "people_membership: nothing declares the column secret",
    ),
    "a rule of the rows dropped": (
        "ALTER TABLE people_patient DROP CONSTRAINT nhs_number_once_per_practice",
        "people_patient: the constraint nhs_number_once_per_practice is missing",
    ),
    "a sequence to be set": (
        "GRANT UPDATE ON SEQUENCE audit_event_id_seq TO pilot_app",
        "audit_event_id_seq: the app role may read or set this sequence",
    ),
    "indexes lost": (
        WITHOUT_INDEXES.format(table="referrals_invitation"),
        "referrals_invitation: its policies ask about practice_id, and no index begins with it",
    ),
    "indexes of a history lost": (
        WITHOUT_INDEXES.format(table="coaching_historicalgoal"),
        "coaching_historicalgoal: its policies ask about referral_id, and no index begins with it",
    ),
    "a trigger switched off": (
        "ALTER TABLE people_patient DISABLE TRIGGER {people_patient}",
        "people_patient: the trigger {people_patient} is not as declared",
    ),
    "a trigger taken away": (
        "DROP TRIGGER {coaching_goal} ON coaching_goal",
        "coaching_goal: the trigger {coaching_goal} is missing",
    ),
    "a trigger that watches less": (
        "CREATE OR REPLACE TRIGGER {coaching_session} AFTER INSERT ON public.coaching_session FOR EACH ROW"
        " EXECUTE FUNCTION public.{coaching_session}()",
        "coaching_session: the trigger {coaching_session} is not as declared",
    ),
    "a trigger that does nothing": (
        "CREATE OR REPLACE FUNCTION public.{outbox_message}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
        " SET search_path = pg_catalog, public, pg_temp AS 'BEGIN RETURN NULL; END'",
        "the function {outbox_message}() is not as declared",
    ),
    "a trigger without its function": (
        "DROP FUNCTION public.{consent_receipt}() CASCADE",
        "the function {consent_receipt}() is missing",
    ),
    "a function replaced under its name": (
        "CREATE OR REPLACE FUNCTION pilot.in_action() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE"
        " SET search_path = pg_catalog, pg_temp AS 'SELECT true'",
        "the function in_action() is not as declared",
    ),
    "a function that runs as its owner": (
        "CREATE FUNCTION public.helpful() RETURNS bigint LANGUAGE sql SECURITY DEFINER"
        " AS 'SELECT count(*) FROM public.people_patient'",
        "the function helpful() runs with its owner's rights, and nothing declares it",
    ),
    "a function for everybody": (
        "GRANT EXECUTE ON FUNCTION pilot.granted_patients() TO PUBLIC",
        "everybody may run the function pilot.granted_patients()",
    ),
    "a function that nobody closed": (
        "CREATE FUNCTION pilot.left_open() RETURNS boolean LANGUAGE sql AS 'SELECT true'",
        "everybody may run the function pilot.left_open()",
    ),
    "a function more": (
        "CREATE FUNCTION pilot.more() RETURNS boolean LANGUAGE sql AS 'SELECT true';"
        " REVOKE ALL ON FUNCTION pilot.more() FROM PUBLIC; GRANT EXECUTE ON FUNCTION pilot.more() TO pilot_app",
        "the function more() should not be there",
    ),
    "a schema closed to the app": (
        "REVOKE USAGE ON SCHEMA pilot FROM pilot_app",
        "pilot_app may not use the schema pilot, and should",
    ),
    "temporary tables": (
        "DO $$ BEGIN EXECUTE format('GRANT TEMP ON DATABASE %I TO pilot_app', current_database()); END $$",
        "pilot_app may make temporary tables",
    ),
    "a table dropped": ("DROP TABLE web_idempotencykey CASCADE", "web_idempotencykey: the table is missing"),
    "a table that a crash empties": (
        "ALTER TABLE usersessions_usersession SET UNLOGGED",
        "usersessions_usersession: it is not kept in the write-ahead log, and a crash empties it",
    ),
    "a rule that old rows may break": (
        "ALTER TABLE people_patient ADD CONSTRAINT later CHECK (true) NOT VALID",
        "people_patient: the constraint later was not checked against its rows",
    ),
    "tables made by the app": (
        "GRANT CREATE ON SCHEMA public TO pilot_app",
        "pilot_app may make things in the schema public",
    ),
}


def audit_triggers() -> dict[str, str]:
    """The name of the trigger that writes each table's history."""
    return {
        each.table: trigger.get_pgid(model)
        for each in expectations().values()
        for trigger, model in each.triggers
        if trigger.name == "audit_change"
    }


def test_this_database_is_as_declared_and_says_so_table_by_table() -> None:
    found = inspect(connections["owner"])
    assert found.holes == []
    tables = {each.table: each for each in found.tables}
    assert set(tables) == set(expectations())
    assert tables["people_patient"].can == {"SELECT", "INSERT", "UPDATE"}
    assert tables["people_patient"].is_secured
    kinds = ("people_patient", "people_historicalpatient", "people_organisation", "django_session")
    assert [tables[name].kind for name in kinds] == [
        "personal",
        "history, personal",
        "impersonal",
        "library's",
    ]


def test_all_damage_is_found_and_nothing_else() -> None:
    owner, names = connections["owner"], audit_triggers()
    with transaction.atomic(using="owner"), owner.cursor() as cursor:
        for damage, _ in DAMAGE.values():
            cursor.execute(damage.format(**names))
        inspected = inspect(owner)
        transaction.set_rollback(True, using="owner")
    found = inspected.holes
    expected = {name: hole.format(**names) for name, (_, hole) in DAMAGE.items()}
    for name, hole in expected.items():
        assert hole in found, f"{name} was not noticed"
    consequences = (
        "its policies ask about",
        "consent_receipt: the trigger",
        "leak.child",
        "the function left_open()",
    )
    more = [each for each in found if each not in expected.values()]
    assert [each for each in more if not any(known in each for known in consequences)] == []
    tables = {each.table: each for each in inspected.tables}
    assert tables["notes_to_self"].kind == "unknown"
    # Switched off, not forced, not forced on a table that nobody knows: nobody is told that policies hold there.
    half = ("people_patient", "coaching_goal", "notes_to_self")
    assert [name for name in half if tables[name].is_secured] == []


@pytest.fixture
def superuser(db: None) -> Iterator[BaseDatabaseWrapper]:
    """The owner's database, by way of a superuser: whatever is done there is undone, and nobody else sees it."""
    if os.environ.get("DATABASE_URL"):
        pytest.skip("needs a superuser, whom only servers of our own have")
    url = embedded.servers_of_tests(settings.HOME / "test").superuser_url
    known = conninfo_to_dict(url)
    connection = connections["owner"].copy(alias="superuser")
    connection.settings_dict.update(
        USER=known["user"], PASSWORD=known.get("password", ""), HOST=known["host"], PORT=known.get("port", "")
    )
    connections["superuser"] = connection
    try:
        with transaction.atomic(using="superuser"):
            yield connection
            transaction.set_rollback(True, using="superuser")
    finally:
        connection.close()
        del connections["superuser"]


def test_what_only_a_superuser_can_do_wrong_is_found(superuser: BaseDatabaseWrapper) -> None:
    with superuser.cursor() as cursor:
        cursor.execute("ALTER ROLE pilot_app SUPERUSER BYPASSRLS CREATEROLE CREATEDB REPLICATION")
        cursor.execute("GRANT pilot_owner TO pilot_app")
        cursor.execute("ALTER TABLE auth_group OWNER TO pilot_app")
        cursor.execute("CREATE MATERIALIZED VIEW kept AS SELECT * FROM people_patient")
        cursor.execute("ALTER TABLE coaching_goal DISABLE TRIGGER ALL")
        cursor.execute("CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'")
        cursor.execute("CREATE EVENT TRIGGER watching ON ddl_command_end EXECUTE FUNCTION watch()")
        cursor.execute("SET LOCAL ROLE pilot_owner")
    found = inspect(superuser)
    powers = (
        "is a superuser",
        "bypasses row security",
        "may make roles",
        "may make databases",
        "may replicate",
    )
    assert set(found.elsewhere) >= {
        *(f"pilot_app {power}" for power in powers),
        "pilot_app may act as pilot_owner",
        "pilot_app owns auth_group",
        "auth_group: it belongs to pilot_app",
        "coaching_goal: a foreign key of it is not enforced",
        "the event trigger watching changes what statements do",
        f"kept: it belongs to {superuser.settings_dict['USER']}",
    }
    assert found.notes == ["the app role may make large objects, which no policy covers (docs/running.md)"]
    # Where everybody's temporary tables lie is nobody's wall.
    assert [each for each in found.elsewhere if "schema pg_t" in each] == []


def test_a_table_of_somebody_elses_that_cannot_be_looked_into_is_named_and_the_rest_is_looked_at(
    superuser: BaseDatabaseWrapper,
) -> None:
    with superuser.cursor() as cursor:
        cursor.execute("ALTER TABLE consent_receipt OWNER TO pilot_app")
        cursor.execute("ALTER TABLE people_historicalpatient OWNER TO pilot_auditor")
        cursor.execute("ALTER TABLE people_patient DISABLE ROW LEVEL SECURITY")
        cursor.execute("SET LOCAL ROLE pilot_owner")
    found = inspect(superuser)
    unseen = "owns it, and its policies and triggers cannot be held against anything"
    assert set(found.holes) >= {
        f"consent_receipt: pilot_app {unseen}",
        f"people_historicalpatient: pilot_auditor {unseen}",
        "consent_receipt: it belongs to pilot_app",
        "people_patient: row security is off",
    }
    assert {each.table for each in found.tables} >= set(expectations())


def test_one_of_another_owner_is_compared_as_far_as_the_owner_may_read_it(
    superuser: BaseDatabaseWrapper,
) -> None:
    with superuser.cursor() as cursor:
        cursor.execute("ALTER TABLE coaching_goal OWNER TO pilot_auditor")
        cursor.execute("GRANT SELECT ON coaching_goal TO pilot_owner")
        cursor.execute("DROP POLICY app_select ON coaching_goal")
        cursor.execute("ALTER TABLE consent_receipt OWNER TO pilot_auditor")
        cursor.execute("ALTER TABLE consent_receipt NO FORCE ROW LEVEL SECURITY")
        cursor.execute("SET LOCAL ROLE pilot_owner")
    found = inspect(superuser)
    assert any("app_select" in hole for hole in found.holes if hole.startswith("coaching_goal: ")), (
        found.holes
    )
    assert not any("cannot be held" in hole for hole in found.holes if hole.startswith("coaching_goal: "))
    assert not next(each for each in found.tables if each.table == "consent_receipt").is_secured


def may_make_large_objects() -> bool:
    """Not on servers of ours; on somebody else's, until their superuser has closed it."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT lo_create(0)")
            transaction.set_rollback(True)
    except ProgrammingError:
        return False
    return True


def test_the_command_prints_each_table_and_ends_with_an_error_where_one_is_open(own_database: str) -> None:
    said = io.StringIO()
    call_command("wall", "check", stdout=said)
    assert "All " in said.getvalue()
    assert ("Note: the app role may make large objects" in said.getvalue()) is may_make_large_objects()
    line = next(line for line in said.getvalue().splitlines() if line.startswith("audit_event "))
    assert "Can read, only rows that its policies allow. Cannot add, change, delete, empty." in line
    with connections["owner"].cursor() as cursor:
        cursor.execute("ALTER TABLE people_patient DISABLE ROW LEVEL SECURITY")
    with pytest.raises(CommandError, match="1 things are not as declared"):
        call_command("wall", "check", stdout=said)
    assert "WRONG: row security is off" in said.getvalue()
