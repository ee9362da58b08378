"""A guardian reads the log in a real browser, without script: a story, what changed, questions, a file to take."""

from __future__ import annotations

import zipfile
from typing import Any

import pytest
from django.db import connections

from audit.actions import record_disclosure, record_refusal
from audit.models import Disclosure
from pilot.access import Role, acting
from pilot.people.actions import PatientDetails, change_details
from tests import factories

pytestmark = pytest.mark.browser


class Case:
    """A patient around whom this and that happened."""

    def __init__(self) -> None:
        pilot = factories.make_pilot()
        self.guardian = factories.make_staff(Role.CALDICOTT_GUARDIAN, pilot.office, name="Gwen Guardian")
        self.desk = factories.make_staff(Role.RECEPTIONIST, pilot.practice, name="Rosa Desk")
        self.coach = factories.make_staff(Role.COACH, pilot.provider, name="Colin Coach")
        self.patient = factories.make_patient(
            pilot.practice, given_name="Invented", family_name="Desk", account=True
        )
        referral = factories.make_referral(self.patient, status="waiting")
        factories.allocate_to(referral, self.coach)
        self.session = factories.make_session(referral, self.coach)
        changed = PatientDetails(
            "Invented",
            "Desk",
            self.patient.date_of_birth,
            self.patient.nhs_number,
            address="1 New Street, London",
        )
        change_details(self.patient, changed, version=self.patient.version, by=self.desk)
        with acting(self.desk, "test.sent", patients=[self.patient.pk]):
            record_disclosure(
                self.patient.pk,
                recipient_kind=Disclosure.RecipientKind.SUPPORTER,
                recipient="A named friend",
                purpose="A copy of the record",
                classes=["case"],
            )
        for _each in range(6):
            with acting(self.coach, "test.refused"):
                record_refusal()
        with connections["owner"].cursor() as cursor:
            cursor.execute(
                "SELECT max(id) FROM audit_event WHERE kind = 'changed' AND relation = 'people_patient'"
                " AND patient_id = %s",
                [self.patient.pk],
            )
            self.changed = cursor.fetchone()[0]


@pytest.fixture(scope="module")
def case(module_database: str) -> Case:
    return Case()


def signed_in(visitor: Any, actor: Any, **options: Any) -> Any:
    person = visitor(**options)
    person.sign_in(factories.user_of(actor).email, factories.PASSWORD)
    return person


def test_a_guardian_reads_the_log_without_script(case: Case, visitor: Any) -> None:
    desk = signed_in(visitor, case.desk)
    desk.open(f"/patients/{case.patient.pk}/past/")
    assert desk.reads("1 New Street, London")
    desk.look("past-patient")

    guardian = signed_in(visitor, case.guardian, javascript=False)
    guardian.open("/audit/log/?role=people")
    guardian.look("log")
    guardian.open(f"/audit/log/{case.changed}/")
    guardian.look("log-event")
    guardian.click("Show what changed, old and new")
    guardian.click("Show what changed")
    assert guardian.reads("There is a problem")
    assert not guardian.reads("New Street")
    guardian.look("log-reason")
    guardian.fill("Why do you need to see this?", "They say the address is wrong")
    guardian.click("Show what changed")
    assert guardian.reads("1 New Street, London")
    assert guardian.reads("They say the address is wrong")

    guardian.open(f"/audit/patients/{str(case.patient.pk)[:8]}/")
    assert guardian.reads("A named friend")
    guardian.look("log-story")

    guardian.click("Questions to ask")
    assert guardian.reads("Colin Coach was refused 6 times")
    assert guardian.reads("Many people share a name.")
    guardian.look("questions")
    guardian.page.get_by_role("link", name="Note the answer").last.click()
    guardian.fill("Asked, and it was", "A link led astray.")
    guardian.look("questions-answer")
    guardian.click("Keep this note")
    assert guardian.reads("A link led astray.")

    guardian.open("/audit/patients/find/")
    guardian.look("log-find")
    guardian.fill("NHS number", str(case.patient.nhs_number))
    guardian.fill("Why do you look for this person?", "They asked me who looked")
    guardian.click("Look for this person")
    assert guardian.reads(f"Patient {str(case.patient.pk)[:8]}")

    guardian.open("/audit/log/?kind=changed")
    guardian.click("Take this away as a file, with a proof")
    guardian.look("log-export")
    guardian.fill("Who is it for?", "The regulator")
    guardian.fill("What is it for?", "A complaint")
    with guardian.page.expect_download() as download:
        guardian.page.get_by_role("button", name="Make the file").click()
    with zipfile.ZipFile(download.value.path()) as file:
        assert {"README.txt", "events.json", "events.csv"} <= set(file.namelist())


def test_what_was_opened_and_the_coachs_pages_of_the_past_have_no_barriers(case: Case, visitor: Any) -> None:
    guardian = signed_in(visitor, case.guardian)
    guardian.open(f"/audit/log/{case.changed}/values/")
    guardian.fill("Why do you need to see this?", "They say the address is wrong")
    guardian.click("Show what changed")
    assert guardian.reads("1 New Street, London")
    guardian.look("log-values")
    coach = signed_in(visitor, case.coach)
    coach.open(f"/coaching/sessions/{case.session.pk}/past/")
    coach.look("past-session")
