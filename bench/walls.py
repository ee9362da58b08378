"""What the second wall and the audit cost: the same code on two clones of one database, with and without them."""

from __future__ import annotations

import datetime as dt
import statistics
import time
from collections.abc import Callable
from typing import Any

from django.db import connections

from bench.table import Row

FEW, MANY, PAGE, ROUNDS = 1_000, 100_000, 25, 40


def measure() -> list[Row]:
    """Writing with history, event and policies against writing without; a practice's newest referrals, few and many."""
    from tests.databases import Cloner

    cloner = Cloner()
    cloner.prepare()
    try:
        with cloner.clone():
            written, listed_few, listed_many = _measured()
        with cloner.clone():
            _take_down_the_walls()
            bare_written, _, bare_many = _measured()
    finally:
        cloner.close()
    return [
        Row("create + update, audited and walled ÷ neither", written / bare_written, 1.5),
        Row(
            f"list of {PAGE} at {MANY:,} rows, policies + filter ÷ filter alone", listed_many / bare_many, 1.3
        ),
        Row(f"list of {PAGE}, {MANY:,} rows ÷ {FEW:,} rows", listed_many / listed_few, 1.2),
    ]


def _measured() -> tuple[float, float, float]:
    """Seconds for writing a patient, and for a page of referrals at few and at many rows: medians."""
    from pilot.access import Role
    from tests import factories

    pilot = factories.make_pilot()
    actor = factories.make_staff(Role.RECEPTIONIST, pilot.practice)
    written = _median(lambda: _write(pilot.practice, actor))
    _fill(pilot.practice, FEW)
    few = _median(lambda: _list(actor))
    _fill(pilot.practice, MANY - FEW)
    return written, few, _median(lambda: _list(actor))


def _write(practice: Any, by: Any) -> None:
    from uuid import uuid4

    from pilot.access import acting
    from pilot.people.models import Patient

    key = uuid4()
    with acting(by, "bench.written", patients=[key]):
        patient = Patient(
            id=key, practice=practice, given_name="Ann", family_name="Arbor", nhs_number_unknown=True,
            date_of_birth=dt.date(1984, 3, 27),
        )  # fmt: skip
        patient.save(force_insert=True)
        patient.given_name = "Anna"
        patient.save(update_fields=["given_name"])


def _list(by: Any) -> None:
    from pilot.access import acting
    from referrals.models import Referral

    with acting(by, "bench.listed"):
        found = list(Referral.objects.visible_to(by).order_by("-logged_at", "-id")[:PAGE])
    if len(found) != PAGE:
        raise RuntimeError("The list is not what was to be measured.")


def _fill(practice: Any, rows: int) -> None:
    """Invented patients with a referral each, put in by the owner behind the triggers' back: only reading is measured."""
    statements = (
        "ALTER TABLE people_patient DISABLE TRIGGER USER; ALTER TABLE referrals_referral DISABLE TRIGGER USER",
        f"""INSERT INTO people_patient (id, created_at, version, practice_id, nhs_number_unknown, given_name, family_name,
            preferred_name, pronouns, date_of_birth, address, phone, email, message_is_safe, preferred_contact, needs,
            needs_note, language)
            SELECT gen_random_uuid(), now(), 1, '{practice.pk}', true, 'Ann', 'Bench', '', '', '1984-03-27', '', '', '',
            false, '1', '{{}}', '', '' FROM generate_series(1, {rows})""",
        f"""INSERT INTO referrals_referral (id, created_at, version, patient_id, practice_id, reference, reasons, own_words,
            best_times, status, source, logged_at, ending)
            SELECT gen_random_uuid(), now(), 1, p.id, p.practice_id, left(md5(p.id::text), 10), '{{find_work}}', '', '{{}}',
            'awaiting_decision', 'desk', now() - random() * interval '500 days', ''
            FROM people_patient p WHERE p.practice_id = '{practice.pk}' AND p.family_name = 'Bench'
            AND NOT EXISTS (SELECT FROM referrals_referral r WHERE r.patient_id = p.id)
            ON CONFLICT DO NOTHING""",
        "ANALYZE people_patient, referrals_referral",
    )
    with connections["owner"].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _take_down_the_walls() -> None:
    """No triggers and no row policies: the database as a project without them would have it."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f'ALTER TABLE "{name}" DISABLE TRIGGER USER')
            cursor.execute(f'ALTER TABLE "{name}" DISABLE ROW LEVEL SECURITY')


def _median(work: Callable[[], None]) -> float:
    for _ in range(5):
        work()
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)
