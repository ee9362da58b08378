"""Records that are older than this pilot: nothing but the owner, with the triggers off, can make one."""

from __future__ import annotations

from uuid import UUID

from django.db import connections

from audit.erasure.retention import erasable_models
from pilot.people.models import Patient
from referrals.models import Referral


def end_support(patient: Patient) -> None:
    """Every referral of theirs has ended."""
    _as_system(
        "UPDATE referrals_referral SET status = 'ended', ending = 'support_complete', ended_at = now(), provider_id = NULL"
        " WHERE patient_id = %s AND status <> 'ended'",
        [patient.pk],
    )


def age(patient: Patient, years: float) -> None:
    """Everything that ever happened to this patient's record happened so many years earlier. Sealed or not, so it looks."""
    days = f"{int(years * 365.25)} days"
    _as_system(
        "UPDATE people_patient SET created_at = created_at - %s::interval WHERE id = %s", [days, patient.pk]
    )
    _as_system(
        f"UPDATE {Referral._meta.db_table} SET logged_at = logged_at - %s::interval, ended_at = ended_at - %s::interval"
        " WHERE patient_id = %s",
        [days, days, patient.pk],
    )
    _move_events(patient.pk, days)


def _move_events(patient: UUID, days: str) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE audit_event DISABLE TRIGGER USER")
        cursor.execute("UPDATE audit_event SET at = at - %s::interval WHERE patient_id = %s", [days, patient])
        cursor.execute("ALTER TABLE audit_event ENABLE TRIGGER USER")
        for model in erasable_models():
            privacy = model.privacy  # type: ignore[attr-defined]
            cursor.execute(
                f"UPDATE {model.history.model._meta.db_table} SET history_date = history_date - %s::interval"  # type: ignore[attr-defined]
                f" WHERE {privacy.erased_by} = %s",
                [days, patient],
            )


def _as_system(statement: str, parameters: list[object]) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT set_config('pilot.user', 'system:tests', false), set_config('pilot.role', 'system', false),"
            " set_config('pilot.action', 'tests.aged', false)"
        )
        cursor.execute(statement, parameters)
        cursor.execute(
            "SELECT set_config('pilot.user', '', false), set_config('pilot.role', '', false),"
            " set_config('pilot.action', '', false)"
        )
