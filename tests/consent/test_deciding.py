"""Saying yes, saying no, and not now."""

import datetime as dt

import pytest
import time_machine
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from consent import consequences
from consent.actions import (
    How,
    decide,
    not_now,
    record_decisions,
    record_not_now,
    withdraw,
)
from consent.models import NEEDED_TO_BEGIN, Decision, NotNow, Purpose, Receipt
from consent.policies import (
    AlreadyRecorded,
    ConsentMissing,
    check_consent,
    check_may_be_raised,
    holds,
    months_after,
    standing,
)
from pilot.access import Actor, NotVisible, Role, acting
from pilot.people.actions import StaleVersion
from pilot.people.models import Patient
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nothing_registered")]

YES_TO_BOTH = dict.fromkeys(NEEDED_TO_BEGIN, True)
YES_TO_ALL = dict.fromkeys(Purpose, True)


def what_stands(patient):
    with acting(factories.TESTS, "test.looked", patients=[patient.pk]):
        return {purpose: each.answer for purpose, each in standing(patient).items() if each}


def fresh(patient):
    with acting(factories.TESTS, "test.looked", patients=[patient.pk]):
        return Patient.objects.get(pk=patient.pk)


def everything(patient):
    with acting(factories.TESTS, "test.looked", patients=[patient.pk]):
        return list(Decision.objects.of(patient)), list(Receipt.objects.filter(patient=patient))


class TestYes:
    def test_each_purpose_is_answered_on_its_own(self, patient, themselves, sheet, online):
        decide(patient, {**YES_TO_BOTH, Purpose.REMINDERS: True, Purpose.EVALUATION: False},
               sheet=sheet, how=online, by=themselves)  # fmt: skip
        assert what_stands(patient) == {
            Purpose.TAKE_PART: "given",
            Purpose.SHARE_WITH_COACH: "given",
            Purpose.REMINDERS: "given",
            Purpose.EVALUATION: "refused",
        }

    def test_keeps_how_it_was_given_and_which_sheet_was_shown(self, patient, receptionist, sheet, by_phone):
        record_decisions(patient, YES_TO_BOTH, sheet=sheet, how=by_phone, by=receptionist)
        decision = everything(patient)[0][0]
        assert decision.sheet == sheet
        assert decision.method == Decision.Method.PHONE
        assert decision.witness == "Her sister"
        assert decision.recorded_by_id == receptionist.user_id
        assert decision.capacity_not_in_doubt
        assert decision.freely_given

    def test_lapses_after_twelve_months(self, patient, themselves, sheet, online):
        with time_machine.travel("2026-02-28 12:00", tick=False):
            decide(patient, YES_TO_BOTH, sheet=sheet, how=online, by=themselves)
        with acting(factories.TESTS, "test.looked", patients=[patient.pk]):
            with time_machine.travel("2027-02-27 12:00", tick=False):
                check_consent(patient, *NEEDED_TO_BEGIN)
            with time_machine.travel("2027-02-28 12:00", tick=False):
                assert not holds(patient.pk, Purpose.TAKE_PART)
                with pytest.raises(ConsentMissing) as missing:
                    check_consent(patient, *NEEDED_TO_BEGIN)
        assert missing.value.purposes == NEEDED_TO_BEGIN

    def test_gives_a_receipt_that_says_how_to_stop_and_that_nothing_else_changes(
        self, patient, themselves, sheet, online
    ):
        receipt = decide(patient, YES_TO_BOTH, sheet=sheet, how=online, by=themselves)
        text = " ".join(line["title"] + " " + line["text"] for line in receipt.lines)
        assert "Take part in employment coaching" in text
        assert "You can stop at any time" in text
        assert "Your care at the practice and your benefits" in text

    def test_sets_in_motion_what_was_registered_once_everything_needed_stands(
        self, patient, themselves, sheet, online
    ):
        began = []
        consequences.on_agreement(lambda patient, *, by: began.append((patient.pk, by)))
        decide(patient, YES_TO_BOTH, sheet=sheet, how=online, by=themselves)
        decide(patient, {Purpose.REMINDERS: True}, sheet=sheet, how=online, by=themselves)
        assert began == [(patient.pk, themselves)]

    def test_ends_do_not_raise_until(self, patient, themselves, sheet, online):
        not_now(patient, by=themselves)
        decide(patient, YES_TO_BOTH, sheet=sheet, how=online, by=themselves)
        assert fresh(patient).do_not_raise_until is None

    def test_is_refused_while_capacity_is_in_doubt_or_choice_not_free(self, patient, themselves, sheet):
        with pytest.raises(ValidationError) as refusal:
            decide(patient, YES_TO_BOTH, sheet=sheet, how=How(Decision.Method.ONLINE), by=themselves)
        assert set(refusal.value.error_dict) == {"capacity_not_in_doubt", "freely_given"}
        assert everything(patient) == ([], [])

    def test_the_database_itself_refuses_a_yes_without_a_sheet(self, patient):
        with pytest.raises(IntegrityError, match="a_yes_is_informed_capable_and_free"), transaction.atomic():
            factories.DecisionFactory(patient=patient, sheet=None)

    def test_needs_an_answer_to_both_purposes_first(self, patient, themselves, sheet, online):
        with pytest.raises(ValidationError) as refusal:
            decide(patient, {Purpose.TAKE_PART: True}, sheet=sheet, how=online, by=themselves)
        assert set(refusal.value.error_dict) == {"share_with_coach"}

    def test_cannot_rest_on_a_sheet_that_was_not_published(self, patient, themselves, online):
        draft = factories.make_sheet(published_at=None)
        with pytest.raises(ValidationError, match="not published"):
            decide(patient, YES_TO_BOTH, sheet=draft, how=online, by=themselves)

    def test_cannot_rest_on_a_sheet_that_changed_materially_since(self, patient, themselves, sheet, online):
        factories.make_sheet(change="minor")
        decide(patient, YES_TO_BOTH, sheet=sheet, how=online, by=themselves)
        factories.make_sheet(change="material")
        with pytest.raises(ValidationError, match="has changed since"):
            decide(patient, {Purpose.REMINDERS: True}, sheet=sheet, how=online, by=themselves)

    def test_can_be_given_again_to_a_newer_sheet(self, patient, themselves, sheet, online):
        decide(patient, YES_TO_BOTH, sheet=sheet, how=online, by=themselves)
        newer = factories.make_sheet(change="material")
        decide(patient, YES_TO_BOTH, sheet=newer, how=online, by=themselves)
        assert {each.sheet_id for each in everything(patient)[0]} == {sheet.pk, newer.pk}

    def test_starts_afresh_after_stopping(self, patient, themselves, sheet, online):
        decide(patient, YES_TO_ALL, sheet=sheet, how=online, by=themselves)
        withdraw(patient, by=themselves)
        with pytest.raises(ValidationError):
            decide(patient, {Purpose.REMINDERS: True}, sheet=sheet, how=online, by=themselves)
        decide(patient, YES_TO_BOTH, sheet=sheet, how=online, by=themselves)
        stands = what_stands(patient)
        assert stands[Purpose.TAKE_PART] == "given"
        assert stands[Purpose.REMINDERS] == "withdrawn"


class TestNo:
    @pytest.mark.parametrize("purpose", NEEDED_TO_BEGIN)
    def test_before_joining_keeps_only_a_day_and_one_number(
        self, patient, themselves, sheet, online, purpose
    ):
        answers = {**YES_TO_ALL, purpose: False}
        assert decide(patient, answers, sheet=sheet, how=online, by=themselves) is None
        assert everything(patient) == ([], [])
        assert fresh(patient).do_not_raise_until == months_after(timezone.localdate(), 6)
        assert NotNow.objects.get().count == 1

    def test_needs_no_capacity_no_reason_and_no_further_answers(self, patient, themselves, sheet):
        how = How(Decision.Method.ONLINE)
        decide(patient, {Purpose.TAKE_PART: False}, sheet=sheet, how=how, by=themselves)
        assert everything(patient) == ([], [])

    def test_looks_in_the_log_like_any_other_not_now(self, pilot, sheet, online):
        said_no, had_no_time = (factories.make_patient(pilot.practice, account=True) for _ in range(2))
        answers = {Purpose.TAKE_PART: False}
        decide(said_no, answers, sheet=sheet, how=online, by=factories.patient_actor(said_no))
        not_now(had_no_time, by=factories.patient_actor(had_no_time))
        assert self.last_change(said_no) == self.last_change(had_no_time)

    def last_change(self, patient):
        with acting(factories.TESTS, "test.looked", patients=[patient.pk]):
            row = patient.history.latest("history_date")
            return row.history_action, row.history_role, row.history_type

    def test_the_database_itself_keeps_no_refusal_to_join(self, patient):
        with pytest.raises(IntegrityError, match="a_no_to_joining_is_never_kept"), transaction.atomic():
            factories.DecisionFactory(patient=patient, answer="refused", lapses_on=None)

    def test_afterwards_to_one_purpose_leaves_the_others(self, patient, themselves, sheet, online):
        decide(patient, YES_TO_BOTH, sheet=sheet, how=online, by=themselves)
        decide(patient, {Purpose.CONTACT_EMPLOYERS: False}, sheet=sheet, how=online, by=themselves)
        assert what_stands(patient)[Purpose.TAKE_PART] == "given"

    def test_to_what_stands_is_stopped_on_the_page_for_stopping(self, patient, themselves, sheet, online):
        decide(patient, YES_TO_ALL, sheet=sheet, how=online, by=themselves)
        with pytest.raises(ValidationError, match="choose “Stop”"):
            decide(patient, {Purpose.REMINDERS: False}, sheet=sheet, how=online, by=themselves)


class TestNotNow:
    def test_lasts_until_the_day_that_was_asked_for(self, patient, themselves):
        day = timezone.localdate() + dt.timedelta(days=400)
        assert not_now(patient, until=day, by=themselves) == day
        with pytest.raises(ValidationError, match="Nobody brings this up before"):
            check_may_be_raised(fresh(patient))

    def test_is_over_on_that_day(self, patient, themselves):
        day = not_now(patient, by=themselves)
        with time_machine.travel(dt.datetime.combine(day, dt.time(9), dt.UTC)):
            check_may_be_raised(fresh(patient))

    def test_cannot_lie_in_the_past(self, patient, themselves):
        with pytest.raises(ValidationError, match="in the future"):
            not_now(patient, until=timezone.localdate(), by=themselves)

    def test_counts_a_person_once_while_it_lasts(self, patient, themselves):
        not_now(patient, by=themselves)
        not_now(patient, by=themselves)
        assert NotNow.objects.get().count == 1

    def test_the_practice_can_put_it_off_and_never_bring_it_forward(self, patient, themselves, receptionist):
        day = not_now(patient, by=themselves)
        assert record_not_now(patient, until=timezone.localdate() + dt.timedelta(1), by=receptionist) == day
        later = day + dt.timedelta(30)
        assert record_not_now(patient, until=later, by=receptionist) == later

    def test_tells_what_was_registered(self, patient, themselves):
        told = []
        consequences.on_not_now(lambda patient, until, *, by: told.append((patient.pk, until, by)))
        day = not_now(patient, by=themselves)
        assert told == [(patient.pk, day, themselves)]

    def test_is_not_for_somebody_who_takes_part(self, patient, themselves, sheet, online):
        decide(patient, YES_TO_BOTH, sheet=sheet, how=online, by=themselves)
        with pytest.raises(ValidationError, match="choose “Stop”"):
            not_now(patient, by=themselves)

    def test_keeps_the_practice_from_asking_unless_the_patient_brings_it_up(
        self, patient, themselves, receptionist, sheet
    ):
        not_now(patient, by=themselves)
        how = How(Decision.Method.IN_PERSON, capacity_not_in_doubt=True, freely_given=True)
        with pytest.raises(ValidationError, match="Nobody brings this up before"):
            record_decisions(patient, YES_TO_BOTH, sheet=sheet, how=how, by=receptionist)
        how = How(how.method, capacity_not_in_doubt=True, freely_given=True, patient_asked=True)
        assert record_decisions(patient, YES_TO_BOTH, sheet=sheet, how=how, by=receptionist)


class TestTwoPeopleRecording:
    def test_the_second_is_told_what_stands(self, patient, receptionist, sheet, by_phone):
        record_decisions(patient, YES_TO_BOTH, sheet=sheet, how=by_phone, version=0, by=receptionist)
        with pytest.raises(StaleVersion):
            record_decisions(patient, YES_TO_BOTH, sheet=sheet, how=by_phone, version=0, by=receptionist)

    def test_the_same_answers_again_change_nothing(self, patient, themselves, sheet, online):
        answers = {**YES_TO_BOTH, Purpose.EVALUATION: False}
        decide(patient, answers, sheet=sheet, how=online, by=themselves)
        with pytest.raises(AlreadyRecorded):
            decide(patient, answers, sheet=sheet, how=online, by=themselves)
        assert len(everything(patient)[0]) == 3


class TestWho:
    def test_nobody_decides_for_another_patient(self, pilot, patient, sheet, online):
        other = factories.patient_actor(factories.make_patient(pilot.practice, account=True))
        with pytest.raises(NotVisible):
            decide(patient, YES_TO_BOTH, sheet=sheet, how=online, by=other)

    def test_the_practice_records_and_does_not_decide(self, patient, receptionist, sheet, by_phone):
        with pytest.raises(PermissionDenied):
            decide(patient, YES_TO_BOTH, sheet=sheet, how=by_phone, by=receptionist)

    def test_what_the_practice_records_was_not_given_online(self, patient, receptionist, sheet, online):
        with pytest.raises(ValidationError, match="Say how the patient gave"):
            record_decisions(patient, YES_TO_BOTH, sheet=sheet, how=online, by=receptionist)

    def test_another_practice_finds_no_such_patient(self, pilot, patient, sheet, by_phone):
        stranger = factories.make_staff(Role.RECEPTIONIST, pilot.other_practice)
        with pytest.raises(NotVisible):
            record_decisions(patient, YES_TO_BOTH, sheet=sheet, how=by_phone, by=stranger)

    @pytest.mark.parametrize(
        "role", [Role.COACH, Role.SUPERVISOR, Role.COMMISSIONER, Role.PILOT_MANAGER, Role.CALDICOTT_GUARDIAN]
    )
    def test_nobody_outside_the_practice_records_anything(self, pilot, patient, sheet, by_phone, role):
        outsider = factories.make_staff_of_every_role(pilot)[role]
        with pytest.raises(NotVisible):
            record_decisions(patient, YES_TO_BOTH, sheet=sheet, how=by_phone, by=outsider)
        with pytest.raises(NotVisible):
            record_not_now(patient, by=outsider)

    def test_a_patient_does_not_record_as_the_practice(self, patient, themselves, sheet, by_phone):
        with pytest.raises(PermissionDenied):
            record_decisions(patient, YES_TO_BOTH, sheet=sheet, how=by_phone, by=themselves)

    def test_the_system_records_nobody(self, patient, sheet, by_phone):
        record_decisions(patient, YES_TO_BOTH, sheet=sheet, how=by_phone, by=Actor.system("import"))
        assert {each.recorded_by_id for each in everything(patient)[0]} == {None}


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (dt.date(2026, 1, 31), 1, dt.date(2026, 2, 28)),
        (dt.date(2026, 8, 31), 6, dt.date(2027, 2, 28)),
        (dt.date(2028, 2, 29), 12, dt.date(2029, 2, 28)),
        (dt.date(2026, 12, 15), 1, dt.date(2027, 1, 15)),
        (dt.date(2026, 6, 30), 6, dt.date(2026, 12, 30)),
    ],
)
def test_months_after_stays_within_the_month(day, months, expected):
    assert months_after(day, months) == expected
