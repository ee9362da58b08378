"""Texts that come in: STOP ends texts to that number and nothing else, and the practice calls."""

import datetime as dt
import json

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from consent.models import NEEDED_TO_BEGIN, Purpose
from consent.policies import holds
from pilot.access import Actor, Role, acting
from pilot.outbox import actions, sending
from pilot.outbox.models import Message, ReceivedText
from pilot.outbox.policies import can_text, preferred_channel
from pilot.outbox.received.policies import digits_of, is_stop
from pilot.people.models import Contact
from tests import factories
from tests.forms import send

pytestmark = pytest.mark.django_db
TOKEN = "an agreed token"


@pytest.fixture(autouse=True)
def agreed(settings, tmp_path):
    settings.NOTIFY_CALLBACK_TOKEN = TOKEN
    settings.SMS_SPOOL_FILE = str(tmp_path / "texts.jsonl")


@pytest.fixture
def texting(pilot):
    """Somebody whom a text of ours has reached."""
    patient = factories.make_patient(
        pilot.practice,
        phone="+44 7700 900018",
        message_is_safe=True,
        preferred_contact=Contact.SMS,
    )
    sent = {"status": "sent", "sent_at": timezone.now(), "purpose": ""}
    factories.MessageFactory(patient=patient, channel="sms", address=patient.phone, **sent)
    return patient


@pytest.fixture
def desk(pilot):
    return factories.sign_in(Client(), factories.make_staff(Role.RECEPTIONIST, pilot.practice))


def bring(text="STOP", number="447700900018", token=TOKEN, reference="n-1", body=None, client=None):
    told = {
        "id": reference,
        "source_number": number,
        "destination_number": "447700900111",
        "message": text,
        "date_received": "2026-11-22T10:00:00.000000Z",
    }
    return (client or Client(enforce_csrf_checks=True)).post(
        reverse("outbox:received"),
        json.dumps(told) if body is None else body,
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )


def looking(patient):
    return acting(factories.TESTS, "test.looked", patients=[patient.pk])


def kept(patient):
    with looking(patient):
        return list(ReceivedText.objects.filter(patient=patient).order_by("created_at"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("STOP", True), ("Stop.", True), ("  stop  texts!", True), ("STOPALL", True), ("unsubscribe", True),
        ("stop by at three?", False), ("Please don't stop", False), ("I cannot come", False), ("", False),
    ],
)  # fmt: skip
def test_what_counts_as_a_stop(text, expected):
    assert is_stop(text) is expected


@pytest.mark.parametrize(
    ("number", "digits"),
    [
        ("+44 7700 900018", "07700900018"),
        ("07700 900 018", "07700900018"),
        ("00447700900018", "07700900018"),
        ("60777", ""),
        ("NHSNoReply", ""),
    ],
)
def test_a_number_is_the_same_however_it_is_written(number, digits):
    assert digits_of(number) == digits


class TestStop:
    def test_ends_texts_to_the_number_and_nothing_else(self, texting):
        factories.give_consent(texting, *NEEDED_TO_BEGIN, Purpose.REMINDERS)
        with looking(texting):
            assert can_text(texting)
        assert bring().status_code == 204
        with looking(texting):
            assert not can_text(texting)
            assert preferred_channel(texting) == Message.Channel.LETTER
            assert all(holds(texting.pk, purpose) for purpose in (*NEEDED_TO_BEGIN, Purpose.REMINDERS))

    def test_holds_back_what_waits_and_posts_what_has_to_be_said(self, texting):
        waiting = {"patient": texting, "channel": "sms", "address": texting.phone}
        soon = timezone.now() + dt.timedelta(hours=1)
        reminder = factories.MessageFactory(**waiting, purpose=Purpose.REMINDERS, due_at=soon)
        notice = factories.MessageFactory(**waiting, purpose="", due_at=soon)
        bring()
        with looking(texting):
            reminder.refresh_from_db()
            notice.refresh_from_db()
        assert reminder.status == Message.Status.STOPPED
        assert (notice.status, notice.channel, notice.address) == ("due", "letter", texting.address)

    def test_another_number_of_theirs_can_be_texted(self, texting):
        bring()
        with looking(texting):
            texting.phone = "07700 900 019"
            assert can_text(texting)

    def test_the_same_text_brought_twice_is_kept_once(self, texting):
        assert [bring().status_code, bring().status_code] == [204, 204]
        assert len(kept(texting)) == 1

    def test_everybody_with_that_number_at_every_practice(self, pilot, texting):
        elsewhere = factories.make_patient(pilot.other_practice, phone="07700900018")
        nobody = factories.make_patient(pilot.practice, phone="07700900017")
        bring()
        assert [len(kept(each)) for each in (texting, elsewhere, nobody)] == [1, 1, 0]

    def test_what_it_says_is_kept_only_for_whoever_was_texted_there(self, pilot, texting):
        """A household shares a number, and a number goes to somebody else: others learn that somebody wrote, not what."""
        elsewhere = factories.make_patient(pilot.other_practice, phone="07700900018")
        bring("Tell my coach I am not well")
        assert [each.text for each in kept(texting)] == ["Tell my coach I am not well"]
        assert [each.text for each in kept(elsewhere)] == [""]

    def test_anything_else_stops_nothing_and_is_for_the_practice(self, texting, desk):
        bring("I cannot go on")
        with looking(texting):
            assert can_text(texting)
        page = desk.get(reverse("outbox:texts")).content.decode()
        assert texting.name in page
        [text] = kept(texting)
        assert "I cannot go on" in desk.get(reverse("outbox:called", args=[text.pk])).content.decode()


class TestWhatWasOnItsWay:
    """STOP comes at any moment of a message's life: whatever is handed over afterwards is no text."""

    WORKER = Actor.system("outbox.send_due")

    @pytest.fixture
    def handed_over(self, monkeypatch):
        gone = []

        def hand_over(message):
            gone.append(message.pk)
            return sending.Outcome.SENT

        monkeypatch.setattr(sending, "hand_over", hand_over)
        return gone

    def text(self, patient, purpose=Purpose.REMINDERS, **columns):
        factories.give_consent(patient, *NEEDED_TO_BEGIN, Purpose.REMINDERS)
        return factories.MessageFactory(
            patient=patient, channel="sms", address=patient.phone, purpose=purpose, **columns
        )

    def now(self, message):
        with acting(factories.TESTS, "test.looked"):
            message.refresh_from_db()
        return message.status, message.channel

    def test_claimed_before_it(self, texting, handed_over):
        reminder, notice = self.text(texting), self.text(texting, purpose="")
        for each in (reminder, notice):
            assert actions.claim(each, by=self.WORKER)
        bring()
        for each in (reminder, notice):
            actions.send(each, by=self.WORKER)
        assert handed_over == []
        assert self.now(reminder) == ("stopped", "sms")
        assert self.now(notice) == ("due", "letter")

    def test_to_be_tried_again(self, texting, monkeypatch):
        reminder = self.text(texting)
        assert actions.claim(reminder, by=self.WORKER)
        monkeypatch.setattr(sending, "hand_over", lambda message: sending.Outcome.LATER)
        actions.send(reminder, by=self.WORKER)
        bring()
        assert not actions.claim(reminder, by=self.WORKER)
        assert self.now(reminder) == ("stopped", "sms")

    def test_sent_once_more_by_hand(self, texting, desk):
        failed = self.text(texting, status="not_sent", attempts=6)
        bring()
        actions.settle_by_hand(failed, arrived=False, by=self.WORKER)
        assert self.now(failed) == ("stopped", "sms")

    def test_written_after_it(self, pilot, texting):
        bring()
        with (
            acting(self.WORKER, "test.wrote", patients=[texting.pk]),
            pytest.raises(ValidationError, match="answered STOP"),
        ):
            actions.post(texting, template="news", context={}, channel="sms", by=self.WORKER)

    def test_an_invitation_is_not_offered_by_text(self, pilot, texting, desk):
        referral = factories.make_referral(texting)
        address = reverse("referrals:invite", args=[referral.pk])
        assert 'value="sms"' in desk.get(address).content.decode()
        bring()
        assert 'value="sms"' not in desk.get(address).content.decode()


class TestTheDoor:
    @pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", "ünïcode"])
    def test_is_shut_without_the_token(self, texting, token):
        assert bring(token=token.encode().decode("latin-1")).status_code == 400
        assert kept(texting) == []

    def test_is_shut_to_all_where_none_was_agreed(self, texting, settings):
        settings.NOTIFY_CALLBACK_TOKEN = ""
        assert bring(token="").status_code == 400
        assert kept(texting) == []

    @pytest.mark.parametrize(
        "body",
        [
            "", "{", "[]", "1", '{"id": "x"}', '{"id": 1, "source_number": "447700900018", "message": "STOP"}',
            '{"id": "x", "source_number": "447700900018", "message": "a\\u0000b"}', "\xff".encode("latin-1"),
            "[" * 9_000, '{"id": "\\ud800", "source_number": "447700900018", "message": "STOP"}',
            json.dumps({"id": "x" * 81, "source_number": "447700900018", "message": "STOP"}),
            json.dumps({"id": "x", "source_number": "447700900018", "message": "y" * 30_000}),
        ],
    )  # fmt: skip
    def test_takes_nothing_that_is_no_text(self, texting, body):
        assert bring(body=body).status_code == 400
        assert kept(texting) == []

    def test_says_the_same_of_a_number_that_is_nobodys(self, texting):
        assert bring(number="447700900999").status_code == bring().status_code == 204

    def test_a_long_text_is_cut_and_kept(self, texting):
        bring("word " * 400)
        assert len(kept(texting)[0].text) == 1000


class TestCalling:
    def test_takes_it_off_the_list_and_texts_begin_again_only_on_their_word(self, texting, desk):
        bring()
        [text] = kept(texting)
        address = reverse("outbox:called", args=[text.pk])
        assert "They still take part" in desk.get(address).content.decode()
        send(desk, address)
        assert texting.name not in desk.get(reverse("outbox:texts")).content.decode()
        with looking(texting):
            assert not can_text(texting)
        send(desk, address, texts_again="on")
        with looking(texting):
            assert can_text(texting)

    def test_a_later_stop_stops_again(self, texting, desk):
        bring()
        send(desk, reverse("outbox:called", args=[kept(texting)[0].pk]), texts_again="on")
        bring(reference="n-2")
        with looking(texting):
            assert not can_text(texting)

    def test_another_practice_finds_none(self, pilot, texting):
        bring()
        other = factories.sign_in(Client(), factories.make_staff(Role.RECEPTIONIST, pilot.other_practice))
        assert other.get(reverse("outbox:called", args=[kept(texting)[0].pk])).status_code == 404
        assert texting.name not in other.get(reverse("outbox:texts")).content.decode()
