"""A patient asks for what is written to be corrected: by the side that wrote it, within a clock, old and new to be seen."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, transaction
from django.http import Http404
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from coaching.actions import reword
from coaching.models import Session, SessionStatus
from consent.actions import withdraw
from pilot.access import Actor, Role, acting
from pilot.outbox.models import Message
from pilot.people.models import Patient
from pilot.record.models import Detail, Kind, Outcome, Request
from pilot.record.notes.actions import ask_to_correct_note, correct_note, let_note_stand
from pilot.record.requests.actions import answer_correction, answer_request, ask_for_correction
from pilot.record.requests.policies import due_on
from referrals.actions import hand_back
from referrals.models import ClinicalNote
from referrals.notes.actions import withhold_note
from referrals.notes.models import NoteCorrection, NoteReply
from referrals.notes.policies import Grounds
from referrals.patients.models import DetailReply
from tests import factories
from tests.forms import send
from tests.record.cases import Case
from tests.record.test_own_pages import page

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

ASKED = "I gave you another number."


@pytest.fixture
def guardian(case: Case) -> Actor:
    return factories.make_staff(Role.CALDICOTT_GUARDIAN, case.pilot.office, name="Ada Guardian")


@pytest.fixture
def note(case: Case) -> ClinicalNote:
    with acting(case.clinician, "test.read"):
        return ClinicalNote.objects.get(patient=case.patient)


@pytest.fixture
def session(case: Case) -> Session:
    with acting(case.coach, "test.read"):
        return Session.objects.get(referral=case.referral, status=SessionStatus.HELD)


def browser_of(actor: Actor) -> Client:
    return factories.sign_in(Client(), actor)


def the_request(case: Case) -> Request:
    with acting(case.actor, "test.read"):
        return Request.objects.get(patient=case.patient)


def ask_about_details(case: Case) -> Request:
    return ask_for_correction(case.patient, ASKED, detail=Detail.REACH, by=case.actor)


def change_phone(case: Case, phone: str = "020 7946 0999") -> None:
    with acting(case.receptionist, "patient.details_changed", patients=[case.patient.pk]):
        patient = Patient.objects.get(pk=case.patient.pk)
        patient.phone = phone
        patient.move_on()
        patient.save()


# --- Details: the practice -------------------------------------------------------------------------


def test_the_practice_is_asked_corrects_and_answers_and_old_and_new_can_be_seen(case: Case) -> None:
    patient = case.browser
    answer = send(
        patient, reverse("record:wrong_detail"), follow=False, detail=Detail.REACH.value, words=ASKED
    )
    asked = the_request(case)
    assert answer.url == reverse("record:question", args=[asked.pk])
    assert asked.due_on == due_on(Kind.CORRECTION, asked.opened_at)
    assert "Only you, your practice and the guardian can see this" in page(patient, "question", asked.pk)
    desk = browser_of(case.receptionist)
    assert "Amina" in page(desk, "corrections")
    address = reverse("record:correction", args=[asked.pk])
    refused = send(desk, address, outcome=Outcome.ACCEPTED.value, answer="Done.")
    assert refused.status_code == 422
    assert "Nothing has been corrected since they asked" in refused.content.decode()
    change_phone(case)
    assert "020 7946 0999" in page(desk, "correction", asked.pk)
    assert send(desk, address, follow=False, outcome="accepted", answer="Done.").status_code == 302
    read = page(patient, "question", asked.pk)
    for each in ("It was corrected", "Done.", "Receptionist of Amina", "020 7946 0000", "020 7946 0999"):
        assert each in read, each
    with acting(case.receptionist, "test.read"):
        assert Message.objects.filter(template="news").count() == 1


def test_what_is_not_corrected_has_the_patients_words_beside_it_for_ever(case: Case) -> None:
    asked = ask_about_details(case)
    address = reverse("record:correction", args=[asked.pk])
    send(browser_of(case.receptionist), address, outcome="not_accepted", answer="It is what you wrote.")
    assert "It stays as it is. Your words stand beside it." in page(case.browser, "question", asked.pk)
    assert ASKED in page(case.browser, "details")
    at_desk = browser_of(case.receptionist).get(reverse("referrals:patient", args=[case.patient.pk]))
    coaching = browser_of(case.coach).get(reverse("coaching:person", args=[case.referral.pk]))
    assert ASKED in at_desk.content.decode()
    # They were told that their practice and the guardian read it.
    assert ASKED not in coaching.content.decode()
    with acting(case.coach, "test.looked"):
        assert not DetailReply.objects.exists()
    with (
        acting(case.receptionist, "test.changed", patients=[case.patient.pk]),
        pytest.raises(DatabaseError),
        transaction.atomic(),
    ):
        DetailReply.objects.all().update(words="Nothing.")


def test_of_a_change_of_something_else_it_is_not_said_that_it_was_corrected(case: Case) -> None:
    asked = ask_for_correction(case.patient, "I am Amina Noor.", detail=Detail.NAME, by=case.actor)
    change_phone(case)
    with pytest.raises(ValidationError, match="Nothing has been corrected"):
        answer_correction(asked, "Done.", outcome=Outcome.ACCEPTED, by=case.receptionist)


def test_the_same_is_asked_for_once_at_a_time(case: Case) -> None:
    ask_about_details(case)
    with pytest.raises(ValidationError, match="asked about this already"):
        ask_about_details(case)
    ask_for_correction(case.patient, "And my name.", detail=Detail.NAME, by=case.actor)


def test_another_practice_and_a_coach_see_nothing_of_what_the_practice_is_asked(case: Case) -> None:
    asked = ask_about_details(case)
    elsewhere = factories.make_staff(Role.RECEPTIONIST, case.pilot.other_practice)
    for staff in (elsewhere, case.coach):
        with acting(staff, "test.read", patients=[case.patient.pk]):
            assert not Request.objects.exists()
            assert not Request.history.exists()
        with pytest.raises(Http404):
            answer_correction(asked, "No.", outcome=Outcome.NOT_ACCEPTED, by=staff)


# --- Sessions and goals: the coach -----------------------------------------------------------------


def test_the_coach_corrects_what_they_wrote(case: Case, session: Session) -> None:
    send(case.browser, reverse("record:wrong_session", args=[session.pk]), words="I said one job.")
    asked = the_request(case)
    assert (asked.referral_id, asked.practice_id) == (case.referral.pk, None)
    coach = browser_of(case.coach)
    shown = coach.get(reverse("record:coach_correction", args=[asked.pk])).content.decode()
    assert reverse("coaching:session", args=[session.pk]) in shown
    reword(session, agreed="We will look at one job.", version=session.version, by=case.coach)
    address = reverse("record:coach_correction", args=[asked.pk])
    assert send(coach, address, follow=False, outcome="accepted", answer="I am sorry.").status_code == 302
    read = page(case.browser, "question", asked.pk)
    for each in ("two part-time jobs", "one job", "I am sorry.", "Coach of Amina"):
        assert each in read, each


def test_of_what_stays_the_patients_words_stand_on_the_coachs_pages(case: Case, session: Session) -> None:
    goal = factories.GoalFactory(referral=case.referral, words="A full-time job.")
    for thing, words in ((session, "I said one job."), (goal, "I never said full-time.")):
        asked = ask_for_correction(thing, words, by=case.actor)
        answer_correction(asked, "I heard it so.", outcome=Outcome.NOT_ACCEPTED, by=case.coach)
    person = browser_of(case.coach).get(reverse("coaching:person", args=[case.referral.pk]))
    for words in ("I said one job.", "I never said full-time."):
        assert words in person.content.decode()
    assert "I never said full-time." in page(case.browser, "goals")


def test_after_a_withdrawal_the_guardian_answers(case: Case, session: Session, guardian: Actor) -> None:
    asked = ask_for_correction(session, "I said one job.", by=case.actor)
    withdraw(case.patient, by=case.actor)
    with acting(case.coach, "test.read", patients=[case.patient.pk]):
        assert not Request.objects.exists()
    watched = page(browser_of(guardian), "with_others")
    assert "Something written is not right" in watched
    with pytest.raises(ValidationError, match="Nothing has been corrected"):
        answer_request(asked, "Yes.", outcome=Outcome.ACCEPTED, by=guardian)
    answer_request(asked, "Nobody can change it now.", outcome=Outcome.NOT_ACCEPTED, by=guardian)
    assert "I said one job." in page(case.browser, "sessions")
    later = ask_for_correction(session, "It was in May.", by=case.actor)
    assert not later.is_shared


def test_a_coach_gone_leaves_the_next_one_to_answer(case: Case, session: Session) -> None:
    asked = ask_for_correction(session, "I said one job.", by=case.actor)
    supervisor = factories.make_staff(Role.SUPERVISOR, case.pilot.provider)
    hand_back(case.referral, by=supervisor)
    successor = factories.make_staff(Role.COACH, case.pilot.provider)
    factories.allocate_to(case.referral, successor)
    answer_correction(asked, "We talk about it.", outcome=Outcome.NOT_ACCEPTED, by=successor)
    with pytest.raises(Http404):
        answer_correction(asked, "Mine.", outcome=Outcome.NOT_ACCEPTED, by=case.coach)


# --- The database ----------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["practice", "referral"])
@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.CORRECTION])
def test_nothing_but_a_correction_is_ever_shared(case: Case, kind: Kind, side: str) -> None:
    row = Request(patient=case.patient, kind=kind, due_on=timezone.localdate())
    row.acknowledge_by = timezone.localdate() if kind == Kind.COMPLAINT else None
    setattr(row, side, case.patient.practice if side == "practice" else case.referral)
    with (
        acting(case.actor, "test.made", patients=[case.patient.pk]),
        pytest.raises(IntegrityError, match="only_a_correction_is_shared"),
        transaction.atomic(),
    ):
        row.save(force_insert=True)


# --- Clinical notes: behind the wall ---------------------------------------------------------------


def test_a_clinician_corrects_a_note_and_the_patient_sees_both(case: Case, note: ClinicalNote) -> None:
    send(case.browser, reverse("record:wrong_note", args=[note.pk]), words="It was last spring.")
    with acting(case.actor, "test.read"):
        [asked] = NoteCorrection.objects.all()
    clinician = browser_of(case.clinician)
    assert "Amina" in page(clinician, "note_corrections")
    address = reverse("record:answer_note_correction", args=[asked.pk])
    same = send(clinician, address, outcome="correct", text=note.text, answer="Yes.")
    assert same.status_code == 422
    answer = {"outcome": "correct", "text": "Felt stronger last spring.", "answer": "You are right."}
    assert send(clinician, address, follow=False, **answer).status_code == 302
    read = page(case.browser, "note_correction", asked.pk)
    for each in ("Corrected", "You are right.", note.text, "Felt stronger last spring."):
        assert each in read, each
    assert "Felt stronger last spring." in page(case.browser, "notes")


def test_of_a_note_that_stays_the_words_stand_beside_it(case: Case, note: ClinicalNote) -> None:
    asked = ask_to_correct_note(note, "It was last spring.", by=case.actor)
    with pytest.raises(ValidationError, match="asked about this already"):
        ask_to_correct_note(note, "Again.", by=case.actor)
    let_note_stand(asked, "It says so in my diary.", by=case.clinician)
    assert "It was last spring." in page(case.browser, "notes")
    seen = browser_of(case.clinician).get(reverse("referrals:notes", args=[case.patient.pk]))
    assert "It was last spring." in seen.content.decode()
    with pytest.raises(ValidationError, match="answered already"):
        correct_note(asked, "Other.", "Yes.", by=case.clinician)


@pytest.mark.parametrize("who", ["coach", "receptionist", "guardian"])
def test_nobody_else_learns_that_a_note_was_to_be_corrected(
    case: Case, note: ClinicalNote, guardian: Actor, who: str
) -> None:
    asked = ask_to_correct_note(note, "It was last spring.", by=case.actor)
    let_note_stand(asked, "It stays.", by=case.clinician)
    actor = guardian if who == "guardian" else getattr(case, who)
    with acting(actor, "test.read", patients=[case.patient.pk]):
        for model in (NoteCorrection, NoteReply):
            assert not model.objects.exists()
            assert not model.history.exists()
    assert browser_of(actor).get(reverse("record:answer_note_correction", args=[asked.pk])).status_code == 403


def test_a_note_that_is_withheld_takes_what_was_said_about_it_along(case: Case, note: ClinicalNote) -> None:
    asked = ask_to_correct_note(note, "It was last spring.", by=case.actor)
    let_note_stand(asked, "It stays.", by=case.clinician)
    withhold_note(note, Grounds("serious_harm", "Invented."), by=case.clinician)
    with acting(case.actor, "test.read"):
        for model in (ClinicalNote, NoteCorrection, NoteReply):
            assert not model.objects.exists()
    for name in ("wrong_note", "note_differently"):
        assert case.browser.get(reverse(f"record:{name}", args=[note.pk])).status_code == 404
    assert case.browser.get(reverse("record:note_correction", args=[asked.pk])).status_code == 404
    shown = page(case.browser, "who_looked", own="yes")
    assert "about a note" not in shown
    assert "beside a note" not in shown


def test_only_what_is_written_about_oneself_can_be_asked_about(case: Case, other: Case) -> None:
    theirs = factories.make_session(other.referral, other.coach)
    goal = factories.GoalFactory(referral=other.referral)
    with acting(other.clinician, "test.read"):
        note = ClinicalNote.objects.get(patient=other.patient)
    for name, row in (
        ("wrong_session", theirs), ("session_differently", theirs), ("wrong_goal", goal), ("wrong_note", note),
        ("note_differently", note),
    ):  # fmt: skip
        address = reverse(f"record:{name}", args=[row.pk])
        assert case.browser.get(address).status_code == 404, name
        assert case.browser.post(address, {"words": "x"}).status_code == 404, name
