"""What becomes of messages when two records are brought together: what was owed still goes, and nobody is told by a text."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from audit.models import Disclosure
from consent.actions import record_withdrawal
from consent.models import Decision
from pilot.access import Actor, Role, acting
from pilot.outbox.actions import claim, mark_posted, settle_by_hand
from pilot.outbox.models import Message
from pilot.people.models import Contact, Patient
from pilot.record.models import Kind, Outcome
from pilot.record.requests import actions as requests
from pilot.record.requests.actions import answer_request, open_request
from referrals.deaths.actions import record_death
from tests import factories
from tests.referrals.doubles import fresh, looking, merged, record

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

DUE, STOPPED = Message.Status.DUE, Message.Status.STOPPED


def message(patient: Patient, template: str) -> Message:
    with looking():
        return Message.objects.get(patient=patient, template=template)


def stand(patient: Patient, template: str, status: Message.Status) -> Message:
    """The message, as if a worker had left it so."""
    with acting(factories.TESTS, "test.made", patients=[patient.pk]):
        Message.objects.filter(patient=patient, template=template).update(status=status)
    return message(patient, template)


@pytest.fixture
def kept(pilot: factories.Pilot) -> Patient:
    return record(pilot, address="1 New Road")


@pytest.fixture
def stopped_by_phone(pilot: factories.Pilot, receptionist: Actor) -> Patient:
    """A record in which somebody withdrew; the receipt waits to be printed."""
    double = record(pilot, address="2 Old Road")
    factories.give_consent(double)
    record_withdrawal(double, method=Decision.Method.PHONE, by=receptionist)
    return double


def test_a_receipt_that_waits_still_goes(
    kept: Patient, stopped_by_phone: Patient, receptionist: Actor
) -> None:
    merged(stopped_by_phone, into=kept)
    assert mark_posted(message(stopped_by_phone, "withdrawn"), by=receptionist).status == Message.Status.SENT


@pytest.mark.parametrize("status", [Message.Status.UNKNOWN, Message.Status.NOT_SENT])
def test_one_that_may_not_have_arrived_can_be_sent_again(
    status: Message.Status, kept: Patient, stopped_by_phone: Patient, receptionist: Actor
) -> None:
    lost = stand(stopped_by_phone, "withdrawn", status)
    merged(stopped_by_phone, into=kept)
    settle_by_hand(lost, arrived=False, by=receptionist)
    assert fresh(lost).status == DUE


def test_that_there_is_an_answer_is_still_said(pilot: factories.Pilot, kept: Patient) -> None:
    guardian = factories.make_staff(Role.CALDICOTT_GUARDIAN, pilot.office)
    double = record(pilot, account=True)
    asked = open_request(double, Kind.COMPLAINT, "Nobody listened.", by=factories.patient_actor(double))
    answer_request(asked, "You were right.", outcome=Outcome.ACCEPTED, by=guardian)
    merged(double, into=kept)
    assert message(double, "news").status == DUE


@pytest.mark.parametrize("status", [DUE, Message.Status.NOT_SENT])
def test_a_text_that_waits_goes_as_a_letter(
    status: Message.Status, pilot: factories.Pilot, kept: Patient, receptionist: Actor
) -> None:
    """Whether a message to that number is safe stands in the kept record from now on."""
    double = record(pilot, address="2 Old Road", phone="07700 900123", message_is_safe=True)
    text = factories.MessageFactory(
        patient=double, purpose="", channel=Message.Channel.SMS, address="07700 900123", template="lapsed"
    )
    merged(double, into=kept)
    if status == DUE:
        assert not claim(text, by=factories.TESTS)
    else:
        settle_by_hand(stand(double, "lapsed", status), arrived=False, by=receptionist)
    told = fresh(text)
    assert (told.status, told.channel, told.address) == (DUE, Message.Channel.LETTER, "2 Old Road")


def test_that_a_yes_is_going_to_end_is_not_said_any_more(
    pilot: factories.Pilot, kept: Patient, receptionist: Actor
) -> None:
    double = record(pilot)
    soon = factories.MessageFactory(patient=double, purpose="", template="ends_soon")
    merged(double, into=kept)
    assert fresh(soon).status == STOPPED


def test_once_they_have_died_nothing_goes_of_the_closed_one_either(
    kept: Patient, stopped_by_phone: Patient, receptionist: Actor
) -> None:
    merged(stopped_by_phone, into=kept)
    record_death(kept, died_on=timezone.localdate(), by=receptionist)
    assert message(stopped_by_phone, "withdrawn").status == STOPPED
    lost = stand(stopped_by_phone, "withdrawn", Message.Status.NOT_SENT)
    settle_by_hand(lost, arrived=False, by=receptionist)
    assert fresh(lost).status == STOPPED


@pytest.mark.parametrize("address", ["1 New Road", ""])
def test_the_receipt_is_no_text(address: str, pilot: factories.Pilot, settings: Any, tmp_path: Any) -> None:
    """The account of the other record came over: whoever it does not belong to has nothing to sign in with."""
    settings.SMS_SPOOL_FILE = str(tmp_path / "texts.jsonl")
    kept = record(
        pilot, address=address, email="new@example.org", phone="07700 900123", message_is_safe=True,
        preferred_contact=Contact.SMS,
    )  # fmt: skip
    merged(record(pilot, account=True, address="9 Else Road"), into=kept)
    told = message(kept, "merged")
    assert (told.channel, told.address) == (
        (Message.Channel.LETTER, address) if address else (Message.Channel.EMAIL, "new@example.org")
    )
    assert "You sign in with" in told.text


def test_the_ledger_says_where_it_went(kept: Patient, stopped_by_phone: Patient, receptionist: Actor) -> None:
    merged(stopped_by_phone, into=kept)
    told = message(kept, "merged_elsewhere")
    mark_posted(told, by=receptionist)
    office = factories.make_organisation(factories.Kind.PILOT_OFFICE)
    with acting(factories.make_staff(Role.CALDICOTT_GUARDIAN, office), "test.looked"):
        line = Disclosure.objects.get(row_id=str(told.pk))
    assert line.recipient == "Where a record that is closed was written to, by letter"
    assert "people.Patient.address" not in line.fields


@pytest.mark.usefixtures("own_database")
def test_nothing_waits_for_somebody_who_died_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer about the closed record is written into the kept one, of which a death is written down just then."""
    pilot = factories.make_pilot()
    guardian = factories.make_staff(Role.CALDICOTT_GUARDIAN, pilot.office)
    desk = factories.make_staff(Role.RECEPTIONIST, pilot.practice)
    kept, double = record(pilot), record(pilot, account=True)
    asked = open_request(double, Kind.COMPLAINT, "Nobody listened.", by=factories.patient_actor(double))
    merged(double, into=kept)
    is_written, has_died = threading.Event(), threading.Event()
    post = requests.post

    def slow(*args: Any, **kwargs: Any) -> Any:
        written = post(*args, **kwargs)
        is_written.set()
        has_died.wait(1)
        return written

    def answer() -> None:
        try:
            answer_request(asked, "You were right.", outcome=Outcome.ACCEPTED, by=guardian)
        finally:
            connections.close_all()

    monkeypatch.setattr(requests, "post", slow)
    answering = threading.Thread(target=answer)
    answering.start()
    assert is_written.wait(20)
    record_death(kept, died_on=timezone.localdate(), by=desk)
    has_died.set()
    answering.join(20)
    assert message(kept, "news").status == STOPPED
