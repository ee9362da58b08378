"""Being asked again, by the patient's own page and at the practice; putting mistakes right; who speaks for a patient."""

import datetime as dt

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils import timezone

from consent.actions import record_withdrawal
from consent.correcting.actions import correct
from consent.models import NEEDED_TO_BEGIN, Decision, Purpose, Receipt, Representative
from consent.policies import standing
from consent.representatives.actions import end_representative, record_representative
from pilot.access import acting
from tests import factories
from tests.forms import send

pytestmark = pytest.mark.django_db


@pytest.fixture
def own(client, themselves):
    return factories.sign_in(client, themselves)


@pytest.fixture
def desk(client, receptionist):
    return factories.sign_in(client, receptionist)


@pytest.fixture
def agreed(patient, sheet):
    factories.give_consent(patient, *NEEDED_TO_BEGIN, Purpose.REMINDERS, Purpose.EVALUATION)
    return sheet


def looking(patient):
    return acting(factories.TESTS, "test.looked", patients=[patient.pk])


def stands(patient):
    with looking(patient):
        return {
            purpose.value: (each.answer, each.sheet_id) for purpose, each in standing(patient).items() if each
        }


def change_sheet():
    return factories.make_sheet(
        what_changed="Another organisation employs the coaches.", text="Now it says more."
    )


class TestOwnPage:
    def test_says_until_when_it_stands_and_shows_what_is_different(self, own, patient, agreed):
        new = change_sheet()
        page = own.get(reverse("record:consent")).content.decode()
        assert "Would you like this to go on?" in page
        assert reverse("consent:changes", args=["plain", new.version, agreed.version]) in page
        assert "nobody asks you why" in page
        assert "unless you would like it to go on" in own.get(reverse("record:home")).content.decode()

    def test_is_quiet_while_nothing_ends(self, own, agreed):
        assert "Would you like this to go on?" not in own.get(reverse("record:consent")).content.decode()

    def test_does_not_say_that_what_everything_rests_on_is_optional(self, own, patient, agreed):
        page = own.get(reverse("record:answer", args=[change_sheet().pk])).content.decode()
        before, _, after = page.partition("These are up to you")
        assert "Everything else rests on these" in before
        assert "Do you want to take part?" in before
        assert "Do you want to take part?" not in after

    def test_yes_again_and_no_to_one_thing(self, own, patient, agreed):
        new = change_sheet()
        answers = {
            "take_part": "yes", "share_with_coach": "yes", "reminders": "no", "evaluation": "yes",
            "freely_given": "on",
        }  # fmt: skip
        page = send(own, reverse("record:answer", args=[new.pk]), **answers)
        assert page.status_code == 200
        assert stands(patient) == {
            "take_part": ("given", new.pk),
            "share_with_coach": ("given", new.pk),
            "reminders": ("withdrawn", agreed.pk),
            "evaluation": ("given", new.pk),
        }
        with looking(patient):
            assert sorted(Receipt.objects.filter(patient=patient).values_list("kind", flat=True)) == [
                "decided", "withdrawn",
            ]  # fmt: skip

    def test_no_to_what_everything_rests_on_leads_to_the_page_that_says_what_stops(
        self, own, patient, agreed
    ):
        new = change_sheet()
        page = send(
            own, reverse("record:answer", args=[new.pk]), take_part="no", reminders="yes", freely_given="on"
        )
        assert page.redirect_chain[-1][0] == reverse("record:stop")
        assert {answer for answer, _sheet in stands(patient).values()} == {"given"}
        assert stands(patient)["reminders"] == ("given", agreed.pk)

    def test_an_answer_to_the_old_sheet_is_refused_and_kept(self, own, patient, agreed):
        address = reverse("record:answer", args=[agreed.pk])
        factories.give_consent(patient, lapses_on=timezone.localdate() + dt.timedelta(days=2))
        change_sheet()
        page = send(own, address, take_part="yes", share_with_coach="yes", freely_given="on")
        assert page.status_code == 422
        assert "The information sheet has changed since" in page.content.decode()

    def test_the_statement_of_free_choice_is_asked_for_again(self, own, patient, agreed):
        new = change_sheet()
        page = send(own, reverse("record:answer", args=[new.pk]), take_part="yes", share_with_coach="yes")
        assert page.status_code == 422
        assert stands(patient)["take_part"] == ("given", agreed.pk)


class TestAtTheDesk:
    def test_the_page_says_when_it_ends_and_that_nobody_is_pressed(self, desk, patient, agreed):
        change_sheet()
        page = desk.get(reverse("consent:record", args=[patient.pk])).content.decode()
        assert "do not press them" in page
        assert "See what is different" in page

    def test_yes_again_by_phone(self, desk, patient, agreed):
        new = change_sheet()
        answers = {
            "take_part": "yes", "share_with_coach": "yes", "sheet": str(new.pk), "method": "phone",
            "helped_by": "interpreter", "witness": "Bea Between", "capacity_not_in_doubt": "on", "freely_given": "on",
        }  # fmt: skip
        page = send(desk, reverse("consent:record", args=[patient.pk]), **answers)
        assert page.status_code == 200
        assert stands(patient)["take_part"] == ("given", new.pk)
        with looking(patient):
            newest = Decision.objects.of(patient).newest_first().first()
        assert (newest.helped_by, newest.witness) == ("interpreter", "Bea Between")
        text = desk.get(reverse("consent:record", args=[patient.pk])).content.decode()
        assert "Through an interpreter" in text
        assert "Bea Between" in text

    def test_help_needs_a_name(self, desk, patient, sheet):
        page = send(
            desk, reverse("consent:record", args=[patient.pk]), take_part="yes", share_with_coach="yes",
            reminders="no", contact_employers="no", evaluation="no", sheet=str(sheet.pk), method="phone",
            helped_by="supporter", capacity_not_in_doubt="on", freely_given="on",
        )  # fmt: skip
        assert page.status_code == 422
        assert "Write who helped them" in page.content.decode()


class TestPuttingRight:
    def test_from_the_page_with_both_to_be_seen(self, desk, patient, agreed):
        with looking(patient):
            decision = standing(patient)[Purpose.REMINDERS]
        address = reverse("consent:correct", args=[patient.pk, decision.pk])
        assert address in desk.get(reverse("consent:record", args=[patient.pk])).content.decode()
        assert send(desk, address, answer="refused", reason="Ticked the wrong line").status_code == 200
        page = desk.get(reverse("consent:record", args=[patient.pk])).content.decode()
        assert "Put right: Ticked the wrong line" in page
        assert stands(patient)["reminders"][0] == "refused"

    def test_says_first_what_stops(self, desk, patient, agreed):
        with looking(patient):
            decision = standing(patient)[Purpose.TAKE_PART]
        page = desk.get(reverse("consent:correct", args=[patient.pk, decision.pk])).content.decode()
        assert "There never was a yes then" in page
        assert "They said no" not in page  # a no to joining is never kept

    def test_nothing_is_offered_for_what_stands_no_more(self, desk, patient, agreed):
        with looking(patient):
            decision = standing(patient)[Purpose.REMINDERS]
        correct(decision, Decision.Answer.REFUSED, "A mistake", by=factories.TESTS)
        page = desk.get(reverse("consent:correct", args=[patient.pk, decision.pk])).content.decode()
        assert "Only the latest answer can be put right" in page
        assert 'name="reason"' not in page

    def test_keeps_what_was_typed_if_it_is_refused(self, desk, patient, agreed):
        with looking(patient):
            decision = standing(patient)[Purpose.REMINDERS]
        page = send(desk, reverse("consent:correct", args=[patient.pk, decision.pk]), reason="Wrong line")
        assert page.status_code == 422
        assert "Wrong line" in page.content.decode()

    def test_a_decision_of_another_patient_is_not_found(self, desk, pilot, patient, agreed):
        other = factories.DecisionFactory(patient=factories.make_patient(pilot.practice))
        assert desk.get(reverse("consent:correct", args=[patient.pk, other.pk])).status_code == 404


class TestSpeakingForSomebody:
    PAPER = {"name": "Ada Speaker", "authority": "attorney", "seen": "The registered paper of 3 May 2025"}

    def test_is_written_down_with_the_paper_and_can_end(self, desk, own, patient, receptionist, agreed):
        desk = factories.sign_in(own, receptionist)
        assert (
            send(desk, reverse("consent:add_representative", args=[patient.pk]), **self.PAPER).status_code
            == 200
        )
        page = desk.get(reverse("consent:record", args=[patient.pk])).content.decode()
        assert "Ada Speaker" in page
        with looking(patient):
            one = Representative.objects.get(patient=patient)
        assert send(desk, reverse("consent:end_representative", args=[patient.pk, one.pk])).status_code == 200
        assert "Ada Speaker" not in desk.get(reverse("consent:record", args=[patient.pk])).content.decode()

    def test_they_stop_things_and_it_is_said_whose_word_it_was(self, desk, patient, agreed):
        one = factories.RepresentativeFactory(patient=patient)
        address = reverse("consent:withdraw", args=[patient.pk])
        page = send(desk, address, what="everything", method="phone")
        assert page.status_code == 422  # with somebody who speaks for them, it is asked who did
        assert send(desk, address, what="everything", method="phone", said_by=str(one.pk)).status_code == 200
        with looking(patient):
            latest = Decision.objects.of(patient).newest_first().first()
        assert (latest.answer, latest.representative_id) == ("withdrawn", one.pk)
        assert (
            "Said by Ada Speaker" in desk.get(reverse("consent:record", args=[patient.pk])).content.decode()
        )

    def test_nobody_is_asked_who_where_the_patient_speaks_for_themselves(self, desk, patient, agreed):
        page = send(desk, reverse("consent:withdraw", args=[patient.pk]), what="everything", method="phone")
        assert page.status_code == 200
        assert stands(patient)["take_part"][0] == "withdrawn"

    def test_somebody_elses_and_one_whose_authority_ended_are_refused(
        self, pilot, patient, receptionist, agreed
    ):
        others = factories.RepresentativeFactory(patient=factories.make_patient(pilot.practice))
        ended = record_representative(patient, **self.PAPER, by=receptionist)
        end_representative(ended, by=receptionist)
        for one in (others, ended):
            with pytest.raises(ValidationError, match="does not speak for the patient"):
                record_withdrawal(patient, method=Decision.Method.PHONE, representative=one, by=receptionist)
        assert stands(patient)["take_part"][0] == "given"
