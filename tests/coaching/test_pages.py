"""The coaches' pages: what they show, to whom, and what a form that is out of date is answered."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern
from django.utils import timezone

from coaching import actions, urls
from coaching.models import Session
from consent.models import Purpose
from pilot.access import Role, acting
from referrals import actions as referrals
from referrals.models import Allocation
from tests import factories
from tests.coaching.case import Case, in_days
from tests.forms import hidden_in, send

BUTTON = "Someone is in distress"


@pytest.fixture
def session(case: Case) -> Session:
    return factories.make_session(case.referral, case.coach, starts_at=in_days(-0.1))


def addresses(case: Case, session: Session) -> dict[str, str]:
    """One address for each of the coaches' pages, by its name."""
    goal = actions.add_goal(case.referral, "A job.", by=case.coach)
    call = actions.raise_distress(case.referral, by=case.coach)
    held = factories.make_session(case.referral, case.coach, starts_at=in_days(-2))
    actions.record_held(held, agreed="A plan.", version=1, by=case.coach)
    person, at = f"/coaching/people/{case.referral.pk}/", f"/coaching/sessions/{session.pk}/"
    return {
        "caseload": "/coaching/",
        "person": person,
        "book": f"{person}book/",
        "add-goal": f"{person}goals/add/",
        "distress-of": f"{person}distress/",
        "goal": f"/coaching/goals/{goal.pk}/",
        "goal-past": f"/coaching/goals/{goal.pk}/past/",
        "session": at,
        "session-past": f"{at}past/",
        "move": f"{at}change/",
        "took-place": f"{at}took-place/",
        "reword": f"/coaching/sessions/{held.pk}/reword/",
        "did-not-happen": f"{at}did-not-happen/",
        "cancel": f"{at}cancel/",
        "distress": "/coaching/distress/",
        "called": f"/coaching/calls/{call.pk}/",
    }


# Names on every page with a form that are no question.
FURNITURE = {"csrfmiddlewaretoken", "form_key", "version", "viewport", "theme-color", "description", "robots"}
CLINICIANS_PAGES = {"calls", "accept"}


def test_every_page_of_a_coach_carries_the_red_button(
    case: Case, session: Session, coach_client: Client
) -> None:
    pages = addresses(case, session)
    names = {pattern.name for pattern in urls.urlpatterns if isinstance(pattern, URLPattern)}
    assert set(pages) == names - CLINICIANS_PAGES
    for name, address in pages.items():
        page = coach_client.get(address)
        assert page.status_code == 200, name
        assert BUTTON in page.text, name
        about_nobody = name in ("caseload", "distress")
        leads_to = "/coaching/distress/" if about_nobody else f"/coaching/people/{case.referral.pk}/distress/"
        assert f'href="{leads_to}"' in page.text or address == leads_to, name


def test_the_red_button_is_there_when_something_is_wrong_and_on_other_pages_too(
    case: Case, coach_client: Client
) -> None:
    for address in ("/coaching/nowhere/", f"/coaching/sessions/{case.referral.pk}/", "/account/", "/help/"):
        assert BUTTON in coach_client.get(address).text, address
    refused = send(coach_client, f"/coaching/people/{case.referral.pk}/book/")
    assert refused.status_code == 422
    assert BUTTON in refused.text


def test_the_red_button_is_the_coaches_alone(case: Case) -> None:
    for somebody in (case.receptionist, factories.patient_actor(case.referral.patient)):
        assert BUTTON not in factories.sign_in(Client(), somebody).get("/account/").text


def test_the_persons_needs_are_flagged_on_every_page_about_them(
    case: Case, session: Session, coach_client: Client
) -> None:
    for name, address in addresses(case, session).items():
        if name not in ("caseload", "distress"):
            text = coach_client.get(address).text
            assert "Step-free access" in text, name
            assert "The lift is at the back." in text, name


def test_nobody_else_opens_a_coachs_pages(case: Case, session: Session) -> None:
    pages = addresses(case, session)
    other_coach = factories.sign_in(Client(), case.other_coach)
    for name, address in pages.items():
        about_nobody = name in ("caseload", "distress")
        assert other_coach.get(address).status_code == (200 if about_nobody else 404), name
    strangers = [case.clinician, case.receptionist, factories.patient_actor(case.referral.patient)]
    strangers.append(factories.make_staff(Role.SUPERVISOR, case.pilot.provider))
    for somebody in strangers:
        client = factories.sign_in(Client(), somebody)
        assert {client.get(address).status_code for address in pages.values()} == {403}, somebody.role
    assert {Client().get(address).status_code for address in pages.values()} == {302}


def test_the_caseload_lists_ones_own_people_with_what_is_next_on_top(
    case: Case, session: Session, coach_client: Client
) -> None:
    later = factories.make_case(case.pilot, case.coach, given_name="Later")
    never = factories.make_case(case.pilot, case.coach, given_name="Never")
    factories.make_session(later, case.coach, starts_at=in_days(2))
    factories.make_case(case.pilot, case.other_coach, given_name="Foreign")
    text = coach_client.get("/coaching/").text
    names = ["Ana Bell", str(later.patient), str(never.patient)]
    assert sorted(names, key=text.index) == names
    assert "Foreign" not in text
    assert "To record" in text
    assert "Nothing booked" in text


def test_the_caseload_takes_as_many_queries_for_ten_people_as_for_one(
    case: Case, coach_client: Client, django_assert_max_num_queries: Any
) -> None:
    coach_client.get("/coaching/")
    with django_assert_max_num_queries(40) as alone:
        coach_client.get("/coaching/")
    for _ in range(9):
        factories.make_session(factories.make_case(case.pilot, case.coach), case.coach)
    with django_assert_max_num_queries(40) as many:
        coach_client.get("/coaching/")
    assert len(many.captured_queries) == len(alone.captured_queries)


def test_a_coach_with_nobody_is_told_what_happens_next(case: Case) -> None:
    client = factories.sign_in(Client(), case.other_coach)
    assert "Your supervisor allocates people to you" in client.get("/coaching/").text


def test_a_session_is_booked_from_the_page(case: Case, coach_client: Client) -> None:
    day = timezone.localdate() + dt.timedelta(days=6)
    answers = {"starts_on": day.isoformat(), "starts_at": "2:30pm", "minutes": "60", "place": "practice"}
    page = send(coach_client, f"/coaching/people/{case.referral.pk}/book/", **answers, where="Room 4")
    assert "The session is booked." in page.text
    assert "2:30pm" in page.text
    assert "3:30pm" in page.text
    clash = send(coach_client, f"/coaching/people/{case.referral.pk}/book/", **answers | {"starts_at": "3pm"})
    assert clash.status_code == 422
    assert "You have another session from 2:30pm to 3:30pm on that day" in clash.text


def test_a_day_that_has_passed_is_refused_at_its_field(case: Case, coach_client: Client) -> None:
    yesterday = timezone.localdate() - dt.timedelta(days=1)
    answers = {"starts_on": yesterday.isoformat(), "starts_at": "2pm", "minutes": "30", "place": "phone"}
    page = send(coach_client, f"/coaching/people/{case.referral.pk}/book/", **answers)
    assert page.status_code == 422
    assert "must be today or in the future" in page.text


def test_what_was_agreed_is_recorded_from_the_page_and_put_right(
    case: Case, session: Session, coach_client: Client
) -> None:
    at = f"/coaching/sessions/{session.pk}/"
    page = send(coach_client, f"{at}took-place/", version="1", agreed="You call the college.")
    assert "The patient can read it now." in page.text
    assert "You call the college." in page.text
    page = send(coach_client, f"{at}reword/", version="2", agreed="I call the college.")
    assert "I call the college." in page.text


def test_that_it_did_not_happen_is_recorded_with_one_answer(
    case: Case, session: Session, coach_client: Client
) -> None:
    at = f"/coaching/sessions/{session.pk}/did-not-happen/"
    names = set(re.findall(r'name="([a-z_]+)"', coach_client.get(at).text))
    assert names - FURNITURE == {"rearranged_by"}
    page = send(coach_client, at, version="1", rearranged_by="patient")
    assert "Did not happen" in page.text


def test_a_session_is_moved_and_cancelled_from_its_pages(case: Case, coach_client: Client) -> None:
    session = factories.make_session(case.referral, case.coach)
    at = f"/coaching/sessions/{session.pk}/"
    day = timezone.localdate() + dt.timedelta(days=8)
    answers = {"starts_on": day.isoformat(), "starts_at": "9am", "minutes": "30", "place": "video"}
    assert "The session is changed." in send(coach_client, f"{at}change/", version="1", **answers).text
    assert "The session is cancelled." in send(coach_client, f"{at}cancel/", version="2").text


@pytest.mark.parametrize(
    ("page", "answers"),
    [
        ("took-place", {"agreed": "What I wrote."}),
        ("did-not-happen", {"rearranged_by": "coach"}),
        ("cancel", {}),
        (
            "change",
            {
                "starts_on": "2050-01-03",
                "starts_at": "9am",
                "minutes": "30",
                "place": "video",
                "where": "Mine",
            },
        ),
    ],
)
def test_a_page_that_is_out_of_date_is_answered_409_and_keeps_what_was_written(
    case: Case, session: Session, coach_client: Client, page: str, answers: dict[str, str]
) -> None:
    address = f"/coaching/sessions/{session.pk}/{page}/"
    opened = coach_client.get(address)
    actions.move(session, starts_at=in_days(3), minutes=30, place="phone", version=1, by=case.coach)
    answer = coach_client.post(address, {**hidden_in(opened), **answers})
    assert answer.status_code == 409
    for written in ("What I wrote.", "Mine"):
        assert (written in answer.text) == (written in answers.values())
    with acting(case.coach, "test.looked"):
        assert Session.objects.get(pk=session.pk).version == 2


def test_a_goal_is_added_and_changed_from_its_pages(case: Case, coach_client: Client) -> None:
    page = send(coach_client, f"/coaching/people/{case.referral.pk}/goals/add/", words="Sing again.")
    assert "Sing again." in page.text
    with acting(case.coach, "test.looked"):
        goal = factories.GoalFactory._meta.model.objects.get()
    address = f"/coaching/goals/{goal.pk}/"
    page = send(coach_client, address, version="1", words="Sing again.", standing="reached")
    assert "Reached" in page.text
    stale = send(coach_client, address, version="1", words="Dance.", standing="wanted")
    assert stale.status_code == 409
    assert "Dance." in stale.text


def test_a_paused_referral_says_so_and_offers_no_booking(case: Case, coach_client: Client) -> None:
    referrals.pause(case.referral, by=case.coach)
    page = coach_client.get(f"/coaching/people/{case.referral.pk}/")
    assert "nothing can be booked" in page.text
    assert "Book a session" not in page.text
    assert "Go on with it" in page.text


def test_a_coach_pauses_resumes_and_ends_from_the_persons_page(case: Case, coach_client: Client) -> None:
    person = f"/coaching/people/{case.referral.pk}/"
    at = f"/referrals/{case.referral.pk}/"
    for move, answers in (("pause", {}), ("go-on", {}), ("end", {"ending": "support_complete"})):
        assert f"{at}{move}/" in coach_client.get(person).text
        assert send(coach_client, f"{at}{move}/", **answers).status_code == 200, move
    assert coach_client.get(person).status_code == 404


def test_when_the_allocation_ends_so_do_the_pages(case: Case, coach_client: Client) -> None:
    with acting(factories.TESTS, "test.made", patients=[case.referral.patient_id]):
        Allocation.objects.filter(referral=case.referral).update(ended_at=timezone.now())
    assert coach_client.get(f"/coaching/people/{case.referral.pk}/").status_code == 404


def test_the_patient_reads_that_their_coach_looked(case: Case, coach_client: Client) -> None:
    coach_client.get(f"/coaching/people/{case.referral.pk}/")
    from audit.models import Event

    with acting(factories.patient_actor(case.referral.patient), "test.looked"):
        looks = Event.objects.filter(kind="read", role="coach").values_list("action", flat=True)
        assert "coaching.person" in looks


def test_the_coach_reads_whether_the_patient_will_be_told(case: Case, coach_client: Client) -> None:
    session = factories.make_session(case.referral, case.coach)
    person, at = f"/coaching/people/{case.referral.pk}/", f"/coaching/sessions/{session.pk}/"
    for address in (f"{person}book/", f"{at}change/", f"{at}cancel/"):
        assert "please tell them yourself" in coach_client.get(address).text
    factories.give_consent(case.referral.patient, Purpose.REMINDERS)
    for address in (f"{person}book/", f"{at}change/", f"{at}cancel/"):
        assert "so we tell them" in coach_client.get(address).text
