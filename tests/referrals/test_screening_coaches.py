"""What coaches write about somebody is screened too; who learns of what they confirm, and what never waits for it."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.db import DatabaseError
from django.test import Client
from django.urls import reverse

from audit.models import Event
from coaching.models import Goal, Session
from pilot.access import Actor, Role, acting
from pilot.people.models import Patient
from referrals.models import ClinicalNote, Referral
from referrals.screening.models import OwnWords
from tests import factories
from tests.coaching.case import Case, in_days, make_case
from tests.forms import hidden_in, send
from tests.referrals.screened import CLINICAL, REWORDED, again, held_in, rows, tick_in

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

GOAL = "Work mornings although depression makes them slow."


@pytest.fixture
def case(db: None) -> Case:
    return make_case()


@pytest.fixture
def coach_client(case: Case) -> Client:
    return factories.sign_in(Client(), case.coach)


# --- Their boxes -----------------------------------------------------------------------------------


def test_every_box_of_a_coach_asks_and_takes_the_patients_word_for_it(
    case: Case, coach_client: Client
) -> None:
    session = factories.make_session(case.referral, case.coach, starts_at=in_days(-0.1))
    person = [case.referral.pk]
    booking = {
        "starts_on_day": "1", "starts_on_month": "6", "starts_on_year": str(in_days(400).year),
        "starts_at": "10:00", "minutes": "45", "place": "phone",
    }  # fmt: skip
    asked = (
        (reverse("coaching:add-goal", args=person), "words", {}),
        (reverse("coaching:book", args=person), "where", booking),
        (reverse("coaching:took-place", args=[session.pk]), "agreed", {}),
    )
    for address, box, more in asked:
        page = send(coach_client, address, **{**more, box: "Rest after the fluoxetine."})
        assert page.status_code == 422, address
        assert "fluoxetine" in page.content.decode()
        answer = {**more, box: "Rest after the fluoxetine.", **tick_in(page, box)}
        assert again(coach_client, address, page, **answer).status_code == 200
    boxes = ["coaching.Goal.words", "coaching.Session.agreed", "coaching.Session.where"]
    assert sorted(said.box for said in rows(OwnWords, case.coach)) == boxes
    assert {said.patient_id for said in rows(OwnWords, case.coach)} == {case.referral.patient_id}


def test_what_was_saved_before_is_not_asked_about_again(case: Case, coach_client: Client) -> None:
    goal = factories.GoalFactory(referral=case.referral, words=GOAL)
    address = reverse("coaching:goal", args=[goal.pk])
    assert send(coach_client, address, words=GOAL, standing="reached").status_code == 200
    [kept] = rows(Goal, case.coach)
    assert kept.reached_at
    assert send(coach_client, address, words=GOAL + " At last.", standing="reached").status_code == 422


def test_a_row_that_changed_meanwhile_is_shown_and_the_tick_still_stands(
    case: Case, coach_client: Client
) -> None:
    session = factories.make_session(case.referral, case.coach, status="held", agreed="A plan.")
    address = reverse("coaching:reword", args=[session.pk])
    page = send(coach_client, address, agreed=CLINICAL)
    with acting(case.coach, "test.changed", patients=[session.patient_id]):
        Session.objects.filter(pk=session.pk).update(agreed="Another plan.", version=2)
    stale = again(coach_client, address, page, agreed=CLINICAL, **tick_in(page, "agreed"))
    assert stale.status_code == 409
    assert "Another plan." in stale.content.decode()
    assert rows(OwnWords, case.coach) == []
    kept = tick_in(stale, "agreed")
    assert "checked" in stale.content.decode()
    assert again(coach_client, address, stale, agreed=CLINICAL, **kept).status_code == 200
    [now] = rows(Session, case.coach)
    assert now.agreed == CLINICAL
    assert len(rows(OwnWords, case.coach)) == 1


def test_what_is_refused_for_another_reason_records_nothing(case: Case, coach_client: Client) -> None:
    """A session in the past: the action refuses it after the words were confirmed."""
    address = reverse("coaching:book", args=[case.referral.pk])
    taken = factories.make_session(case.referral, case.coach, starts_at=in_days(400))
    booking = {
        "starts_on_day": taken.starts_at.day, "starts_on_month": taken.starts_at.month,
        "starts_on_year": taken.starts_at.year, "starts_at": taken.starts_at.strftime("%H:%M"),
        "minutes": "45", "place": "phone", "where": "Insulin fridge at hand",
    }  # fmt: skip
    page = send(coach_client, address, **booking)
    back = again(coach_client, address, page, **booking, **tick_in(page, "where"))
    assert back.status_code == 422
    assert rows(OwnWords, case.coach) == []


def test_a_call_for_help_is_never_held_up(case: Case, coach_client: Client) -> None:
    send(coach_client, reverse("coaching:distress-of", args=[case.referral.pk]))
    address = coach_client.get(reverse("coaching:person", args=[case.referral.pk])).content.decode()
    [call] = set(re.findall(r"/coaching/calls/[0-9a-f-]+/", address))
    page = send(coach_client, call, safe_place="At home. Overdose of paracetamol.")
    assert page.status_code == 200
    assert "The clinicians can read it now" in page.content.decode()


def test_nobody_but_a_clinician_is_offered_a_note_or_gets_one(
    desk: Client, patient: Patient, receptionist: Actor, clinician: Actor, case: Case, coach_client: Client
) -> None:
    forms = (
        (
            desk,
            reverse("referrals:log", args=[patient.pk]),
            {"reasons": ["find_work"], "own_words": CLINICAL},
            "own_words",
        ),
        (coach_client, reverse("coaching:add-goal", args=[case.referral.pk]), {"words": CLINICAL}, "words"),
    )
    for browser, address, fields, box in forms:
        page = send(browser, address, **fields)
        assert page.status_code == 422
        assert "move_to_note" not in page.content.decode()
        assert "clinical note" not in page.content.decode().lower()
        forged = browser.post(
            address, {**hidden_in(page), **held_in(page, box), **fields, "move_to_note": box, box: REWORDED}
        )
        assert forged.status_code == 403
    assert rows(ClinicalNote, clinician) == []
    assert rows(Referral, receptionist) == []
    assert rows(Goal, case.coach) == []


# --- Who learns of it ------------------------------------------------------------------------------


def confirmed(case: Case, browser: Client) -> None:
    address = reverse("coaching:add-goal", args=[case.referral.pk])
    page = send(browser, address, words=GOAL)
    again(browser, address, page, words=GOAL, **tick_in(page, "words"))


def test_the_patient_reads_what_was_confirmed_in_their_name(case: Case, coach_client: Client) -> None:
    confirmed(case, coach_client)
    patient = factories.sign_in(Client(), factories.patient_actor(case.referral.patient))
    text = unescape(patient.get(reverse("record:own_words")).content.decode())
    assert "Cara Coach said that these were your own words." in text
    assert "They looked like a health condition." in text
    assert "depression" not in text.lower()
    assert "that words are your own" in patient.get(reverse("record:who_looked")).content.decode()
    somebody = factories.sign_in(
        Client(), factories.patient_actor(factories.make_patient(case.pilot.practice))
    )
    assert "Nobody has said this." in somebody.get(reverse("record:own_words")).content.decode()


def test_the_guardians_log_says_who_which_box_and_which_kinds(case: Case, coach_client: Client) -> None:
    confirmed(case, coach_client)
    guardian = factories.make_staff(Role.CALDICOTT_GUARDIAN, case.pilot.office)
    with acting(guardian, "test.looked"):
        event = Event.objects.get(relation="referrals_ownwords")
    assert (event.kind, event.actor, event.action) == (
        "created",
        str(case.coach.user_id),
        "own_words.confirmed",
    )
    assert event.reason == "coaching.Goal.words: diagnosis"
    page = factories.sign_in(Client(), guardian).get(reverse("audit:event", args=[event.pk])).content.decode()
    assert "coaching.Goal.words: diagnosis" in page
    assert "depression" not in page


def test_what_was_said_is_never_taken_back_or_altered(case: Case, coach_client: Client) -> None:
    confirmed(case, coach_client)
    for change in (
        lambda: OwnWords.objects.update(kinds=[]),
        lambda: OwnWords.objects.all().delete(),
    ):
        with (
            pytest.raises(DatabaseError),
            acting(case.coach, "test.tried", patients=[case.referral.patient_id]),
        ):
            change()
