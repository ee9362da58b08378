"""Complaining to somebody who is not the coach, and asking for a right; each against its clock."""

from __future__ import annotations

import datetime as dt
import re

import pytest
import time_machine
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection
from django.http import Http404
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from consent.actions import withdraw
from pilot.access import Actor, Role, acting
from pilot.record.models import Kind, Outcome, Request, Right, Status
from pilot.record.requests.actions import (
    answer_correction,
    answer_request,
    confirm_complaint,
    give_more_time,
    open_request,
)
from pilot.record.requests.policies import OUTCOMES, acknowledge_by, confirming_clock, due_on
from tests import factories
from tests.forms import send
from tests.record.cases import Case
from tests.record.test_own_pages import PAGES, page
from tests.record.test_requests import noon

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

WORDS = "My coach told my sister."


@pytest.fixture
def guardian(case: Case) -> Actor:
    return factories.make_staff(Role.CALDICOTT_GUARDIAN, case.pilot.office, name="Ada Guardian")


@pytest.fixture
def complaint(case: Case) -> Request:
    return open_request(case.patient, Kind.COMPLAINT, WORDS, by=case.actor)


def browser_of(actor: Actor) -> Client:
    return factories.sign_in(Client(), actor)


def fresh(case: Case, asked: Request) -> Request:
    with acting(case.actor, "test.read"):
        return Request.objects.get(pk=asked.pk)


# --- Complaints ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_complaining_is_two_clicks_from_every_own_page(case: Case, name: str) -> None:
    first = case.browser.get(reverse(f"record:{name}")).content.decode()
    ways = {reverse("record:ask"), reverse("record:complain")}
    led_to = ways & set(re.findall(r'href="([^"]+)"', first))
    assert led_to
    if reverse("record:complain") not in led_to:
        assert f'href="{reverse("record:complain")}"' in case.browser.get(led_to.pop()).content.decode()


def test_a_complaint_is_confirmed_and_answered_by_the_guardian(case: Case, guardian: Actor) -> None:
    form = page(case.browser, "complain")
    assert "Your coach, their manager and your practice cannot see it" in form
    answer = send(case.browser, reverse("record:complain"), follow=False, words=WORDS)
    with acting(case.actor, "test.read"):
        [asked] = Request.objects.all()
    assert answer.url == reverse("record:question", args=[asked.pk])
    assert asked.acknowledge_by == timezone.localdate() + dt.timedelta(days=30)
    assert "Somebody confirms that it has arrived by" in page(case.browser, "question", asked.pk)
    browser = browser_of(guardian)
    assert "Confirm by" in page(browser, "to_answer")
    address = reverse("record:confirm_complaint", args=[asked.pk])
    assert send(browser, address, follow=False).status_code == 302
    assert "Ada Guardian confirmed on" in page(case.browser, "question", asked.pk)
    assert send(browser, address).status_code == 422
    address = reverse("record:answer_question", args=[asked.pk])
    assert send(browser, address, answer="I asked them.").status_code == 422
    assert send(browser, address, follow=False, outcome="partly", answer="I asked.").status_code == 302
    assert "You are right in part." in page(case.browser, "question", asked.pk)
    assert fresh(case, asked).status == Status.ANSWERED


def test_words_are_needed_to_complain(case: Case) -> None:
    assert send(case.browser, reverse("record:complain"), words=" ").status_code == 422


@pytest.mark.parametrize(
    ("opened", "by"),
    [("2026-07-10", "2026-08-09"), ("2026-11-25", "2026-12-25"), ("2027-02-01", "2027-03-03")],
)
def test_a_complaint_is_confirmed_within_thirty_days_weekends_or_not(opened: str, by: str) -> None:
    assert str(acknowledge_by(Kind.COMPLAINT, noon(opened))) == by
    assert acknowledge_by(Kind.ERASURE, noon(opened)) is None


def test_a_complaint_that_waits_too_long_shows_late(case: Case, guardian: Actor) -> None:
    with time_machine.travel(timezone.localtime() - dt.timedelta(days=31)):
        asked = open_request(case.patient, Kind.COMPLAINT, WORDS, by=case.actor)
    assert confirming_clock(fresh(case, asked)).startswith("1 day late")
    assert "1 day late" in page(browser_of(guardian), "to_answer")


@pytest.mark.parametrize("who", ["coach", "supervisor", "receptionist", "clinician", "pilot_manager"])
def test_nobody_but_the_guardian_sees_a_complaint_not_even_by_raw_sql(
    case: Case, complaint: Request, guardian: Actor, who: str
) -> None:
    confirm_complaint(complaint, by=guardian)
    answer_request(complaint, "I asked them.", outcome=Outcome.PARTLY, by=guardian)
    roles = {
        "supervisor": (Role.SUPERVISOR, case.pilot.provider),
        "pilot_manager": (Role.PILOT_MANAGER, case.pilot.office),
    }
    actor = factories.make_staff(*roles[who]) if who in roles else getattr(case, who)
    with acting(actor, "test.read", patients=[case.patient.pk]), connection.cursor() as cursor:
        for table in ("record_request", "record_historicalrequest"):
            cursor.execute(f"SELECT count(*) FROM {table}")
            assert cursor.fetchone() == (0,), table
        cursor.execute("SELECT count(*) FROM audit_event WHERE relation = 'record_request'")
        assert cursor.fetchone() == (0,)
        cursor.execute("UPDATE record_request SET words = ''")
        assert cursor.rowcount == 0
    with pytest.raises((Http404, PermissionDenied)):
        answer_correction(complaint, "No.", outcome=Outcome.NOT_ACCEPTED, by=actor)
    assert fresh(case, complaint).words == WORDS


def test_the_guardian_does_see_it(case: Case, complaint: Request, guardian: Actor) -> None:
    """So that the test above would notice."""
    with acting(guardian, "test.read"), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM record_request")
        assert cursor.fetchone() == (1,)


def test_only_a_complaint_is_confirmed(case: Case, guardian: Actor) -> None:
    asked = factories.ask_guardian(case.patient)
    with pytest.raises(ValidationError, match="nothing here to confirm"):
        confirm_complaint(asked, by=guardian)


# --- More time -------------------------------------------------------------------------------------


def test_more_time_is_two_more_months_with_a_reason_that_the_patient_reads(
    case: Case, complaint: Request, guardian: Actor
) -> None:
    browser, address = browser_of(guardian), reverse("record:more_time", args=[complaint.pk])
    assert send(browser, address).status_code == 422
    assert send(browser, address, follow=False, because="Two people are away.").status_code == 302
    later = fresh(case, complaint)
    assert later.due_on == due_on(Kind.COMPLAINT, complaint.opened_at, more=True)
    assert later.due_on > complaint.due_on
    assert "Two people are away." in page(case.browser, "question", complaint.pk)
    with pytest.raises(ValidationError, match="more time already"):
        give_more_time(complaint, "Again.", by=guardian)


def test_more_time_cannot_be_taken_once_it_is_late(case: Case, guardian: Actor) -> None:
    with time_machine.travel(timezone.now() - dt.timedelta(days=70)):
        asked = factories.ask_guardian(case.patient)
    with pytest.raises(ValidationError, match="late already"):
        give_more_time(asked, "Too late.", by=guardian)


def test_with_more_time_the_clock_is_three_calendar_months_to_a_working_day() -> None:
    assert str(due_on(Kind.ERASURE, noon("2026-09-25"), more=True)) == "2026-12-29"


# --- Rights ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("right", list(Right))
def test_a_right_is_asked_for_and_what_the_law_keeps_is_explained(case: Case, right: Right) -> None:
    shown = page(case.browser, "right", right.value)
    assert "It is kept for 8 years after the support ended" in shown
    assert "nobody can remove a line from it" in shown
    address = reverse("record:right", args=[right.value])
    assert send(case.browser, address, follow=False, words="Please.").status_code == 302
    again = send(case.browser, address, words="Please.")
    assert again.status_code == 422
    assert "You have asked about this already" in again.content.decode()
    with acting(case.actor, "test.read"):
        [asked] = Request.objects.all()
    assert asked.kind == right.value
    assert not asked.is_shared


def test_there_is_no_other_right(case: Case) -> None:
    for kind in ("complaint", "x", "correction"):
        assert case.browser.get(reverse("record:right", args=[kind])).status_code == 404


def test_an_answer_about_erasure_begins_with_what_is_kept_and_has_no_yes(case: Case, guardian: Actor) -> None:
    asked = open_request(case.patient, Kind.ERASURE, "All of it.", by=case.actor)
    form = page(browser_of(guardian), "answer_question", asked.pk)
    assert "We cannot erase your record before its time" in form
    with pytest.raises(ValidationError, match="Choose what became of it"):
        answer_request(asked, "Erased.", outcome=Outcome.ACCEPTED, by=guardian)
    answer_request(asked, "It is kept until 2034.", by=guardian)
    assert "It is kept until 2034." in page(case.browser, "question", asked.pk)


def test_every_kind_has_its_outcomes() -> None:
    assert set(OUTCOMES) == set(Kind)


def test_rights_outlast_taking_part(case: Case, guardian: Actor) -> None:
    withdraw(case.patient, by=case.actor)
    for right in Right:
        address = reverse("record:right", args=[right.value])
        assert send(case.browser, address, follow=False, words="Please.").status_code == 302
    assert send(case.browser, reverse("record:complain"), follow=False, words=WORDS).status_code == 302
    assert page(case.browser, "questions").count("Answer by") == 4
