"""What stands in the tables, asked as their owner in as few statements as can be, for the machine to hold against itself."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.db import connections
from django.utils import timezone

from audit.privacy import Personal, declared, privacy_of

# Written by whoever reads, or by the sealer: not what an action does.
_LOG = (
    "audit_event",
    "audit_subject",
    "audit_leaf",
    "audit_node",
    "audit_checkpoint",
    "audit_shape",
    "audit_answer",
)
# About nobody in particular, and written by what the machine does.
_OTHERS = (
    "access_organisationgrant", "access_patientgrant", "referrals_referralgrant", "consent_informationsheet",
    "consent_notnow", "people_user",
)  # fmt: skip

PERSONAL: dict[str, Personal] = {}


def personal() -> dict[str, Personal]:
    """Every table with rows about patients but those of the log, and what is declared of it."""
    if not PERSONAL:
        for model in declared():
            privacy = privacy_of(model)
            if isinstance(privacy, Personal) and privacy.patient and model._meta.db_table not in _LOG:
                PERSONAL[model._meta.db_table] = privacy
    return PERSONAL


_SUM = "coalesce(sum(hashtextextended(t.ctid::text || t.xmin::text, 0)), 0)"


def snapshot(patients: Collection[UUID], since: int) -> dict[str, tuple[int, int]]:
    """How many rows each table has about these patients, and a sum that any change to one of them changes; and how many
    events there are since that one, looks left out."""
    parts = [
        f"SELECT '{table}', count(*), {_SUM} FROM {table} t WHERE {privacy.patient} = ANY($1)"
        for table, privacy in personal().items()
    ]
    parts += [f"SELECT '{table}', count(*), {_SUM} FROM {table} t" for table in _OTHERS]
    parts.append("SELECT 'audit_event', count(*), 0 FROM audit_event WHERE id > $2 AND kind <> 'read'")
    rows = _execute("machine_snapshot(uuid[], bigint)", " UNION ALL ".join(parts), list(patients), since)
    return {table: (count, total) for table, count, total in rows}


_FACTS = {
    "referrals": "SELECT jsonb_build_array(id, status) AS x, created_at AS o FROM referrals_referral WHERE patient_id = p",
    "decisions": "SELECT jsonb_build_array(d.purpose, d.answer, d.lapses_on, s.version, d.begins_at, d.xmin::text,"
    " d.id, d.created_at, d.corrects_id) AS x, d.created_at AS o"
    " FROM consent_decision d LEFT JOIN consent_informationsheet s ON s.id = d.sheet_id WHERE d.patient_id = p",
    "receipts": "SELECT jsonb_build_array(kind, xmin::text, lines, id) AS x, created_at AS o FROM consent_receipt"
    " WHERE patient_id = p",
    "messages": "SELECT jsonb_build_array(id, purpose, status, channel, due_at, claimed_at, created_at,"
    " subject || text) AS x, created_at AS o FROM outbox_message WHERE patient_id = p",
    "sessions": "SELECT jsonb_build_array(id, status, starts_at, referral_id) AS x, created_at AS o FROM coaching_session"
    " WHERE patient_id = p",
    "goals": "SELECT jsonb_build_array(id, referral_id) AS x, created_at AS o FROM coaching_goal WHERE patient_id = p",
    "calls": "SELECT jsonb_build_array(id, accepted_at IS NULL, emailed_at IS NULL) AS x, created_at AS o"
    " FROM coaching_distresscall WHERE patient_id = p",
    "notes": "SELECT jsonb_build_array(id, withheld_at IS NOT NULL) AS x, created_at AS o FROM referrals_clinicalnote"
    " WHERE patient_id = p",
    "note_corrections": "SELECT jsonb_build_array(id) AS x, created_at AS o FROM referrals_notecorrection"
    " WHERE patient_id = p AND status = 'open'",
    "requests": "SELECT jsonb_build_array(id, kind, practice_id IS NOT NULL, referral_id IS NOT NULL,"
    " acknowledged_at IS NOT NULL, extended_at IS NOT NULL, about_relation, about_row, due_on) AS x,"
    " created_at AS o FROM record_request WHERE patient_id = p AND status = 'open'",
    "copies": "SELECT jsonb_build_array(id, status, pdf IS NOT NULL, json IS NOT NULL, claimed_at, expires_at) AS x,"
    " created_at AS o FROM record_copy WHERE patient_id = p",
    "speakers": "SELECT jsonb_build_array(id) AS x, created_at AS o FROM consent_representative"
    " WHERE patient_id = p AND ended_at IS NULL",
    "texts": "SELECT jsonb_build_array(id) AS x, created_at AS o FROM outbox_receivedtext"
    " WHERE patient_id = p AND (called_at IS NULL OR is_stop AND wanted_again_at IS NULL)",
    "invitations": "SELECT jsonb_build_array(id) AS x, created_at AS o FROM referrals_invitation WHERE patient_id = p"
    " AND used_at IS NULL AND cancelled_at IS NULL AND attempts < 5 AND expires_at > $2",
}  # fmt: skip


def facts(patients: Collection[UUID]) -> dict[UUID, dict[str, list[Any]]]:
    """For each of these patients what there is of every kind, the oldest first."""
    parts = ", ".join(
        f"'{name}', (SELECT coalesce(jsonb_agg(f.x ORDER BY f.o), '[]') FROM ({query}) f)"
        for name, query in _FACTS.items()
    )
    statement = f"SELECT p, jsonb_build_object({parts}) FROM unnest($1) p"
    rows = _execute("machine_facts(uuid[], timestamptz)", statement, list(patients), timezone.now())
    return {patient: json.loads(there) for patient, there in rows}


def _execute(name: str, statement: str, *parameters: Any, alias: str = "owner") -> list[tuple[Any, ...]]:
    return execute_prepared(connections[alias], name, statement, *parameters)


def execute_prepared(connection: Any, name: str, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Run a statement that the connection prepares once: planning these takes longer than running them."""
    bare = name.partition("(")[0]
    marks = ", ".join(f"%s{cast}" for cast in _casts(name))
    with connection.cursor() as cursor:
        known = getattr(connection.connection, "machine_prepared", None)
        if known is None:
            known = connection.connection.machine_prepared = set()
            cursor.execute("SET plan_cache_mode = force_generic_plan")
        if bare not in known:
            cursor.execute(f"PREPARE {name} AS {statement}", None)
            known.add(bare)
        cursor.execute(f"EXECUTE {bare}({marks})", parameters)
        return list(cursor.fetchall())


def _casts(name: str) -> list[str]:
    kinds = name.partition("(")[2].rstrip(")")
    return [f"::{kind.strip()}" for kind in kinds.split(",")]


def moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)
