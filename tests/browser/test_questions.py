"""“This looks wrong”, from both sides: without script, by keyboard and on a phone."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from consent.models import Purpose
from pilot.access import Role, acting
from pilot.outbox.tasks import send_due
from pilot.people.models import Patient
from tests import factories
from tests.browser.test_clinical_wall import enter


@pytest.mark.browser
def test_a_patient_asks_about_a_line_and_the_guardian_answers(visitor: Any) -> None:
    pilot = factories.make_pilot()
    coach = factories.make_staff(Role.COACH, pilot.provider, name="Cara Coach")
    desk = factories.make_staff(Role.RECEPTIONIST, pilot.practice, name="Rae Desk")
    guardian = factories.make_staff(Role.CALDICOTT_GUARDIAN, pilot.office, name="Ada Guardian")
    case = factories.make_case(pilot, coach, account=True, given_name="Ana", family_name="Bell")
    other = factories.make_case(pilot, coach, account=True, given_name="Bo", family_name="Birch")
    with time_machine.travel(timezone.now() - dt.timedelta(days=50)):
        factories.ask_guardian(other.patient, "I know somebody who works there.")
    factories.give_consent(case.patient, Purpose.REMINDERS)
    factories.MessageFactory(patient=case.patient, purpose=Purpose.REMINDERS, template="session_booked")
    send_due()
    with acting(desk, "referrals.patient"):
        Patient.objects.get(pk=case.patient.pk)

    phone = enter(visitor(javascript=False), factories.patient_actor(case.patient))
    phone.open("/my-record/")
    phone.follow("Who looked at your record")
    phone.look("questions-1-who-looked")
    assert phone.reads("Rae Desk, Receptionist")
    assert phone.reads("Why: works at the desk of your practice")
    phone.follow("Sent out")
    assert phone.reads("Sent to you, by e-mail")
    assert not phone.reads("Rae Desk")
    phone.look("questions-2-sent-out")
    phone.follow("Everything")
    phone.follow("This looks wrong")
    phone.look("questions-3-looks-wrong")
    phone.fill("What looks wrong?", "I was not at the practice that day.")
    phone.click("Send to the guardian")
    assert phone.reads("Answer by")
    phone.look("questions-4-asked")
    phone.follow("What you asked for")
    phone.look("questions-5-own-questions")

    office = enter(visitor(), guardian)
    office.open("/audit/log/")
    office.page.get_by_role("link", name="Requests from patients (2").first.click()
    office.page.wait_for_load_state()
    assert office.reads("days late")
    office.look("questions-6-to-answer")
    office.page.locator("main").get_by_role("link", name="Asked on").last.click()
    office.page.wait_for_load_state()
    assert office.reads("I was not at the practice that day.")
    office.click("Send this answer")
    office.look("questions-7-nothing-written")
    office.fill("Your answer", "We asked. You had rung them, and they looked up your next session.")
    office.click("Send this answer")
    assert office.reads("Your answer is on the patient’s page")
    office.follow("Answered")
    office.page.locator("main").get_by_role("link", name="Asked on").first.click()
    office.page.wait_for_load_state()
    office.look("questions-8-answered")
    office.follow("Open this entry in the log")
    assert office.reads("Rae Desk")

    phone.open("/my-record/questions/")
    phone.page.locator("main").get_by_role("link", name="Asked on").first.click()
    phone.page.wait_for_load_state()
    assert phone.reads("You had rung them")
    phone.look("questions-9-read")
