"""What is left of coaching after a patient stops, or after a coach stops helping."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client

from coaching import actions, consequences
from coaching.models import Session, SessionStatus
from consent.actions import withdraw
from consent.models import Purpose
from pilot.access import Actor, acting
from pilot.outbox.models import Message
from pilot.web import formats
from referrals import actions as referrals
from referrals.models import Referral
from tests import factories
from tests.coaching.case import NOTE, Case, in_days

TABLES = (
    "people_patient",
    "referrals_referral",
    "coaching_session",
    "coaching_goal",
    "coaching_distresscall",
    "coaching_historicalsession",
    "consent_decision",
)


def statuses(case: Case) -> list[str]:
    with acting(factories.patient_actor(case.referral.patient), "test.looked"):
        return sorted(Session.objects.values_list("status", flat=True))


def test_withdrawal_cancels_what_is_booked_and_leaves_the_past(case: Case) -> None:
    past = factories.make_session(case.referral, case.coach, starts_at=in_days(-3))
    actions.record_held(past, agreed="A plan.", version=1, by=case.coach)
    factories.make_session(case.referral, case.coach, starts_at=in_days(-1))
    ahead = factories.make_session(case.referral, case.coach, starts_at=in_days(3))
    patient = factories.patient_actor(case.referral.patient)
    with acting(patient, "test.looked"):
        preview = consequences.preview(case.referral.patient, [Purpose.TAKE_PART])
    when = formats.date_and_time(ahead.starts_at)
    assert preview == f"Your session on {when} will be cancelled."
    receipt = withdraw(case.referral.patient, by=patient)
    assert f"Your session on {when} is cancelled." in str(receipt.lines)
    assert statuses(case) == [SessionStatus.CANCELLED, SessionStatus.CANCELLED, SessionStatus.HELD]


def test_withdrawing_from_reminders_leaves_the_session_and_stops_the_reminder(case: Case) -> None:
    factories.give_consent(case.referral.patient, Purpose.REMINDERS)
    actions.book(case.referral, starts_at=in_days(5), place="phone", by=case.coach)
    withdraw(case.referral.patient, [Purpose.REMINDERS], by=factories.patient_actor(case.referral.patient))
    assert statuses(case) == [SessionStatus.BOOKED]
    with acting(case.receptionist, "test.looked"):
        about_sessions = Message.objects.filter(template__startswith="session")
        assert {message.status for message in about_sessions} == {"stopped"}


def test_nothing_is_said_of_sessions_where_none_is_booked(case: Case) -> None:
    patient = factories.patient_actor(case.referral.patient)
    receipt = withdraw(case.referral.patient, by=patient)
    assert "session" not in " ".join(line["text"] for line in receipt.lines).lower()


def test_the_practice_reads_only_that_sessions_end(case: Case) -> None:
    factories.make_session(case.referral, case.coach)
    with acting(case.receptionist, "test.looked"):
        line = consequences.preview(case.referral.patient, [Purpose.SHARE_WITH_COACH])
    assert line == "Any session that is booked will be cancelled."
    assert consequences.preview(case.referral.patient, [Purpose.EVALUATION]) is None


def test_after_a_withdrawal_the_same_session_finds_nothing(case: Case, coach_client: Client) -> None:
    session = factories.make_session(case.referral, case.coach, starts_at=in_days(-0.1))
    goal = actions.add_goal(case.referral, "A job.", by=case.coach)
    call = actions.raise_distress(case.referral, by=case.coach)
    person, at = f"/coaching/people/{case.referral.pk}/", f"/coaching/sessions/{session.pk}/"
    addresses = [
        person, f"{person}book/", f"{person}goals/add/", f"{person}distress/", f"/coaching/goals/{goal.pk}/",
        at, f"{at}change/", f"{at}took-place/", f"{at}did-not-happen/", f"{at}cancel/",
        f"/coaching/calls/{call.pk}/",
    ]  # fmt: skip
    for address in addresses:
        assert coach_client.get(address).status_code == 200, address

    withdraw(case.referral.patient, by=factories.patient_actor(case.referral.patient))

    for address in addresses:
        assert coach_client.get(address).status_code == 404, address
        assert coach_client.post(address, {"agreed": "Too late."}).status_code in (404, 405), address
    # Not "Ana" alone: a form's random key may hold three letters.
    for address in ("/coaching/", "/coaching/distress/"):
        assert not re.search(r"\bAna\b|Bell", coach_client.get(address).text), address
    assert statuses(case) == [SessionStatus.CANCELLED]


def test_in_raw_sql_a_coach_reads_no_clinical_note_and_after_a_withdrawal_nothing(case: Case) -> None:
    factories.make_session(case.referral, case.coach)
    actions.add_goal(case.referral, "A job.", by=case.coach)
    actions.raise_distress(case.referral, by=case.coach)
    assert all(rows(case.coach, table) for table in TABLES)
    for table in ("referrals_clinicalnote", "referrals_historicalclinicalnote"):
        assert rows(case.coach, table) == []
        assert rows(case.coach, table, patients=[case.referral.patient]) == []

    withdraw(case.referral.patient, by=factories.patient_actor(case.referral.patient))

    assert [table for table in TABLES if rows(case.coach, table)] == []


def rows(actor: Actor, table: str, patients: list[factories.Patient] | None = None) -> list[object]:
    subjects = [patient.pk for patient in patients or []]
    with acting(actor, "test.looked", patients=subjects), connection.cursor() as cursor:
        cursor.execute(f'SELECT * FROM "{table}"')
        return list(cursor.fetchall())


@pytest.mark.parametrize("how", ["handed back", "ended"])
def test_when_a_coach_stops_helping_what_is_booked_is_cancelled_and_the_patient_told(
    case: Case, how: str
) -> None:
    factories.give_consent(case.referral.patient, Purpose.REMINDERS)
    actions.book(case.referral, starts_at=in_days(5), place="phone", by=case.coach)
    if how == "ended":
        referrals.end_referral(case.referral, ending=Referral.Ending.MOVED, by=case.coach)
    else:
        supervisor = factories.make_staff(factories.Role.SUPERVISOR, case.pilot.provider)
        referrals.hand_back(case.referral, by=supervisor)
    assert statuses(case) == [SessionStatus.CANCELLED]
    with acting(case.receptionist, "test.looked"):
        assert Message.objects.filter(template="session_cancelled", status="due").count() == 1


def test_no_page_of_a_coach_shows_anything_clinical(case: Case, coach_client: Client) -> None:
    pages = [
        "/coaching/",
        f"/coaching/people/{case.referral.pk}/",
        f"/coaching/people/{case.referral.pk}/book/",
    ]
    for address in pages:
        text = coach_client.get(address).text
        assert "Ana Bell" in text
        for word in (NOTE, "Sertraline", "depression", "linical"):
            assert word not in text, word
