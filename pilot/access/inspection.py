"""Whether the walls stand in *this* database: what it really has, held against what the declarations ask for.

What is asked for is built beside the real tables, in a schema that the end of the transaction takes away again, and both
are read back in PostgreSQL's own words. So a policy that was loosened, a trigger that was narrowed or a function
that was replaced under its old name is found, not only one that is missing; and no real table is locked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from audit.privacy import THIRD_PARTY, Personal, declared, privacy_of
from pilot.access import bypasses, walls
from pilot.database import MAY_MAKE_LARGE_OBJECTS

SCRATCH = "wall_check"
PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
WORDS = {"SELECT": "read", "INSERT": "add", "UPDATE": "change", "DELETE": "delete", "TRUNCATE": "empty"}


@dataclass(frozen=True)
class Expected:
    """What one table should be like: what it is, what the app role may do there, by which policies and triggers."""

    table: str
    kind: str
    rights: frozenset[str] = frozenset()
    # None where the table needs no row security.
    policies: dict[str, tuple[str | None, str | None]] | None = None
    triggers: tuple[tuple[Any, Any], ...] = ()
    # Columns that policies ask about, each of which an index has to begin with.
    scoped_by: tuple[str, ...] = ()
    # What the role that grows the log's tree may do.
    sealer: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Finding:
    """One table as it is: what the app role can do there, and what is wrong."""

    table: str
    kind: str
    can: frozenset[str]
    is_secured: bool
    holes: tuple[str, ...]


@dataclass
class Inspection:
    """Every table, and what is wrong beside them: functions, roles, schemas."""

    tables: list[Finding] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    # What only a superuser can close: said, and no hole in a wall, since no table is reached by it.
    notes: list[str] = field(default_factory=list)

    @property
    def holes(self) -> list[str]:
        """Everything that is wrong, each with the table it is wrong with."""
        return [f"{each.table}: {hole}" for each in self.tables for hole in each.holes] + self.elsewhere


def expectations() -> dict[str, Expected]:
    """What every table of the project and its libraries should be like, by name. A table that is not here should
    not be there."""
    found = {
        item.table: Expected(
            item.table,
            "library's",
            frozenset(filter(None, item.rights.split(", "))),
            walls.own_policies(item.own) if item.own else None,
        )
        for item in THIRD_PARTY
    }
    for model in declared():
        for each in _expected(model):
            found[each.table] = each
    return found


def _expected(model: type[models.Model]) -> Iterator[Expected]:
    privacy = privacy_of(model)
    is_personal = isinstance(privacy, Personal)
    kind = "personal" if is_personal else "impersonal"
    scope = _scope(privacy) if is_personal else ()
    yield Expected(
        model._meta.db_table,
        kind,
        frozenset(walls.rights(model)),
        walls.policies(model),
        tuple((trigger, model) for trigger in getattr(model._meta, "triggers", ())),
        scope,
        frozenset(privacy.sealer),
    )
    if privacy.is_audited:
        history = model.history.model  # type: ignore[attr-defined]
        shown = walls.history_policies(model)
        yield Expected(history._meta.db_table, f"history, {kind}", frozenset(["SELECT"]), shown, (), scope)


def _scope(privacy: Personal) -> tuple[str, ...]:
    columns = (privacy.patient, privacy.practice, privacy.provider, privacy.referral)
    return tuple(dict.fromkeys(column for column in columns if column))


def inspect(connection: BaseDatabaseWrapper) -> Inspection:
    """Look at everything. Needs a connection of the owner; changes nothing."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute("SET LOCAL check_function_bodies = off")
        cursor.execute(f"CREATE SCHEMA {SCRATCH}")
        expected = expectations()
        found = Inspection()
        for table in _tables(cursor):
            found.tables.append(_inspect(cursor, table, expected.get(table)))
        missing = sorted(set(expected) - {each.table for each in found.tables})
        found.elsewhere += [f"{table}: the table is missing" for table in missing]
        found.elsewhere += [
            *_wrong_functions(cursor, expected),
            *_wrong_powers(cursor),
            *bypasses.found(cursor),
        ]
        cursor.execute(MAY_MAKE_LARGE_OBJECTS, [walls.role_name("app")])
        if cursor.fetchone()[0]:
            found.notes.append(
                "the app role may make large objects, which no policy covers (docs/running.md)"
            )
        transaction.set_rollback(True, using=connection.alias)
    return found


def _tables(cursor: CursorWrapper) -> list[str]:
    cursor.execute(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f')"
        " AND relnamespace = 'public'::regnamespace ORDER BY relname"
    )
    return [name for (name,) in cursor.fetchall()]


def _inspect(cursor: CursorWrapper, table: str, expected: Expected | None) -> Finding:
    name = f"public.{walls.quoted(table)}"
    app = walls.role_name("app")
    cursor.execute(
        "SELECT p FROM unnest(%s::text[]) p WHERE has_table_privilege(%s, %s, p)",
        [list(PRIVILEGES), app, name],
    )
    can = frozenset(p for (p,) in cursor.fetchall())
    cursor.execute(
        "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = %s::regclass", [name]
    )
    on, forced = cursor.fetchone()
    if expected is None:
        hole = "nothing declares this table" + (f", and the app role may {_in_words(can)} it" if can else "")
        return Finding(table, "unknown", can, on and forced, (hole,))
    holes = [*_wrong_rights(cursor, name, can, expected)]
    if expected.policies is not None:
        if not (on and forced):
            holes.append("row security is " + ("not forced" if on else "off"))
        if (stranger := _other_owner(cursor, name)) and not _is_readable(cursor, name):
            # Whoever owns it may change all of it, and nothing like it can be built here to compare.
            holes.append(f"{stranger} owns it, and its policies and triggers cannot be held against anything")
            return Finding(table, expected.kind, can, on and forced, tuple(holes))
        cursor.execute(f"CREATE TABLE {SCRATCH}.{walls.quoted(table)} (LIKE {name})")
        holes += [
            *_wrong_policies(cursor, table, expected),
            *_wrong_triggers(cursor, table, expected),
            *_missing_indexes(cursor, name, expected),
        ]
    return Finding(table, expected.kind, can, on and forced, tuple(holes))


def _other_owner(cursor: CursorWrapper, name: str) -> str | None:
    """Whose the table is, where it is not the owner's."""
    cursor.execute(
        "SELECT relowner::regrole::text FROM pg_class WHERE oid = %s::regclass AND relowner <> %s::regrole",
        [name, walls.quoted(walls.role_name("owner"))],
    )
    found = cursor.fetchone()
    return str(found[0]) if found else None


def _is_readable(cursor: CursorWrapper, name: str) -> bool:
    cursor.execute("SELECT has_table_privilege(%s, 'SELECT')", [name])
    return bool(cursor.fetchone()[0])


def _in_words(privileges: frozenset[str]) -> str:
    return ", ".join(WORDS.get(p, p.lower()) for p in PRIVILEGES if p in privileges)


def _wrong_rights(cursor: CursorWrapper, name: str, can: frozenset[str], expected: Expected) -> Iterator[str]:
    if extra := can - expected.rights:
        yield f"the app role may {_in_words(extra)}, and should not"
    if lacking := expected.rights - can:
        yield f"the app role may not {_in_words(lacking)}, and should"
    cursor.execute(
        "SELECT coalesce(r.rolname, 'everybody'), acl.privilege_type FROM pg_class c, aclexplode(c.relacl) acl"
        " LEFT JOIN pg_roles r ON r.oid = acl.grantee WHERE c.oid = %s::regclass AND acl.grantee <> c.relowner",
        [name],
    )
    for role, privilege in cursor.fetchall():
        reads = role == walls.role_name("auditor") and privilege == "SELECT"
        seals = role == walls.role_name("sealer") and privilege in expected.sealer
        if role != walls.role_name("app") and not reads and not seals:
            yield f"{role} may {WORDS.get(privilege, privilege.lower())}"
    cursor.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attacl IS NOT NULL", [name]
    )
    for (column,) in cursor.fetchall():
        yield f"somebody has rights on the column {column} alone"


def _wrong_policies(cursor: CursorWrapper, table: str, expected: Expected) -> Iterator[str]:
    for statement in walls.policy_statements(
        f"{SCRATCH}.{walls.quoted(table)}", dict(expected.policies or {}), sorted(expected.sealer)
    ):
        cursor.execute(statement)
    there, wanted = (_policies(cursor, schema, table) for schema in ("public", SCRATCH))
    yield from _differences("the policy", there, wanted)


def _policies(cursor: CursorWrapper, schema: str, table: str) -> dict[str, tuple[Any, ...]]:
    cursor.execute(
        "SELECT polname, polcmd, polpermissive, polroles::regrole[]::text, pg_get_expr(polqual, polrelid),"
        " pg_get_expr(polwithcheck, polrelid) FROM pg_policy WHERE polrelid = %s::regclass",
        [f"{schema}.{walls.quoted(table)}"],
    )
    return {name: tuple(rest) for name, *rest in cursor.fetchall()}


def _wrong_triggers(cursor: CursorWrapper, table: str, expected: Expected) -> Iterator[str]:
    for trigger, model in expected.triggers:
        made = re.search(r"CREATE TRIGGER .*?;", str(trigger.compile(model).install_sql), re.DOTALL)
        if made is None:
            raise RuntimeError(f"The trigger {trigger.name} does not say how it is made.")
        cursor.execute("SELECT to_regproc(%s)", [f"public.{trigger.get_pgid(model)}"])
        if cursor.fetchone()[0] is not None:
            cursor.execute(re.sub(r"\bON public\.", f"ON {SCRATCH}.", made[0]))
    there, wanted = (_triggers(cursor, schema, table) for schema in ("public", SCRATCH))
    for trigger, model in expected.triggers:
        # Its function is gone, and so it could not be made.
        wanted.setdefault(trigger.get_pgid(model), ())
    yield from _differences("the trigger", there, wanted)


def _triggers(cursor: CursorWrapper, schema: str, table: str) -> dict[str, tuple[Any, ...]]:
    cursor.execute(
        "SELECT tgname, tgenabled::text, replace(pg_get_triggerdef(oid), %s, 'public.') FROM pg_trigger"
        " WHERE NOT tgisinternal AND tgrelid = %s::regclass",
        [f"{schema}.", f"{schema}.{walls.quoted(table)}"],
    )
    return {name: tuple(rest) for name, *rest in cursor.fetchall()}


def _missing_indexes(cursor: CursorWrapper, name: str, expected: Expected) -> Iterator[str]:
    cursor.execute(
        "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]"
        " WHERE i.indrelid = %s::regclass AND i.indisvalid AND i.indpred IS NULL",
        [name],
    )
    indexed = {column for (column,) in cursor.fetchall()}
    for column in expected.scoped_by:
        if column not in indexed:
            yield f"its policies ask about {column}, and no index begins with it"


def _wrong_functions(cursor: CursorWrapper, expected: dict[str, Expected]) -> Iterator[str]:
    """The functions that policies and triggers stand on, and any other that runs with somebody else's rights."""
    for text in walls.function_statements():
        cursor.execute(text.replace("FUNCTION pilot.", f"FUNCTION {SCRATCH}."))
    triggers = [pair for each in expected.values() for pair in each.triggers]
    for trigger, model in triggers:
        made = re.search(
            r"CREATE OR REPLACE FUNCTION public\..*?\$\$;", str(trigger.compile(model).install_sql), re.DOTALL
        )
        if made is None:
            raise RuntimeError(f"The trigger {trigger.name} does not say what it does.")
        cursor.execute(made[0].replace("FUNCTION public.", f"FUNCTION {SCRATCH}.", 1))
    names = {trigger.get_pgid(model) for trigger, model in triggers}
    pilot, ours = _functions(cursor, "pilot"), _functions(cursor, "public")
    of_triggers = {key: value for key, value in ours.items() if key.split("(")[0] in names}
    yield from _differences("the function", {**pilot, **of_triggers}, _functions(cursor, SCRATCH))
    declared_here = {("pilot", key) for key in pilot} | {("public", key) for key in of_triggers}
    cursor.execute(
        "SELECT p.oid::regprocedure::text, n.nspname, p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')'"
        " FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
        " WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema', %s)",
        [SCRATCH],
    )
    for name, schema, signature in cursor.fetchall():
        if (schema, signature) not in declared_here:
            yield f"the function {name} runs with its owner's rights, and nothing declares it"
    app, auditor, sealer = (walls.role_name(each) for each in ("app", "auditor", "sealer"))
    cursor.execute(
        "SELECT p.oid::regprocedure::text, coalesce(r.rolname, 'everybody') FROM pg_proc p"
        " CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) acl"
        " LEFT JOIN pg_roles r ON r.oid = acl.grantee"
        " WHERE p.pronamespace = 'pilot'::regnamespace AND acl.grantee <> p.proowner",
    )
    for name, role in cursor.fetchall():
        if role not in (app, auditor, sealer):
            yield f"{role} may run the function {name}"


def _functions(cursor: CursorWrapper, schema: str) -> dict[str, tuple[Any, ...]]:
    cursor.execute(
        "SELECT proname || '(' || pg_get_function_identity_arguments(p.oid) || ')', prosrc, prosecdef, proisstrict,"
        " proconfig, provolatile::text, prolang, pg_get_function_result(p.oid), proowner FROM pg_proc p"
        " WHERE pronamespace = %s::regnamespace",
        [schema],
    )
    return {name: tuple(map(str, rest)) for name, *rest in cursor.fetchall()}


def _wrong_powers(cursor: CursorWrapper) -> Iterator[str]:
    """What the app role may do beside tables: it should be nothing."""
    app = walls.role_name("app")
    powers = {
        "rolsuper": "is a superuser",
        "rolbypassrls": "bypasses row security",
        "rolcreaterole": "may make roles",
        "rolcreatedb": "may make databases",
        "rolreplication": "may replicate",
    }
    cursor.execute(f"SELECT {', '.join(powers)} FROM pg_roles WHERE rolname = %s", [app])  # noqa: S608 (our own names)
    held = cursor.fetchone() or [False] * len(powers)
    yield from (f"{app} {words}" for words, has in zip(powers.values(), held, strict=True) if has)
    cursor.execute(
        "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = %s::regrole", [walls.quoted(app)]
    )
    yield from (f"{app} may act as {role}" for (role,) in cursor.fetchall())
    cursor.execute(
        "SELECT oid::regclass::text FROM pg_class WHERE relowner = %s::regrole AND relkind <> 't'",
        [walls.quoted(app)],
    )
    yield from (f"{app} owns {name}" for (name,) in cursor.fetchall())
    cursor.execute(
        "SELECT nspname FROM pg_namespace WHERE has_schema_privilege(%s, oid, 'CREATE')"
        " AND nspname !~ '^pg_(temp|toast)'",
        [app],
    )
    yield from (f"{app} may make things in the schema {name}" for (name,) in cursor.fetchall())
    cursor.execute("SELECT has_database_privilege(%s, current_database(), 'TEMP')", [app])
    if cursor.fetchone()[0]:
        yield f"{app} may make temporary tables"


def _differences(
    what: str, there: dict[str, tuple[Any, ...]], wanted: dict[str, tuple[Any, ...]]
) -> Iterator[str]:
    for name in sorted(wanted.keys() - there.keys()):
        yield f"{what} {name} is missing"
    for name in sorted(there.keys() - wanted.keys()):
        yield f"{what} {name} should not be there"
    for name in sorted(wanted.keys() & there.keys()):
        if there[name] != wanted[name]:
            yield f"{what} {name} is not as declared"
