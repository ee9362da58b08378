"""What somebody causes and the worker does: never before it is saved, and logged as of the same request."""

from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery, Task
from django.db import transaction

from audit.models import Event
from pilot.access import Role, acting
from pilot.access.context import caused_by
from pilot.access.later import REQUEST, soon
from pilot.people.models import Organisation
from tests import factories

pytestmark = pytest.mark.django_db(databases=["default", "owner"])


def task(work: Callable[..., Any]) -> Task:
    """A task of a worker of its own, done where it is asked for, and not among the pilot's."""
    worker = Celery("tests", broker="memory://localhost/", set_as_current=False)
    worker.conf.task_always_eager = worker.conf.task_eager_propagates = True
    return worker.task(work, name=f"tests.{work.__name__}", shared=False)


def test_what_the_worker_does_is_logged_as_of_the_request_that_caused_it(
    django_capture_on_commit_callbacks: Any,
) -> None:
    pilot = factories.make_pilot()
    guardian = factories.make_staff(Role.CALDICOTT_GUARDIAN, pilot.office)
    made = []

    def register(practice: str, number: str) -> None:
        details = {"nhs_number": number}
        made.append(factories.make_patient(Organisation.objects.get(pk=practice), **details).pk)

    with django_capture_on_commit_callbacks(execute=True):
        with acting(factories.TESTS, "test.asked", request="r1"):
            soon(task(register), str(pilot.practice.pk), "9990000018")
        assert made == []
    with acting(guardian, "log.read"):
        [event] = Event.objects.filter(kind="created", relation="people_patient", patient_id=made[0])
        assert (event.actor, event.request) == (factories.TESTS.label, "r1")
    assert caused_by.get() == ""


def test_what_nobody_asked_for_belongs_to_no_request(django_capture_on_commit_callbacks: Any) -> None:
    seen = []

    def look() -> None:
        with acting(factories.TESTS, "test.done") as context:
            seen.append(context.request)

    with django_capture_on_commit_callbacks(execute=True):
        soon(task(look))
    assert seen == [""]


def test_a_broker_that_cannot_be_reached_is_asked_once_and_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    asked, afterwards = [], []

    def nothing(*words: str) -> None:
        raise AssertionError("The broker was reached.")

    def broken(**options: Any) -> None:
        asked.append(options)
        raise ConnectionError

    work = task(nothing)
    monkeypatch.setattr(work, "apply_async", broken)
    with (
        django_capture_on_commit_callbacks(execute=True),
        acting(factories.TESTS, "test.asked", request="r1"),
    ):
        soon(work, "one", "two")
        transaction.on_commit(lambda: afterwards.append("done"))
    assert asked == [{"args": ("one", "two"), "retry": False, "headers": {REQUEST: "r1"}}]
    assert afterwards == ["done"]
