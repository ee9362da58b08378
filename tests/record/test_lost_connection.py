"""A connection that breaks in the middle of a form: what was sent is saved once or not at all, and can be sent again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.urls import reverse

from consent.models import Decision, InformationSheet, Purpose, Receipt
from pilot.access import Role, acting
from pilot.people.models import Patient
from referrals.models import Referral, Status
from tests import factories
from tests.forms import hidden_in

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

ANSWERS = {
    "take_part": "yes", "share_with_coach": "yes", "reminders": "no", "contact_employers": "yes", "evaluation": "no",
    "freely_given": "on",
}  # fmt: skip


@pytest.fixture
def sheet() -> InformationSheet:
    return factories.make_sheet()


@pytest.fixture
def patient(pilot: factories.Pilot, sheet: InformationSheet) -> Patient:
    patient = factories.make_patient(pilot.practice, account=True)
    factories.make_referral(patient)
    return patient


@pytest.fixture(params=["the patient", "the desk"])
def sender(request: Any, patient: Patient, sheet: InformationSheet, pilot: factories.Pilot) -> Any:
    """A browser, the address of the form, and what is filled in."""
    browser = Client(raise_request_exception=False)
    if request.param == "the patient":
        factories.sign_in(browser, factories.patient_actor(patient))
        return browser, reverse("record:answer", args=[sheet.pk]), ANSWERS
    factories.sign_in(browser, factories.make_staff(Role.RECEPTIONIST, pilot.practice))
    said = {**ANSWERS, "sheet": str(sheet.pk), "method": "in_person", "capacity_not_in_doubt": "on"}
    return browser, reverse("consent:record", args=[patient.pk]), said


@contextmanager
def cut_off(at: str) -> Iterator[list[str]]:
    """The connection to the database breaks as soon as it is to write into this table; once."""
    struck: list[str] = []

    def wrapper(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        if not struck and str(sql).startswith("INSERT") and at in str(sql):
            struck.append(str(sql))
            raise OperationalError("server closed the connection unexpectedly")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        yield struck


def saved(patient: Patient) -> tuple[int, int, str]:
    with acting(factories.TESTS, "test.read"):
        return (
            Decision.objects.filter(patient=patient).count(),
            Receipt.objects.filter(patient=patient).count(),
            Referral.objects.get(patient=patient).status,
        )


@pytest.mark.parametrize("table", ["consent_decision", "consent_receipt", "web_idempotencykey"])
def test_cut_off_before_it_was_saved_nothing_is_there_and_the_same_form_goes_again(
    table: str, sender: Any, patient: Patient
) -> None:
    browser, address, said = sender
    form = {**hidden_in(browser.get(address)), **said}
    with cut_off(table) as struck:
        answer = browser.post(address, form)
    assert struck
    assert answer.status_code in (500, 503)
    assert saved(patient) == (0, 0, Status.AWAITING_DECISION)
    # The browser sends what it has, with the key that it was given.
    assert browser.post(address, form).status_code == 302
    assert saved(patient) == (len(Purpose), 1, Status.WAITING)


def test_cut_off_after_it_was_saved_the_same_form_leads_to_the_same_receipt(
    sender: Any, patient: Patient
) -> None:
    browser, address, said = sender
    form = {**hidden_in(browser.get(address)), **said}
    # The answer never arrived: whoever sent it sees an empty page, and sends it again.
    lost = browser.post(address, form)
    again = browser.post(address, form)
    assert (again.status_code, again.headers["Location"]) == (302, lost.headers["Location"])
    assert saved(patient) == (len(Purpose), 1, Status.WAITING)
    assert browser.get(again.headers["Location"]).status_code == 200


def test_a_form_that_was_open_too_long_keeps_what_was_filled_in(sender: Any, patient: Patient) -> None:
    browser, address, said = sender
    form = {**hidden_in(browser.get(address)), **said, "form_key": "of another day"}
    answer = browser.post(address, form)
    html = answer.content.decode()
    assert answer.status_code == 422
    assert "Check your answers and send them again" in html
    assert html.count("checked") >= len(ANSWERS)
    assert saved(patient)[:2] == (0, 0)
    # What the page holds now goes through as it is.
    assert browser.post(address, {**hidden_in(answer), **said}).status_code == 302
    assert saved(patient) == (len(Purpose), 1, Status.WAITING)
