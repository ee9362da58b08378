"""When someone is in distress: calling the clinician, and accepting responsibility by name."""

from __future__ import annotations

import smtplib
from functools import partial
from typing import Any

import pytest
from django.core import mail
from django.core.exceptions import PermissionDenied, ValidationError
from django.test import Client

from coaching import actions, selectors, tasks
from coaching.models import DistressCall, Session, SessionStatus
from consent.models import Decision, Purpose
from pilot.access import Actor, NotVisible, Role, acting
from pilot.people.actions import end_membership
from tests import factories
from tests.coaching.case import Case, in_days, make_case
from tests.forms import hidden_in, send
from tests.together import at_once


def raise_call(case: Case, **changes: Any) -> DistressCall:
    return actions.raise_distress(case.referral, **{"by": case.coach, **changes})


def reload(call: DistressCall, by: Actor) -> DistressCall:
    with acting(by, "test.looked"):
        return selectors.call(by, call.pk)


# --- Calling ---


def test_the_named_clinician_is_told(case: Case) -> None:
    call = actions.add_details(raise_call(case), immediate_danger=True, safe_place="Room 2", by=case.coach)
    assert call.told_id == case.clinician.user_id
    assert (call.immediate_danger, call.safe_place) == (True, "Room 2")
    with acting(case.clinician, "test.looked"):
        assert [each.pk for each in selectors.open_calls(case.clinician)] == [call.pk]


def test_where_nobody_is_named_every_clinician_is_told(case: Case) -> None:
    end_membership(factories.membership_of(case.clinician), by=factories.TESTS)
    factories.make_staff(Role.CLINICIAN, case.pilot.practice, name="Dr Adams")
    assert raise_call(case).told is None
    told = selectors.clinicians_to_tell(case.pilot.practice.pk)
    assert [each.display_name for each in told] == ["Dr Adams", "Dr Jones"]


def test_somebody_who_no_longer_works_there_is_not_told(case: Case) -> None:
    for gone in (case.clinician, case.colleague):
        end_membership(factories.membership_of(gone), by=factories.TESTS)
    assert raise_call(case).told is None
    assert selectors.clinicians_to_tell(case.pilot.practice.pk) == []


def test_pressing_twice_is_one_call_that_goes_out_again(case: Case) -> None:
    call = raise_call(case, immediate_danger=True, safe_place="Room 2")
    actions.note_emailed(call, by=Actor.system("tests"))
    again = raise_call(case)
    assert again.pk == call.pk
    assert (again.immediate_danger, again.safe_place, again.emailed_at) == (True, "Room 2", None)


def test_after_somebody_accepted_a_further_press_is_a_further_call(case: Case) -> None:
    call = raise_call(case)
    actions.accept_distress(call, by=case.clinician)
    assert raise_call(case).pk != call.pk


def test_the_coach_can_say_more_once_the_call_is_made(case: Case, coach_client: Client) -> None:
    call = raise_call(case)
    address = f"/coaching/calls/{call.pk}/"
    told = send(coach_client, address, immediate_danger="on", safe_place="Behind the library")
    assert "The clinicians can read it now." in told.text
    page = factories.sign_in(Client(), case.clinician).get("/coaching/calls/").text
    assert "Behind the library" in page
    assert "an ambulance or the police have been called" in page
    with pytest.raises((NotVisible, PermissionDenied)):
        actions.add_details(call, immediate_danger=False, safe_place="", by=case.other_coach)


def test_only_the_persons_own_coach_calls(case: Case) -> None:
    for somebody in (case.other_coach, case.clinician, case.receptionist):
        with pytest.raises((NotVisible, PermissionDenied)):
            raise_call(case, by=somebody)


def test_other_practices_and_other_roles_do_not_learn_of_a_call(case: Case) -> None:
    raise_call(case)
    stranger = factories.make_staff(Role.CLINICIAN, case.pilot.other_practice)
    supervisor = factories.make_staff(Role.SUPERVISOR, case.pilot.provider)
    for somebody in (stranger, case.other_coach, case.receptionist, supervisor):
        with acting(somebody, "test.looked"):
            assert not DistressCall.objects.exists(), somebody.role


def test_a_call_is_never_held_against_the_session(case: Case) -> None:
    session = factories.make_session(case.referral, case.coach, starts_at=in_days(-0.1))
    raise_call(case)
    with acting(case.coach, "test.looked"):
        assert Session.objects.get(pk=session.pk).status == SessionStatus.BOOKED


# --- The e-mail ---


def test_the_e_mail_goes_to_the_named_clinician_and_names_nobody(case: Case) -> None:
    raise_call(case, safe_place="Behind the library")
    tasks.email_clinicians()
    (sent,) = mail.outbox
    assert sent.to == [factories.user_of(case.clinician).email]
    text = f"{sent.subject} {sent.body}"
    assert "/coaching/calls/" in text
    for word in ("Ana", "Bell", "Cara", "library", case.referral.reference, str(case.referral.pk)):
        assert word not in text


def test_the_e_mail_goes_once(case: Case) -> None:
    raise_call(case)
    tasks.email_clinicians()
    tasks.email_clinicians()
    assert len(mail.outbox) == 1


def test_an_e_mail_that_cannot_be_sent_is_tried_again(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> int:
        raise smtplib.SMTPServerDisconnected

    raise_call(case)
    with monkeypatch.context() as patch:
        patch.setattr("django.core.mail.EmailMessage.send", refuse)
        tasks.email_clinicians()
    assert mail.outbox == []
    tasks.email_clinicians()
    assert len(mail.outbox) == 1


def test_no_e_mail_goes_after_a_call_that_somebody_accepted(case: Case) -> None:
    actions.accept_distress(raise_call(case), by=case.clinician)
    tasks.email_clinicians()
    assert mail.outbox == []


def test_the_worker_is_asked_at_once_and_a_broken_broker_stops_no_call(
    case: Case, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    asked = []

    def broken(**options: Any) -> None:
        asked.append(options)
        raise ConnectionError

    monkeypatch.setattr(tasks.email_clinicians, "apply_async", broken)
    with django_capture_on_commit_callbacks(execute=True):
        call = raise_call(case)
    assert [options["retry"] for options in asked] == [False]
    assert reload(call, case.coach).accepted_at is None


# --- Accepting ---


def test_whoever_accepts_is_named_to_the_coach(case: Case) -> None:
    call = raise_call(case)
    actions.accept_distress(call, by=case.colleague)
    seen = reload(call, case.coach)
    assert seen.accepted_by is not None
    assert seen.accepted_by.display_name == "Dr Jones"
    assert seen.accepted_at is not None


def test_accepting_twice_changes_nothing(case: Case) -> None:
    call = raise_call(case)
    first = actions.accept_distress(call, by=case.clinician)
    assert actions.accept_distress(call, by=case.clinician).accepted_at == first.accepted_at


def test_what_somebody_else_accepted_stays_with_them(case: Case) -> None:
    call = raise_call(case)
    actions.accept_distress(call, by=case.clinician)
    with pytest.raises(ValidationError, match="Dr Shah accepted responsibility before you"):
        actions.accept_distress(call, by=case.colleague)


def test_only_clinicians_of_the_practice_accept(case: Case) -> None:
    call = raise_call(case)
    stranger = factories.make_staff(Role.CLINICIAN, case.pilot.other_practice)
    patient = factories.patient_actor(case.referral.patient)
    for somebody in (stranger, case.coach, case.receptionist, patient):
        with pytest.raises((NotVisible, PermissionDenied)):
            actions.accept_distress(call, by=somebody)


def test_of_two_clinicians_at_the_same_moment_one_is_responsible_and_the_other_is_told_who(
    own_database: str,
) -> None:
    case = make_case()
    call = raise_call(case)
    both = (case.clinician, case.colleague)
    outcomes = at_once(*(partial(actions.accept_distress, call, by=each) for each in both))
    winner = reload(call, case.coach).accepted_by
    (refusal,) = (each for each in outcomes if isinstance(each, Exception))
    assert winner is not None
    assert refusal.messages[0].startswith(f"{winner.display_name} accepted responsibility before you")


def test_a_withdrawal_does_not_leave_anybody_alone(case: Case) -> None:
    call = raise_call(case)
    factories.give_consent(case.referral.patient, Purpose.TAKE_PART, answer=Decision.Answer.WITHDRAWN)
    actions.accept_distress(call, by=case.clinician)
    with acting(case.coach, "test.looked"):
        assert not DistressCall.objects.exists()


# --- Pages ---


def test_one_press_calls_and_the_coach_sees_who_accepts(
    case: Case, coach_client: Client, clinician_client: Client
) -> None:
    page = coach_client.get(f"/coaching/people/{case.referral.pk}/distress/")
    assert "Dr Shah" in page.text
    assert 'href="tel:999"' in page.text
    assert 'href="tel:111"' in page.text
    assert "choose option 2" in page.text
    waiting = send(coach_client, f"/coaching/people/{case.referral.pk}/distress/")
    assert "Nobody has accepted yet" in waiting.text
    assert "Dr Shah was called" in waiting.text

    calls = clinician_client.get("/coaching/calls/")
    assert "Ana Bell" in calls.text
    with acting(case.clinician, "test.looked"):
        (call,) = selectors.open_calls(case.clinician)
    accepted = send(clinician_client, f"/coaching/calls/{call.pk}/accept/")
    assert "You have accepted responsibility" in accepted.text
    assert "Dr Shah accepted responsibility" in coach_client.get(f"/coaching/calls/{call.pk}/").text
    assert "Dr Shah accepted responsibility" in coach_client.get(f"/coaching/people/{case.referral.pk}/").text


def test_from_a_page_about_nobody_the_coach_says_for_whom(case: Case, coach_client: Client) -> None:
    stranger = factories.make_case(case.pilot, case.other_coach, given_name="Zed")
    page = coach_client.get("/coaching/distress/")
    assert "Ana Bell" in page.text
    assert "Zed" not in page.text
    assert send(coach_client, "/coaching/distress/").status_code == 422
    assert send(coach_client, "/coaching/distress/", person=str(stranger.pk)).status_code == 422
    waiting = send(coach_client, "/coaching/distress/", person=str(case.referral.pk))
    assert "Nobody has accepted yet" in waiting.text


def test_the_second_clinician_reads_on_the_page_who_was_first(case: Case, clinician_client: Client) -> None:
    call = raise_call(case)
    address = f"/coaching/calls/{call.pk}/accept/"
    page = clinician_client.get(address)
    actions.accept_distress(call, by=case.colleague)
    told = clinician_client.post(address, hidden_in(page))
    assert told.status_code == 422
    assert "Dr Jones accepted responsibility before you" in told.text
    assert "I accept responsibility" not in told.text


def test_every_page_of_a_clinician_says_that_a_call_is_open(case: Case, clinician_client: Client) -> None:
    alert = "Someone is in distress. Nobody has accepted responsibility yet."
    assert alert not in clinician_client.get("/account/").text
    call = raise_call(case)
    assert alert in clinician_client.get("/account/").text
    other = factories.make_case(case.pilot, case.coach)
    raise_call(case)
    actions.raise_distress(other, by=case.coach)
    assert "2 people are in distress" in clinician_client.get("/account/").text
    for each in (call, *open_calls_of(case)):
        actions.accept_distress(each, by=case.clinician)
    assert "in distress" not in clinician_client.get("/account/").text


def test_nobody_else_sees_that_a_call_is_open(case: Case) -> None:
    raise_call(case)
    stranger = factories.make_staff(Role.CLINICIAN, case.pilot.other_practice)
    for somebody in (stranger, case.receptionist):
        client = factories.sign_in(Client(), somebody)
        assert "in distress" not in client.get("/account/").text
    assert factories.sign_in(Client(), stranger).get("/coaching/calls/").text.count("Ana") == 0
    assert factories.sign_in(Client(), case.receptionist).get("/coaching/calls/").status_code == 403


def test_another_practices_call_is_not_there(case: Case) -> None:
    call = raise_call(case)
    stranger = factories.sign_in(Client(), factories.make_staff(Role.CLINICIAN, case.pilot.other_practice))
    other_coach = factories.sign_in(Client(), case.other_coach)
    assert stranger.get(f"/coaching/calls/{call.pk}/accept/").status_code == 404
    assert stranger.post(f"/coaching/calls/{call.pk}/accept/").status_code == 404
    assert other_coach.get(f"/coaching/calls/{call.pk}/").status_code == 404


def test_where_no_clinician_can_be_told_the_coach_is_told_to_phone(case: Case, coach_client: Client) -> None:
    for gone in (case.clinician, case.colleague):
        end_membership(factories.membership_of(gone), by=factories.TESTS)
    assert "Phone the practice" in coach_client.get(f"/coaching/people/{case.referral.pk}/distress/").text
    waiting = send(coach_client, f"/coaching/people/{case.referral.pk}/distress/")
    assert "Phone the practice now" in waiting.text


def open_calls_of(case: Case) -> list[DistressCall]:
    with acting(case.clinician, "test.looked"):
        return selectors.open_calls(case.clinician)
