"""A receipt reaches whoever did not see it being written, and can be taken away as a file by those who may read it."""

import pytest
from django.urls import reverse

from audit.models import Disclosure
from consent.actions import How, decide, record_decisions, record_withdrawal, withdraw
from consent.correcting.actions import correct
from consent.models import NEEDED_TO_BEGIN, Decision, Purpose, Receipt
from consent.policies import standing
from pilot.access import Role, acting
from pilot.outbox.models import Message
from tests import factories
from tests.forms import send

pytestmark = pytest.mark.django_db(databases=["default", "owner"])
YES = dict.fromkeys(NEEDED_TO_BEGIN, True)


def messages(patient):
    with acting(factories.TESTS, "test.looked", patients=[patient.pk]):
        return list(Message.objects.filter(patient=patient).order_by("created_at"))


def receipts(patient):
    with acting(factories.TESTS, "test.looked", patients=[patient.pk]):
        return list(Receipt.objects.filter(patient=patient).order_by("created_at"))


def how(method):
    return How(method, capacity_not_in_doubt=True, freely_given=True)


class TestLetter:
    @pytest.mark.parametrize("method", [Decision.Method.PHONE, Decision.Method.POST])
    def test_what_was_said_from_afar_comes_back_as_a_letter(self, patient, receptionist, sheet, method):
        said = {**YES, Purpose.REMINDERS: False}
        record_decisions(patient, said, sheet=sheet, how=how(method), by=receptionist)
        [letter] = messages(patient)
        assert (letter.channel, letter.template, letter.purpose) == (Message.Channel.LETTER, "decided", "")
        assert letter.address == patient.address
        for line in receipts(patient)[0].lines:
            assert line["title"] in letter.text
            assert line["text"] in letter.text
        assert "If anything here is not what you said" in letter.text

    def test_what_was_said_at_the_desk_or_on_ones_own_page_brings_none(
        self, patient, themselves, receptionist, sheet, online
    ):
        record_decisions(patient, YES, sheet=sheet, how=how(Decision.Method.IN_PERSON), by=receptionist)
        decide(patient, {Purpose.REMINDERS: True}, sheet=sheet, how=online, by=themselves)
        withdraw(patient, by=themselves)
        assert len(receipts(patient)) == 3
        assert messages(patient) == []

    @pytest.mark.parametrize("method", [Decision.Method.PHONE, Decision.Method.IN_PERSON])
    def test_a_withdrawal_that_was_written_down_says_what_stopped_what_is_kept_and_why(
        self, patient, receptionist, sheet, method
    ):
        factories.give_consent(patient)
        receipt = record_withdrawal(patient, method=method, by=receptionist)
        [message] = messages(patient)
        assert message.template == "withdrawn"
        titles = {line["title"] for line in receipt.lines}
        assert {"You stopped", "What is kept, and why", "What stays the same"} <= titles
        assert all(line["text"] in message.text for line in receipt.lines)

    def test_a_yes_that_never_was_is_told_too(self, patient, themselves, receptionist, sheet, online):
        decide(patient, YES, sheet=sheet, how=online, by=themselves)
        with acting(factories.TESTS, "test.looked", patients=[patient.pk]):
            stood = standing(patient)[Purpose.TAKE_PART]
        correct(stood, Decision.Answer.CORRECTED, "A slip", by=receptionist)
        [message] = messages(patient)
        assert "A yes was written down by mistake for" in message.text


class TestFile:
    @pytest.fixture
    def receipt(self, patient, themselves):
        factories.give_consent(patient)
        return withdraw(patient, by=themselves)

    def lines(self, receipt):
        office = factories.make_organisation(factories.Kind.PILOT_OFFICE)
        with acting(factories.make_staff(Role.CALDICOTT_GUARDIAN, office), "test.looked"):
            return list(Disclosure.objects.filter(row_id=str(receipt.pk)))

    def test_the_patient_takes_it_and_the_ledger_says_so(self, client, patient, receipt):
        factories.sign_in(client, factories.patient_actor(patient))
        page = reverse("record:receipt", args=[receipt.pk])
        assert client.get(page).status_code == 200
        assert self.lines(receipt) == []
        answer = send(client, page)
        assert answer.headers["Content-Type"] == "application/pdf"
        assert 'filename="receipt-' in answer.headers["Content-Disposition"]
        assert "no-store" in answer.headers["Cache-Control"]
        assert answer.content.startswith(b"%PDF")
        assert b"pdfuaid" in answer.content
        [line] = self.lines(receipt)
        assert line.patient_id == patient.pk
        assert line.classes == ["consent", "identity"]
        assert line.recipient == "The patient, as a file of their receipt"

    def test_the_practice_hands_it_over(self, client, patient, receptionist, receipt):
        factories.sign_in(client, receptionist)
        page = reverse("consent:receipt", args=[patient.pk, receipt.pk])
        assert send(client, page).content.startswith(b"%PDF")
        assert len(self.lines(receipt)) == 1

    def test_a_page_that_was_open_too_long_asks_again_and_hands_nothing_over(self, client, patient, receipt):
        factories.sign_in(client, factories.patient_actor(patient))
        answer = client.post(reverse("record:receipt", args=[receipt.pk]), {"form_key": "forged"})
        assert answer.status_code == 422
        assert self.lines(receipt) == []

    @pytest.mark.parametrize("role", [Role.COACH, Role.SUPERVISOR, Role.PILOT_MANAGER])
    def test_nobody_else_may(self, client, pilot, patient, receipt, role):
        factories.sign_in(client, factories.make_staff_of_every_role(pilot)[role])
        page = reverse("consent:receipt", args=[patient.pk, receipt.pk])
        assert client.post(page, {}).status_code == 403
        assert self.lines(receipt) == []

    def test_anothers_is_not_found(self, client, pilot, receipt):
        other = factories.make_patient(pilot.practice, account=True)
        factories.sign_in(client, factories.patient_actor(other))
        assert client.post(reverse("record:receipt", args=[receipt.pk]), {}).status_code == 404
        assert self.lines(receipt) == []

    def test_what_a_line_says_is_never_markup(self, patient, receipt):
        from consent.receipts.paper import pages_of

        receipt.lines = [{"title": "#panic()", "text": "$x$ *bold* مرحبا"}]
        assert pages_of(receipt).startswith(b"%PDF")
