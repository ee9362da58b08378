"""Somebody withdraws while others are at work: whatever began before is finished before, and nothing begins after.

Each page and task stops where the test wants it, and goes on when the database says who waits for whom.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from http.cookies import SimpleCookie
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connections
from django.http import Http404
from django.test import Client

import coaching.actions
import coaching.policies
import coaching.selectors
import consent.actions
import referrals.actions
from audit.looks import Looks
from audit.models import Event, Subject
from coaching.models import Goal, Session, SessionStatus
from coaching.tasks import email_clinicians
from consent.actions import record_withdrawal, withdraw
from consent.models import Decision, Purpose
from pilot.access import Actor, Role, acting, current
from pilot.outbox import sending
from pilot.outbox.actions import claim, mark_posted, send
from pilot.outbox.models import Message
from pilot.outbox.sending import Outcome
from pilot.outbox.tasks import SENDER, send_due
from pilot.people.models import Patient
from referrals.models import Allocation, Referral, ReferralGrant
from tests import factories
from tests.coaching.case import in_days
from tests.forms import hidden_in

SECONDS = 30  # after which a test gives up; nothing waits for a time to pass


@dataclass
class Case:
    """A coach with a person who is about to stop."""

    pilot: factories.Pilot
    coach: Actor
    supervisor: Actor
    receptionist: Actor
    referral: Referral
    patient: Patient
    themselves: Actor
    browser: Client

    def stop(self) -> Any:
        return withdraw(self.patient, by=self.themselves)

    def window(self) -> Client:
        """Another window of the coach's browser, in which they have signed in already."""
        window = Client()
        window.cookies = SimpleCookie({name: each.value for name, each in self.browser.cookies.items()})
        return window


def make_case(staff: dict[Role, Actor], browser: Client, pilot: factories.Pilot) -> Case:
    coach = staff[Role.COACH]
    name = f"Ana{random.randrange(10**9)}"
    referral = factories.make_case(pilot, coach, account=True, given_name=name, preferred_contact="4")
    factories.give_consent(referral.patient, Purpose.REMINDERS)
    return Case(
        pilot=pilot,
        coach=coach,
        supervisor=staff[Role.SUPERVISOR],
        receptionist=staff[Role.RECEPTIONIST],
        referral=referral,
        patient=referral.patient,
        themselves=factories.patient_actor(referral.patient),
        browser=browser,
    )


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


class Pool:
    """Does things at the same time, each in a thread with a connection of its own."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self.threads = threads

    def begin(self, deed: Callable[[], Any]) -> Future[Any]:
        def run() -> Any:
            try:
                return deed()
            finally:
                connections.close_all()

        return self.threads.submit(run)


class Halt:
    """A place in the code where whoever comes by first waits for `go_on`, and everybody else passes."""

    def __init__(self, patch: pytest.MonkeyPatch, where: Any, name: str) -> None:
        self.reached, self.go_on, self._first = threading.Event(), threading.Event(), threading.Lock()
        halted = getattr(where, name)

        def halting(*args: Any, **kwargs: Any) -> Any:
            if self._first.acquire(blocking=False):
                self.reached.set()
                assert self.go_on.wait(SECONDS)
            return halted(*args, **kwargs)

        patch.setattr(where, name, halting)

    def wait(self) -> None:
        assert self.reached.wait(SECONDS)


def until_waiting(*futures: Future[Any], kind: str = "advisory") -> None:
    """Go on as soon as each of these waits in the database, for a lock of that kind."""
    deadline = time.monotonic() + SECONDS
    while True:
        with connections["owner"].cursor() as cursor:
            cursor.execute(
                "SELECT count(DISTINCT l.pid) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid"
                " WHERE NOT l.granted AND l.locktype = %s AND a.datname = current_database()",
                [kind],
            )
            waiting = cursor.fetchone()[0]
        if waiting == len(futures):
            return
        assert not [future for future in futures if future.done()], "it did not wait"
        assert time.monotonic() < deadline, f"{waiting} of {len(futures)} wait"


def check_nothing_came_after(case: Case) -> None:
    """Everything that the coach did or saw of the patient is in the log before the withdrawal; nothing is left ahead."""
    about = Subject.objects.using("owner").filter(patient_id=case.patient.pk)
    events = Event.objects.using("owner")
    withdrawn = events.filter(patient_id=case.patient.pk, action__startswith="consent.withdraw").order_by(
        "id"
    )
    began = withdrawn.values_list("id", flat=True)[0]
    of_coach = events.filter(actor=case.coach.label, id__gt=began)
    assert not of_coach.filter(patient_id=case.patient.pk).exists()
    assert not of_coach.filter(pk__in=about.values("event_id")).exists()
    for model in (Session, Goal, Referral, Message):
        past = model.history.using("owner").filter(event_id__gt=began, history_user_id=case.coach.user_id)
        assert not past.filter(patient_id=case.patient.pk).exists(), model
    whose = {"patient_id": case.patient.pk}
    assert not Session.objects.using("owner").filter(**whose, status=SessionStatus.BOOKED).exists()
    left = Message.objects.using("owner").filter(**whose).exclude(purpose="")
    assert not left.filter(status__in=[Message.Status.DUE, Message.Status.SENDING]).exists()
    assert not Allocation.objects.using("owner").filter(**whose, ended_at__isnull=True).exists()
    assert not ReferralGrant.objects.using("owner").filter(content_object=case.referral).exists()
    with acting(case.coach, "test.asked"):
        assert not Referral.objects.filter(**whose).exists()
        assert not Patient.objects.filter(pk=case.patient.pk).exists()


def requests(case: Case, wanted: Collection[int] = range(10)) -> list[Callable[[], Any]]:
    """Ten things, or some of them, that a coach does at once: five pages to read, five forms that are filled in."""
    goal = factories.GoalFactory(referral=case.referral)
    person = f"/coaching/people/{case.referral.pk}/"
    booked = [factories.make_session(case.referral, case.coach, starts_at=in_days(n)) for n in (3, 5, -1)]
    at = [f"/coaching/sessions/{session.pk}/" for session in booked]
    when = in_days(9)
    time_and_place = {
        "starts_on_day": when.day, "starts_on_month": when.month, "starts_on_year": when.year,
        "starts_at": "10:30", "minutes": "45", "place": "phone",
    }  # fmt: skip
    reads = ["/coaching/", person, at[0], f"/coaching/goals/{goal.pk}/", f"{person}book/"]
    forms = {
        f"{person}goals/add/": {"words": "Mornings only."},
        f"{person}book/": time_and_place,
        f"{at[1]}change/": {**time_and_place, "starts_at": "14:30"},
        f"{at[2]}took-place/": {"agreed": "A plan."},
        f"{person}distress/": {},
    }
    begun: list[Callable[[], Any]] = []
    for n, (address, fields) in enumerate([*((address, None) for address in reads), *forms.items()]):
        if n not in wanted:
            continue
        window = case.window()
        if fields is None:
            begun.append(partial(window.get, address))
        else:
            begun.append(partial(window.post, address, hidden_in(window.get(address)) | fields))
    return begun


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
    halt = Halt(monkeypatch, consent.actions, "_write_receipt")
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
    halt = Halt(monkeypatch, consent.actions, "_write_receipt")
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
    halt = Halt(monkeypatch, consent.actions, "_write_receipt")
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
    halt = Halt(monkeypatch, consent.actions, "_write_receipt")
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
