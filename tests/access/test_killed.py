"""Whoever is killed in the middle of something leaves all of it or nothing, and holds nobody up."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import time_machine
from django.core.management import call_command
from django.db import connections
from django.test import Client
from django.utils import timezone

from coaching.models import Session
from consent.models import Decision, Receipt
from pilot.access import Role, acting
from pilot.outbox.models import LONGEST_ATTEMPT, Message
from pilot.outbox.tasks import send_due, settle_cut_off
from pilot.people.models import Patient
from referrals.models import Allocation, Referral, ReferralGrant
from tests import factories
from tests.access.racing import Case, check_nothing_came_after, make_case
from tests.coaching.case import in_days

if TYPE_CHECKING:
    from pilot.access import Actor

ROOT = Path(__file__).parents[2]

# A process of its own, which dies at the place that a test names, in mid-transaction; and what it does there.
DIES = """
import os, signal, sys
import django
django.setup()
from tests.databases import point_to
database, patient, supervisor, referral = sys.argv[1:5]
point_to(database)
import audit.looks, consent.actions, referrals.actions
from pilot.access import Actor, Role, acting
from pilot.outbox import sending, tasks
from pilot.people.models import Patient
from referrals.models import Referral
die = lambda *args, **kwargs: os.kill(os.getpid(), signal.SIGKILL)
system = Actor.system("tests")
with acting(system, "test.read", patients=[patient]):
    patient, referral = Patient.objects.get(pk=patient), Referral.objects.get(pk=referral)
supervisor = Actor(Role.SUPERVISOR, supervisor, "Supervisor")
"""
DEEDS = {
    "a withdrawal, before its commit": """
audit.looks.Looks.record = die
consent.actions.withdraw(patient, by=Actor(Role.PATIENT, patient.account_id, "Patient"))
""",
    "taking the referral back, before its commit": """
audit.looks.Looks.record = die
referrals.actions.hand_back(referral, by=supervisor)
""",
}


@pytest.fixture
def case(own_database: str) -> Case:
    pilot = factories.make_pilot()
    staff: dict[Role, Actor] = {
        role: factories.make_staff(role, pilot.practice if role is Role.RECEPTIONIST else pilot.provider)
        for role in (Role.COACH, Role.SUPERVISOR, Role.RECEPTIONIST)
    }
    return make_case(staff, factories.sign_in(Client(), staff[Role.COACH]), pilot)


def is_killed(case: Case, own_database: str, deed: str) -> None:
    told = (own_database, case.patient.pk, case.supervisor.user_id, case.referral.pk)
    process = subprocess.run(
        [sys.executable, "-c", DIES + deed, *map(str, told)],
        check=False, timeout=120, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True,
    )  # fmt: skip
    assert process.returncode == -9, process.stderr.decode()


def everything() -> dict[str, tuple[int, int]]:
    """How many rows there are in each table, and a sum of what they say."""
    with connections["owner"].cursor() as cursor:
        found = {}
        for table in TABLES:
            cursor.execute(f"SELECT count(*), sum(hashtext(t::text)::bigint) FROM {table} t")
            found[table] = cursor.fetchone()
        return found


TABLES = [
    model._meta.db_table
    for model in (Decision, Receipt, Referral, Allocation, ReferralGrant, Session, Message, Patient)
]


@pytest.mark.parametrize("deed", DEEDS)
def test_a_process_killed_in_the_middle_has_done_nothing_and_locks_nothing(
    case: Case, own_database: str, deed: str
) -> None:
    factories.make_session(case.referral, case.coach, starts_at=in_days(3))
    before = everything()
    is_killed(case, own_database, DEEDS[deed])
    assert everything() == before
    assert case.browser.get(f"/coaching/people/{case.referral.pk}/").status_code == 200
    # Tried again, it happens, and once.
    case.stop()
    check_nothing_came_after(case)
    call_command("grants", "compare", verbosity=0)


def test_a_worker_killed_with_a_message_in_its_hands_lets_it_go_nowhere_after_a_withdrawal(
    case: Case, own_database: str, mailoutbox: list[object]
) -> None:
    message = factories.MessageFactory(patient=case.patient, purpose="reminders")
    is_killed(case, own_database, "sending.hand_over = die\ntasks.send_due()")
    case.stop()
    # Its time is over, the task is handed out again, and the clock looks after what was cut off.
    with time_machine.travel(timezone.now() + LONGEST_ATTEMPT + dt.timedelta(seconds=1)):
        for _ in range(2):
            send_due()
            settle_cut_off()
    with acting(factories.TESTS, "test.read", patients=[case.patient.pk]):
        assert Message.objects.get(pk=message.pk).status != Message.Status.SENT
    assert mailoutbox == []
