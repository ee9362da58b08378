"""Writing a message: which way it goes, what it may say and to whom, and what stops it."""

import datetime as dt
from typing import Any

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.utils import timezone

from consent.actions import record_withdrawal, withdraw
from consent.models import Decision, Purpose, Receipt
from consent.receipts.words import of_withdrawal
from pilot.access import NotVisible, Role, acting
from pilot.outbox import wording
from pilot.outbox.actions import mark_posted, post, send, settle_by_hand, stop_about
from pilot.outbox.models import Message
from pilot.outbox.tasks import SENDER, send_due
from pilot.people.models import Patient
from tests import factories
from tests.factories import TESTS, MessageFactory

pytestmark = pytest.mark.django_db(databases=["default", "owner"])
Channel, Status = Message.Channel, Message.Status
RECEIPT = Receipt(lines=of_withdrawal([Purpose.REMINDERS], ["1 message will not be sent."]))


def posted(patient: Patient, **options: Any) -> Message | None:
    options = {"template": "withdrawn", "context": {"receipt": RECEIPT}, **options}
    with acting(TESTS, "test.posted", patients=[patient.pk]):
        return post(patient, **options, by=TESTS)


def again(message: Message | None) -> Message:
    assert message is not None
    with acting(TESTS, "test.read"):
        return Message.objects.get(pk=message.pk)


@pytest.mark.parametrize(
    ("details", "channel"),
    [
        ({"preferred_contact": "4"}, Channel.EMAIL),
        ({"preferred_contact": "4", "email": ""}, Channel.LETTER),
        ({"preferred_contact": "9", "phone": "07700900123", "message_is_safe": True}, Channel.SMS),
        ({"preferred_contact": "9", "phone": "07700900123", "message_is_safe": False}, Channel.LETTER),
        ({"preferred_contact": "9", "phone": "", "message_is_safe": True}, Channel.LETTER),
        ({"preferred_contact": "1"}, Channel.LETTER),
        ({"preferred_contact": "8", "phone": "07700900123", "message_is_safe": True}, Channel.LETTER),
        ({"preferred_contact": "1", "address": ""}, Channel.EMAIL),
        ({"preferred_contact": "1", "address": "", "email": ""}, Channel.LETTER),
    ],
)
def test_it_goes_the_way_the_patient_prefers_and_a_text_only_where_a_message_is_safe(
    pilot: factories.Pilot, details: dict[str, Any], channel: Channel
) -> None:
    patient = factories.make_patient(pilot.practice, **details)
    message = again(posted(patient))
    assert message.channel == channel
    assert message.address == {
        Channel.EMAIL: patient.email, Channel.SMS: patient.phone, Channel.LETTER: patient.address
    }[channel]  # fmt: skip


@pytest.mark.parametrize(
    ("channel", "details"),
    [
        (Channel.SMS, {"phone": "07700900123", "message_is_safe": False}),
        (Channel.SMS, {"phone": "", "message_is_safe": True}),
        (Channel.EMAIL, {"email": ""}),
    ],
)
def test_a_way_that_does_not_reach_them_safely_is_refused(
    pilot: factories.Pilot, channel: Channel, details: dict[str, Any]
) -> None:
    patient = factories.make_patient(pilot.practice, **details)
    with pytest.raises(ValidationError):
        posted(patient, channel=channel)


def test_texts_are_refused_where_there_is_nothing_to_send_them(pilot: factories.Pilot, settings: Any) -> None:
    settings.SMS_SPOOL_FILE = settings.NOTIFY_API_KEY = ""
    patient = factories.make_patient(
        pilot.practice, phone="07700900123", message_is_safe=True, preferred_contact="9"
    )
    assert again(posted(patient)).channel == Channel.LETTER
    with pytest.raises(ValidationError, match="not set up"):
        posted(patient, channel=Channel.SMS)


def test_nothing_is_written_for_a_purpose_that_was_not_agreed_to(pilot: factories.Pilot) -> None:
    patient = factories.make_patient(pilot.practice)
    assert posted(patient, purpose=Purpose.REMINDERS) is None
    factories.give_consent(patient, Purpose.REMINDERS)
    assert again(posted(patient, purpose=Purpose.REMINDERS)).purpose == Purpose.REMINDERS


def test_names_are_written_as_they_are(pilot: factories.Pilot) -> None:
    patient = factories.make_patient(
        pilot.practice, preferred_name="Niamh", family_name="O'Brien & Sons", email="n@example.org"
    )
    assert "Dear Niamh O'Brien & Sons," in again(posted(patient, channel=Channel.LETTER)).text


def test_a_secret_is_readable_by_its_recipient_alone(pilot: factories.Pilot) -> None:
    patient = factories.make_patient(pilot.practice)
    message = again(
        posted(patient, template="invitation", context={"expires_at": timezone.now()}, secret="K7M2Q-XP4RW")
    )
    assert "K7M2Q" not in message.text + message.secret
    assert "K7M2Q-XP4RW" in wording.whole_text(message)
    with acting(TESTS, "test.read"):
        assert not any("K7M2Q" in row.text for row in message.history.all())


def test_withdrawing_stops_what_waits_for_the_ended_purposes_and_no_notice(
    pilot: factories.Pilot,
) -> None:
    patient = factories.make_patient(pilot.practice, account=True)
    factories.give_consent(patient, *Purpose)
    reminder, notice = posted(patient, purpose=Purpose.REMINDERS), posted(patient)
    later = posted(patient, purpose=Purpose.EVALUATION, due_at=timezone.now() + dt.timedelta(days=30))
    receipt = withdraw(patient, by=factories.patient_actor(patient))
    assert [again(each).status for each in (reminder, notice, later)] == [
        Status.STOPPED, Status.DUE, Status.STOPPED,
    ]  # fmt: skip
    assert "2 messages that were waiting to go to you will not be sent." in str(receipt.lines)
    # Their receipt is before them; nothing is sent that others in the house could read.
    with acting(TESTS, "test.read"):
        assert Message.objects.filter(patient=patient).count() == 3


def test_a_withdrawal_that_the_practice_wrote_down_is_confirmed_whatever_was_agreed(
    pilot: factories.Pilot,
) -> None:
    receptionist = factories.make_staff(Role.RECEPTIONIST, pilot.practice)
    patient = factories.make_patient(pilot.practice, preferred_contact="4")
    factories.give_consent(patient, *Purpose)
    record_withdrawal(patient, method=Decision.Method.PHONE, by=receptionist)
    with acting(TESTS, "test.read"):
        (notice,) = Message.objects.filter(patient=patient)
    assert (notice.channel, notice.purpose, notice.status) == (Channel.EMAIL, "", Status.DUE)
    assert "Send me reminders of sessions" in notice.text
    assert send_due() == 1


def test_withdrawing_from_one_purpose_leaves_the_messages_of_the_others(pilot: factories.Pilot) -> None:
    patient = factories.make_patient(pilot.practice, account=True)
    factories.give_consent(patient, *Purpose)
    reminder = posted(patient, purpose=Purpose.REMINDERS)
    evaluation = posted(patient, purpose=Purpose.EVALUATION)
    withdraw(patient, [Purpose.EVALUATION], by=factories.patient_actor(patient))
    assert (again(reminder).status, again(evaluation).status) == (Status.DUE, Status.STOPPED)


@pytest.mark.parametrize("status", [Status.SENDING, Status.UNKNOWN, Status.NOT_SENT])
def test_what_may_not_have_arrived_before_they_stopped_is_not_sent_again_once_they_join_again(
    pilot: factories.Pilot, status: Status
) -> None:
    receptionist = factories.make_staff(Role.RECEPTIONIST, pilot.practice)
    patient = factories.make_patient(pilot.practice, account=True)
    factories.give_consent(patient, *Purpose)
    old = MessageFactory(patient=patient, purpose=Purpose.REMINDERS, status=status)
    withdraw(patient, by=factories.patient_actor(patient))
    factories.give_consent(patient, *Purpose)
    if status == Status.SENDING:
        send(old, by=SENDER)
    elif status == Status.UNKNOWN:
        settle_by_hand(old, arrived=False, by=receptionist)
    assert again(old).status == Status.STOPPED
    assert mail.outbox == []


def test_what_is_about_something_called_off_stops_with_it(pilot: factories.Pilot) -> None:
    patient = factories.make_patient(pilot.practice)
    referral = factories.make_referral(patient)
    about, other = posted(patient, about=referral), posted(patient)
    with acting(TESTS, "test.stopped", patients=[patient.pk]):
        assert stop_about(referral, patient=patient, by=TESTS) == 1
        assert stop_about(referral, patient=patient, by=TESTS) == 0
    assert (again(about).status, again(other).status) == (Status.STOPPED, Status.DUE)


def test_a_posted_letter_is_noted_once_and_keeps_no_secret(pilot: factories.Pilot) -> None:
    receptionist = factories.make_staff(Role.RECEPTIONIST, pilot.practice)
    patient = factories.make_patient(pilot.practice)
    letter = again(posted(patient, channel=Channel.LETTER, secret="K7M2Q-XP4RW"))
    mark_posted(letter, by=receptionist)
    assert (again(letter).status, again(letter).secret) == (Status.SENT, "")
    with pytest.raises(ValidationError, match="not waiting"):
        mark_posted(letter, by=receptionist)


def test_another_practice_cannot_note_a_letter_as_posted(pilot: factories.Pilot) -> None:
    elsewhere = factories.make_staff(Role.RECEPTIONIST, pilot.other_practice)
    letter = again(posted(factories.make_patient(pilot.practice), channel=Channel.LETTER))
    with pytest.raises(NotVisible):
        mark_posted(letter, by=elsewhere)


def test_a_letter_whose_purpose_has_lapsed_is_not_to_be_posted(pilot: factories.Pilot) -> None:
    receptionist = factories.make_staff(Role.RECEPTIONIST, pilot.practice)
    patient = factories.make_patient(pilot.practice)
    factories.give_consent(patient, Purpose.REMINDERS)
    letter = again(posted(patient, channel=Channel.LETTER, purpose=Purpose.REMINDERS))
    factories.DecisionFactory(
        patient=patient, purpose=Purpose.REMINDERS, answer=Decision.Answer.LAPSED, lapses_on=None
    )
    with pytest.raises(ValidationError, match="do not post"):
        mark_posted(letter, by=receptionist)


@pytest.mark.parametrize(("arrived", "status"), [(True, Status.SENT), (False, Status.DUE)])
def test_a_person_settles_what_nobody_knows(pilot: factories.Pilot, arrived: bool, status: Status) -> None:
    receptionist = factories.make_staff(Role.RECEPTIONIST, pilot.practice)
    patient = factories.make_patient(pilot.practice)
    message = factories.MessageFactory(patient=patient, status=Status.UNKNOWN, attempts=1)
    settle_by_hand(message, arrived=arrived, by=receptionist)
    assert again(message).status == status
    with pytest.raises(ValidationError, match="Somebody else"):
        settle_by_hand(message, arrived=arrived, by=receptionist)


def test_what_was_stopped_meanwhile_does_not_go_out_again(pilot: factories.Pilot) -> None:
    receptionist = factories.make_staff(Role.RECEPTIONIST, pilot.practice)
    patient = factories.make_patient(pilot.practice)
    message = factories.MessageFactory(patient=patient, status=Status.UNKNOWN, purpose=Purpose.REMINDERS)
    settle_by_hand(message, arrived=False, by=receptionist)
    assert again(message).status == Status.STOPPED
