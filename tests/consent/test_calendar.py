"""What time does to consent: a day to think it over, what ends by itself, and being asked again when the sheet changes."""

import datetime as dt

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from coaching.actions import book
from coaching.models import Session, SessionStatus
from consent import tasks
from consent.actions import How, decide, record_decisions, withdraw
from consent.models import (
    NEEDED_TO_BEGIN,
    STANDS_AFTER_CHANGE,
    Decision,
    InformationSheet,
    Purpose,
    Receipt,
    Reminder,
)
from consent.policies import (
    COOLING_OFF,
    TOLD_BEFORE,
    AlreadyRecorded,
    ConsentMissing,
    check_consent,
    check_may_be_booked,
    has_joined,
    holds,
    lapses_on,
    standing,
)
from pilot.access import Role, acting
from pilot.outbox.models import Message
from pilot.people.models import Patient
from referrals.models import Allocation, Referral, Status
from tests import factories

pytestmark = pytest.mark.django_db

YES_TO_BOTH = dict.fromkeys(NEEDED_TO_BEGIN, True)
TODAY = timezone.localdate


def looking(patient):
    return acting(factories.TESTS, "test.looked", patients=[patient.pk])


def stands(patient):
    with looking(patient):
        return {purpose.value: each.answer for purpose, each in standing(patient).items() if each}


def is_held(patient, *purposes):
    with looking(patient):
        return [holds(patient.pk, purpose) for purpose in purposes or NEEDED_TO_BEGIN]


def reminders(patient):
    with looking(patient):
        return list(Reminder.objects.filter(patient=patient).order_by("decision__purpose"))


def messages(patient, template):
    with looking(patient):
        return list(Message.objects.filter(patient=patient, template=template))


@pytest.fixture
def coach(pilot):
    return factories.make_staff(Role.COACH, pilot.provider)


@pytest.fixture
def case(pilot, coach):
    return factories.make_case(pilot, coach)


@pytest.fixture
def themselves_of_case(case):
    return factories.patient_actor(case.patient)


def visible(coach, referral):
    with acting(coach, "test.looked"):
        return Referral.objects.visible_to(coach).filter(pk=referral.pk).exists()


class TestThinkingItOver:
    def test_nothing_is_booked_for_a_day_after_joining(self, patient, themselves, sheet, online):
        receipt = decide(patient, YES_TO_BOTH, sheet=sheet, how=online, by=themselves)
        with looking(patient):
            with pytest.raises(ValidationError, match="time to think it over") as refused:
                check_may_be_booked(patient)
            begins = Decision.objects.of(patient).values_list("begins_at", flat=True)
        assert refused.value.code == "cooling_off"
        assert all(
            dt.timedelta(0) <= timezone.now() + COOLING_OFF - at < dt.timedelta(minutes=5) for at in begins
        )
        assert "Time to think it over" in [line["title"] for line in receipt.lines]
        page = factories.sign_in(Client(), themselves).get(reverse("record:consent")).content.decode()
        assert "so that you can think it over" in page

    def test_a_coach_cannot_book_before_and_can_after(self, pilot, coach):
        patient = factories.make_patient(pilot.practice)
        soon = timezone.now() + dt.timedelta(seconds=1)
        referral = factories.make_referral(patient, status=Status.WAITING)
        factories.give_consent(patient, begins_at=soon + dt.timedelta(hours=1))
        factories.allocate_to(referral, coach)
        when = {
            "starts_at": timezone.now() + dt.timedelta(days=3),
            "place": Session.Place.PRACTICE,
            "by": coach,
        }
        with pytest.raises(ValidationError, match="Nothing is booked before"):
            book(referral, **when)
        factories.give_consent(patient, begins_at=timezone.now())
        assert book(referral, **when).status == SessionStatus.BOOKED

    def test_not_to_wait_is_the_patients_own_choice(self, patient, themselves, sheet):
        how = How(Decision.Method.ONLINE, capacity_not_in_doubt=True, freely_given=True, sooner=True)
        receipt = decide(patient, YES_TO_BOTH, sheet=sheet, how=how, by=themselves)
        with looking(patient):
            check_may_be_booked(patient)
        assert "Time to think it over" not in [line["title"] for line in receipt.lines]

    def test_a_yes_to_more_does_not_start_it_again(self, patient, themselves, sheet, online):
        factories.give_consent(patient)
        decide(patient, {Purpose.REMINDERS: True}, sheet=sheet, how=online, by=themselves)
        with looking(patient):
            check_may_be_booked(patient)

    def test_rejoining_does(self, patient, themselves, sheet, online):
        factories.give_consent(patient)
        withdraw(patient, by=themselves)
        decide(patient, YES_TO_BOTH, sheet=sheet, how=online, by=themselves)
        with looking(patient), pytest.raises(ValidationError, match="Nothing is booked before"):
            check_may_be_booked(patient)


class TestLapsing:
    def test_an_evaluation_reaches_to_the_last_follow_up(self):
        day = dt.date(2026, 2, 28)
        assert lapses_on(Purpose.TAKE_PART, day) == dt.date(2027, 2, 28)
        assert lapses_on(Purpose.EVALUATION, day) == dt.date(2028, 2, 28)

    def test_the_day_comes_and_everything_stops_as_with_a_withdrawal(self, pilot, coach):
        patient = factories.make_patient(pilot.practice)
        referral = factories.make_referral(patient, status=Status.WAITING)
        factories.allocate_to(referral, coach)
        factories.give_consent(patient, Purpose.REMINDERS, Purpose.EVALUATION)
        session = factories.make_session(referral, coach)
        assert visible(coach, referral)
        factories.give_consent(
            patient, lapses_on=TODAY()
        )  # a shorter yes, of which today is the first day without
        # Access and use have ended with the day itself, before any task has run.
        assert not visible(coach, referral)
        assert is_held(patient) == [False, False]
        tasks.end_what_has_lapsed()
        with looking(patient):
            session.refresh_from_db()
            assert session.status == SessionStatus.CANCELLED
            assert not Allocation.objects.filter(referral=referral, ended_at__isnull=True).exists()
            receipt = Receipt.objects.get(patient=patient, kind=Receipt.Kind.LAPSED)
        assert {line["title"] for line in receipt.lines} >= {
            "What has stopped now",
            "If you would like to go on",
        }
        assert stands(patient) == {
            "take_part": "lapsed",
            "share_with_coach": "lapsed",
            "reminders": "lapsed",
            "evaluation": "given",
        }
        [message] = messages(patient, "lapsed")
        assert message.purpose == ""

    def test_running_again_changes_nothing(self, patient):
        factories.give_consent(patient, lapses_on=TODAY())
        for _ in range(2):
            tasks.end_what_has_lapsed()
        with looking(patient):
            assert Decision.objects.of(patient).filter(answer="lapsed").count() == 2
            assert Receipt.objects.filter(patient=patient).count() == 1

    def test_a_yes_that_was_renewed_does_not_lapse(self, patient):
        factories.give_consent(patient, lapses_on=TODAY())
        factories.give_consent(patient)
        tasks.end_what_has_lapsed()
        assert stands(patient) == {"take_part": "given", "share_with_coach": "given"}

    @pytest.mark.parametrize("at_desk", [False, True])
    def test_whoever_says_yes_again_before_the_task_has_run_begins_afresh(
        self, pilot, coach, sheet, online, at_desk
    ):
        referral = factories.make_case(pilot, coach, account=True)
        patient = referral.patient
        session = factories.make_session(referral, coach)
        factories.give_consent(patient, lapses_on=TODAY())
        if at_desk:
            how = How(
                Decision.Method.IN_PERSON, capacity_not_in_doubt=True, freely_given=True, patient_asked=True
            )
            desk = factories.make_staff(Role.RECEPTIONIST, pilot.practice)
            record_decisions(patient, YES_TO_BOTH, sheet=sheet, how=how, by=desk)
        else:
            decide(patient, YES_TO_BOTH, sheet=sheet, how=online, by=factories.patient_actor(patient))
        assert is_held(patient) == [True, True]
        assert not visible(coach, referral)
        with looking(patient):
            session.refresh_from_db()
            assert session.status == SessionStatus.CANCELLED
            assert Referral.objects.get(pk=referral.pk).status == Status.ENDED
            assert not Allocation.objects.filter(referral=referral, ended_at__isnull=True).exists()
            assert set(Receipt.objects.filter(patient=patient).values_list("kind", flat=True)) == {
                Receipt.Kind.LAPSED,
                Receipt.Kind.DECIDED,
            }
            with pytest.raises(ValidationError, match="Nothing is booked before"):
                check_may_be_booked(patient)

    def test_one_thing_alone_can_lapse(self, patient):
        factories.give_consent(patient)
        factories.give_consent(patient, Purpose.REMINDERS, lapses_on=TODAY())
        tasks.end_what_has_lapsed()
        assert stands(patient) == {"take_part": "given", "share_with_coach": "given", "reminders": "lapsed"}

    def test_one_patient_who_cannot_be_dealt_with_keeps_nobody_waiting(
        self, pilot, patient, monkeypatch, caplog
    ):
        other = factories.make_patient(pilot.practice)
        for each in (patient, other):
            factories.give_consent(each, lapses_on=TODAY())
        do, broken = tasks.lapse, min(patient.pk, other.pk)

        def lapse(one: Patient, *, by):
            if one.pk == broken:
                raise RuntimeError("broken")
            return do(one, by=by)

        monkeypatch.setattr(tasks, "lapse", lapse)
        tasks.end_what_has_lapsed()
        assert sorted(stands(each)["take_part"] for each in (patient, other)) == ["given", "lapsed"]
        assert str(broken) in caplog.text


class TestBeingTold:
    def test_once_and_in_good_time(self, patient):
        first_day = TODAY() + TOLD_BEFORE
        factories.give_consent(patient, lapses_on=first_day)
        factories.give_consent(patient, Purpose.REMINDERS, lapses_on=first_day + dt.timedelta(days=1))
        for _ in range(2):
            tasks.announce_ends()
        told = reminders(patient)
        assert [each.ends_on for each in told] == [first_day] * 2
        assert {each.why for each in told} == {Reminder.Why.LAPSES}
        [message] = messages(patient, "ends_soon")
        assert "nobody will ask you why" in message.text

    def test_not_of_what_has_stopped(self, patient, themselves):
        factories.give_consent(patient, lapses_on=TODAY() + dt.timedelta(days=3))
        withdraw(patient, by=themselves)
        tasks.announce_ends()
        assert reminders(patient) == []

    def test_then_a_yes_can_be_given_again(self, patient, themselves, sheet, online):
        factories.give_consent(patient, lapses_on=TODAY() + dt.timedelta(days=3))
        decide(patient, YES_TO_BOTH, sheet=sheet, how=online, by=themselves)
        with looking(patient):
            stood = standing(patient)
            assert {each.lapses_on for each in stood.values() if each} == {
                lapses_on(Purpose.TAKE_PART, TODAY())
            }
            check_may_be_booked(patient)

    def test_but_not_long_before(self, patient, themselves, sheet, online):
        factories.give_consent(patient)
        with pytest.raises(AlreadyRecorded):
            decide(patient, YES_TO_BOTH, sheet=sheet, how=online, by=themselves)


class TestMaterialChange:
    def changed(self, days_ago=0, **columns):
        return factories.make_sheet(
            published_at=timezone.localtime() - dt.timedelta(days=days_ago),
            what_changed="Another organisation employs the coaches.",
            **columns,
        )

    def test_what_was_agreed_to_stands_for_a_time_and_then_ends(self, pilot, coach, case):
        patient, limit = case.patient, STANDS_AFTER_CHANGE.days
        self.changed(days_ago=limit - 1)
        assert is_held(patient) == [True, True]
        assert visible(coach, case)
        tasks.end_what_has_lapsed()
        assert stands(patient)["take_part"] == "given"

    def test_after_that_time_it_has_ended_for_everybody(self, coach, case):
        self.changed(days_ago=STANDS_AFTER_CHANGE.days)
        assert is_held(case.patient) == [False, False]
        assert not visible(coach, case)
        with looking(case.patient), pytest.raises(ConsentMissing):
            check_consent(case.patient, *NEEDED_TO_BEGIN)
        tasks.end_what_has_lapsed()
        assert stands(case.patient)["take_part"] == "lapsed"

    def test_a_minor_one_changes_nothing(self, coach, case):
        self.changed(days_ago=400, change=InformationSheet.Change.MINOR)
        assert is_held(case.patient) == [True, True]
        tasks.announce_ends()
        assert reminders(case.patient) == []

    @pytest.mark.parametrize("other", [{"language": "cy"}, {"readers": "young"}])
    def test_nor_does_one_in_another_language_or_for_other_readers(self, case, other):
        self.changed(days_ago=400, **other)
        assert is_held(case.patient) == [True, True]

    def test_what_changed_in_one_format_changed_in_all(self, coach, case, themselves_of_case, online):
        """Or who agreed to the easy one would go on for longer, and the others could renew on it."""
        easy = factories.make_sheet(format="easy_read", change="minor")
        self.changed(days_ago=STANDS_AFTER_CHANGE.days, format="plain")
        assert is_held(case.patient) == [False, False]
        assert not visible(coach, case)
        with pytest.raises(ValidationError, match="has changed since"):
            decide(case.patient, YES_TO_BOTH, sheet=easy, how=online, by=themselves_of_case)

    def test_a_draft_changes_nothing(self, case):
        with acting(factories.TESTS, "test.made"):
            sheet = factories.make_sheet()
            InformationSheet.objects.create(
                version=77,
                title="Draft",
                text="x",
                charter=sheet.charter,
                what_changed="y",
                published_at=None,
            )
        assert is_held(case.patient) == [True, True]

    def test_the_patient_is_told_and_can_answer_again(self, patient, themselves, sheet, online):
        factories.give_consent(patient, *NEEDED_TO_BEGIN, Purpose.REMINDERS)
        new = self.changed()
        tasks.announce_ends()
        told = reminders(patient)
        assert {each.why for each in told} == {Reminder.Why.CHANGED}
        assert {each.ends_on for each in told} == {TODAY() + STANDS_AFTER_CHANGE}
        assert "has changed" in messages(patient, "ends_soon")[0].text
        decide(patient, YES_TO_BOTH, sheet=new, how=online, by=themselves)
        with looking(patient):
            stood = standing(patient)
            assert has_joined(stood)
            assert stood[Purpose.TAKE_PART].sheet == new
            assert stood[Purpose.REMINDERS].sheet == sheet  # still to be answered, and it ends with its day
            assert stood[Purpose.REMINDERS].ends_on == TODAY() + STANDS_AFTER_CHANGE

    def test_two_changes_do_not_give_more_time_than_the_first(self, case):
        self.changed(days_ago=STANDS_AFTER_CHANGE.days)
        self.changed(days_ago=1)
        assert is_held(case.patient) == [False, False]


class TestReaders:
    def born(self, years, days=0):
        today = TODAY()
        return today.replace(year=today.year - years, day=min(today.day, 28)) - dt.timedelta(days=days)

    def test_somebody_of_sixteen_or_seventeen_has_a_sheet_of_their_own(self, pilot, online, sheet):
        young = factories.make_patient(pilot.practice, date_of_birth=self.born(17))
        themselves = factories.patient_actor(young)
        with pytest.raises(ValidationError, match="somebody of another age"):
            decide(young, YES_TO_BOTH, sheet=sheet, how=online, by=themselves)
        own = factories.make_sheet(readers="young", what_changed="-")
        decide(young, YES_TO_BOTH, sheet=own, how=online, by=themselves)
        assert is_held(young) == [True, True]

    def test_and_an_adult_not_theirs(self, patient, themselves, online, sheet):
        own = factories.make_sheet(readers="young", what_changed="-")
        with pytest.raises(ValidationError, match="somebody of another age"):
            decide(patient, YES_TO_BOTH, sheet=own, how=online, by=themselves)

    def test_nobody_under_sixteen_joins_whatever_stands_in_the_record(
        self, pilot, receptionist, by_phone, online
    ):
        child = factories.make_patient(pilot.practice, date_of_birth=self.born(16))
        with acting(factories.TESTS, "test.altered", patients=[child.pk]):
            child.date_of_birth = self.born(15)
            child.save(update_fields=["date_of_birth"])
        own = factories.make_sheet(readers="young", what_changed="-")
        with pytest.raises(ValidationError, match="16 and over"):
            record_decisions(child, YES_TO_BOTH, sheet=own, how=by_phone, by=receptionist)
        assert stands(child) == {}
