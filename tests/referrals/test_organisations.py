"""What becomes of referrals when a practice gets another provider, or when one of the two closes."""

from __future__ import annotations

import datetime as dt

import pytest
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone

from coaching.models import Session, SessionStatus
from consent.models import Purpose
from pilot.access import Actor, Role, acting
from pilot.celery import app
from pilot.outbox.models import Message
from pilot.people.actions import change_provider, close_organisation
from pilot.people.models import Organisation, Patient
from referrals.actions import allocate, hand_back
from referrals.models import Allocation, Referral, ReferralGrant, Status
from referrals.tasks import follow_organisations
from tests import factories
from tests.log import events

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

TODAY = timezone.localdate()


@pytest.fixture
def manager(pilot: factories.Pilot) -> Actor:
    return factories.make_staff(Role.PILOT_MANAGER, pilot.office)


def stands(referral: Referral) -> Referral:
    with acting(factories.TESTS, "test.looked"):
        return Referral.objects.select_related("practice").get(pk=referral.pk)


def seen_by(actor: Actor) -> set[object]:
    with acting(actor, "test.looked"):
        return set(Referral.objects.values_list("pk", flat=True))


def serve(practice: Organisation, provider: Organisation | None, by: Actor) -> None:
    change_provider(practice, provider, version=practice.version, by=by)


def close(organisation: Organisation, by: Actor) -> None:
    close_organisation(organisation, on=TODAY, version=organisation.version, by=by)


def provider_changes() -> list[str]:
    with acting(factories.TESTS, "test.looked"):
        past = Referral.history.model.objects.filter(history_action="referral.provider_changed")
        return [str(each.id) for each in past]


def waiting(practice: Organisation, **columns: object) -> Referral:
    return factories.make_referral(factories.make_patient(practice), status=Status.WAITING, **columns)


def test_who_waits_without_a_provider_waits_with_the_one_that_comes(
    pilot: factories.Pilot, manager: Actor, supervisor: Actor
) -> None:
    alone = factories.make_organisation()
    earlier = timezone.now() - dt.timedelta(days=30)
    first, second = waiting(alone, ready_at=earlier), waiting(alone)
    undecided = factories.make_referral(factories.make_patient(alone))
    assert (stands(first).provider_id, seen_by(supervisor)) == (None, set())
    serve(alone, pilot.provider, manager)
    follow_organisations()
    assert seen_by(supervisor) == {first.pk, second.pk}
    assert stands(first).ready_at == earlier, "the place in the queue stays"
    assert stands(undecided).provider_id is None
    assert sorted(provider_changes()) == sorted([str(first.pk), str(second.pk)]), "one event for each"


def test_when_the_provider_changes_only_those_who_wait_move(
    pilot: factories.Pilot, manager: Actor, coach: Actor, supervisor: Actor
) -> None:
    new_supervisor = factories.make_staff(Role.SUPERVISOR, pilot.other_provider)
    with_coach, waits = factories.make_case(pilot, coach), waiting(pilot.practice)
    serve(pilot.practice, pilot.other_provider, manager)
    follow_organisations()
    assert (seen_by(supervisor), seen_by(new_supervisor)) == ({with_coach.pk}, {waits.pk})
    assert seen_by(coach) == {with_coach.pk}
    hand_back(stands(with_coach), by=supervisor)
    assert stands(with_coach).status == Status.WAITING
    assert (seen_by(supervisor), seen_by(new_supervisor)) == (set(), {with_coach.pk, waits.pk})
    assert seen_by(coach) == set()


def test_it_is_safe_to_run_twice(pilot: factories.Pilot, manager: Actor, coach: Actor) -> None:
    kept, moved = factories.make_case(pilot, coach), waiting(pilot.practice)
    follow_organisations()
    assert provider_changes() == []
    serve(pilot.practice, pilot.other_provider, manager)
    follow_organisations()
    follow_organisations()
    assert provider_changes() == [str(moved.pk)]
    assert stands(kept).version == stands(kept).version == 2


def test_nobody_allocates_for_a_practice_that_went_elsewhere(
    pilot: factories.Pilot, manager: Actor, coach: Actor, supervisor: Actor
) -> None:
    waits = waiting(pilot.practice)
    serve(pilot.practice, pilot.other_provider, manager)
    with pytest.raises(ValidationError, match="no longer works with this practice"):
        allocate(stands(waits), factories.membership_of(coach), by=supervisor)


@pytest.mark.parametrize("which", ["practice", "provider"])
def test_a_closed_organisation_ends_the_coachs_access_at_once(
    pilot: factories.Pilot, manager: Actor, coach: Actor, which: str
) -> None:
    case = factories.make_case(pilot, coach)
    with acting(coach, "test.looked"):
        assert Patient.objects.filter(pk=case.patient_id).exists()
    close(getattr(pilot, which), manager)
    with acting(coach, "test.looked") as context:
        assert not Patient.objects.filter(pk=case.patient_id).exists()
        assert not Referral.objects.exists()
        assert (context.grants.referrals, context.grants.patients) == ([], [])


def test_what_a_closed_provider_had_waits_again_with_the_next_one(
    pilot: factories.Pilot, manager: Actor, coach: Actor
) -> None:
    case = factories.make_case(pilot, coach)
    factories.give_consent(case.patient, Purpose.REMINDERS)
    session = factories.make_session(case, coach)
    close(pilot.provider, manager)
    follow_organisations()
    follow_organisations()
    now = stands(case)
    assert (now.status, now.provider_id) == (Status.WAITING, None)
    with acting(factories.TESTS, "test.looked"):
        assert Session.objects.get(pk=session.pk).status == SessionStatus.CANCELLED
        assert Message.objects.filter(patient=case.patient_id, template="session_cancelled").count() == 1
        assert not Allocation.objects.current().exists()
        assert not ReferralGrant.objects.exists()
    serve(pilot.practice, pilot.other_provider, manager)
    follow_organisations()
    assert stands(case).provider_id == pilot.other_provider.pk


def test_nobody_waits_through_a_closed_practice(
    pilot: factories.Pilot, manager: Actor, coach: Actor, supervisor: Actor
) -> None:
    case, waits = factories.make_case(pilot, coach), waiting(pilot.practice)
    elsewhere = waiting(factories.make_organisation(served_by=pilot.provider))
    close(pilot.practice, manager)
    follow_organisations()
    assert {stands(case).provider_id, stands(waits).provider_id} == {None}
    assert seen_by(supervisor) == {elsewhere.pk}
    assert seen_by(factories.patient_actor(case.patient)) == {case.pk}, "patients keep their own record"


def test_the_system_does_it_and_says_so(pilot: factories.Pilot, manager: Actor) -> None:
    waits = waiting(pilot.practice)
    serve(pilot.practice, pilot.other_provider, manager)
    follow_organisations()
    [event] = events(action="referral.provider_changed")
    assert (event.actor, event.row_id) == ("system:referrals.follow_organisations", str(waits.pk))


def test_the_clock_runs_it() -> None:
    tasks = {entry["task"]: entry["schedule"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert tasks["referrals.follow_organisations"] == 60
    assert tasks["referrals.forget_old_lists"] == 24 * 60 * 60
    app.loader.import_default_modules()
    assert set(tasks) <= set(app.tasks), "the worker knows every one of them"
