"""“I see this differently”: the patient's own words beside a text, wherever it is shown, for ever."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse

from coaching.models import Reply, Session, SessionStatus
from consent.actions import withdraw
from pilot.access import Actor, Role, acting
from pilot.record.notes.actions import reply_to_note
from pilot.record.replies.actions import reply_to_session
from referrals.models import ClinicalNote
from referrals.notes.models import NoteReply
from tests import factories
from tests.forms import send
from tests.record.cases import Case
from tests.record.test_own_pages import page

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

WORDS = "We never spoke of part-time."


@pytest.fixture
def session(case: Case) -> Session:
    with acting(case.coach, "test.read"):
        return Session.objects.get(referral=case.referral, status=SessionStatus.HELD)


@pytest.fixture
def note(case: Case) -> ClinicalNote:
    with acting(case.clinician, "test.read"):
        return ClinicalNote.objects.get(patient=case.patient)


def shown_to(actor: Actor, name: str, *arguments: object) -> str:
    answer = factories.sign_in(Client(), actor).get(reverse(name, args=arguments))
    assert answer.status_code == 200
    return answer.content.decode()


def test_words_stand_beside_a_session_wherever_it_is_shown(case: Case, session: Session) -> None:
    send(case.browser, reverse("record:session_differently", args=[session.pk]), words=WORDS)
    assert WORDS in page(case.browser, "sessions")
    assert WORDS in shown_to(case.coach, "coaching:session", session.pk)
    assert WORDS in shown_to(case.coach, "coaching:person", case.referral.pk)


def test_a_session_that_did_not_happen_can_be_seen_differently_too(case: Case) -> None:
    with acting(case.coach, "test.read"):
        session = Session.objects.get(referral=case.referral, status=SessionStatus.DID_NOT_HAPPEN)
    reply_to_session(session, "I was there.", by=case.actor)
    assert "I was there." in shown_to(case.coach, "coaching:session", session.pk)


def test_words_beside_a_session_outlast_taking_part_and_the_coachs_sight_does_not(
    case: Case, session: Session
) -> None:
    reply_to_session(session, WORDS, by=case.actor)
    withdraw(case.patient, by=case.actor)
    assert WORDS in page(case.browser, "sessions")
    reply_to_session(session, "And it was in May.", by=case.actor)
    with acting(case.coach, "test.read"):
        assert not Reply.objects.exists()


def test_words_beside_a_note_are_read_by_whoever_reads_the_note_and_nobody_else(
    case: Case, note: ClinicalNote
) -> None:
    send(case.browser, reverse("record:note_differently", args=[note.pk]), words=WORDS)
    assert WORDS in page(case.browser, "notes")
    assert WORDS in shown_to(case.clinician, "referrals:notes", case.patient.pk)
    supervisor = factories.make_staff(Role.SUPERVISOR, case.pilot.provider)
    elsewhere = factories.make_staff(Role.CLINICIAN, case.pilot.other_practice)
    for actor in (case.coach, case.receptionist, supervisor, elsewhere):
        with acting(actor, "test.read", patients=[case.patient.pk]), connection.cursor() as cursor:
            for table in ("referrals_notereply", "referrals_historicalnotereply"):
                cursor.execute(f"SELECT count(*) FROM {table}")
                assert cursor.fetchone() == (0,), (actor.role, table)
            cursor.execute("SELECT count(*) FROM audit_event WHERE relation = 'referrals_notereply'")
            assert cursor.fetchone() == (0,)


def test_such_words_never_change_and_never_go(case: Case, session: Session, note: ClinicalNote) -> None:
    reply_to_session(session, WORDS, by=case.actor)
    reply_to_note(note, WORDS, by=case.actor)
    for model, actor in ((Reply, case.coach), (Reply, case.actor), (NoteReply, case.clinician)):
        for change in ("UPDATE {} SET words = ''", "DELETE FROM {}"):
            with (
                acting(actor, "test.changed", patients=[case.patient.pk]),
                pytest.raises(DatabaseError),
                transaction.atomic(),
                connection.cursor() as cursor,
            ):
                cursor.execute(change.format(model._meta.db_table))


def test_words_are_needed(case: Case, session: Session) -> None:
    assert send(case.browser, reverse("record:session_differently", args=[session.pk])).status_code == 422
