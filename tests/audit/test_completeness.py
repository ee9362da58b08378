"""Nothing changes without a trace: every audited model × every way to write, each one line of history and one event."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.core.management import call_command
from django.db import DatabaseError, connections, migrations, models, transaction
from django.db.migrations.state import ProjectState
from django.db.models.signals import post_migrate
from django.utils import timezone

from audit import triggers
from audit.models import Event
from audit.privacy import declared, privacy_of
from audit.triggers import ChangeTrigger, kept_columns
from coaching.actions import raise_distress
from pilot import checking
from pilot.access import Role, acting
from pilot.access.models import OrganisationGrant
from pilot.celery import app
from pilot.people.models import Organisation, Patient
from tests import factories
from tests.audit.tampering import connected

AUDITED = [model for model in declared() if privacy_of(model).is_audited]
WHO = ("11111111-2222-3333-4444-555555555555", "receptionist", "tests.wrote")
BOOKKEEPING = {
    "history_id", "history_date", "history_change_reason", "history_type", "history_user_id", "history_role",
    "history_action", "event_id", "nonce",
}  # fmt: skip

in_transaction = pytest.mark.django_db(databases=["default", "owner"])
owner = "owner"


def cursor() -> Any:
    return connections[owner].cursor()


def run(statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    with cursor() as it:
        it.execute(statement, parameters or None)
        return it.fetchall() if it.description else []


def act_as(who: str = WHO[0], role: str = WHO[1], action: str = WHO[2]) -> None:
    run(
        "SELECT set_config('pilot.user', %s, true), set_config('pilot.role', %s, true),"
        " set_config('pilot.action', %s, true)",
        who, role, action,
    )  # fmt: skip


class Table:
    """A model's table and its history with nothing but their keys and the trigger of the log: so that a row of every
    model can be written without knowing what else is true of it. What is done to them ends with the transaction."""

    def __init__(self, model: type[models.Model]) -> None:
        self.model, self.history = model, model.history.model  # type: ignore[attr-defined]
        self.name, self.past = model._meta.db_table, self.history._meta.db_table
        self.key = model._meta.pk.column
        run("SET CONSTRAINTS ALL IMMEDIATE")
        # COPY into a table with row policies is refused, but to a superuser.
        with pytest.raises(psycopg.Error, match="COPY FROM not supported"), transaction.atomic(owner):
            self.copy([])
        run(f'ALTER TABLE "{self.name}" NO FORCE ROW LEVEL SECURITY')
        for table in (self.name, self.past):
            self._bare(table)
        for (trigger,) in run(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal"
            " AND tgname NOT LIKE 'pgtrigger_audit%%'", f'"{self.name}"',
        ):  # fmt: skip
            run(f'ALTER TABLE "{self.name}" DISABLE TRIGGER "{trigger}"')
        self.seen = self._last()

    def _bare(self, table: str) -> None:
        for constraint, on in run(
            "SELECT conname, conrelid::regclass::text FROM pg_constraint WHERE contype IN ('c', 'u', 'x', 'f')"
            " AND (conrelid = %s::regclass OR confrelid = %s::regclass)", f'"{table}"', f'"{table}"',
        ):  # fmt: skip
            run(f'ALTER TABLE {on} DROP CONSTRAINT "{constraint}"')
        for (index,) in run(
            "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = %s::regclass AND NOT indisprimary"
            " AND indisunique", f'"{table}"',
        ):  # fmt: skip
            run(f"DROP INDEX {index}")
        for (column,) in run(
            "SELECT a.attname FROM pg_attribute a WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND a.attnotnull"
            " AND NOT a.attisdropped AND a.attidentity = '' AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid ="
            " a.attrelid AND i.indisprimary AND a.attnum = ANY(i.indkey))", f'"{table}"',
        ):  # fmt: skip
            run(f'ALTER TABLE "{table}" ALTER COLUMN "{column}" DROP NOT NULL')

    def copy(self, keys: list[Any]) -> None:
        with (
            cursor() as it,
            it.copy(f'COPY "{self.name}" ("{self.key}") FROM STDIN') as rows,
        ):
            for key in keys:
                rows.write_row([key])

    def _last(self) -> tuple[int, int]:
        [(event, line)] = run(
            "SELECT (SELECT coalesce(max(id), 0) FROM audit_event),"
            f' (SELECT coalesce(max(history_id), 0) FROM "{self.past}")'
        )
        return event, line

    def fresh(self) -> Any:
        """A key that no row has."""
        field = self.model._meta.pk
        if isinstance(field, models.UUIDField):
            return uuid4()
        return 20_000 + run("SELECT nextval('audit_event_id_seq')")[0][0] % 10_000

    @property
    def changing(self) -> models.Field[Any, Any]:
        """A column of which a change is noticed."""
        kept = kept_columns(self.model)
        return next(
            each
            for each in self.model._meta.local_concrete_fields
            if each.column in kept and not each.primary_key and not each.is_relation
        ) if not self._only_relations else next(
            each for each in self.model._meta.local_concrete_fields if each.column in kept and not each.primary_key
        )  # fmt: skip

    @property
    def _only_relations(self) -> bool:
        return all(each.is_relation or each.primary_key for each in self.model._meta.local_concrete_fields)

    def leaves(self, rows: int, kind: str, write: Callable[[], object], *, action: str = WHO[2]) -> None:
        """Of each of so many rows the write leaves one event and one line of history, which belong together."""
        before = self._last()
        write()
        events = run(
            "SELECT id, kind, actor, role, action, relation, row_id, digest IS NOT NULL FROM audit_event"
            " WHERE id > %s ORDER BY id", before[0],
        )  # fmt: skip
        lines = run(
            f'SELECT event_id, history_type, "{self.key}"::text, history_role, history_action, nonce IS NOT NULL,'
            f' history_user_id::text FROM "{self.past}" WHERE history_id > %s ORDER BY event_id', before[1],
        )  # fmt: skip
        type_ = {"created": "+", "changed": "~", "deleted": "-"}[kind]
        assert len(events) == rows, (self.name, kind, events)
        assert {each[1:6] + each[7:] for each in events} == {
            (kind, *WHO[:2], action, self.name, True)
        } or not rows
        assert [(each[0], each[6]) for each in events] == [(line[0], line[2]) for line in lines]
        assert all(line[1] == type_ and line[3:] == (WHO[1], action, True, WHO[0]) for line in lines)


def another(field: models.Field[Any, Any], number: int = 1) -> Any:
    """A value for the column that it does not have."""
    if isinstance(field, ArrayField):
        return [str(number)]
    kinds: tuple[tuple[type, Any], ...] = (
        (models.BooleanField, True),
        (models.UUIDField, uuid4()),
        (models.JSONField, {"n": number}),
        (models.DateTimeField, timezone.now()),
        (models.DateField, timezone.localdate()),
        (models.IntegerField, 100 + number),
        (models.ForeignKey, uuid4() if isinstance(field, models.ForeignKey) and isinstance(
            field.target_field, models.UUIDField) else 100 + number),
    )  # fmt: skip
    return next((value for kind, value in kinds if isinstance(field, kind)), str(number))


@pytest.fixture(params=AUDITED, ids=lambda model: model._meta.label)
def table(request: pytest.FixtureRequest, db: None) -> Iterator[Table]:
    with transaction.atomic(owner):
        act_as()
        yield Table(request.param)
        transaction.set_rollback(True, owner)


@in_transaction
class TestEveryWayToWrite:
    def test_leaves_one_line_of_history_and_one_event_for_each_row(self, table: Table) -> None:
        model, name, key = table.model, table.name, table.key
        rows = model._base_manager.using(owner)
        field = table.changing
        ways = [table.fresh() for _ in range(8)]

        def made(pk: Any) -> models.Model:
            columns = {each.attname: None for each in model._meta.local_concrete_fields}
            return model(**{**columns, model._meta.pk.attname: pk})

        # Raw SQL.
        table.leaves(1, "created", lambda: run(f'INSERT INTO "{name}" ("{key}") VALUES (%s)', ways[0]))

        # COPY.
        table.leaves(2, "created", lambda: table.copy(ways[1:3]))
        # The ORM, in bulk.
        table.leaves(3, "created", lambda: rows.bulk_create([made(pk) for pk in ways[3:6]]))
        value = another(field)
        table.leaves(2, "changed", lambda: rows.filter(pk__in=ways[:2]).update(**{field.attname: value}))
        # The same again changes nothing.
        table.leaves(0, "changed", lambda: rows.filter(pk__in=ways[:2]).update(**{field.attname: value}))
        table.leaves(0, "changed", lambda: run(f'UPDATE "{name}" SET "{key}" = "{key}"'))
        objects = [made(pk) for pk in ways[2:5]]
        for number, each in enumerate(objects, start=2):
            setattr(each, field.attname, another(field, number))
        table.leaves(3, "changed", lambda: rows.bulk_update(objects, [field.name]))
        # In place of a row that is there already.
        upsert = f'INSERT INTO "{name}" ("{key}") VALUES (%s) ON CONFLICT ("{key}") DO UPDATE SET "{field.column}" = NULL'
        table.leaves(1, "changed", lambda: run(upsert, ways[2]))
        table.leaves(
            1, "changed", lambda: run(
                f'MERGE INTO "{name}" t USING (SELECT 1) s ON t."{key}" = %s'
                f' WHEN MATCHED THEN UPDATE SET "{field.column}" = NULL', ways[3],
            ),
        )  # fmt: skip
        table.leaves(2, "deleted", lambda: run(f'DELETE FROM "{name}" WHERE "{key}" = ANY(%s)', ways[:2]))
        table.leaves(4, "deleted", lambda: rows.filter(pk__in=ways[2:6])._raw_delete(owner))

    def test_is_refused_to_nobody(self, table: Table) -> None:
        pk = table.fresh()
        run(f'INSERT INTO "{table.name}" ("{table.key}") VALUES (%s)', pk)
        statements = (
            f'INSERT INTO "{table.name}" ("{table.key}") VALUES (\'{table.fresh()}\')',
            f'UPDATE "{table.name}" SET "{table.changing.column}" = NULL WHERE "{table.key}" = \'{pk}\'',
            f'DELETE FROM "{table.name}" WHERE "{table.key}" = \'{pk}\'',
        )
        run(
            f'UPDATE "{table.name}" SET "{table.changing.column}" = %s WHERE "{table.key}" = %s',
            *self._spelt(table.changing), pk,
        )  # fmt: skip
        for nobody in (("", *WHO[1:]), (WHO[0], "", WHO[2]), (*WHO[:2], "")):
            act_as(*nobody)
            for statement in statements:
                with (
                    pytest.raises(DatabaseError, match="by nobody, or for no named action"),
                    transaction.atomic(owner),
                ):
                    run(statement)

    def _spelt(self, field: models.Field[Any, Any]) -> list[Any]:
        return [field.get_db_prep_save(another(field), connections[owner])]

    def test_emptying_the_table_is_refused(self, table: Table) -> None:
        with pytest.raises(DatabaseError, match=f"{table.name} is never emptied"), transaction.atomic(owner):
            run(f'TRUNCATE "{table.name}" CASCADE')


NUMBERS = count(100)
# As the application's own role, with whatever SQL it likes.
BY_ITSELF = {
    "in a common table expression": "WITH w AS (UPDATE {t} SET phone = {new} WHERE id = {id} RETURNING 1) SELECT * FROM w",
    "in a block": "DO $$ BEGIN UPDATE {t} SET phone = {new} WHERE id = {id}; END $$",
    "through a cursor": "DECLARE c CURSOR FOR SELECT * FROM {t} WHERE id = {id} FOR UPDATE; MOVE c"
    "; UPDATE {t} SET phone = {new} WHERE CURRENT OF c",
    "in a copy of what it returns": "COPY (UPDATE {t} SET phone = {new} WHERE id = {id} RETURNING id) TO STDOUT",
    "in a merge": "MERGE INTO {t} p USING (SELECT 1) s ON p.id = {id} WHEN MATCHED THEN UPDATE SET phone = {new}",
    "with another search path": "SET LOCAL search_path = pg_temp, pilot"
    "; UPDATE public.{t} SET phone = {new} WHERE id = {id}",
    "with other words for names": "SET LOCAL quote_all_identifiers = on; SET LOCAL standard_conforming_strings = off"
    "; UPDATE {t} SET phone = {new} WHERE id = {id}",
    "after a savepoint": "SAVEPOINT a; DELETE FROM audit_event; ROLLBACK TO a; UPDATE {t} SET phone = {new} WHERE id = {id}",
    "in a savepoint that is released": "SAVEPOINT a; UPDATE {t} SET phone = {new} WHERE id = {id}; RELEASE a",
}
REFUSED = {
    "without triggers": "SET LOCAL session_replication_role = replica",
    "without policies": "SET LOCAL row_security = off; UPDATE {t} SET phone = {new} WHERE id = {id}",
    "with the trigger off": "ALTER TABLE {t} DISABLE TRIGGER ALL",
    "with a trigger of its own": "CREATE TRIGGER mine BEFORE UPDATE ON {t} FOR EACH ROW"
    " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "with a rule": "CREATE RULE mine AS ON INSERT TO audit_event DO INSTEAD NOTHING",
    "with a table that stands in": "CREATE TEMP TABLE audit_event (LIKE public.audit_event)",
    "with a function that stands in": "CREATE FUNCTION public.sha256(bytea) RETURNS bytea LANGUAGE sql AS 'SELECT $1'",
    "as the owner": "SET ROLE pilot_owner",
    "in two phases": "UPDATE {t} SET phone = {new} WHERE id = {id}; PREPARE TRANSACTION 'later'",
    "with numbers of its own": "SELECT setval('audit_event_id_seq', 1)",
    "straight into the log": "INSERT INTO audit_event (at, transaction, kind, actor, role, action, columns)"
    " VALUES (now(), 1, 'read', 'x', 'y', 'z', '{{}}')",
    "straight into history": "DELETE FROM people_historicalpatient",
}


class TestAsTheApplication:
    @pytest.fixture
    def patient(self, own_database: str) -> Patient:
        return factories.make_patient(factories.make_pilot().practice)

    def send(self, patient: Patient, statement: str) -> tuple[int, int]:
        """Send it within an action on this patient. Returns how many events and lines of history it left."""
        counts = "SELECT (SELECT count(*) FROM audit_event), (SELECT count(*) FROM people_historicalpatient)"
        values = {"t": "people_patient", "id": f"'{patient.pk}'", "new": f"'07700 900{next(NUMBERS)}'"}
        with connected() as owner, connected("default") as app:
            [before] = owner.execute(counts).fetchall()
            app.execute("BEGIN")
            settings = {"user": WHO[0], "role": WHO[1], "action": WHO[2], "patients": str(patient.pk)}
            for name, value in settings.items():
                app.execute("SELECT set_config(%s, %s, true)", [f"pilot.{name}", value])
            whole = statement.format(**values)
            for each in [whole] if whole.startswith("DO") else whole.split("; "):
                if each.startswith("COPY"):
                    with app.cursor() as it, it.copy(each.encode()) as out:
                        list(out)
                elif each.startswith("DELETE FROM audit_event"):
                    with pytest.raises(psycopg.Error, match="permission denied"):
                        app.execute(each)
                else:
                    app.execute(each.encode())
            app.execute("COMMIT")
            [after] = owner.execute(counts).fetchall()
        return after[0] - before[0], after[1] - before[1]

    def test_every_way_leaves_its_trace(self, patient: Patient) -> None:
        for name, statement in BY_ITSELF.items():
            assert self.send(patient, statement) == (1, 1), name

    def test_no_way_round_is_open(self, patient: Patient) -> None:
        for name, statement in REFUSED.items():
            with pytest.raises(psycopg.Error) as refusal:
                self.send(patient, statement)
            assert refusal.value.sqlstate in ("42501", "55000"), name


@pytest.mark.usefixtures("own_database")
def test_whatever_goes_with_a_row_leaves_its_own_trace() -> None:
    """Django deletes what hangs on a row one table after the other; no table does it behind its back."""
    assert run("SELECT conname::text FROM pg_constraint WHERE contype = 'f' AND confdeltype <> 'a'"
               " AND connamespace = 'public'::regnamespace") == []  # fmt: skip
    place = factories.make_organisation(Organisation.Kind.PRACTICE)
    factories.make_staff(Role.RECEPTIONIST, place)
    with transaction.atomic(owner):
        act_as("system:tests", "system", "tests.deleted")
        run("DELETE FROM people_membership WHERE organisation_id = %s", place.pk)
        Organisation.objects.using(owner).get(pk=place.pk).delete()
    gone = Event.objects.using("auditor").filter(action="tests.deleted", kind="deleted")
    assert sorted(gone.values_list("relation", flat=True)) == [
        OrganisationGrant._meta.db_table, "people_membership", "people_organisation",
    ]  # fmt: skip


@pytest.mark.usefixtures("own_database")
def test_migrations_write_under_a_name_of_their_own() -> None:
    place = factories.make_organisation()

    def rename(apps: Any, schema_editor: Any) -> None:
        rows = Organisation.objects.using(schema_editor.connection.alias).filter(pk=place.pk)
        assert rows.update(name="Renamed") == 1

    def migrated(using: str, **sent: Any) -> None:
        with connections[using].schema_editor() as editor:
            state = ProjectState()
            migrations.RunPython(rename).database_forwards("people", editor, state, state)

    last = apps.get_app_config("audit")
    post_migrate.connect(migrated, sender=last)
    try:
        call_command("migrate", "audit", interactive=False, verbosity=0)
    finally:
        post_migrate.disconnect(migrated, sender=last)
    event = Event.objects.using("auditor").get(row_id=str(place.pk), kind="changed")
    assert (event.actor, event.role, event.action) == ("system:migrate", "system", "schema.migrated")
    assert event.columns == ["name"]
    past = Organisation.history.using("auditor").filter(id=place.pk, event_id=event.pk)
    assert past.count() == 1


class TestTasks:
    """What the worker does, it does under a name; and the log shows it beside whoever caused it."""

    ARGUMENTS: dict[str, Callable[[Any], list[Any]]] = {
        "sign_in.mail_password_link": lambda patient: [str(patient.account_id)],
    }

    @pytest.fixture
    def pilot_with_work(self, own_database: str) -> Any:
        pilot = factories.make_pilot()
        staff = factories.make_staff_of_every_role(pilot)
        referral = factories.make_case(pilot, staff[Role.COACH], account=True)
        factories.MessageFactory(patient=referral.patient)
        factories.DistressCallFactory(referral=referral, raised_by_id=staff[Role.COACH].user_id)
        return pilot, staff, referral

    def test_every_task_is_somebody(self, pilot_with_work: Any, log_place: Any) -> None:
        app.loader.import_default_modules()
        # One is done as the patient who asked for it: tests/record/test_copies.py.
        names = sorted({name for name in app.tasks if not name.startswith("celery.")} - {"record.make_copy"})
        assert len(names) >= 8
        patient = Patient.objects.using(owner).exclude(account=None).first()
        wrote = set()
        for name in names:
            [(before,)] = run("SELECT coalesce(max(id), 0) FROM audit_event")
            app.tasks[name].apply(args=self.ARGUMENTS.get(name, lambda patient: [])(patient), throw=True)
            for event in Event.objects.using("auditor").filter(pk__gt=before):
                assert re.fullmatch(r"system:[a-z_.-]{3,}", event.actor), (name, event.actor)
                assert (event.role, bool(event.action)) == ("system", True), name
                wrote.add(name)
        # So that this says something: some of them had something to do.
        assert {"outbox.send_due", "coaching.email_clinicians", "sign_in.mail_password_link"} <= wrote

    def test_a_task_that_somebody_caused_is_logged_as_of_their_request(self, pilot_with_work: Any) -> None:
        pilot, staff, _referral = pilot_with_work
        referral = factories.make_case(pilot, staff[Role.COACH])
        factories.make_staff(Role.CLINICIAN, pilot.practice, is_named_clinician=True)
        coach = staff[Role.COACH]
        with acting(coach, "coaching.distress", request="the-request"):
            raise_distress(referral, by=coach)
        raised, *mailed = Event.objects.using("auditor").filter(request="the-request").order_by("pk")
        assert (raised.relation, raised.kind, raised.actor) == (
            "coaching_distresscall",
            "created",
            coach.label,
        )
        assert {each.actor for each in mailed if each.role == "system"} == {
            "system:coaching.email_clinicians"
        }
        # What the clock starts is nobody's doing.
        [(before,)] = run("SELECT max(id) FROM audit_event")
        app.tasks["outbox.send_due"].apply(throw=True)
        assert not Event.objects.using("auditor").filter(pk__gt=before).exclude(request=None).exists()


@in_transaction
class TestDrift:
    """Model, table, history and trigger say the same: where one was changed alone, this says so."""

    @pytest.mark.parametrize("model", AUDITED, ids=lambda model: model._meta.label)
    def test_model_table_history_and_trigger_agree(self, model: type[models.Model]) -> None:
        columns = {each.column for each in model._meta.local_concrete_fields}
        assert self._columns(model._meta.db_table) == columns
        kept = set(kept_columns(model))
        assert self._columns(model.history.model._meta.db_table) == kept | BOOKKEEPING  # type: ignore[attr-defined]
        [trigger] = [each for each in model._meta.triggers if isinstance(each, ChangeTrigger)]  # type: ignore[attr-defined]
        [(source,)] = run("SELECT prosrc FROM pg_proc WHERE proname = %s", trigger.get_pgid(model))
        assert trigger.render_func(model).strip() in source
        [(shape,)] = run("SELECT columns FROM audit_shape WHERE id = %s", triggers.shape(model))
        assert shape == kept_columns(model)

    def _columns(self, table: str) -> set[str]:
        return {
            name
            for (name,) in run(
                "SELECT attname::text FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
                " AND NOT attisdropped", f'"{table}"',
            )
        }  # fmt: skip

    def test_a_trigger_that_no_migration_installs_is_noticed(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        written = ChangeTrigger.get_func
        monkeypatch.setattr(
            ChangeTrigger, "get_func", lambda self, model: written(self, model) + "-- changed"
        )
        with pytest.raises(SystemExit):
            call_command("makemigrations", "people", check_changes=True, dry_run=True)
        assert "audit_change" in capsys.readouterr().out


def test_make_check_names_the_command_that_mends_it(capsys: pytest.CaptureFixture[str]) -> None:
    step = next(each for each in checking.STEPS if "makemigrations" in each.command)
    assert "manage.py makemigrations" in step.mend
    assert not checking._run(checking.Step(step.name, ("false",), step.mend))
    assert f"This mends it: {step.mend}" in capsys.readouterr().out
    assert checking._run(checking.Step(step.name, ("true",), step.mend))
    assert "mends" not in capsys.readouterr().out
