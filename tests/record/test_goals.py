"""Goals, written by the patient in their own words."""

from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from coaching.models import Goal
from pilot.access import acting
from tests import factories
from tests.factories import TESTS
from tests.record.cases import Case
from tests.record.test_deciding import send
from tests.record.test_own_pages import page

pytestmark = pytest.mark.django_db(databases=["default", "owner"])


def goals(case: Case) -> list[Goal]:
    with acting(TESTS, "test.read"):
        return list(Goal.objects.filter(patient=case.patient).order_by("created_at"))


def test_a_patient_writes_a_goal_and_the_coach_reads_it(case: Case) -> None:
    assert send(case.browser, reverse("record:add_goal"), words="A garden to work in.").status_code == 302
    assert "A garden to work in." in page(case.browser, "goals")
    coach = factories.sign_in(Client(), case.coach)
    address = reverse("coaching:person", args=[case.referral.pk])
    assert "A garden to work in." in coach.get(address).content.decode()


def test_a_goal_can_be_put_in_other_words_reached_or_left(case: Case) -> None:
    (goal,) = goals(case)
    address = reverse("record:goal", args=[goal.pk])
    assert send(case.browser, address, words="Work near home.", standing="dropped").status_code == 302
    (goal,) = goals(case)
    assert (goal.words, goal.standing) == ("Work near home.", Goal.Standing.DROPPED)
    assert "Something else matters more now" in page(case.browser, "goals")


def test_an_empty_goal_is_asked_about_and_a_stale_one_keeps_the_words(case: Case) -> None:
    assert send(case.browser, reverse("record:add_goal"), words=" ").status_code == 422
    (goal,) = goals(case)
    answer = send(
        case.browser, reverse("record:goal", args=[goal.pk]), words="Mine.", standing="wanted", version="0"
    )
    assert answer.status_code == 409
    assert "Mine." in answer.content.decode()


def test_somebody_elses_goal_is_not_there(case: Case, other: Case) -> None:
    theirs = factories.GoalFactory(referral=other.referral)
    for key in (theirs.pk, uuid4()):
        assert case.browser.get(reverse("record:goal", args=[key])).status_code == 404


def test_after_stopping_nothing_is_added_and_what_was_written_stays_readable(case: Case) -> None:
    send(case.browser, reverse("record:stop"))
    assert case.browser.get(reverse("record:add_goal")).status_code == 404
    text = page(case.browser, "goals")
    assert "Work near home, two mornings." in text
    assert "Add a goal" not in text


@pytest.mark.parametrize("who", ["receptionist", "clinician"])
def test_the_practice_writes_no_goals(case: Case, who: str) -> None:
    browser = factories.sign_in(Client(), getattr(case, who))
    assert browser.get(reverse("record:add_goal")).status_code == 403
