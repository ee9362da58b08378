"""Stopping: everything or one thing, at once, with a receipt, and nothing said against anybody."""

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from consent import consequences
from consent.actions import decide, record_withdrawal, withdraw
from consent.consequences import Consequence
from consent.correcting.actions import correct
from consent.models import NEEDED_TO_BEGIN, Decision, Purpose, Receipt
from consent.policies import NothingToStop, holds, standing
from pilot.access import NotVisible, Role, acting
from pilot.people.actions import StaleVersion
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nothing_registered")]

EVERYTHING = frozenset(Purpose)
METHOD = Decision.Method.PHONE


@pytest.fixture
def taking_part(patient, themselves, sheet, online):
    decide(patient, dict.fromkeys(Purpose, True), sheet=sheet, how=online, by=themselves)
    return patient


def what_stands(patient):
    with acting(factories.TESTS, "test.looked", patients=[patient.pk]):
        return {purpose: each.answer for purpose, each in standing(patient).items() if each}


def latest(patient, purpose):
    with acting(factories.TESTS, "test.looked", patients=[patient.pk]):
        return standing(patient)[purpose]


def count_of_decisions(patient):
    with acting(factories.TESTS, "test.looked", patients=[patient.pk]):
        return Decision.objects.of(patient).count()


class TestStopping:
    def test_everything_ends_everything(self, taking_part, themselves):
        withdraw(taking_part, by=themselves)
        assert set(what_stands(taking_part).values()) == {"withdrawn"}

    @pytest.mark.parametrize("purpose", NEEDED_TO_BEGIN)
    def test_what_is_needed_to_begin_ends_everything(self, taking_part, themselves, purpose):
        withdraw(taking_part, [purpose], by=themselves)
        assert set(what_stands(taking_part).values()) == {"withdrawn"}

    def test_one_other_thing_leaves_the_rest(self, taking_part, themselves):
        withdraw(taking_part, [Purpose.REMINDERS], by=themselves)
        stands = what_stands(taking_part)
        assert stands.pop(Purpose.REMINDERS) == "withdrawn"
        assert set(stands.values()) == {"given"}

    def test_takes_effect_at_once(self, taking_part, themselves):
        withdraw(taking_part, by=themselves)
        with acting(factories.TESTS, "test.looked", patients=[taking_part.pk]):
            assert not any(holds(taking_part.pk, purpose) for purpose in Purpose)

    def test_keeps_which_sheet_the_yes_was_given_to_and_how_they_stopped(
        self, taking_part, receptionist, sheet
    ):
        record_withdrawal(taking_part, method=METHOD, by=receptionist)
        decision = latest(taking_part, Purpose.TAKE_PART)
        assert (decision.sheet, decision.method, decision.recorded_by_id) == (
            sheet,
            METHOD,
            receptionist.user_id,
        )

    def test_again_says_that_it_has_stopped_and_adds_nothing(self, taking_part, themselves):
        withdraw(taking_part, by=themselves)
        before = count_of_decisions(taking_part)
        for purposes in (None, [Purpose.REMINDERS], [Purpose.TAKE_PART]):
            with pytest.raises(NothingToStop, match="stopped already"):
                withdraw(taking_part, purposes, by=themselves)
        assert count_of_decisions(taking_part) == before

    def test_what_never_began_changes_nothing(self, patient, themselves):
        with pytest.raises(NothingToStop):
            withdraw(patient, by=themselves)

    def test_ends_also_what_has_lapsed(self, patient, themselves):
        factories.give_consent(patient, lapses_on="2020-01-01")
        withdraw(patient, by=themselves)
        assert set(what_stands(patient).values()) == {"withdrawn"}


class TestConsequences:
    def test_run_with_everything_that_ends_and_access_goes_last(self, taking_part, themselves):
        ran = []

        def stops(name):
            return lambda patient, purposes, *, by: ran.append((name, frozenset(purposes), by))

        consequences.register(Consequence("access", lambda *_: None, stops("access"), last=True))
        consequences.register(Consequence("sessions", lambda *_: None, stops("sessions")))
        withdraw(taking_part, [Purpose.TAKE_PART], by=themselves)
        assert ran == [("sessions", EVERYTHING, themselves), ("access", EVERYTHING, themselves)]

    def test_are_told_only_what_ends(self, taking_part, themselves):
        ended = []
        consequences.register(
            Consequence("messages", lambda *_: None, lambda patient, purposes, *, by: ended.extend(purposes))
        )
        withdraw(taking_part, [Purpose.REMINDERS], by=themselves)
        assert ended == [Purpose.REMINDERS]

    def test_one_that_breaks_undoes_the_withdrawal_as_a_whole(self, taking_part, themselves):
        def breaks(patient, purposes, *, by):
            raise RuntimeError("the lights went out")

        consequences.register(Consequence("broken", lambda *_: None, breaks))
        with pytest.raises(RuntimeError):
            withdraw(taking_part, by=themselves)
        assert set(what_stands(taking_part).values()) == {"given"}

    def test_the_same_name_again_replaces_it(self, taking_part):
        for text in ("before", "after"):
            consequences.register(Consequence("same", lambda *_, text=text: text, lambda *_, by: None))
        consequences.register(Consequence("silent", lambda *_: None, lambda *_, by: None))
        assert consequences.previews(taking_part, list(Purpose)) == ["after"]


class TestReceipt:
    def test_says_what_stopped_what_is_kept_and_why(self, taking_part, themselves):
        consequences.register(
            Consequence("sessions", lambda *_: None, lambda *_, by: "Your session on Monday is called off.")
        )
        receipt = withdraw(taking_part, by=themselves)
        titles = [title for title, _ in receipt.by_title]
        assert titles == [
            "You stopped",
            "What has stopped now",
            "What is kept, and why",
            "What stays the same",
            "If you change your mind",
        ]
        text = " ".join(line["text"] for line in receipt.lines)
        assert "Your session on Monday is called off." in text
        assert "8 years" in text

    def test_of_one_thing_says_what_goes_on(self, taking_part, themselves):
        receipt = withdraw(taking_part, [Purpose.REMINDERS], by=themselves)
        titles = [title for title, _ in receipt.by_title]
        assert titles == ["You stopped", "What goes on", "What stays the same", "If you change your mind"]

    def test_has_no_word_of_blame_and_no_reason(self, taking_part, themselves):
        receipt = withdraw(taking_part, by=themselves)
        text = str(receipt.lines).lower()
        assert not [word for word in ("fail", "refus", "disengag", "complian", "reason") if word in text]

    def test_is_written_once_for_each_withdrawal(self, taking_part, themselves):
        withdraw(taking_part, [Purpose.REMINDERS], by=themselves)
        withdraw(taking_part, by=themselves)
        with acting(factories.TESTS, "test.looked", patients=[taking_part.pk]):
            assert Receipt.objects.filter(patient=taking_part, kind=Receipt.Kind.WITHDRAWN).count() == 2


class TestWho:
    def test_nobody_withdraws_for_another_patient(self, pilot, taking_part):
        other = factories.patient_actor(factories.make_patient(pilot.practice, account=True))
        with pytest.raises(NotVisible):
            withdraw(taking_part, by=other)

    def test_the_practice_records_it_and_another_practice_cannot(self, pilot, taking_part, receptionist):
        stranger = factories.make_staff(Role.RECEPTIONIST, pilot.other_practice)
        with pytest.raises(NotVisible):
            record_withdrawal(taking_part, method=METHOD, by=stranger)
        with pytest.raises(PermissionDenied):
            withdraw(taking_part, by=receptionist)
        assert record_withdrawal(taking_part, method=METHOD, by=receptionist)

    def test_a_coach_cannot_stop_or_correct_anything(self, pilot, taking_part):
        coach = factories.make_staff(Role.COACH, pilot.provider)
        referral = factories.make_referral(taking_part, status="waiting")
        factories.allocate_to(referral, coach)
        with pytest.raises(PermissionDenied):
            record_withdrawal(taking_part, method=METHOD, by=coach)
        with pytest.raises(PermissionDenied):
            correct(latest(taking_part, Purpose.REMINDERS), Decision.Answer.CORRECTED, "Mine now", by=coach)


class TestCorrecting:
    def test_keeps_both_and_the_reason(self, taking_part, receptionist):
        mistaken = latest(taking_part, Purpose.EVALUATION)
        correction = correct(mistaken, Decision.Answer.REFUSED, "She had said no", by=receptionist)
        assert latest(taking_part, Purpose.EVALUATION) == correction
        assert correction.corrects == mistaken
        assert correction.correction_reason == "She had said no"
        assert count_of_decisions(taking_part) == 6

    def test_a_yes_that_never_was_takes_everything_with_it(self, taking_part, receptionist):
        stopped = []
        consequences.register(
            Consequence("access", lambda *_: None, lambda patient, purposes, *, by: stopped.extend(purposes))
        )
        decision = latest(taking_part, Purpose.TAKE_PART)
        correct(decision, Decision.Answer.CORRECTED, "Another Ann", by=receptionist)
        assert set(what_stands(taking_part).values()) == {"corrected"}
        assert set(stopped) == EVERYTHING
        with acting(factories.TESTS, "test.looked", patients=[taking_part.pk]):
            assert Receipt.objects.filter(kind=Receipt.Kind.CORRECTED).count() == 1

    def test_nobody_makes_a_yes_of_a_no(self, patient, themselves, receptionist, sheet, online):
        answers = {**dict.fromkeys(NEEDED_TO_BEGIN, True), Purpose.REMINDERS: False}
        decide(patient, answers, sheet=sheet, how=online, by=themselves)
        mistaken = latest(patient, Purpose.REMINDERS)
        with pytest.raises(ValidationError, match="A yes is never put in afterwards"):
            correct(mistaken, Decision.Answer.GIVEN, "He had said yes", by=receptionist)
        assert latest(patient, Purpose.REMINDERS) == mistaken
        # What can be done: it was a mistake, and they are asked again.
        correct(mistaken, Decision.Answer.CORRECTED, "Ticked the wrong line", by=receptionist)
        decide(patient, {Purpose.REMINDERS: True}, sheet=sheet, how=online, by=themselves)
        assert latest(patient, Purpose.REMINDERS).answer == "given"

    def test_is_refused_for_what_does_not_stand_any_more(self, taking_part, themselves, receptionist):
        old = latest(taking_part, Purpose.REMINDERS)
        withdraw(taking_part, [Purpose.REMINDERS], by=themselves)
        with pytest.raises(StaleVersion):
            correct(old, Decision.Answer.REFUSED, "A slip", by=receptionist)

    @pytest.mark.parametrize(
        ("purpose", "answer", "reason", "problem"),
        [
            (Purpose.REMINDERS, "refused", "  ", "Say what was recorded by mistake"),
            (Purpose.REMINDERS, "given", "A slip", "the answer that was recorded"),
            (Purpose.REMINDERS, "withdrawn", "A slip", "Only a yes or a no"),
            (Purpose.TAKE_PART, "refused", "A slip", "a no before joining is not kept"),
        ],
    )
    def test_is_refused_where_it_would_not_be_true(
        self, taking_part, receptionist, purpose, answer, reason, problem
    ):
        with pytest.raises(ValidationError, match=problem):
            correct(latest(taking_part, purpose), Decision.Answer(answer), reason, by=receptionist)

    def test_begins_nothing_again_that_was_stopped(self, patient, themselves, receptionist, sheet, online):
        answers = {**dict.fromkeys(NEEDED_TO_BEGIN, True), Purpose.REMINDERS: False}
        decide(patient, answers, sheet=sheet, how=online, by=themselves)
        withdraw(patient, by=themselves)
        with pytest.raises(ValidationError, match="Only a yes or a no"):
            correct(latest(patient, Purpose.TAKE_PART), Decision.Answer.GIVEN, "A slip", by=receptionist)
        with pytest.raises(ValidationError, match="A yes is never put in afterwards"):
            correct(latest(patient, Purpose.REMINDERS), Decision.Answer.GIVEN, "A slip", by=receptionist)
