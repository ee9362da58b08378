"""The walls as this database really has them, held against the declarations: no table without its place."""

import pytest
from django.apps import apps
from django.db import connections, models

from audit.privacy import THIRD_PARTY, Impersonal, Personal, declared, personal_models, privacy_of
from pilot.access.inspection import expectations, inspect
from pilot.access.records import RecordQuerySet

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

APP = "pilot_app"


def rows(query: str, *params: object) -> list[tuple]:
    with connections["owner"].cursor() as cursor:
        cursor.execute(query, params)
        return cursor.fetchall()


def with_their_history() -> list[type[models.Model]]:
    """Every model that declares whose data it holds, and the history of each that keeps one."""
    return [*declared(), *(model.history.model for model in declared() if privacy_of(model).is_audited)]


def test_every_table_is_accounted_for_and_the_app_may_do_just_what_is_declared() -> None:
    """What `wall check` says: tests/access/test_wall_check.py shows that it overlooks nothing."""
    held = {each.table: each.can for each in inspect(connections["owner"]).tables}
    assert held == {each.table: each.rights for each in expectations().values()}


# What matters most is asked of the catalogue itself too, and not of the code that `wall check` shares with the walls.


def test_everybody_else_may_do_nothing() -> None:
    grants = rows(
        "SELECT c.relname, acl.privilege_type FROM pg_class c, aclexplode(c.relacl) acl"
        " WHERE c.relnamespace = 'public'::regnamespace AND acl.grantee = 0"
    )
    assert grants == []


def test_row_security_is_on_and_forced_wherever_something_is_declared() -> None:
    tables = rows("SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class WHERE relkind = 'r'")
    secured = {name for name, on, forced in tables if on and forced}
    ours = {model._meta.db_table for model in with_their_history()}
    assert ours <= secured, ours - secured


def test_policies_are_the_generated_ones_and_no_others() -> None:
    found: dict[str, set[str]] = {}
    for table, policy in rows(
        "SELECT c.relname, p.polname FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid"
    ):
        found.setdefault(table, set()).add(policy)
    always = {"owner_all", "auditor_reads"}
    for each in expectations().values():
        if each.policies is not None:
            wanted = {f"app_{command.lower()}" for command in each.policies}
            wanted |= {f"sealer_{command.lower()}" for command in each.sealer}
            assert found[each.table] == wanted | always, each.table


def test_every_audited_table_has_its_triggers_and_they_are_on() -> None:
    triggers: dict[str, set[str]] = {}
    for table, name, enabled in rows(
        "SELECT c.relname, t.tgname, t.tgenabled FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
        " WHERE NOT t.tgisinternal"
    ):
        assert enabled in ("O", b"O"), (table, name)
        triggers.setdefault(table, set()).add(name)
    for each in expectations().values():
        wanted = {trigger.get_pgid(model) for trigger, model in each.triggers}
        assert wanted <= triggers.get(each.table, set()), each.table
    for model in declared():
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
