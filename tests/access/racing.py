"""People and tasks at work at the same time: each stops where a test wants it, and goes on when the database says who
waits for whom; and what has to hold once somebody has withdrawn.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from http.cookies import SimpleCookie
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from audit.models import Event, Subject
from coaching.models import Goal, Session, SessionStatus
from consent.actions import withdraw
from consent.models import Purpose
from pilot.access import Actor, Role, acting
from pilot.outbox.models import Message
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
