"""A referral's way: logged, agreed to, allocated, paused, handed back, ended; and what is refused."""

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError
from django.utils import timezone

from consent import consequences
from consent.actions import How, not_now, record_decisions, withdraw
from consent.models import Decision, Purpose
from consent.policies import ConsentMissing
from pilot.access import Actor, NotVisible, Role, acting
from pilot.people.models import Patient
from referrals import actions, codes
from referrals.actions import allocate, end_referral, hand_back, log_referral, pause, resume
from referrals.consequences import _stopped, on_coaching_stopped
from referrals.forms import EndForm
from referrals.models import Allocation, BestTime, Reason, Referral, ReferralGrant, Status
from referrals.policies import TRANSITIONS, check_can_move, free_places
from tests import factories

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

TESTS = factories.TESTS


def logged(patient: Patient, by: Actor, **more: object) -> Referral:
    return log_referral(patient, reasons=[Reason.FIND_WORK], by=by, **more)  # type: ignore[arg-type]


def waiting(pilot: factories.Pilot) -> Referral:
    return factories.make_referral(factories.make_patient(pilot.practice), status=Status.WAITING)


def fresh(referral: Referral) -> Referral:
    with acting(TESTS, "test.looked"):
        return Referral.objects.get(pk=referral.pk)


def seen_by(actor: Actor, referral: Referral) -> bool:
    with acting(actor, "test.looked"):
        return Referral.objects.visible_to(actor).filter(pk=referral.pk).exists()


# --- Logging ---------------------------------------------------------------------------------------


def test_a_receptionist_logs_a_referral_that_waits_for_the_patients_decision(
    patient: Patient, receptionist: Actor, supervisor: Actor
) -> None:
    referral = logged(
        patient,
        receptionist,
        own_words="Mornings, near home.",
        best_times=[BestTime.SATURDAY],
        needs=["large_print"],
        needs_note="Size 18",
    )
    assert referral.status == Status.AWAITING_DECISION
    assert referral.logged_by_id == receptionist.user_id
    assert referral.provider_id is None
    assert not seen_by(supervisor, referral)
    with acting(receptionist, "test.looked"):
        changed = Patient.objects.get(pk=patient.pk)
    assert (changed.needs, changed.needs_note, changed.version) == (["large_print"], "Size 18", 2)


def test_needs_that_stay_the_same_leave_the_patient_untouched(patient: Patient, receptionist: Actor) -> None:
    logged(patient, receptionist, needs=[])
    with acting(receptionist, "test.looked"):
        assert Patient.objects.get(pk=patient.pk).version == 1


def test_a_reference_is_short_and_cannot_be_misread(patient: Patient, receptionist: Actor) -> None:
    reference = logged(patient, receptionist).reference
    assert len(reference) == 7
    assert not set(reference) & set("01OILU")
    assert len({codes.new_reference() for _ in range(500)}) > 490


def test_a_reference_that_somebody_has_is_replaced_by_another(
    pilot: factories.Pilot, receptionist: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = iter(["AAA-AAA", "AAA-AAA", "BBB-BBB"])
    monkeypatch.setattr(codes, "new_reference", lambda: next(drawn))
    first, second = (logged(factories.make_patient(pilot.practice), receptionist) for _ in range(2))
    assert (first.reference, second.reference) == ("AAA-AAA", "BBB-BBB")


def test_nobody_has_two_open_referrals(patient: Patient, receptionist: Actor) -> None:
    logged(patient, receptionist)
    with pytest.raises(ValidationError, match="open referral already"):
        logged(patient, receptionist)


def test_another_may_be_logged_once_the_first_has_ended(patient: Patient, receptionist: Actor) -> None:
    factories.make_referral(patient, status=Status.ENDED)
    assert logged(patient, receptionist).status == Status.AWAITING_DECISION


def test_a_referral_says_why(patient: Patient, receptionist: Actor) -> None:
    with pytest.raises(ValidationError):
        log_referral(patient, reasons=[], by=receptionist)
    with pytest.raises(ValidationError):
        log_referral(patient, reasons=["anything"], by=receptionist)


def test_one_who_agreed_before_begins_to_wait_at_once(
    patient: Patient, receptionist: Actor, supervisor: Actor
) -> None:
    factories.give_consent(patient)
    referral = logged(patient, receptionist)
    assert referral.status == Status.WAITING
    assert seen_by(supervisor, referral)


def test_nobody_raises_it_before_the_day_unless_the_patient_asks(
    patient: Patient, receptionist: Actor
) -> None:
    not_now(patient, by=factories.patient_actor(patient))
    with pytest.raises(ValidationError, match="Nobody brings this up before"):
        logged(patient, receptionist)
    assert logged(patient, receptionist, patient_asked=True).status == Status.AWAITING_DECISION


def test_another_practice_cannot_log_a_referral_or_learn_that_the_patient_exists(
    pilot: factories.Pilot, patient: Patient
) -> None:
    elsewhere = factories.make_staff(Role.RECEPTIONIST, pilot.other_practice)
    with pytest.raises(NotVisible):
        logged(patient, elsewhere)


@pytest.mark.parametrize("role", [Role.COACH, Role.SUPERVISOR, Role.COMMISSIONER, Role.PILOT_MANAGER])
def test_only_the_practice_logs_referrals(pilot: factories.Pilot, patient: Patient, role: Role) -> None:
    staff = factories.make_staff_of_every_role(pilot)[role]
    with pytest.raises((PermissionDenied, NotVisible)):
        logged(patient, staff)


# --- Deciding --------------------------------------------------------------------------------------


def agree(patient: Patient, by: Actor) -> None:
    how = How(Decision.Method.IN_PERSON, capacity_not_in_doubt=True, freely_given=True)
    answers = {Purpose.TAKE_PART: True, Purpose.SHARE_WITH_COACH: True}
    record_decisions(patient, answers, sheet=factories.make_sheet(), how=how, by=by)


def test_agreeing_lets_the_referral_wait_where_the_provider_sees_it(
    pilot: factories.Pilot, patient: Patient, receptionist: Actor, supervisor: Actor
) -> None:
    referral = logged(patient, receptionist)
    agree(patient, receptionist)
    moved = fresh(referral)
    assert (moved.status, moved.provider_id) == (Status.WAITING, pilot.provider.pk)
    assert moved.ready_at is not None
    assert seen_by(supervisor, referral)


def test_not_now_sets_the_referral_aside_and_no_provider_ever_saw_it(
    patient: Patient, receptionist: Actor, supervisor: Actor
) -> None:
    referral = logged(patient, receptionist)
    not_now(patient, by=factories.patient_actor(patient))
    assert fresh(referral).status == Status.SET_ASIDE
    assert fresh(referral).ending == ""
    assert not seen_by(supervisor, referral)


# --- Allocation ------------------------------------------------------------------------------------


def test_a_supervisor_allocates_and_the_coach_sees_it_at_once(
    pilot: factories.Pilot, supervisor: Actor, coach: Actor
) -> None:
    referral = waiting(pilot)
    assert not seen_by(coach, referral)
    allocation = allocate(referral, factories.membership_of(coach), by=supervisor)
    assert allocation.slot == 1
    assert fresh(referral).status == Status.WITH_COACH
    assert seen_by(coach, referral)


def test_a_supervisor_of_another_provider_does_not_know_of_the_referral(
    pilot: factories.Pilot, coach: Actor
) -> None:
    elsewhere = factories.make_staff(Role.SUPERVISOR, pilot.other_provider)
    with pytest.raises(NotVisible):
        allocate(waiting(pilot), factories.membership_of(coach), by=elsewhere)


@pytest.mark.parametrize("role", [Role.RECEPTIONIST, Role.CLINICIAN, Role.COACH])
def test_nobody_else_allocates(pilot: factories.Pilot, coach: Actor, role: Role) -> None:
    staff = factories.make_staff_of_every_role(pilot)[role]
    with pytest.raises((PermissionDenied, NotVisible)):
        allocate(waiting(pilot), factories.membership_of(coach), by=staff)


def test_a_coach_of_another_provider_cannot_be_given_the_referral(
    pilot: factories.Pilot, supervisor: Actor
) -> None:
    elsewhere = factories.make_staff(Role.COACH, pilot.other_provider)
    with pytest.raises(ValidationError, match="does not coach for your organisation"):
        allocate(waiting(pilot), factories.membership_of(elsewhere), by=supervisor)


def test_a_coach_whose_membership_has_ended_cannot_be_given_the_referral(
    pilot: factories.Pilot, supervisor: Actor
) -> None:
    gone = factories.make_staff(Role.COACH, pilot.provider, valid_until=timezone.localdate())
    with pytest.raises(ValidationError, match="does not coach for your organisation"):
        allocate(waiting(pilot), factories.membership_of(gone), by=supervisor)


def test_a_supervisor_cannot_be_allocated_as_a_coach(pilot: factories.Pilot, supervisor: Actor) -> None:
    with pytest.raises(ValidationError, match="does not coach for your organisation"):
        allocate(waiting(pilot), factories.membership_of(supervisor), by=supervisor)


def test_a_coach_with_every_place_taken_cannot_be_given_another(
    pilot: factories.Pilot, supervisor: Actor
) -> None:
    busy = factories.make_staff(Role.COACH, pilot.provider, caseload_limit=2)
    for _ in range(2):
        allocate(waiting(pilot), factories.membership_of(busy), by=supervisor)
    left = waiting(pilot)
    with pytest.raises(ValidationError, match="no place free any more"):
        allocate(left, factories.membership_of(busy), by=supervisor)
    assert fresh(left).status == Status.WAITING


def test_the_limit_counts_everybody_even_above_the_numbered_places() -> None:
    assert free_places(3, set()) == [1, 2, 3]
    assert free_places(3, {2}) == [1, 3]
    assert free_places(3, {2, 7, 8}) == []
    assert free_places(3, {7}) == [1, 2]
    assert free_places(0, set()) == []


def test_nobody_is_allocated_twice(pilot: factories.Pilot, supervisor: Actor, coach: Actor) -> None:
    referral = waiting(pilot)
    other = factories.make_staff(Role.COACH, pilot.provider)
    allocate(referral, factories.membership_of(coach), by=supervisor)
    with pytest.raises(ValidationError, match="With a coach"):
        allocate(referral, factories.membership_of(other), by=supervisor)


def test_nobody_is_allocated_once_their_consent_has_lapsed(
    pilot: factories.Pilot, supervisor: Actor, coach: Actor
) -> None:
    patient = factories.make_patient(pilot.practice)
    columns = {"provider": pilot.provider, "ready_at": timezone.now()}
    factories.give_consent(patient, lapses_on=timezone.localdate())
    referral = factories.ReferralFactory(patient=patient, status=Status.WAITING, **columns)
    with pytest.raises(ConsentMissing):
        allocate(referral, factories.membership_of(coach), by=supervisor)


# --- Handing back ----------------------------------------------------------------------------------


def test_handing_back_ends_the_coachs_access_and_keeps_the_place_in_the_queue(
    pilot: factories.Pilot, supervisor: Actor, coach: Actor
) -> None:
    referral = waiting(pilot)
    allocate(referral, factories.membership_of(coach), by=supervisor)
    hand_back(referral, by=supervisor)
    again = fresh(referral)
    assert (again.status, again.ready_at, again.allocated_at) == (Status.WAITING, referral.ready_at, None)
    assert not seen_by(coach, referral)
    assert allocate(referral, factories.membership_of(coach), by=supervisor).slot == 1


def test_handing_back_and_ending_tell_those_who_registered(
    pilot: factories.Pilot, supervisor: Actor, coach: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(_stopped, "_by_name", dict(_stopped._by_name))

    @on_coaching_stopped
    def note(referral: Referral, *, by: Actor) -> None:
        told.append(referral.status)

    referral = factories.make_case(pilot, coach)
    hand_back(referral, by=supervisor)
    end_referral(factories.make_case(pilot, coach), ending=Referral.Ending.MOVED, by=coach)
    assert told == [Status.WAITING, Status.ENDED]


# --- Pausing and ending ----------------------------------------------------------------------------


def test_a_coach_pauses_and_goes_on(pilot: factories.Pilot, coach: Actor) -> None:
    referral = factories.make_case(pilot, coach)
    assert pause(referral, by=coach).status == Status.PAUSED
    assert seen_by(coach, referral)
    assert resume(referral, by=coach).status == Status.WITH_COACH


def test_nothing_goes_on_once_consent_has_lapsed(pilot: factories.Pilot, receptionist: Actor) -> None:
    patient = factories.make_patient(pilot.practice)
    factories.give_consent(patient, lapses_on=timezone.localdate())
    columns = {"provider": pilot.provider, "ready_at": timezone.now()}
    referral = factories.ReferralFactory(patient=patient, status=Status.PAUSED, **columns)
    with pytest.raises(ConsentMissing):
        resume(referral, by=receptionist)


def test_what_is_not_paused_cannot_go_on(pilot: factories.Pilot, coach: Actor) -> None:
    with pytest.raises(ValidationError, match="cannot be done now"):
        resume(factories.make_case(pilot, coach), by=coach)


def test_a_patient_pauses_their_own_coaching(pilot: factories.Pilot, coach: Actor) -> None:
    referral = factories.make_case(pilot, coach, account=True)
    assert pause(referral, by=factories.patient_actor(referral.patient)).status == Status.PAUSED


def test_a_coach_does_not_pause_what_is_with_another(pilot: factories.Pilot, coach: Actor) -> None:
    other = factories.make_staff(Role.COACH, pilot.provider)
    with pytest.raises(NotVisible):
        pause(factories.make_case(pilot, coach), by=other)


def test_a_supervisor_sees_it_but_does_not_pause_it(
    pilot: factories.Pilot, supervisor: Actor, coach: Actor
) -> None:
    with pytest.raises(PermissionDenied):
        pause(factories.make_case(pilot, coach), by=supervisor)


def test_ending_says_how_and_takes_the_coachs_access_away(
    pilot: factories.Pilot, coach: Actor, receptionist: Actor
) -> None:
    referral = factories.make_case(pilot, coach)
    ended = end_referral(referral, ending=Referral.Ending.HEALTH_FIRST, by=coach)
    assert (ended.status, ended.ending, ended.provider_id) == (Status.ENDED, "health_first", None)
    assert not seen_by(coach, referral)
    with acting(TESTS, "test.looked"):
        assert not Allocation.objects.current().filter(referral=referral).exists()
        assert not ReferralGrant.objects.filter(content_object=referral).exists()
    with pytest.raises(ValidationError, match="cannot be done now"):
        end_referral(referral, ending=Referral.Ending.MOVED, by=receptionist)


@pytest.mark.parametrize("ending", ["died", "time_over", "merged", "", "gone"])
def test_an_ending_with_a_page_of_its_own_is_not_said_by_hand(
    pilot: factories.Pilot, coach: Actor, ending: str
) -> None:
    """Whoever chose “died” here would leave messages and invitations on their way."""
    referral = factories.make_case(pilot, coach)
    with pytest.raises(ValidationError):
        end_referral(referral, ending=ending, by=coach)
    form = EndForm({"ending": ending})
    assert not form.is_valid()
    with acting(TESTS, "test.looked"):
        assert Referral.objects.get(pk=referral.pk).status == Status.WITH_COACH


def test_an_undecided_referral_is_not_ended_but_set_aside(patient: Patient, receptionist: Actor) -> None:
    with pytest.raises(ValidationError, match="cannot be done now"):
        end_referral(logged(patient, receptionist), ending=Referral.Ending.MOVED, by=receptionist)


# --- Withdrawing -----------------------------------------------------------------------------------


def test_withdrawing_ends_the_referral_the_allocation_and_the_coachs_access(
    pilot: factories.Pilot, coach: Actor, supervisor: Actor
) -> None:
    referral = factories.make_case(pilot, coach, account=True)
    receipt = withdraw(referral.patient, by=factories.patient_actor(referral.patient))
    ended = fresh(referral)
    assert (ended.status, ended.ending, ended.provider_id) == (Status.ENDED, "patients_choice", None)
    assert not seen_by(coach, referral)
    assert not seen_by(supervisor, referral)
    with acting(TESTS, "test.looked"):
        assert not Allocation.objects.current().filter(referral=referral).exists()
        assert not ReferralGrant.objects.filter(content_object=referral).exists()
    text = str(receipt.lines)
    assert "Your coaching has stopped." in text
    assert "Your coach can no longer see anything about you." in text


def test_withdrawing_while_waiting_ends_the_waiting(pilot: factories.Pilot) -> None:
    referral = waiting(pilot)
    receipt = withdraw(referral.patient, by=factories.patient_actor(referral.patient))
    assert fresh(referral).status == Status.ENDED
    assert "You are no longer waiting for a coach." in str(receipt.lines)


def test_stopping_reminders_leaves_the_coaching_as_it_is(pilot: factories.Pilot, coach: Actor) -> None:
    referral = factories.make_case(pilot, coach, account=True)
    factories.give_consent(referral.patient, Purpose.REMINDERS)
    withdraw(referral.patient, [Purpose.REMINDERS], by=factories.patient_actor(referral.patient))
    assert fresh(referral).status == Status.WITH_COACH
    assert seen_by(coach, referral)


def previews(patient: Patient, *purposes: Purpose) -> list[str]:
    with acting(factories.patient_actor(patient), "test.looked"):
        return consequences.previews(patient, purposes or list(Purpose))


def test_the_patient_reads_beforehand_what_stops(pilot: factories.Pilot, coach: Actor) -> None:
    undecided, alone = (factories.make_patient(pilot.practice) for _ in range(2))
    factories.make_referral(undecided)
    waits = factories.make_patient(pilot.practice)
    factories.make_referral(waits, status=Status.WAITING)
    coached = factories.make_patient(pilot.practice)
    factories.allocate_to(factories.make_referral(coached, status=Status.WAITING), coach)
    assert "Nobody asks you about coaching any more." in previews(undecided)
    assert "You will no longer be waiting for a coach." in previews(waits)
    assert {"Your coaching stops.", "Your coach can no longer see anything about you."} <= set(
        previews(coached)
    )
    assert not {"Your coaching stops.", "Your coach can no longer see anything about you."} & {
        *previews(alone),
        *previews(coached, Purpose.REMINDERS),
    }


def test_withdrawing_before_a_new_referral_is_decided_sets_it_aside(pilot: factories.Pilot) -> None:
    patient = factories.make_patient(pilot.practice)
    factories.give_consent(patient, Purpose.TAKE_PART)
    referral = factories.make_referral(patient)
    receipt = withdraw(patient, by=factories.patient_actor(patient))
    assert fresh(referral).status == Status.SET_ASIDE
    assert "Nobody asks you about coaching any more." in str(receipt.lines)


def test_withdrawing_without_any_referral_ends_the_agreement(pilot: factories.Pilot) -> None:
    patient = factories.make_patient(pilot.practice)
    factories.give_consent(patient)
    receipt = withdraw(patient, by=factories.patient_actor(patient))
    assert "coaching has stopped" not in str(receipt.lines)


# --- What the database refuses by itself -------------------------------------------------------------


def test_the_database_refuses_a_second_open_referral(patient: Patient) -> None:
    factories.make_referral(patient)
    second = factories.ReferralFactory.build(patient=patient, practice=patient.practice)
    with (
        acting(TESTS, "test.made", patients=[patient.pk]),
        pytest.raises(IntegrityError, match="one_open_referral"),
    ):
        actions._save_with_reference(second)


def test_the_database_refuses_a_second_coach(pilot: factories.Pilot, coach: Actor) -> None:
    other = factories.make_staff(Role.COACH, pilot.provider)
    first = factories.allocate_to(waiting(pilot), coach)
    second = Allocation(
        referral_id=first.referral_id,
        patient_id=first.patient_id,
        practice_id=first.practice_id,
        provider=pilot.provider,
        person=factories.user_of(other),
        role="coach",
        begun_at=timezone.now(),
    )
    with (
        acting(TESTS, "test.made", patients=[first.patient_id]),
        pytest.raises(IntegrityError, match="one_coach_at_a_time"),
    ):
        actions._take_place(second, 5)


# --- The table -------------------------------------------------------------------------------------


def test_every_state_can_be_reached_and_those_that_end_lead_nowhere() -> None:
    assert {each.target for each in TRANSITIONS} == set(Status)
    assert not [each for each in TRANSITIONS if set(each.sources) & {Status.ENDED, Status.SET_ASIDE}]


@pytest.mark.parametrize("move", TRANSITIONS, ids=lambda move: move.name)
@pytest.mark.parametrize("status", Status)
def test_a_move_is_made_from_its_sources_by_its_roles_and_by_nothing_else(
    move: object, status: Status
) -> None:
    referral = Referral(status=status)
    for role in Role:
        if role not in move.by:  # type: ignore[attr-defined]
            with pytest.raises(PermissionDenied):
                check_can_move(referral, move.name, role)  # type: ignore[attr-defined]
        elif status in move.sources:  # type: ignore[attr-defined]
            check_can_move(referral, move.name, role)  # type: ignore[attr-defined]
        else:
            with pytest.raises(ValidationError, match="cannot be done now"):
                check_can_move(referral, move.name, role)  # type: ignore[attr-defined]
