"""Nobody is asked why they stopped. Whoever would like to say something says it to the guardian, not to the coach."""

import re
from html import unescape

import pytest
from django.test import Client
from django.urls import reverse

from consent.actions import withdraw
from consent.models import Receipt
from pilot.access import Role, acting
from pilot.record.models import Kind, Request
from tests import factories
from tests.record.cases import Case

pytestmark = pytest.mark.django_db(databases=["default", "owner"])


def box_on(browser: Client, receipt: Receipt) -> tuple[str, dict[str, str]] | None:
    """Where the box sends to, and what is hidden in it."""
    html = browser.get(reverse("record:receipt", args=[receipt.pk])).content.decode()
    found = re.search(r'<form method="post" action="([^"]+)" novalidate>(.*?)</form>', html, re.DOTALL)
    if not found:
        return None
    hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', found[2])
    return found[1], {name: unescape(value) for name, value in hidden}


def test_the_box_goes_to_the_guardian_and_to_nobody_else(case: Case) -> None:
    browser = case.browser
    receipt = withdraw(case.patient, by=case.actor)
    found = box_on(browser, receipt)
    assert found is not None
    address, hidden = found
    answer = browser.post(address, {**hidden, "words": "I felt pushed."}, follow=True)
    assert "It is with the guardian. Nobody else can see it." in answer.content.decode()
    guardian = factories.make_staff(Role.CALDICOTT_GUARDIAN, case.pilot.office)
    for actor, sees in (
        (guardian, ["I felt pushed."]),
        (case.coach, []),
        (case.receptionist, []),
        (case.clinician, []),
    ):
        with acting(actor, "test.read"):
            assert [each.words for each in Request.objects.filter(patient=case.patient)] == sees
            assert [each.words for each in Request.objects.visible_to(actor)] == sees


def test_left_empty_it_sends_nothing_and_says_so(case: Case) -> None:
    browser = case.browser
    found = box_on(browser, withdraw(case.patient, by=case.actor))
    assert found is not None
    answer = browser.post(found[0], {**found[1], "words": ""})
    assert answer.status_code == 422
    with acting(factories.make_staff(Role.CALDICOTT_GUARDIAN, case.pilot.office), "test.read"):
        assert not Request.objects.filter(kind=Kind.COMPLAINT).exists()


def test_no_reason_is_asked_for_and_a_yes_brings_no_box(case: Case) -> None:
    browser = case.browser
    assert "textarea" not in browser.get(reverse("record:stop")).content.decode()
    with acting(factories.TESTS, "test.made", patients=[case.patient.pk]):
        receipt = Receipt(
            patient=case.patient,
            practice_id=case.patient.practice_id,
            kind=Receipt.Kind.DECIDED,
            lines=[{"title": "You said yes to", "text": "Reminders"}],
        )
        receipt.save(force_insert=True)
    assert box_on(browser, receipt) is None
