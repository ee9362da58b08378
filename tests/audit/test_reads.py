"""Every page that shows somebody's data leaves one look with whose and what, committed before the first byte leaves; and
shows nothing where that cannot be written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import connections
from django.test import Client
from django.urls import reverse

from audit.models import Event
from audit.privacy import FIELD_CLASSES
from pilot.access import Permission, Role, acting
from pilot.people.models import Patient
from pilot.web.expectations import ASKERS, Address, Asker, Outcome, Scope, addresses
from pilot.web.lists import SEARCH, ListParts, seal
from referrals.models import ImportBatch, Referral
from tests import factories
from tests.access.walk_world import World, make_world


@dataclass
class Asked:
    """One address as somebody who may open it asked for it."""

    address: Address
    asker: Asker
    path: str
    looks: list[tuple[Any, ...]] = field(default_factory=list)
    # Whose names stand on the page: keys.
    named: set[UUID] = field(default_factory=set)


@pytest.fixture(scope="module")
def world(module_database: str) -> World:
    return make_world()


@pytest.fixture(scope="module")
def browsers(world: World) -> dict[str, Client]:
    found = {name: Client(raise_request_exception=False) for name in world.actors}
    for name, client in found.items():
        if name in Role.values:
            factories.sign_in(client, world.actors[name])
    return found


@pytest.fixture(scope="module")
def asked(world: World, browsers: dict[str, Client]) -> list[Asked]:
    """Every address that gives something away, by everybody whose role may have it; searches are addresses too."""
    found = []
    for each in _to_ask(world):
        response = browsers[each.asker.name].get(each.path)
        if response.status_code == 200:
            each.looks = looks_of(getattr(response.wsgi_request, "reference", ""))
            each.named = named_in(response.content.decode(errors="replace"), world)
            found.append(each)
    return found


def named_in(text: str, world: World) -> set[UUID]:
    """Whose family names, which nobody shares, or NHS numbers stand there."""
    found = set()
    for record in world.records.values():
        patient = record.patient
        number = str(patient.nhs_number)
        spelt = (patient.family_name, number, f"{number[:3]} {number[3:6]} {number[6:]}")
        if re.search(rf"\b({'|'.join(spelt)})\b", text):
            found.add(patient.pk)
    return found


def _to_ask(world: World) -> Iterator[Asked]:
    for address in addresses():
        for asker in ASKERS:
            if asker.role is None or _is_about_no_case(address):
                continue
            if address.expected("GET", asker, address.scopes[0]) is not Outcome.ALLOWED:
                continue
            try:
                path = world.path(address, address.scopes[0])
            except LookupError:
                continue
            yield Asked(address, asker, path)
            if issubclass(address.view_class, ListParts) and address.view_class.search_label:
                yield Asked(address, asker, f"{path}?{SEARCH}={seal('Tester')}")


def _is_about_no_case(address: Address) -> bool:
    """Public pages, one's own account, setting up the pilot: they are open to many roles, and show nobody's data."""
    permission = getattr(address.view_class, "permission", None)
    return permission in (None, Permission.USE_OWN_ACCOUNT, Permission.MANAGE_PILOT)


def looks_of(reference: str) -> list[tuple[Any, ...]]:
    """(classes, patients) of each look of one request, as it is committed: another connection asks."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT e.columns, array_remove(ARRAY(SELECT s.patient_id FROM audit_subject s WHERE s.event_id = e.id)"
            " || e.patient_id, NULL) FROM audit_event e WHERE e.request = %s AND e.kind = 'read'",
            [reference],
        )
        return cursor.fetchall()


@contextmanager
def log_broken() -> Iterator[None]:
    """The database writes no look down, whoever looks."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION public.broken() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'broken'; END $$;"
            "CREATE TRIGGER broken BEFORE INSERT ON audit_event FOR EACH ROW WHEN (NEW.kind = 'read')"
            " EXECUTE FUNCTION public.broken()"
        )
        try:
            yield
        finally:
            cursor.execute("DROP TRIGGER broken ON audit_event; DROP FUNCTION public.broken()")


def of_a_case(asked: list[Asked]) -> list[Asked]:
    return [each for each in asked if each.looks]


def test_a_page_leaves_one_look_with_whose_and_what(asked: list[Asked]) -> None:
    for each in of_a_case(asked):
        # A look at the log itself is one besides.
        at_rows = [columns for columns, _patients in each.looks if columns != ["log"]]
        assert len(at_rows) <= 1, (each.path, each.asker.name, each.looks)
        assert all(columns and set(columns) <= set(FIELD_CLASSES) for columns in at_rows), each.path


def test_whatever_is_about_a_row_leaves_a_look_at_that_patient(asked: list[Asked], world: World) -> None:
    """A page about somebody's row that left none, or one at somebody else, would show here."""
    own = world.records[Scope.OWN].patient
    with acting(factories.patient_actor(own), "test.looked"):
        doubles = set(Patient.objects.filter(merged_into=own).values_list("pk", flat=True))
    assert doubles
    # Of a list that was uploaded nobody is registered yet, and an event names nobody.
    about_rows = [each for each in asked if set(each.address.rows) - {ImportBatch, Event}]
    assert len(about_rows) > 40
    missing = [
        (each.path, each.asker.name)
        for each in about_rows
        if not any(_of(each, own.pk, doubles) & set(patients) for _columns, patients in each.looks)
    ]
    assert not missing


def _of(asked: Asked, own: UUID, doubles: set[UUID]) -> set[UUID]:
    """Whose record the page is about. Of two of theirs, one is closed, and has a page of its own."""
    return doubles if asked.address.name == "record:other" else {own}


def test_nobody_is_named_on_a_page_whose_look_leaves_them_out(asked: list[Asked]) -> None:
    """By whatever way their name came there: a row that was fetched, or a value that was."""
    pages = [each for each in asked if each.asker.role is not Role.PATIENT]
    assert sum(bool(each.named) for each in pages) > 30
    unlogged = []
    for each in pages:
        seen = {patient for columns, patients in each.looks if "identity" in columns for patient in patients}
        if each.named - seen:
            unlogged.append((each.path, each.asker.name, each.looks))
    assert not unlogged


def test_every_kind_of_answer_is_among_them(asked: list[Asked]) -> None:
    """So that silence means something: pages of each role with a case, lists, searches."""
    shown = of_a_case(asked)
    assert len({each.address.name for each in shown}) > 40
    roles = {each.asker.name for each in shown}
    assert {"receptionist", "clinician", "coach", "supervisor", "patient", "caldicott_guardian"} <= roles
    assert any(f"{SEARCH}=" in each.path for each in shown)


def test_where_the_look_cannot_be_written_nothing_is_shown(
    asked: list[Asked], browsers: dict[str, Client], world: World
) -> None:
    """A plain 500 in place of every page that leaves one; each of its patients' names stays unsaid."""
    names = [record.patient.family_name for record in world.records.values()]
    shown = []
    with log_broken():
        for each in of_a_case(asked):
            response = browsers[each.asker.name].get(each.path)
            text = response.content.decode()
            # The patient's own account is named in the header of every page.
            said = [name for name in names if name in text and each.asker.role is not Role.PATIENT]
            if response.status_code != 500 or said:
                shown.append((each.path, each.asker.name, response.status_code, said))
    assert not shown
    assert browsers["receptionist"].get(reverse("referrals:patients")).status_code == 200


def test_it_is_committed_before_the_first_byte_leaves(world: World, browsers: dict[str, Client]) -> None:
    """When the server is told to begin its answer, another connection already sees the look."""
    patient = world.records[Scope.OWN].patient
    path = world.path(_address("referrals:patient"), Scope.OWN)
    at_the_start: list[int] = []

    def count() -> int:
        with connections["owner"].cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM audit_event e LEFT JOIN audit_subject s ON s.event_id = e.id"
                " WHERE e.kind = 'read' AND coalesce(s.patient_id, e.patient_id) = %s",
                [patient.pk],
            )
            return int(cursor.fetchone()[0])

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        assert status.startswith("200")
        at_the_start.append(count())
        return lambda written: None

    before = count()
    body = WSGIHandler()(_environ(path, browsers["receptionist"]), start)
    assert at_the_start == [before + 1]
    assert patient.family_name.encode() in b"".join(body)


def test_a_refusal_says_which_row_was_asked_for_and_nothing_else_of_the_address(
    world: World, browsers: dict[str, Client]
) -> None:
    address = _address("referrals:patient")
    elsewhere = Scope.OTHER_PRACTICE
    patient = world.records[elsewhere].patient
    answer = browsers["receptionist"].get(world.path(address, elsewhere))
    assert answer.status_code == 404
    assert refusal_of(answer) == ("people_patient", str(patient.pk), None)
    answer = browsers["caldicott_guardian"].get(reverse("audit:story", args=["Ann-Quillfeather"]))
    assert answer.status_code == 404
    assert refusal_of(answer) == (None, None, None)


def refusal_of(answer: Any) -> tuple[Any, ...]:
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT relation, row_id, patient_id FROM audit_event WHERE request = %s AND kind = 'refused'",
            [answer.wsgi_request.reference],
        )
        [row] = cursor.fetchall()
    return tuple(row)


@pytest.mark.parametrize("of", ["rows", "history", "a field fetched later"])
def test_a_row_that_is_fetched_without_its_patient_is_a_look_at_them_all_the_same(
    world: World, of: str
) -> None:
    """`only` and `defer` leave columns out, the patient's own key as well."""
    patient = world.records[Scope.OWN].patient
    with acting(world.actors["receptionist"], "tests.looked", request=(reference := uuid4().hex)):
        rows = Referral.objects.filter(patient=patient)
        if of == "rows":
            assert [row.status for row in rows.only("status")]
        elif of == "history":
            history = Referral.history.filter(patient_id=patient.pk)  # type: ignore[attr-defined]
            assert [row.status for row in history.only("status")]
        else:
            Referral(pk=world.records[Scope.OWN].rows[Referral].pk).refresh_from_db(fields=["status"])
    assert {key for _columns, patients in looks_of(reference) for key in patients} == {patient.pk}


def _address(name: str) -> Address:
    return next(each for each in addresses() if each.name == name)


def _environ(path: str, client: Client) -> dict[str, Any]:
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    return {
        "REQUEST_METHOD": "GET", "PATH_INFO": path, "SERVER_NAME": "testserver", "SERVER_PORT": "80",
        "HTTP_COOKIE": f"{settings.SESSION_COOKIE_NAME}={cookie}", "REMOTE_ADDR": "127.0.0.1",
        "wsgi.input": BytesIO(), "wsgi.url_scheme": "http", "wsgi.errors": BytesIO(),
    }  # fmt: skip
