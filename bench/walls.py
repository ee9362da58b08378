"""What the second wall costs who reads: the same code on two clones of one database, with and without it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from django.db import connections

from bench.table import Row
from bench.writing import take_down_the_walls

FEW, MANY, PAGE, ROUNDS = 1_000, 100_000, 25, 40


def measure() -> list[Row]:
    """A practice's newest referrals, few and many, with policies and without."""
    from tests.databases import Cloner

    cloner = Cloner()
    cloner.prepare()
    try:
        with cloner.clone():
            listed_few, listed_many = _measured()
        with cloner.clone():
            take_down_the_walls()
            _, bare_many = _measured()
    finally:
        cloner.close()
    return [
        Row(
            f"list of {PAGE} at {MANY:,} rows, policies + filter ÷ filter alone", listed_many / bare_many, 1.3
        ),
        Row(f"list of {PAGE}, {MANY:,} rows ÷ {FEW:,} rows", listed_many / listed_few, 1.2),
    ]


def _measured() -> tuple[float, float]:
    """Seconds for a page of referrals at few and at many rows: medians."""
    from pilot.access import Role
    from tests import factories

    pilot = factories.make_pilot()
    actor = factories.make_staff(Role.RECEPTIONIST, pilot.practice)
    _fill(pilot.practice, FEW)
    few = _median(lambda: _list(actor))
    _fill(pilot.practice, MANY - FEW)
    return few, _median(lambda: _list(actor))


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


def _median(work: Callable[[], None]) -> float:
    for _ in range(5):
        work()
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)
