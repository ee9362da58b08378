"""The walls as this database really has them, held against the declarations: no table without its place."""

import pytest
from django.apps import apps
from django.db import connections, models

from audit.privacy import THIRD_PARTY, Impersonal, Personal, declared, personal_models, privacy_of
from pilot.access import walls
from pilot.access.records import RecordQuerySet

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

APP = "pilot_app"


def rows(query: str, *params: object) -> list[tuple]:
    with connections["owner"].cursor() as cursor:
        cursor.execute(query, params)
        return cursor.fetchall()


def history_of(model: type[models.Model]) -> type[models.Model]:
    return model.history.model


def expected_rights() -> dict[str, set[str]]:
    """What the app role may do, table by table; tables that are not here, it may not touch."""
    found = {model._meta.db_table: set(walls.rights(model)) for model in declared()}
    for model in declared():
        if privacy_of(model).is_audited:
            found[history_of(model)._meta.db_table] = {"SELECT"}
    for item in THIRD_PARTY:
        if item.rights:
            found[item.table] = set(item.rights.split(", "))
    return found


def test_every_table_is_accounted_for_and_the_app_may_do_just_what_is_declared() -> None:
    expected = expected_rights()
    privileges = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
    tables = [
        name
        for (name,) in rows(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm') AND relnamespace = 'public'::regnamespace"
        )
    ]
    for table in tables:
        held = {
            p
            for p in privileges
            if rows("SELECT has_table_privilege(%s, %s, %s)", APP, f"public.{table}", p)[0][0]
        }
        assert held == expected.get(table, set()), table
    assert set(expected) <= set(tables)


def test_everybody_else_may_do_nothing() -> None:
    grants = rows(
        "SELECT c.relname, acl.privilege_type FROM pg_class c, aclexplode(c.relacl) acl"
        " WHERE c.relnamespace = 'public'::regnamespace AND acl.grantee = 0"
    )
    assert grants == []


def test_row_security_is_on_and_forced_wherever_something_is_declared() -> None:
    tables = rows("SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class WHERE relkind = 'r'")
    secured = {name: on and forced for name, on, forced in tables}
    for model in declared():
        assert secured[model._meta.db_table], model
        if privacy_of(model).is_audited:
            assert secured[history_of(model)._meta.db_table], model


def test_policies_are_the_generated_ones_and_no_others() -> None:
    found: dict[str, set[str]] = {}
    for table, policy in rows(
        "SELECT c.relname, p.polname FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid"
    ):
        found.setdefault(table, set()).add(policy)
    always = {"owner_all", "auditor_reads"}
    for model in declared():
        wanted = {f"app_{command.lower()}" for command in walls.policies(model)}
        assert found[model._meta.db_table] == wanted | always, model
        if privacy_of(model).is_audited:
            assert found[history_of(model)._meta.db_table] == {"app_select"} | always, model


def test_every_audited_table_has_its_triggers_and_they_are_on() -> None:
    triggers: dict[str, set[str]] = {}
    for table, name, enabled in rows(
        "SELECT c.relname, t.tgname, t.tgenabled FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
        " WHERE NOT t.tgisinternal"
    ):
        assert enabled in ("O", b"O"), (table, name)
        triggers.setdefault(table, set()).add(name)
    for model in declared():
        for trigger in getattr(model._meta, "triggers", []):
            assert trigger.get_pgid(model) in triggers.get(model._meta.db_table, set()), (model, trigger)
        if privacy_of(model).is_audited:
            assert any(
                name.startswith("pgtrigger_audit_change") for name in triggers[model._meta.db_table]
            ), model


def test_functions_that_run_as_the_owner_pin_their_search_path() -> None:
    functions = rows(
        "SELECT p.oid::regprocedure::text, p.proconfig, p.prosecdef FROM pg_proc p"
        " JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.prosecdef AND n.nspname IN ('public', 'pilot')"
    )
    assert len(functions) > 10
    for name, settings, _ in functions:
        path = next((s for s in settings or [] if s.startswith("search_path=")), "")
        assert path.startswith("search_path=pg_catalog"), (name, settings)
        assert path.rstrip('"').endswith("pg_temp"), (name, settings)


def test_nobody_but_the_roles_that_need_it_may_run_the_functions() -> None:
    public = rows(
        "SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
        " WHERE n.nspname = 'pilot' AND has_function_privilege('public', p.oid, 'EXECUTE')"
    )
    assert public == []


def test_the_app_role_has_no_powers() -> None:
    [powers] = rows(
        "SELECT rolsuper, rolbypassrls, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = %s", APP
    )
    assert not any(powers)
    assert not rows("SELECT has_schema_privilege(%s, 'public', 'CREATE')", APP)[0][0]
    assert not rows("SELECT has_database_privilege(%s, current_database(), 'TEMP')", APP)[0][0]


@pytest.mark.parametrize("model", list(personal_models()), ids=lambda m: m._meta.label)
def test_every_personal_model_can_be_narrowed_to_who_asks(model: type[models.Model]) -> None:
    privacy = privacy_of(model)
    if privacy.keeps_history:
        assert isinstance(model._default_manager.all(), RecordQuerySet)
    for column in (privacy.patient, privacy.practice, privacy.provider, privacy.referral):
        if column:
            assert any(field.column == column for field in model._meta.concrete_fields), (model, column)
    for names in privacy.classes.values():
        for name in names:
            model._meta.get_field(name)


def test_every_model_says_whose_data_it_holds() -> None:
    for model in apps.get_models(include_auto_created=True):
        if hasattr(model, "instance_type") or model._meta.db_table in {item.table for item in THIRD_PARTY}:
            continue
        assert isinstance(privacy_of(model), (Personal, Impersonal))
