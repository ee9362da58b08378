"""What would lead round the walls without touching one: copies in other schemas, rules, children, publications …

Each function yields sentences about what is there and should not be. `pilot.access.inspection` asks all of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.db.backends.utils import CursorWrapper

from audit.privacy import declared, privacy_of
from pilot.access import walls

# Each asks for things that there should be none of; the answer is the sentence.
_NONE_OF_THESE = (
    # A view or copy elsewhere shows what its owner sees.
    """SELECT n.nspname || '.' || c.relname || ': a table outside the schema public'
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'public'
        AND n.nspname !~ '^(pg_|information_schema$|wall_check$)'""",
    """SELECT c.relname || ': the rule ' || r.rulename || ' rewrites what is asked of it'
        FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
        WHERE r.rulename <> '_RETURN' AND c.relnamespace = 'public'::regnamespace""",
    """SELECT inhparent::regclass || ': ' || inhrelid::regclass || ' holds rows of it that no policy covers'
        FROM pg_inherits JOIN pg_class c ON c.oid = inhparent WHERE c.relkind = 'r'""",
    "SELECT 'the publication ' || pubname || ' sends tables elsewhere' FROM pg_publication",
    "SELECT 'the event trigger ' || evtname || ' changes what statements do' FROM pg_event_trigger",
    "SELECT 'whatever ' || defaclrole::regrole || ' makes will be open to others' FROM pg_default_acl",
    """SELECT c.relname || ': it is not kept in the write-ahead log, and a crash empties it' FROM pg_class c
        WHERE c.relkind = 'r' AND c.relpersistence <> 'p' AND c.relnamespace = 'public'::regnamespace""",
    """SELECT c.relname || ': a foreign key of it is not enforced' FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE t.tgisinternal AND t.tgenabled <> 'O' AND c.relnamespace = 'public'::regnamespace""",
    """SELECT c.relname || ': the constraint ' || k.conname || ' was not checked against its rows'
        FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
        WHERE NOT k.convalidated AND c.relnamespace = 'public'::regnamespace""",
)


def found(cursor: CursorWrapper) -> Iterator[str]:
    """Every way round that this database has."""
    for query in _NONE_OF_THESE:
        cursor.execute(query)
        yield from (sentence for (sentence,) in cursor.fetchall())
    yield from _of_other_owners(cursor)
    yield from _open_sequences(cursor)
    yield from _shut_out(cursor)
    yield from _changed_columns(cursor)
    yield from _lost_constraints(cursor)


def _of_other_owners(cursor: CursorWrapper) -> Iterator[str]:
    """Whoever owns a table may do anything to it."""
    cursor.execute(
        "SELECT relname, relowner::regrole::text FROM pg_class WHERE relkind IN ('r', 'v', 'm')"
        " AND relnamespace = 'public'::regnamespace AND relowner <> %s::regrole",
        [walls.quoted(walls.role_name("owner"))],
    )
    yield from (f"{table}: it belongs to {owner}" for table, owner in cursor.fetchall())


def _open_sequences(cursor: CursorWrapper) -> Iterator[str]:
    """Who may set a sequence decides which number the next event gets."""
    cursor.execute(
        "SELECT c.relname FROM pg_class c WHERE c.relkind = 'S' AND c.relnamespace = 'public'::regnamespace"
        " AND (has_sequence_privilege(%(app)s, c.oid, 'UPDATE') OR has_sequence_privilege(%(app)s, c.oid, 'SELECT'))",
        {"app": walls.role_name("app")},
    )
    yield from (f"{name}: the app role may read or set this sequence" for (name,) in cursor.fetchall())


def _shut_out(cursor: CursorWrapper) -> Iterator[str]:
    """What the app role needs and has not: then everything is refused, which is safe, and nothing works."""
    app = walls.role_name("app")
    cursor.execute(
        "SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = 'pilot'::regnamespace"
        " AND NOT has_function_privilege(%s, p.oid, 'EXECUTE')",
        [app],
    )
    yield from (f"{app} may not run the function {name}, and should" for (name,) in cursor.fetchall())
    cursor.execute(
        "SELECT n.nspname FROM pg_namespace n WHERE n.nspname IN ('public', 'pilot')"
        " AND NOT has_schema_privilege(%s, n.oid, 'USAGE')",
        [app],
    )
    yield from (f"{app} may not use the schema {name}, and should" for (name,) in cursor.fetchall())


def _changed_columns(cursor: CursorWrapper) -> Iterator[str]:
    """Columns that the models do not have, and defaults that fill in what nobody said."""
    cursor.execute(
        "SELECT c.relname, a.attname, a.atthasdef AND a.attgenerated = '' FROM pg_attribute a"
        " JOIN pg_class c ON c.oid = a.attrelid WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace"
        " AND a.attnum > 0 AND NOT a.attisdropped",
    )
    there: dict[str, dict[str, bool]] = {}
    for table, column, has_default in cursor.fetchall():
        there.setdefault(table, {})[column] = has_default
    for model in declared():
        models = [model, *([model.history.model] if privacy_of(model).is_audited else [])]  # type: ignore[attr-defined]
        for each in models:
            fields = {field.column: field for field in each._meta.concrete_fields}
            for column, has_default in there.get(each._meta.db_table, {}).items():
                if column not in fields:
                    yield f"{each._meta.db_table}: nothing declares the column {column}"
                elif has_default and not fields[column].has_db_default():
                    yield f"{each._meta.db_table}: the column {column} has a default that nothing declares"


def _lost_constraints(cursor: CursorWrapper) -> Iterator[str]:
    """What the models say is always true of a row."""
    cursor.execute(
        "SELECT c.relname, k.conname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid UNION"
        " SELECT c.relname, i.relname FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid"
        " JOIN pg_class i ON i.oid = x.indexrelid WHERE x.indisvalid"
    )
    there = set(cursor.fetchall())
    for model in declared():
        for rule in model._meta.constraints:
            if (model._meta.db_table, rule.name) not in there:
                yield f"{model._meta.db_table}: the constraint {rule.name} is missing"
