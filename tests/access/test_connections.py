"""Whose turn it is ends with the transaction: nothing of it is left on the connection or in the thread for the next."""

from __future__ import annotations

import contextlib
import contextvars
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, OperationalError, connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import StreamingHttpResponse
from django.test import Client
from django.urls import reverse

from audit.looks import noticing
from pilot.access import Actor, Role, acting, current, current_or_none
from pilot.people.models import Patient
from pilot.web.views import PageParts
from referrals import selectors as referrals
from tests import factories

NAMES = ("user", "role", "action", "patients", "reason", "request")


@dataclass(frozen=True)
class Two:
    """Two practices' receptionists, each with one patient."""

    here: Actor
    there: Actor
    patients: dict[Actor, Patient]
    manager: Actor


@pytest.fixture(scope="module")
def two(module_database: str) -> Two:
    pilot = factories.make_pilot()
    here = factories.make_staff(Role.RECEPTIONIST, pilot.practice)
    there = factories.make_staff(Role.RECEPTIONIST, pilot.other_practice)
    patients = {
        here: factories.make_patient(pilot.practice, family_name="Herebert"),
        there: factories.make_patient(pilot.other_practice, family_name="Thereza"),
    }
    return Two(here, there, patients, factories.make_staff(Role.PILOT_MANAGER, pilot.office))


@pytest.fixture(autouse=True)
def nothing_is_left(module_database: str) -> Iterator[None]:
    yield
    assert is_forgotten()


def is_forgotten() -> bool:
    """Neither this thread nor the connection it would use next knows of anybody, and the database shows nobody."""
    assert not connection.in_atomic_block
    with connection.cursor() as cursor:
        wanted = ", ".join(f"coalesce(current_setting('pilot.{name}', true), '')" for name in NAMES)
        cursor.execute(f"SELECT {wanted}, (SELECT count(*) FROM people_patient)")
        assert cursor.fetchone() == ("",) * len(NAMES) + (0,)
        cursor.execute("SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'")
        assert cursor.fetchone() == (0,)
        # What Django itself sets whenever it connects, and nothing else.
        cursor.execute("SELECT name FROM pg_settings WHERE source = 'session' AND name <> 'TimeZone'")
        assert cursor.fetchall() == []
    assert current_or_none() is None
    assert noticing.get() is None
    return True


def process() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def seen() -> set[str]:
    """The last names that the database shows in the surrounding context, whoever asks."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT family_name FROM people_patient")
        return {name for (name,) in cursor.fetchall()}


def browser(actor: Actor) -> Client:
    return factories.sign_in(Client(raise_request_exception=False), actor)


PATIENTS = "/patients/"


# --- One connection, one request after another -------------------------------------------------------


def test_two_requests_on_one_connection_see_each_their_own(two: Two) -> None:
    here, there, nobody = browser(two.here), browser(two.there), Client()
    before = process()
    for _ in range(3):
        for client, name, other in ((here, "Herebert", "Thereza"), (there, "Thereza", "Herebert")):
            text = client.get(PATIENTS).text
            assert name in text
            assert other not in text
            assert is_forgotten()
        assert nobody.get(PATIENTS).status_code == 302
        assert is_forgotten()
    assert process() == before


def test_a_request_that_breaks_leaves_nothing(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*asked: Any) -> None:
        assert seen() == {"Herebert"}
        raise ZeroDivisionError

    client = browser(two.here)
    with monkeypatch.context() as patch:
        patch.setattr(referrals, "latest_of", breaks)
        assert client.get(PATIENTS).status_code == 500
    assert is_forgotten()
    assert "Herebert" in client.get(PATIENTS).text


def test_a_page_that_would_stream_is_not_sent(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    def rows() -> Iterator[str]:
        yield str(current())

    client = browser(two.here)
    with monkeypatch.context() as patch:
        patch.setattr(PageParts, "show", lambda self, **more: StreamingHttpResponse(rows()))
        answer = client.get(reverse("referrals:patient-add"))
    assert answer.status_code == 500
    assert not answer.streaming


# --- A commit in the middle --------------------------------------------------------------------------


def test_what_waits_for_the_commit_runs_as_nobody(two: Two) -> None:
    found: list[Any] = []
    with acting(two.here, "page.opened"):
        transaction.on_commit(lambda: found.append((current_or_none(), noticing.get(), seen())))
        assert seen() == {"Herebert"}
    assert found == [(None, None, set())]


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK", "COMMIT AND CHAIN"])
def test_whoever_ends_the_transaction_by_hand_sees_and_writes_nothing_more(two: Two, end: str) -> None:
    patient = two.patients[two.here]
    with acting(two.here, "patient.changed", patients=[patient.pk]):
        assert seen() == {"Herebert"}
        with connection.cursor() as cursor:
            cursor.execute(end)
            assert seen() == set()
            cursor.execute("UPDATE people_patient SET pronouns = 'forged'")
            assert cursor.rowcount == 0
    assert is_forgotten()
    with acting(two.here, "patients.listed"):
        assert Patient.objects.get(pk=patient.pk).pronouns == ""


def test_what_was_looked_at_before_such_a_commit_is_not_shown_without_its_look(two: Two) -> None:
    def read() -> None:
        with acting(two.here, "patients.listed"):
            assert Patient.objects.count() == len(Patient.objects.all()) == 1
            connection.cursor().execute("COMMIT")

    with pytest.raises(DatabaseError, match="by nobody"):
        read()


def test_djangos_own_commit_is_refused(two: Two) -> None:
    with acting(two.here, "page.opened"):
        for end in (transaction.commit, transaction.rollback, lambda: transaction.set_autocommit(True)):
            with pytest.raises(transaction.TransactionManagementError):
                end()
        assert seen() == {"Herebert"}


# --- Within a transaction ----------------------------------------------------------------------------


def test_a_part_that_fails_leaves_the_whole_as_it_was(two: Two) -> None:
    patient = two.patients[two.here]
    with acting(two.here, "page.opened") as page:
        with contextlib.suppress(ZeroDivisionError), acting(two.here, "changed", patients=[patient.pk]):
            assert Patient.objects.update(pronouns="forged") == 1
            1 / 0  # noqa: B018
        assert current() is page
        assert Patient.objects.update(pronouns="forged") == 0
        with transaction.atomic():
            with acting(two.here, "patient.changed", patients=[patient.pk]):
                assert Patient.objects.update(pronouns="forged") == 1
            transaction.set_rollback(True)
        assert current() is page
        assert Patient.objects.update(pronouns="forged") == 0
        assert seen() == {"Herebert"}


def test_an_action_within_an_action_gives_the_first_its_subject_back(two: Two) -> None:
    here, there = (two.patients[actor].pk for actor in (two.here, two.there))
    system = factories.TESTS
    with acting(system, "outer.done", patients=[here]):
        with acting(system, "inner.done", patients=[there]):
            assert Patient.objects.filter(pk=here).update(pronouns="") == 0
        assert Patient.objects.filter(pk=there).update(pronouns="") == 0
        assert Patient.objects.filter(pk=here).update(pronouns="") == 1


def test_an_action_that_goes_on_after_a_part_of_it_failed_saves_nothing(two: Two) -> None:
    patient = two.patients[two.here]

    def act() -> None:
        with acting(two.here, "outer.done", patients=[patient.pk]):
            Patient.objects.update(pronouns="forged")
            with (
                contextlib.suppress(ZeroDivisionError),
                acting(two.here, "inner.done", patients=[patient.pk]),
            ):
                1 / 0  # noqa: B018
            Patient.objects.update(pronouns="forged")

    with pytest.raises(transaction.TransactionManagementError):
        act()
    with acting(two.here, "patients.listed"):
        assert Patient.objects.get(pk=patient.pk).pronouns == ""


# --- Connections that are shared, closed and cut -----------------------------------------------------


class Pooler:
    """What a pooler by transaction does: several clients, one connection to the server, a transaction at a time."""

    def __init__(self) -> None:
        connections["default"].ensure_connection()
        self.server = connections["default"].connection
        self.turn = threading.Lock()

    def client(self) -> BaseDatabaseWrapper:
        """For the thread that calls: a connection of its own, as far as it knows."""
        wrapper = connections.create_connection("default")
        wrapper.connection, wrapper.autocommit, wrapper.closed_in_transaction = self.server, True, False
        connections["default"] = wrapper
        return wrapper


def test_clients_of_a_pooler_by_transaction_see_each_their_own(two: Two) -> None:
    pooler, problems = Pooler(), []
    names = {two.here: "Herebert", two.there: "Thereza"}

    def work(actor: Actor, other: Actor) -> None:
        client = pooler.client()
        try:
            for n in range(30):
                with pooler.turn:
                    assert is_forgotten()
                try:
                    with (
                        pooler.turn,
                        acting(actor, "page.opened", patients=[two.patients[other].pk] * (n % 2)),
                    ):
                        assert {p.family_name for p in Patient.objects.visible_to(actor)} == {names[actor]}
                        with transaction.atomic():
                            connection.cursor().execute("SELECT 1")
                        if n % 3 == 0:
                            raise ZeroDivisionError
                        if n % 5 == 0:
                            connection.cursor().execute("SELECT 1 / 0")
                except (ZeroDivisionError, DatabaseError):
                    continue
        except BaseException as problem:
            problems.append(problem)
        finally:
            client.connection = None

    threads = [
        threading.Thread(target=work, args=pair) for pair in ((two.here, two.there), (two.there, two.here))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    # Statements prepared on one server would be missing on the next.
    assert pooler.server.prepare_threshold is None


@pytest.mark.parametrize("end", ["the server ends it", "the application closes it"])
def test_a_request_whose_connection_is_cut_leaves_nothing(
    two: Two, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    def cut(*asked: Any) -> dict[Any, Any]:
        if end == "the application closes it":
            connection.close()
        else:
            with connections["owner"].cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(%s)", [process_before[0]])
        return dict.fromkeys(seen())

    client = browser(two.here)
    process_before = [process()]
    with monkeypatch.context() as patch:
        patch.setattr(referrals, "latest_of", cut)
        assert client.get(PATIENTS).status_code == 500
    connection.close_if_unusable_or_obsolete()
    assert is_forgotten()
    assert process() != process_before[0]
    assert "Herebert" in client.get(PATIENTS).text


def test_an_action_whose_connection_is_cut_saves_nothing(two: Two) -> None:
    patient = two.patients[two.here]

    def act() -> None:
        with acting(two.here, "patient.changed", patients=[patient.pk]):
            assert Patient.objects.update(pronouns="forged") == 1
            with connections["owner"].cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(%s)", [process()])
            seen()

    with pytest.raises(OperationalError):
        act()
    connection.close_if_unusable_or_obsolete()
    with acting(two.here, "patients.listed"):
        assert Patient.objects.get(pk=patient.pk).pronouns == ""


# --- Threads -----------------------------------------------------------------------------------------


def in_thread(pool: ThreadPoolExecutor, run: Callable[[], Any]) -> Any:
    return pool.submit(run).result(timeout=30)


def test_a_thread_that_is_used_again_has_forgotten(two: Two) -> None:
    def breaks() -> None:
        with acting(two.here, "page.opened"):
            assert seen() == {"Herebert"}
            1 / 0  # noqa: B018

    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(ZeroDivisionError):
            in_thread(pool, breaks)
        assert in_thread(pool, is_forgotten)
        with pytest.raises(ImproperlyConfigured):
            in_thread(pool, current)
        in_thread(pool, connections.close_all)


def test_a_context_that_was_carried_to_another_thread_opens_nothing_there(two: Two) -> None:
    """As libraries do that hand work on with a copy of the context: the database's own is not copied."""

    def act() -> set[str]:
        with acting(two.there, "carried.opened"):
            return {patient.family_name for patient in Patient.objects.visible_to(two.there)}

    with ThreadPoolExecutor(1) as pool, acting(two.here, "page.opened"):
        carried = contextvars.copy_context()
        assert in_thread(pool, lambda: carried.run(seen)) == set()
        # Whoever acts there begins anew, with a look of their own.
        assert in_thread(pool, lambda: carried.run(act)) == {"Thereza"}
        in_thread(pool, connections.close_all)
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT kind FROM audit_event WHERE action = 'carried.opened'")
        assert cursor.fetchall() == [("read",)]
