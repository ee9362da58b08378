"""A withdrawal costs the same however much was written in three years, and however much lies ahead."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from coaching.models import Goal, Session, SessionStatus
from consent.actions import withdraw
from consent.models import Purpose, Receipt
from pilot.access import Role, acting
from pilot.outbox.models import Message
from tests import factories

pytestmark = pytest.mark.django_db(databases=["default", "owner"])
# The aim: so many round trips to the database, each for a handful of rows.
MOST = 30


def with_records(pilot, *, past, ahead, waiting):
    """A patient with a coach, so many sessions held and reminders sent, sessions booked, and messages that wait."""
    coach = factories.make_staff(Role.COACH, pilot.provider)
    patient = factories.make_patient(pilot.practice, account=True)
    referral = factories.make_referral(patient, status=factories.Status.WAITING)
    factories.give_consent(patient, *Purpose)
    factories.allocate_to(referral, coach)
    week, now = dt.timedelta(weeks=1), timezone.now()
    held = {"status": SessionStatus.HELD, "agreed": "Two mornings.", "recorded_at": now}
    of = {
        "referral": referral,
        "patient": patient,
        "coach_id": coach.user_id,
        "minutes": 45,
        "place": "phone",
    }
    sent = {"status": Message.Status.SENT, "sent_at": now}
    with acting(factories.TESTS, "test.made", patients=[patient.pk]):
        Session.objects.bulk_create(
            Session(**of, **held, starts_at=now - n * week) for n in range(1, past + 1)
        )
        Goal.objects.bulk_create(
            Goal(referral=referral, patient=patient, words="Work.") for _ in range(past // 5)
        )
        Message.objects.bulk_create(
            factories.MessageFactory.build(
                patient=patient,
                practice_id=patient.practice_id,
                purpose=Purpose.REMINDERS,
                **(sent if n < past else {}),
            )
            for n in range(past + waiting)
        )
    for n in range(1, ahead + 1):
        factories.make_session(referral, coach, starts_at=now + n * week)
    return patient


def trips(patient):
    actor = factories.patient_actor(patient)
    with CaptureQueriesContext(connection) as asked:
        withdraw(patient, by=actor)
    with acting(factories.TESTS, "test.looked", patients=[patient.pk]):
        assert not Session.objects.filter(patient=patient, status=SessionStatus.BOOKED).exists()
        assert not Message.objects.filter(patient=patient, status=Message.Status.DUE).exists()
        assert Receipt.objects.filter(patient=patient, kind=Receipt.Kind.WITHDRAWN).count() == 1
    return len(asked)


def test_it_is_flat_and_within_thirty_round_trips(pilot):
    little = trips(with_records(pilot, past=1, ahead=1, waiting=1))
    much = trips(with_records(pilot, past=150, ahead=4, waiting=6))
    assert much == little
    assert much <= MOST
