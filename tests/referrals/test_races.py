"""Two people at once: no coach gets more people than their places, nobody is allocated or logged twice."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from pilot.access import Role, acting
from pilot.people.actions import register_patient
from referrals.actions import allocate, log_referral
from referrals.invitations.actions import invite, use_invitation
from referrals.models import Allocation, Invitation, Reason, Referral, Status
from tests import factories
from tests.together import at_once

pytestmark = pytest.mark.usefixtures("own_database")


@pytest.fixture
def pilot() -> factories.Pilot:
    return factories.make_pilot()


def all_at_once(*deeds: Callable[[], Any]) -> list[str]:
    """Do these in as many threads; what became of each: "done" or what refused it."""
    outcomes = at_once(*deeds)
    for problem in outcomes:
        if isinstance(problem, Exception) and not isinstance(problem, ValidationError):
            raise problem
    return sorted(each.messages[0] if isinstance(each, ValidationError) else "done" for each in outcomes)


def test_supervisors_allocating_at_once_cannot_overfill_a_coach(pilot: factories.Pilot) -> None:
    supervisors = [factories.make_staff(Role.SUPERVISOR, pilot.provider) for _ in range(4)]
    coach = factories.membership_of(factories.make_staff(Role.COACH, pilot.provider, caseload_limit=3))
    waiting = [
        factories.make_referral(factories.make_patient(pilot.practice), status=Status.WAITING)
        for _ in range(4)
    ]
    outcomes = all_at_once(
        *(
            lambda each=each, by=by: allocate(each, coach, by=by)  # type: ignore[misc]
            for each, by in zip(waiting, supervisors, strict=True)
        )
    )
    assert outcomes.count("done") == 3
    assert [each for each in outcomes if "no place free any more" in each]
    with acting(factories.TESTS, "test.looked"):
        assert sorted(Allocation.objects.values_list("slot", flat=True)) == [1, 2, 3]
        assert Referral.objects.filter(status=Status.WAITING).count() == 1


def test_two_supervisors_cannot_give_one_referral_to_two_coaches(pilot: factories.Pilot) -> None:
    supervisors = [factories.make_staff(Role.SUPERVISOR, pilot.provider) for _ in range(2)]
    coaches = [factories.membership_of(factories.make_staff(Role.COACH, pilot.provider)) for _ in range(2)]
    referral = factories.make_referral(factories.make_patient(pilot.practice), status=Status.WAITING)
    outcomes = all_at_once(
        *(
            lambda coach=coach, by=by: allocate(referral, coach, by=by)  # type: ignore[misc]
            for coach, by in zip(coaches, supervisors, strict=True)
        )
    )
    assert outcomes.count("done") == 1
    with acting(factories.TESTS, "test.looked"):
        assert Allocation.objects.current().count() == 1


def test_two_receptionists_cannot_log_the_same_person_twice(pilot: factories.Pilot) -> None:
    desks = [factories.make_staff(Role.RECEPTIONIST, pilot.practice) for _ in range(2)]
    patient = factories.make_patient(pilot.practice)
    outcomes = all_at_once(
        *(lambda by=by: log_referral(patient, reasons=[Reason.FIND_WORK], by=by) for by in desks)  # type: ignore[misc]
    )
    assert outcomes.count("done") == 1
    assert [each for each in outcomes if "open referral already" in each]


def test_two_receptionists_cannot_add_the_same_number_twice(pilot: factories.Pilot) -> None:
    desks = [factories.make_staff(Role.RECEPTIONIST, pilot.practice) for _ in range(2)]
    details = factories.PatientDetailsFactory(nhs_number="9990003211")
    outcomes = all_at_once(
        *(lambda by=by: register_patient(pilot.practice, details, by=by) for by in desks)  # type: ignore[misc]
    )
    assert outcomes.count("done") == 1
    assert [each for each in outcomes if "has this NHS number already" in each]


def test_an_invitation_is_used_once(pilot: factories.Pilot) -> None:
    referral = factories.make_referral(factories.make_patient(pilot.practice))
    invitation = invite(referral, channel="letter", by=factories.TESTS)
    outcomes = all_at_once(*(lambda: use_invitation(invitation, by=factories.TESTS) for _ in range(2)))
    assert outcomes.count("done") == 1
    with acting(factories.TESTS, "test.looked"):
        assert Invitation.objects.get().used_at is not None
