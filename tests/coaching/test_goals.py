"""Goals, in the patient's words."""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone

from coaching import actions
from coaching.models import Goal
from consent.models import Decision, Purpose
from consent.policies import ConsentMissing
from pilot.access import NotVisible, acting
from pilot.people.actions import StaleVersion
from tests import factories
from tests.coaching.case import Case


def test_a_goal_is_read_by_the_patient_in_their_own_words(case: Case) -> None:
    actions.add_goal(case.referral, "Sing in a choir again.", by=case.coach)
    patient = factories.patient_actor(case.referral.patient)
    with acting(patient, "test.looked"):
        assert [goal.words for goal in Goal.objects.visible_to(patient)] == ["Sing in a choir again."]


@pytest.mark.parametrize("standing", list(Goal.Standing))
def test_a_goal_can_be_wanted_reached_or_dropped_and_taken_up_again(
    case: Case, standing: Goal.Standing
) -> None:
    goal = actions.add_goal(case.referral, "A job near home.", by=case.coach)
    changed = actions.change_goal(goal, words="Work near home.", standing=standing, version=1, by=case.coach)
    assert (changed.standing, changed.words) == (standing, "Work near home.")
    again = actions.change_goal(
        goal, words="Work near home.", standing=Goal.Standing.WANTED, version=2, by=case.coach
    )
    assert again.standing == Goal.Standing.WANTED


def test_the_day_on_which_a_goal_was_reached_stays(case: Case) -> None:
    goal = actions.add_goal(case.referral, "A job.", by=case.coach)
    reached = actions.change_goal(goal, words="A job.", standing="reached", version=1, by=case.coach)
    reworded = actions.change_goal(goal, words="Any job.", standing="reached", version=2, by=case.coach)
    assert reached.reached_at == reworded.reached_at


def test_a_goal_that_changed_meanwhile_is_not_overwritten(case: Case) -> None:
    goal = actions.add_goal(case.referral, "A job.", by=case.coach)
    actions.change_goal(goal, words="Some job.", standing="wanted", version=1, by=case.coach)
    with pytest.raises(StaleVersion):
        actions.change_goal(goal, words="Any job.", standing="wanted", version=1, by=case.coach)


def test_the_patient_writes_and_changes_goals_too(case: Case) -> None:
    patient = factories.patient_actor(case.referral.patient)
    goal = actions.add_goal(case.referral, "A job.", by=patient)
    actions.change_goal(goal, words="A good job.", standing="wanted", version=1, by=patient)
    with acting(case.coach, "test.looked"):
        assert Goal.objects.get(pk=goal.pk).words == "A good job."


def test_nobody_else_writes_goals(case: Case) -> None:
    goal = actions.add_goal(case.referral, "A job.", by=case.coach)
    stranger = factories.patient_actor(factories.make_case(case.pilot, case.coach).patient)
    for somebody in (case.other_coach, case.clinician, case.receptionist, stranger):
        with pytest.raises((NotVisible, PermissionDenied)):
            actions.add_goal(case.referral, "Another.", by=somebody)
        with pytest.raises((NotVisible, PermissionDenied)):
            actions.change_goal(goal, words="Another.", standing="wanted", version=1, by=somebody)


def test_goals_rest_on_consent(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    goal = actions.add_goal(case.referral, "A job.", by=case.coach)
    factories.give_consent(case.referral.patient, Purpose.TAKE_PART, answer=Decision.Answer.LAPSED)
    monkeypatch.setattr("pilot.access.policies.check", lambda *args: None)
    with pytest.raises(ConsentMissing):
        actions.add_goal(case.referral, "Another.", by=case.coach)
    with pytest.raises(ConsentMissing):
        actions.change_goal(goal, words="Another.", standing="wanted", version=1, by=case.coach)


def test_a_goal_is_not_both_reached_and_dropped(case: Case) -> None:
    with pytest.raises(IntegrityError, match="a_goal_is_reached_or_dropped"), transaction.atomic():
        factories.GoalFactory(referral=case.referral, reached_at=timezone.now(), dropped_at=timezone.now())
