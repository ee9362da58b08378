"""What looks medical where a coach can read it, and notes that are withheld: the pages, with and without script."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from pilot.access import Actor, Role
from tests import factories

WORDS = "I take sertraline 50 mg and would like to work with animals."
GOAL = "Work mornings although depression makes them slow."


def enter(visitor: Any, actor: Actor) -> Any:
    """The visitor, signed in as this person: how one signs in is another test's business."""
    cookie = factories.sign_in(Client(), actor).cookies[settings.SESSION_COOKIE_NAME].value
    name = settings.SESSION_COOKIE_NAME
    visitor.page.context.add_cookies([{"name": name, "value": cookie, "url": visitor.address}])
    return visitor


@pytest.mark.browser
def test_the_dialogue_and_the_reviews_work_for_everybody(visitor: Any) -> None:
    pilot = factories.make_pilot()
    clinician = factories.make_staff(Role.CLINICIAN, pilot.practice, name="Dr Shah")
    coach = factories.make_staff(Role.COACH, pilot.provider, name="Cara Coach")
    case = factories.make_case(pilot, coach, account=True, given_name="Ana", family_name="Bell")
    patient = factories.make_patient(pilot.practice, given_name="Bo", family_name="Birch")

    surgery = enter(visitor(), clinician)
    surgery.open(f"/patients/{patient.pk}/refer/")
    surgery.tick("Would like to find work")
    surgery.fill("What they would like, in their own words", WORDS)
    # Enter presses the form's own button, never the one that moves words away.
    surgery.page.get_by_label("About these needs").press("Enter")
    surgery.page.wait_for_load_state()
    surgery.look("clinical-1-clinician-is-asked")
    surgery.page.get_by_label("About these needs").press("Enter")
    surgery.page.wait_for_load_state()
    assert surgery.reads("A coach can read this")
    surgery.click("to a clinical note, and save the rest")
    assert surgery.reads("In their own words")
    assert not surgery.reads("sertraline")

    surgery.open(f"/patients/{patient.pk}/notes/write/")
    surgery.tick("No, it is withheld from the start")
    surgery.click("Save the note")
    surgery.look("clinical-2-write-note")
    overdue = {"withheld_at": timezone.now(), "withheld_on": "serious_harm", "review_on": dt.date(2025, 1, 2)}
    factories.make_note(patient, clinician, **overdue)
    surgery.open("/practice/")
    surgery.look("clinical-3-review-is-due")
    surgery.follow("Review them")
    surgery.look("clinical-4-to-review")
    surgery.page.locator("main").get_by_role("link", name="Review").first.click()
    surgery.tick("Yes, it stays withheld")
    surgery.tick("Reading it would be likely to cause serious harm")
    surgery.fill("The reason", "Looked at again: the risk is the same.")
    surgery.look("clinical-5-review")
    surgery.click("Save the review")
    assert surgery.reads("The review is recorded")
    surgery.open(f"/patients/{patient.pk}/notes/")
    surgery.look("clinical-6-notes")

    without_script = enter(visitor(javascript=False), coach)
    without_script.open(f"/coaching/people/{case.pk}/goals/add/")
    without_script.fill("The goal, in the patient's own words", GOAL)
    without_script.click("Save for you and the patient")
    assert without_script.reads("depression (a health condition)")
    without_script.tick("These are the patient's own words")
    without_script.click("Save for you and the patient")
    assert without_script.reads("The goal is saved")

    own = enter(visitor(), factories.patient_actor(case.patient))
    own.open("/my-record/own-words/")
    assert own.reads("Cara Coach said that these were your own words")
    own.look("clinical-7-own-words")
