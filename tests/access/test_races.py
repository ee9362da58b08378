"""Somebody withdraws while others are at work: whatever began before is finished before, and nothing begins after.

Each page and task stops where the test wants it, and goes on when the database says who waits for whom.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.http import Http404
from django.test import Client

import coaching.actions
import coaching.policies
import consent.actions
import referrals.actions
from audit.looks import Looks
from coaching.models import Session, SessionStatus
from coaching.tasks import email_clinicians
from consent.actions import record_withdrawal
from consent.models import Decision, Purpose
from pilot.access import Role, current
from pilot.outbox import sending
from pilot.outbox.actions import claim, mark_posted, send
from pilot.outbox.models import Message
from pilot.outbox.sending import Outcome
from pilot.outbox.tasks import SENDER, send_due
from referrals.models import Referral
from tests import factories
from tests.access.racing import (
    SECONDS,
    Case,
    Halt,
    Pool,
    check_nothing_came_after,
    make_case,
    requests,
    until_waiting,
)
from tests.coaching.case import in_days


@pytest.fixture
def another_case(own_database: str) -> Callable[[], Case]:
    """Makes one case after another, of the same coach."""
    pilot = factories.make_pilot()
    staff = {
        role: factories.make_staff(role, pilot.practice if role is Role.RECEPTIONIST else pilot.provider)
        for role in (Role.COACH, Role.SUPERVISOR, Role.RECEPTIONIST)
    }
    return partial(make_case, staff, factories.sign_in(Client(), staff[Role.COACH]), pilot)


@pytest.fixture
def case(another_case: Callable[[], Case]) -> Case:
    return another_case()


@pytest.fixture
def pool() -> Iterator[Pool]:
    with ThreadPoolExecutor(24) as threads:
        yield Pool(threads)


# --- Who comes first ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["people/{referral}/", "", "distress/"])
def test_a_page_that_was_being_read_is_finished_before_the_withdrawal(
    case: Case, pool: Pool, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    address = "/coaching/" + path.format(referral=case.referral.pk)
    client = case.window()
    halt = Halt(monkeypatch, Looks, "record")
    page = pool.begin(lambda: client.get(address))
    halt.wait()
    stopping = pool.begin(case.stop)
    until_waiting(stopping)
    assert not stopping.done()
    halt.go_on.set()
    answer = page.result(SECONDS)
    assert (answer.status_code, case.patient.given_name in answer.text) == (200, True)
    stopping.result(SECONDS)
    check_nothing_came_after(case)
    again = client.get(address)
    assert case.patient.given_name not in again.text
    assert again.status_code == (404 if "{" in path else 200)


@pytest.mark.parametrize("who", ["the patient", "the desk"])
def test_ten_requests_that_come_while_somebody_withdraws_find_nothing(
    case: Case, pool: Pool, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    ten = requests(case)
    halt = Halt(monkeypatch, consent.actions, "give_receipt")
    by_phone = {"method": Decision.Method.PHONE, "by": case.receptionist}
    stopping = pool.begin(
        case.stop if who == "the patient" else lambda: record_withdrawal(case.patient, **by_phone)
    )
    halt.wait()
    under_way = [pool.begin(request) for request in ten]
    until_waiting(*under_way)
    halt.go_on.set()
    stopping.result(SECONDS)
    answers = [request.result(SECONDS) for request in under_way]
    assert [answer.status_code for answer in answers] == [200] + [404] * 9
    assert not [answer for answer in answers if case.patient.given_name in answer.text]
    check_nothing_came_after(case)


def test_ten_requests_that_are_under_way_are_finished_before_the_withdrawal(
    case: Case, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ten = requests(case)
    arrived, go_on, record = threading.Semaphore(0), threading.Event(), Looks.record

    def halting(looks: Looks) -> None:
        if current().actor == case.coach:
            arrived.release()
            assert go_on.wait(SECONDS)
        record(looks)

    monkeypatch.setattr(Looks, "record", halting)
    under_way = [pool.begin(request) for request in ten]
    for _ in under_way:
        assert arrived.acquire(timeout=SECONDS)
    stopping = pool.begin(case.stop)
    until_waiting(stopping)
    go_on.set()
    answers = [request.result(SECONDS) for request in under_way]
    assert [answer.status_code for answer in answers] == [200] * 5 + [302] * 5
    stopping.result(SECONDS)
    check_nothing_came_after(case)


# --- What was queued, or about to leave --------------------------------------------------------------


def reminder(case: Case, **columns: Any) -> Message:
    return factories.MessageFactory(patient=case.patient, purpose=Purpose.REMINDERS, **columns)


def test_a_message_in_a_workers_hands_stays_there_once_somebody_withdraws(
    case: Case, pool: Pool, monkeypatch: pytest.MonkeyPatch, mailoutbox: list[Any]
) -> None:
    message = reminder(case)
    assert claim(message, by=SENDER)
    halt = Halt(monkeypatch, consent.actions, "give_receipt")
    stopping = pool.begin(case.stop)
    halt.wait()
    sent = pool.begin(lambda: send(message, by=SENDER))
    until_waiting(sent)
    halt.go_on.set()
    stopping.result(SECONDS)
    assert sent.result(SECONDS) == Message.Status.STOPPED
    assert mailoutbox == []


def test_a_letter_that_was_printed_is_not_posted_once_somebody_withdraws(
    case: Case, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter = reminder(case, channel=Message.Channel.LETTER)
    halt = Halt(monkeypatch, consent.actions, "give_receipt")
    stopping = pool.begin(case.stop)
    halt.wait()
    posted = pool.begin(lambda: mark_posted(letter, by=case.receptionist))
    until_waiting(posted)
    halt.go_on.set()
    stopping.result(SECONDS)
    with pytest.raises(ValidationError, match="not waiting to be posted"):
        posted.result(SECONDS)


def test_a_referral_is_not_given_to_a_coach_while_the_patient_stops(
    case: Case, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    referrals.actions.hand_back(case.referral, by=case.supervisor)
    halt = Halt(monkeypatch, consent.actions, "give_receipt")
    stopping = pool.begin(case.stop)
    halt.wait()
    coach = factories.membership_of(case.coach)
    given = pool.begin(lambda: referrals.actions.allocate(case.referral, coach, by=case.supervisor))
    until_waiting(given)
    halt.go_on.set()
    stopping.result(SECONDS)
    with pytest.raises(Http404):
        given.result(SECONDS)
    check_nothing_came_after(case)


def test_a_call_for_help_that_was_made_still_reaches_the_practice_and_names_nobody(
    case: Case, monkeypatch: pytest.MonkeyPatch, mailoutbox: list[Any]
) -> None:
    """The one thing that leaves after a withdrawal besides the receipt: somebody may still need it."""
    clinician = factories.user_of(factories.make_staff(Role.CLINICIAN, case.pilot.practice))
    monkeypatch.setattr(coaching.actions, "_email_soon", lambda call: None)  # the worker is slow today
    coaching.actions.raise_distress(case.referral, by=case.coach)
    case.stop()
    email_clinicians()
    (mail,) = mailoutbox
    assert mail.to == [clinician.email]
    assert case.patient.family_name not in f"{mail.subject}{mail.body}"


# --- Support that ends in another way ----------------------------------------------------------------


@pytest.mark.parametrize("how", ["handed back", "ended"])
def test_a_session_that_is_being_booked_is_cancelled_with_the_rest_when_the_support_ends(
    case: Case, pool: Pool, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    halt = Halt(monkeypatch, coaching.policies, "check_is_to_come")
    booking = pool.begin(lambda: book(case))
    halt.wait()
    ending = pool.begin(lambda: end(case, how))
    until_waiting(ending, kind="transactionid")
    halt.go_on.set()
    booking.result(SECONDS)
    ending.result(SECONDS)
    assert statuses(case) == [SessionStatus.CANCELLED]


@pytest.mark.parametrize("how", ["handed back", "ended"])
def test_no_session_is_booked_while_the_support_ends(
    case: Case, pool: Pool, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    halt = Halt(monkeypatch, referrals.actions, "_end_allocations")
    ending = pool.begin(lambda: end(case, how))
    halt.wait()
    booking = pool.begin(lambda: book(case))
    until_waiting(booking, kind="transactionid")
    halt.go_on.set()
    ending.result(SECONDS)
    with pytest.raises((ValidationError, Http404)):
        booking.result(SECONDS)
    assert statuses(case) == []


def book(case: Case) -> Session:
    return coaching.actions.book(case.referral, starts_at=in_days(4), place="phone", by=case.coach)


def end(case: Case, how: str) -> None:
    if how == "ended":
        referrals.actions.end_referral(case.referral, ending=Referral.Ending.MOVED, by=case.receptionist)
    else:
        referrals.actions.hand_back(case.referral, by=case.supervisor)


def statuses(case: Case) -> list[str]:
    return list(Session.objects.using("owner").filter(patient=case.patient).values_list("status", flat=True))


# --- By chance ---------------------------------------------------------------------------------------


def test_in_whatever_order_they_come_nothing_comes_after_the_withdrawal(
    another_case: Callable[[], Case], pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty times: a withdrawal among a coach's requests, a supervisor's or the desk's, and the worker's, all at once."""
    left: list[tuple[Any, float]] = []

    def hand_over(message: Message) -> Outcome:
        left.append((message.patient_id, time.monotonic()))
        return Outcome.SENT

    monkeypatch.setattr(sending, "hand_over", hand_over)
    chance = random.Random(20)
    for _ in range(20):
        case = another_case()
        reminder(case)
        stopped: list[float] = []

        def stop(case: Case = case, stopped: list[float] = stopped) -> None:
            case.stop()
            stopped.append(time.monotonic())

        how = chance.choice(["handed back", "ended"])
        deeds = [*requests(case, chance.sample(range(10), 3)), send_due, stop, partial(end, case, how)]
        chance.shuffle(deeds)
        gate = threading.Barrier(len(deeds))
        for future in [pool.begin(partial(at_once, gate, deed)) for deed in deeds]:
            assert getattr(future.result(SECONDS), "status_code", 0) < 500
        check_nothing_came_after(case)
        assert not [at for patient, at in left if patient == case.patient.pk and at > stopped[0]]


def at_once(gate: threading.Barrier, deed: Callable[[], Any]) -> Any:
    """What comes of it, once everybody is here; a refusal is an answer too."""
    gate.wait(SECONDS)
    try:
        return deed()
    except (ValidationError, Http404) as refusal:
        return refusal
