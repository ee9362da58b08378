"""Two records of one person, somebody who has moved, and a connection that breaks: as people see them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from consent.models import NEEDED_TO_BEGIN, Decision, Purpose
from pilot.access import Role
from pilot.access.context import acting
from referrals.moving.actions import record_move
from tests import factories

pytestmark = pytest.mark.browser

BORN = dt.date(1980, 5, 4)


@pytest.fixture(scope="module")
def people(address: str) -> Any:
    pilot = factories.make_pilot()
    factories.make_sheet()
    return pilot, factories.make_staff(Role.RECEPTIONIST, pilot.practice, name="Rita Desk")


@pytest.fixture
def desk(people: Any, visitor: Any) -> Any:
    person = visitor(javascript=False)
    person.sign_in(factories.user_of(people[1]).email, factories.PASSWORD)
    return person


def test_two_records_are_found_at_the_desk_and_brought_together_by_a_clinician_and_somebody_has_moved(
    people: Any, desk: Any, visitor: Any
) -> None:
    pilot, receptionist = people
    who = {"given_name": "Amina", "family_name": "Twice", "date_of_birth": BORN}
    kept = factories.make_patient(pilot.practice, **who)
    double = factories.make_patient(
        pilot.practice,
        nhs_number=None,
        account=True,
        address="2 Old Road, London N1 0ZZ",
        **who,
    )
    factories.give_consent(kept, *NEEDED_TO_BEGIN, Purpose.REMINDERS)
    factories.DecisionFactory(
        patient=double, purpose=Purpose.REMINDERS, answer=Decision.Answer.WITHDRAWN, lapses_on=None
    )
    desk.open(reverse("referrals:patient", args=[kept.pk]))
    desk.follow("This is the same person as")
    desk.look("merge-find")
    desk.follow("Look at both")
    desk.look("merge-compare")
    assert desk.reads("A clinician has to bring them together")
    clinician = visitor(javascript=False)
    doctor = factories.make_staff(Role.CLINICIAN, pilot.practice)
    clinician.sign_in(factories.user_of(doctor).email, factories.PASSWORD)
    clinician.open(reverse("referrals:merge", args=[kept.pk, double.pk]))
    clinician.look("merge-decide")
    clinician.press("Bring them together for good")
    assert clinician.reads("Choose the record to keep")
    clinician.tick("The first one: Amina Twice")
    clinician.tick("I have checked that this is one person")
    clinician.press("Bring them together for good")
    assert clinician.reads("The two records are one now")
    clinician.follow("Another record of theirs")
    assert clinician.reads("This record is closed")
    patient = visitor(javascript=False)
    patient.sign_in(double.account.email, factories.PASSWORD)
    patient.open("/my-record/consent/")
    patient.follow("Your two records are one")
    patient.look("merge-receipt")
    patient.open("/my-record/")
    patient.follow("Your other record, which is closed")
    assert patient.reads("2 Old Road")
    patient.look("merge-other-record")
    # The same person moves to another practice.
    desk.open(reverse("referrals:moved", args=[kept.pk]))
    desk.look("moved")
    record_move(kept, moved_on=timezone.localdate(), by=receptionist)
    desk.open(reverse("referrals:patient", args=[kept.pk]))
    desk.look("moved-patient")
    patient.open("/my-record/")
    assert patient.reads("Everything here has ended")
    patient.look("moved-home")


def test_answers_are_kept_while_there_is_no_connection(people: Any, visitor: Any) -> None:
    from playwright.sync_api import Error

    pilot, _receptionist = people
    undecided = factories.make_patient(pilot.practice, account=True)
    factories.make_referral(undecided)
    patient = visitor()
    patient.sign_in(undecided.account.email, factories.PASSWORD)
    patient.open(reverse("record:answer", args=[factories.make_sheet().pk]))
    page = patient.page
    for question in page.locator("fieldset").all():
        yes = question.get_by_label("Yes", exact=True)
        if yes.count():
            yes.first.check()
    page.locator("input[type=checkbox]").first.check()
    page.context.set_offline(True)
    with page.expect_event("requestfailed"):
        page.get_by_role("button", name="Save my answers").click()
    # The browser shows a page of its own and keeps what was to be sent: loaded again, with the connection back, it is sent.
    page.context.set_offline(False)
    try:
        page.reload()
    except Error as problem:
        pytest.fail(str(problem))
    assert patient.reads("You said yes to")
    with acting(factories.TESTS, "test.read"):
        assert Decision.objects.filter(patient=undecided).count() == len(Purpose)
