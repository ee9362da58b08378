"""Rows, history and events held against each other: what was changed, added or removed behind the log's back is named.

All of it is asked of the database, table by table, in one snapshot; nothing is changed, and no content is told. Whether the
events themselves, and what is bound to them, are as they were sealed is another question: `audit.sealing` answers it. The
tables of libraries keep no history and are not held against anything.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connections, models, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from audit.erasure.retention import YEARS
from audit.privacy import declared, privacy_of
from audit.triggers import kept_columns, shapes

ALIAS = "auditor"
BATCH = 2000
CHANGES = "('created', 'changed', 'deleted')"
OLDER = "older"  # Written before events said which columns there were: nothing can be said of the digest.

# What may be wrong, and what it means. In place of the braces stand the columns that differ.
SAYS = {
    "no history": "The row has no history: it was added while the triggers were off.",
    "differs": "The row is not what its newest history says: {columns} changed while the triggers were off.",
    "gone": "The row is gone, and nothing says that it was removed.",
    "still there": "By its history the row was removed, and it is there.",
    "order": "The row's history is not in the order of its events.",
    "erased": "The record was erased, and here is something of it.",
    "no event": "A line of history belongs to no event of this table.",
    "history removed": "The event's line of history is gone.",
    "twice": "More than one line of history belongs to this event.",
    "not the same": "The event and its line of history do not say the same: {columns}.",
    "no digest": "The event of a change has no digest.",
    "altered": "The line of history is not the one that the event's digest was made of.",
    "unknown columns": "Nothing says which columns the event's digest was made of: its shape is not kept.",
    "unknown table": "The event is of a change to a table that keeps no history.",
    "another shape": "The columns are not those that its name was made of.",
    "no tombstone": "The event says that a record was erased, and there is no tombstone.",
    "stone alone": "A tombstone belongs to no event of an erasure.",
    "other stone": "The tombstone is not the one that the event's digest was made of.",
    "too early": f"The record was erased less than {YEARS} years after somebody had last written in it.",
    "written after": "The record was changed after it had been erased.",
}


class CannotCheckError(RuntimeError):
    """Nothing was checked; the message says why and what to do."""


@dataclass(frozen=True)
class Difference:
    """One thing that does not agree, and where: the table, the row's key, the event's number."""

    table: str
    key: str | None
    event: int | None
    what: str
    columns: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        return SAYS[self.what].format(columns=", ".join(self.columns))

    def as_json(self) -> dict[str, Any]:
        return {
            "table": self.table,
            "key": self.key,
            "event": self.event,
            "what": self.what,
            "columns": list(self.columns),
            "says": self.sentence,
        }


class Check:
    """One check. Iterating over it does it, and counts what was held against what."""

    def __init__(self, since: int = 0) -> None:
        """Hold every row against its newest history; history and events against each other from event `since` on.

        Rows are always all held: what was done behind the log's back has no date.
        """
        self.since = since
        self.rows = self.versions = self.events = self.older = 0

    def __iter__(self) -> Iterator[Difference]:
        with _reading() as cursor:
            known, wrong = _shapes(cursor)
            yield from wrong
            tables = [model for model in declared() if privacy_of(model).is_audited]
            for model in tables:
                history: Any = model.history.model  # type: ignore[attr-defined]
                self.rows += _count(cursor, model._meta.db_table)
                self.versions += _count(cursor, history._meta.db_table, "event_id", self.since)
                yield from self._found(model._meta.db_table, _rows_and_history(model))
                yield from self._found(
                    model._meta.db_table, _history_and_events(model, self.since, known[model._meta.db_table])
                )
                yield from self._found(model._meta.db_table, _copies(model, self.since))
            self.events += _count(cursor, "audit_event", "id", self.since)
            names = [model._meta.db_table for model in tables]
            yield from self._found("audit_event", _of_no_table(names, list(known), self.since))
            yield from self._found("audit_erasure", _tombstones())

    def _found(self, table: str, query: str) -> Iterator[Difference]:
        """What a query tells: (key, event, what, columns) of each difference. Fetched as it is read, a batch at a time."""
        with connections[ALIAS].chunked_cursor() as cursor:
            cursor.execute(query)
            while found := cursor.fetchmany(BATCH):
                for key, event, what, columns in found:
                    if what == OLDER:
                        self.older += 1
                    else:
                        named = tuple(columns or ()) if "{columns}" in SAYS[what] else ()
                        yield Difference(table, key, event, what, named)


def first_event(since: str) -> int:
    """The number of the first event that was asked for: by its number, or by a day like 2026-11-02 where the pilot is.

    Refused (CannotCheckError) for anything else, and for what has not come yet: it would look as if all were well.
    """
    if since.isascii() and since.isdecimal():
        return _event_that_is_there(since)
    try:
        day = dt.date.fromisoformat(since)
    except ValueError:
        raise CannotCheckError(
            f"“{since[:40]}” is neither a day like 2026-11-02 nor an event’s number."
        ) from None
    if day > timezone.localdate():
        raise CannotCheckError(f"{day} is yet to come: there is nothing to check from then on.")
    with _reading() as cursor:
        cursor.execute(
            "SELECT coalesce(min(id), 0) FROM public.audit_event WHERE at >= %s::date::timestamp AT TIME ZONE %s",
            [day, settings.TIME_ZONE],
        )
        return int(cursor.fetchone()[0])


def _event_that_is_there(since: str) -> int:
    with _reading() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM public.audit_event")
        newest = int(cursor.fetchone()[0])
    # A number has no more digits than this; a day without its hyphens is one that no event has reached.
    if len(since) > 19 or int(since) > newest:
        raise CannotCheckError(
            f"The newest event is {newest}, and {since[:19]} is beyond it. A day is written like 2026-11-02."
        )
    return int(since)


@contextmanager
def _reading() -> Iterator[CursorWrapper]:
    """Everything as it is at one moment, so that nobody's work looks like a difference."""
    if ALIAS not in connections:
        raise CannotCheckError("Nobody may read everything here: set AUDITOR_DATABASE_URL.")
    with transaction.atomic(using=ALIAS), connections[ALIAS].cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SET LOCAL client_encoding = 'UTF8'")
        yield cursor


def _count(cursor: CursorWrapper, table: str, column: str = "", since: int = 0) -> int:
    which = f' WHERE "{column}" >= {since:d}' if since else ""
    cursor.execute(f'SELECT count(*) FROM public."{table}"{which}')  # noqa: S608 (our own names, and a number)
    return int(cursor.fetchone()[0])


def _shapes(cursor: CursorWrapper) -> tuple[dict[str, dict[str, list[str]]], list[Difference]]:
    """The columns by table and name of the shape, those of today too; and shapes that are not what their name says."""
    cursor.execute("SELECT id, relation, columns FROM public.audit_shape ORDER BY id")
    known: dict[str, dict[str, list[str]]] = {}
    wrong = []
    for name, relation, columns in cursor.fetchall():
        named = all(isinstance(each, str) for each in columns) and "\0".join([relation, *columns])
        if not named or hashlib.sha256(named.encode()).hexdigest()[:16] != name:
            # It says nothing of any event: those of this name are of unknown columns, unless today's have it.
            wrong.append(Difference("audit_shape", name, None, "another shape"))
            continue
        known.setdefault(relation, {})[name] = columns
    for name, relation, columns in shapes():
        known.setdefault(relation, {})[name] = columns
    return known, wrong


def _rows_and_history(model: type[models.Model]) -> str:
    """Every row against the newest line of its history."""
    key, columns = _quoted(model._meta.pk.column), kept_columns(model)
    differ = ", ".join(
        f"CASE WHEN r.{_quoted(c)} IS DISTINCT FROM h.{_quoted(c)} THEN '{c}' END" for c in columns
    )
    patient = getattr(privacy_of(model), "erased_by", None)
    erased = _is_erased(f"r.{_quoted(patient)}") if patient else "false"
    past = _past(model)
    return f"""
        SELECT * FROM (
            SELECT coalesce(r.{key}::text, h.{key}::text), coalesce(h.event_id, n.last), CASE
                WHEN n.newest IS NULL THEN 'no history'
                WHEN {erased} THEN 'erased'
                WHEN r.{key} IS NULL AND h.history_type <> '-' THEN 'gone'
                WHEN r.{key} IS NOT NULL AND h.history_type = '-' THEN 'still there'
                WHEN h.event_id IS DISTINCT FROM n.last THEN 'order'
                WHEN r.{key} IS NOT NULL AND cardinality(d.columns) > 0 THEN 'differs' END AS what, d.columns
            FROM public.{_quoted(model._meta.db_table)} r
            FULL JOIN (SELECT {key} AS key, max(history_id) AS newest, max(event_id) AS last FROM {past} GROUP BY {key}) n
                ON n.key = r.{key}
            LEFT JOIN {past} h ON h.history_id = n.newest
            CROSS JOIN LATERAL (SELECT array_remove(ARRAY[{differ}]::text[], NULL) AS columns) d
        ) found WHERE what IS NOT NULL"""  # noqa: S608 (names of our own tables and columns)


def _history_and_events(model: type[models.Model], since: int, known: dict[str, list[str]]) -> str:
    """Every line of history against its event, and the other way round."""
    privacy = privacy_of(model)
    key, past = _quoted(model._meta.pk.column), _past(model)
    same = {
        "kind": "e.kind = CASE h.history_type WHEN '+' THEN 'created' WHEN '~' THEN 'changed' ELSE 'deleted' END",
        "row_id": f"e.row_id = h.{key}::text",
        "actor": "h.history_user_id IS NOT DISTINCT FROM"
        " CASE WHEN e.actor ~ '^[0-9a-f-]{36}$' THEN e.actor::uuid END",
        "role": "e.role = h.history_role",
        "action": "e.action = h.history_action",
        "reason": "e.reason IS NOT DISTINCT FROM h.history_change_reason",
        "at": "h.history_date BETWEEN e.at - interval '1 minute' AND e.at + interval '1 minute'",
    }
    for column in ("patient", "practice"):
        name = getattr(privacy, column, None)
        value = f"h.{_quoted(name)}" if name else "NULL"
        same[f"{column}_id"] = f"e.{column}_id IS NOT DISTINCT FROM {value}"
    differ = ", ".join(f"CASE WHEN ({each}) IS NOT TRUE THEN '{name}' END" for name, each in same.items())
    patient = getattr(privacy, "erased_by", None)
    erased = _is_erased(f"h.{_quoted(patient)}") if patient else "false"
    return f"""
        SELECT * FROM (
            SELECT coalesce(e.row_id, h.{key}::text), coalesce(e.id, h.event_id), CASE
                WHEN e.id IS NULL THEN 'no event'
                WHEN h.history_id IS NULL THEN CASE WHEN {_covered(model)} THEN NULL ELSE 'history removed' END
                WHEN {erased} THEN 'erased'
                WHEN cardinality(d.columns) > 0 THEN 'not the same'
                WHEN e.digest IS NULL THEN 'no digest'
                ELSE {_digest_as_kept(model, known)} END AS what, d.columns
            FROM (SELECT * FROM public.audit_event WHERE relation = '{model._meta.db_table}' AND kind IN {CHANGES}
                AND id >= {since:d}) e
            FULL JOIN (SELECT * FROM {past} WHERE event_id IS NULL OR event_id >= {since:d}) h ON h.event_id = e.id
            CROSS JOIN LATERAL (SELECT array_remove(ARRAY[{differ}]::text[], NULL) AS columns) d
        ) found WHERE what IS NOT NULL"""  # noqa: S608 (names of our own tables and columns, and a number)


def _copies(model: type[models.Model], since: int) -> str:
    """Events with more than one line of history."""
    return f"""
        SELECT min({_quoted(model._meta.pk.column)}::text), event_id, 'twice', NULL::text[] FROM {_past(model)}
        WHERE event_id >= {since:d} GROUP BY event_id HAVING count(*) > 1"""  # noqa: S608 (our own names, and a number)


def _digest_as_kept(model: type[models.Model], known: dict[str, list[str]]) -> str:
    """NULL where the line of history is the one that the digest was made of; it is made again, of the columns that there
    were. Where a column is no longer there, or nothing says which there were, nothing can be said."""
    there = {each.column for each in model.history.model._meta.local_concrete_fields}  # type: ignore[attr-defined]
    cases = [
        f"WHEN e.shape = '{name}' THEN "
        + (
            f"CASE WHEN {_digest(columns)} THEN NULL ELSE 'altered' END"
            if set(columns) <= there
            else f"'{OLDER}'"
        )
        for name, columns in known.items()
    ]
    as_today = f"CASE WHEN {_digest(kept_columns(model))} THEN NULL ELSE '{OLDER}' END"
    return f"CASE {' '.join(cases)} WHEN e.shape IS NULL THEN {as_today} ELSE 'unknown columns' END"


def _digest(columns: list[str]) -> str:
    row = ", ".join(f"h.{_quoted(column)}" for column in columns)
    return f"e.digest IS NOT DISTINCT FROM sha256(uuid_send(h.nonce) || record_send(ROW({row})))"


def _of_no_table(tables: list[str], once: list[str], since: int) -> str:
    """Events of changes to tables that keep no history, or none any more."""
    names, before = (", ".join(map(_literal, each)) for each in (tables, once))
    return f"""
        SELECT e.row_id, e.id, CASE WHEN e.relation IN ({before}) THEN '{OLDER}' ELSE 'unknown table' END, NULL::text[]
        FROM public.audit_event e WHERE e.kind IN {CHANGES} AND e.id >= {since:d}
            AND (e.relation IS NULL OR e.relation NOT IN ({names}))"""  # noqa: S608 (names of tables, as literals)


def _tombstones() -> str:
    """Every tombstone against its event, and against what the log still says of the time before and after."""
    written = f"w.patient_id = t.patient_id AND w.kind IN {CHANGES} AND w.transaction <> t.transaction"
    return f"""
        SELECT * FROM (
            SELECT coalesce(e.patient_id, t.patient_id)::text, coalesce(e.id, t.event_id), CASE
                WHEN t.id IS NULL THEN 'no tombstone'
                WHEN e.id IS NULL THEN 'stone alone'
                WHEN e.patient_id IS DISTINCT FROM t.patient_id OR e.transaction <> t.transaction
                    OR e.at NOT BETWEEN t.at AND t.at + interval '1 day' OR e.digest IS DISTINCT FROM
                    sha256(record_send(ROW(t.patient_id, t.account_id, t.at, t.transaction, t.ground::text,
                        t.retained_until, t.rows))) THEN 'other stone'
                WHEN t.retained_until > t.at::date + 1 OR EXISTS (SELECT FROM public.audit_event w WHERE {written}
                    AND w.id < e.id AND w.role <> 'system' AND w.at > t.at - interval '{YEARS} years' + interval '2 days')
                    THEN 'too early'
                WHEN EXISTS (SELECT FROM public.audit_event w WHERE {written} AND w.id > e.id) THEN 'written after'
                END AS what, NULL::text[]
            FROM (SELECT * FROM public.audit_event WHERE kind = 'erased') e
            FULL JOIN public.audit_erasure t ON t.event_id = e.id
        ) found WHERE what IS NOT NULL"""  # noqa: S608 (text of our own)


def _covered(model: type[models.Model]) -> str:
    """Whether what belongs to the event `e` went with a record that was erased."""
    whose = "t.patient_id = e.patient_id"
    if model is get_user_model():
        whose = "e.row_id = t.account_id::text"
    elif getattr(privacy_of(model), "goes_with", None):
        # Its events name no patient. That it went then is an event, which only an erasure lets happen.
        whose = f"""EXISTS (SELECT FROM public.audit_event s JOIN public.audit_event g ON g.epoch = s.epoch
            AND g.transaction = s.transaction AND g.id > s.id WHERE s.id = t.event_id AND g.kind = 'deleted'
            AND g.relation = '{model._meta.db_table}' AND g.row_id = e.row_id)"""
    return f"""EXISTS (SELECT FROM public.audit_erasure t WHERE {whose}
        AND (e.id < t.event_id OR (e.kind = 'deleted' AND e.transaction = t.transaction)))"""


def _is_erased(patient: str) -> str:
    return f"EXISTS (SELECT FROM public.audit_erasure t WHERE t.patient_id = {patient})"


def _past(model: type[models.Model]) -> str:
    return f"public.{_quoted(model.history.model._meta.db_table)}"  # type: ignore[attr-defined]


def _quoted(name: str | None) -> str:
    return '"' + (name or "").replace('"', '""') + '"'


def _literal(text: str) -> str:
    """Which tables there were is told by a table that somebody may have written in."""
    return "'" + text.replace("'", "''") + "'"
