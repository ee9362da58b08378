"""Sending what is due: once, never after its purpose ended, and honest about what nobody knows."""

import datetime as dt
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.db import connections
from django.utils import timezone

from consent.actions import withdraw
from consent.models import Decision, Purpose
from pilot.access import acting
from pilot.celery import app
from pilot.outbox import sending, wording
from pilot.outbox.actions import PAUSES, claim, send
from pilot.outbox.models import LONGEST_ATTEMPT, Message
from pilot.outbox.sending import Outcome
from pilot.outbox.tasks import SENDER, send_due, settle_cut_off
from pilot.people.models import Patient
from tests import factories
from tests.factories import TESTS, MessageFactory

pytestmark = pytest.mark.django_db(databases=["default", "owner"])
Channel, Status = Message.Channel, Message.Status


@pytest.fixture
def patient() -> Patient:
    return factories.make_patient(factories.make_pilot().practice)


@pytest.fixture
def phone(settings: Any, tmp_path: Path) -> Path:
    """The file in which texts arrive."""
    settings.SMS_SPOOL_FILE = str(tmp_path / "texts.jsonl")
    return tmp_path / "texts.jsonl"


def again(message: Message) -> Message:
    with acting(TESTS, "test.read"):
        return Message.objects.get(pk=message.pk)


def test_what_is_due_is_sent_once_however_often_the_task_runs(patient: Patient) -> None:
    message = MessageFactory(patient=patient, subject="A message from us", text="Hello")
    assert (send_due(), send_due()) == (1, 0)
    (sent,) = mail.outbox
    assert (sent.to, sent.subject, sent.body) == ([patient.email], "A message from us", "Hello")
    assert str(message.reference) in sent.extra_headers["Message-ID"]
    assert again(message).status == Status.SENT
    assert again(message).sent_at is not None


def test_what_is_not_due_yet_and_letters_stay(patient: Patient) -> None:
    MessageFactory(patient=patient, due_at=timezone.now() + dt.timedelta(hours=1))
    MessageFactory(patient=patient, channel=Channel.LETTER)
    assert send_due() == 0
    assert not mail.outbox


def test_what_lost_its_purpose_since_it_was_written_is_stopped(patient: Patient) -> None:
    factories.give_consent(patient, Purpose.REMINDERS)
    message = MessageFactory(patient=patient, purpose=Purpose.REMINDERS)
    factories.DecisionFactory(
        patient=patient, purpose=Purpose.REMINDERS, answer=Decision.Answer.WITHDRAWN, lapses_on=None
    )
    assert send_due() == 0
    assert again(message).status == Status.STOPPED
    assert not mail.outbox


def test_what_loses_its_purpose_between_claim_and_sending_is_stopped(patient: Patient) -> None:
    factories.give_consent(patient, Purpose.REMINDERS)
    message = MessageFactory(patient=patient, purpose=Purpose.REMINDERS)
    assert claim(message, by=SENDER)
    factories.DecisionFactory(
        patient=patient, purpose=Purpose.REMINDERS, answer=Decision.Answer.WITHDRAWN, lapses_on=None
    )
    assert send(message, by=SENDER) == Status.STOPPED
    assert not mail.outbox


def test_a_secret_goes_out_and_is_not_kept(patient: Patient) -> None:
    text = f"Your code: {wording.SECRET_PLACE}"
    message = MessageFactory(patient=patient, text=text, secret=wording.seal("K7M2Q-XP4RW"))
    send_due()
    assert mail.outbox[0].body == "Your code: K7M2Q-XP4RW"
    assert (again(message).secret, again(message).text) == ("", text)


def test_a_text_goes_to_the_demos_phone(patient: Patient, phone: Path) -> None:
    message = MessageFactory(patient=patient, channel=Channel.SMS, address="07700900123")
    send_due()
    assert json.loads(phone.read_text()) == {
        "reference": str(message.reference), "to": "07700900123", "text": "Hello.",
    }  # fmt: skip
    assert phone.stat().st_mode & 0o077 == 0


def test_an_email_that_was_cut_off_is_shown_to_a_person_and_not_repeated(patient: Patient) -> None:
    message = MessageFactory(patient=patient)
    assert claim(message, by=SENDER)
    settle_cut_off()
    assert again(message).status == Status.SENDING  # it may be going out at this moment
    with time_machine.travel(timezone.now() + LONGEST_ATTEMPT + dt.timedelta(seconds=1)):
        assert send_due() == 0
        settle_cut_off()
        assert again(message).status == Status.UNKNOWN
        assert send_due() == 0
    assert not mail.outbox


@pytest.mark.parametrize(("had_left", "status", "copies"), [(True, Status.SENT, 1), (False, Status.DUE, 0)])
def test_a_text_that_was_cut_off_is_looked_up_before_it_is_repeated(
    patient: Patient, phone: Path, had_left: bool, status: Status, copies: int
) -> None:
    message = MessageFactory(patient=patient, channel=Channel.SMS, address="07700900123")
    assert claim(message, by=SENDER)
    if had_left:
        sending.hand_over(message)
    with time_machine.travel(timezone.now() + LONGEST_ATTEMPT + dt.timedelta(seconds=1)):
        settle_cut_off()
    assert again(message).status == status
    assert (len(phone.read_text().splitlines()) if phone.exists() else 0) == copies


@pytest.mark.parametrize(
    ("outcome", "channel", "status"),
    [
        (Outcome.REFUSED, Channel.EMAIL, Status.NOT_SENT),
        (Outcome.LATER, Channel.EMAIL, Status.DUE),
        (Outcome.UNKNOWN, Channel.EMAIL, Status.UNKNOWN),
        (Outcome.UNKNOWN, Channel.SMS, Status.SENDING),
    ],
)
def test_each_outcome_is_noted(
    patient: Patient, monkeypatch: pytest.MonkeyPatch, outcome: Outcome, channel: Channel, status: Status
) -> None:
    monkeypatch.setattr(sending, "hand_over", lambda message: outcome)
    message = MessageFactory(patient=patient, channel=channel)
    assert send_due() == 0
    assert again(message).status == status


def test_it_tries_again_with_longer_pauses_and_then_asks_a_person(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "hand_over", lambda message: Outcome.LATER)
    message = MessageFactory(patient=patient)
    with time_machine.travel(timezone.now()) as clock:
        for pause in PAUSES:
            send_due()
            assert again(message).status == Status.DUE
            send_due()  # not yet
            clock.shift(pause + dt.timedelta(seconds=1))
        send_due()
    assert again(message).status == Status.NOT_SENT
    assert again(message).attempts == len(PAUSES) + 1


def test_two_workers_send_each_message_once(own_database: str) -> None:
    patient = factories.make_patient(factories.make_pilot().practice)
    messages = [MessageFactory(patient=patient) for _ in range(20)]
    sent: list[int] = []

    def work() -> None:
        try:
            sent.append(send_due())
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sum(sent) == len(messages) == len(mail.outbox)
    assert {again(message).status for message in messages} == {Status.SENT}


def test_a_withdrawal_waits_for_what_is_leaving_already_and_stops_the_rest(
    own_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = factories.make_patient(factories.make_pilot().practice, account=True)
    factories.give_consent(patient, *Purpose)
    leaving, waiting = (
        MessageFactory(
            patient=patient, purpose=Purpose.REMINDERS, due_at=timezone.now() - dt.timedelta(minutes=n)
        )
        for n in (2, 1)
    )
    actor = factories.patient_actor(patient)
    handing_over, may_go_on, withdrawn = threading.Event(), threading.Event(), threading.Event()

    def hand_over(message: Message) -> Outcome:
        handing_over.set()
        assert may_go_on.wait(20)
        return Outcome.SENT

    def send_first() -> None:
        try:
            assert claim(leaving, by=SENDER)
            send(leaving, by=SENDER)
        finally:
            connections.close_all()

    def withdraw_now() -> None:
        try:
            withdraw(patient, by=actor)
            withdrawn.set()
        finally:
            connections.close_all()

    monkeypatch.setattr(sending, "hand_over", hand_over)
    workers = [threading.Thread(target=send_first), threading.Thread(target=withdraw_now)]
    workers[0].start()
    assert handing_over.wait(20)
    workers[1].start()
    assert not withdrawn.wait(0.5)
    may_go_on.set()
    for worker in workers:
        worker.join()
    assert withdrawn.is_set()
    assert (again(leaving).status, again(waiting).status) == (Status.SENT, Status.STOPPED)


def test_the_clock_knows_these_tasks(settings: Any) -> None:
    scheduled = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert {send_due.name, settle_cut_off.name} <= scheduled & set(app.tasks)


KILLED_WORKER = """
import os, signal, sys
import django
django.setup()
from tests.databases import point_to
point_to(sys.argv[1])
from pilot.outbox import sending, tasks
sending.hand_over = lambda message: os.kill(os.getpid(), signal.SIGKILL)
tasks.send_due()
"""


def test_a_worker_killed_in_mid_sending_leaves_a_trace_and_sends_nothing_twice(own_database: str) -> None:
    patient = factories.make_patient(factories.make_pilot().practice)
    message = MessageFactory(patient=patient)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_WORKER, own_database],
        check=False, timeout=60, env={**os.environ, "PYTHONPATH": os.getcwd()}, capture_output=True,
    )  # fmt: skip
    assert killed.returncode == -9, killed.stderr.decode()
    assert again(message).status == Status.SENDING
    assert send_due() == 0
    with time_machine.travel(timezone.now() + LONGEST_ATTEMPT + dt.timedelta(seconds=1)):
        settle_cut_off()
    assert again(message).status == Status.UNKNOWN
    assert not mail.outbox
