"""The whole journey of the pilot, step by step, in real browsers on real services."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.utils import timezone

from audit.models import Event
from audit.privacy import personal_models, privacy_of
from consent.models import Purpose
from pilot.access import Role, acting
from pilot.people.models import Patient
from referrals.models import Referral
from tests import factories
from tests.browser.conftest import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.django_db(databases=["default", "owner"])]

NHS_NUMBER, BORN = "999 888 0009", dt.date(1984, 3, 27)
EMAIL, PASSWORD = "ann.arbor@example.org", "three calm green herons"
NOTE = "Discussed the biopsy of 3 March."


class Journey:
    """The people on the journey, each at a browser of their own."""

    def __init__(self, visit: Any) -> None:
        self.visit = visit
        self.pilot = factories.make_pilot()
        self.staff = factories.make_staff_of_every_role(self.pilot)

    def browser_of(self, role: Role) -> Visitor:
        someone: Visitor = self.visit()
        someone.sign_in(factories.user_of(self.staff[role]).email, factories.PASSWORD)
        return someone

    def log_a_referral(self) -> str:
        """Step 1: reception adds somebody past somebody alike, logs a referral, and prints an invitation."""
        factories.make_patient(
            self.pilot.practice, given_name="Annie", family_name="Arbor", date_of_birth=BORN, nhs_number=None
        )
        reception = self.browser_of(Role.RECEPTIONIST)
        reception.look("1a-reception-home")
        reception.click("Add a patient")
        reception.look("1b-add-patient")
        reception.fill("NHS number", NHS_NUMBER)
        reception.fill("First name", "Ann")
        reception.fill("Last name", "Arbor")
        reception.fill_date("27", "3", "1984")
        reception.click("Save and log a referral")
        assert reception.reads("Annie Arbor")
        reception.look("1c-somebody-alike")
        reception.tick("None of these")
        reception.click("Save and log a referral")
        reception.look("1d-log-referral")
        reception.tick("Would like to find work")
        reception.fill("in their own words", "I would like to work with plants.")
        reception.tick("Weekday mornings")
        reception.tick("Step-free")
        reception.click("Log the referral")
        assert reception.reads("Waiting for the patient's decision")
        reception.look("1e-referral")
        reception.click("Give them an invitation")
        reception.look("1f-invite")
        reception.tick("letter")
        reception.click("Make the invitation")
        reception.look("1g-letter")
        code = re.search(r"Your code: (\S+)", reception.page.locator("main").inner_text())
        assert code
        return code[1]

    def decide(self, code: str) -> Visitor:
        """Step 2: the patient reads, opens an account and answers purpose by purpose, on a phone without script."""
        patient: Visitor = self.visit(javascript=False)
        patient.page.set_viewport_size({"width": 390, "height": 844})
        patient.open("/invitation/")
        patient.look("2a-open-invitation")
        patient.fill("Code", code)
        patient.fill_date("27", "3", "1984")
        patient.click("Continue")
        patient.look("2b-information")
        patient.click("Easy read")
        patient.look("2c-easy-read")
        patient.click("Open an account and answer")
        patient.look("2d-open-account")
        patient.fill("e-mail", EMAIL)
        patient.page.locator("input[type=password]").first.fill(PASSWORD)
        patient.click("Open my account")
        patient.click("Go to the questions")
        assert patient.page.locator("input:checked").count() == 0
        patient.look("2e-questions")
        for question in patient.page.get_by_role("group").all():
            if question.get_by_label("Yes", exact=True).count():
                question.get_by_label("Yes", exact=True).check()
        patient.tick("I know what this is about")
        patient.tick("I do not need a day to think it over")
        patient.click("Save my answers")
        assert patient.reads("You said yes to")
        patient.look("2f-receipt")
        patient.click("Go to my record")
        assert patient.reads("You are waiting for a coach")
        patient.look("2g-my-record")
        return patient

    def allocate(self) -> None:
        """Step 3: the supervisor sees who waits, without a name, and each coach's load, and allocates."""
        supervisor = self.browser_of(Role.SUPERVISOR)
        assert not supervisor.reads("Arbor")
        supervisor.look("3a-waiting")
        supervisor.click("Choose a coach")
        supervisor.look("3b-allocate")
        supervisor.page.get_by_role("radio").first.check()
        supervisor.click("Allocate")
        assert supervisor.reads("Nobody is waiting")
        supervisor.look("3c-allocated")

    def coach(self) -> Visitor:
        """Step 4: the coach books, records what was agreed, and calls for help when somebody is in distress."""
        coach = self.browser_of(Role.COACH)
        coach.look("4a-caseload")
        coach.click("Ann Arbor")
        coach.look("4b-person")
        self.book(coach, timezone.localdate() + dt.timedelta(days=2))
        coach.look("4d-booked")
        coach.click("Record what you agreed")
        coach.fill("What did you agree?", "Ann looks at two garden centres before we meet again.")
        coach.look("4e-record")
        coach.click("Save for you and the patient")
        assert coach.reads("two garden centres")
        coach.open(coach.page.url.replace(coach.address, "").replace("sessions", "sessions"))
        coach.click("My people")
        coach.click("Ann Arbor")
        self.book(coach, timezone.localdate() + dt.timedelta(days=9))
        return coach

    def book(self, coach: Visitor, day: dt.date) -> None:
        coach.click("Book a session")
        coach.look("4c-book")
        coach.fill_date(str(day.day), str(day.month), str(day.year))
        coach.fill("Start time", "10:30")
        coach.tick("45 minutes")
        coach.tick("At the practice")
        coach.click("Book this session")
        assert coach.reads("Booked")

    def answer_distress(self, coach: Visitor) -> None:
        """Step 4, still: every page carries the red button; the clinician accepts by name."""
        coach.click("Someone is in distress")
        assert coach.reads("999")
        assert coach.reads("option 2")
        coach.look("4f-distress")
        coach.click("Call the clinician now")
        coach.look("4g-called")
        clinician = self.browser_of(Role.CLINICIAN)
        clinician.look("4h-clinician-home")
        clinician.click("See who, and accept responsibility")
        clinician.look("4i-calls")
        clinician.click("I accept responsibility")
        if clinician.page.get_by_role("button", name="I accept responsibility").count():
            clinician.click("I accept responsibility")
        assert clinician.reads(self.staff[Role.CLINICIAN].name)
        clinician.look("4j-accepted")

    def write_a_note(self) -> None:
        """Step 6: the clinician's note is for the practice's clinicians and the patient."""
        clinician = self.browser_of(Role.CLINICIAN)
        clinician.open(f"/patients/{self.patient_id}/")
        clinician.click("linical notes")
        clinician.look("6a-notes")
        clinician.click("Write a note")
        clinician.tick("Note")
        clinician.page.get_by_role("textbox", name="Note").fill(NOTE)
        clinician.tick("Yes, at once")
        clinician.look("6b-write-note")
        clinician.click("Save the note")
        assert clinician.reads(NOTE)

    def live_through_some_months(self) -> None:
        """Enough people at one practice, and too few at the other, to have something to show and to hide."""
        logged_at = timezone.now() - dt.timedelta(days=100)
        for practice, people in ((self.pilot.practice, 7), (self.pilot.other_practice, 2)):
            for _ in range(people):
                patient = factories.make_patient(practice)
                factories.give_consent(patient, Purpose.EVALUATION)
                factories.make_referral(patient, logged_at=logged_at)

    @property
    def patient_id(self) -> Any:
        with acting(self.staff[Role.RECEPTIONIST], "test.looked"):
            return Patient.objects.visible_to(self.staff[Role.RECEPTIONIST]).get(given_name="Ann").pk


def test_the_whole_journey(module_database: str, visitor: Any) -> None:
    call_command("publish_sheets", verbosity=0)
    journey = Journey(visitor)
    journey.live_through_some_months()
    code = journey.log_a_referral()
    patient = journey.decide(code)
    journey.allocate()
    coach = journey.coach()
    journey.answer_distress(coach)
    journey.write_a_note()

    patient.open("/my-record/sessions/")
    assert patient.reads("two garden centres")
    patient.look("5a-sessions")
    patient.open("/my-record/notes/")
    assert patient.reads(NOTE)
    patient.look("5b-notes")
    patient.open("/my-record/who-looked/")
    assert patient.reads(journey.staff[Role.COACH].name)
    patient.look("5c-who-looked")

    # 5. Two browsers: the coach has the person open, the patient withdraws in two clicks, the coach clicks again.
    coach.open("/coaching/")
    coach.click("Ann Arbor")
    person = coach.page.url.replace(coach.address, "")
    patient.open("/my-record/")
    patient.click("Stop taking part")
    patient.look("5d-stop")
    patient.click("Stop taking part now")
    assert patient.reads("What you stopped")
    patient.look("5e-stopped")
    coach.click("Book a session")
    assert coach.status == 404
    coach.look("5f-coach-finds-nothing")
    coach.open(person)
    assert coach.status == 404
    coach.open("/coaching/")
    assert not coach.reads("Arbor")
    coach.look("5g-coach-caseload")
    coach_sees_nothing(journey)

    # 7. The commissioner sees published figures and never a person.
    long_ago = timezone.localdate().replace(day=1) - dt.timedelta(days=40)
    call_command("publish_release", until=long_ago.replace(day=1), verbosity=0)
    commissioner = journey.browser_of(Role.COMMISSIONER)
    commissioner.look("7a-figures")
    assert not commissioner.reads("Arbor")

    # 8. The guardian reads what just happened.
    guardian = journey.browser_of(Role.CALDICOTT_GUARDIAN)
    guardian.look("8a-log")
    assert guardian.reads(journey.staff[Role.CLINICIAN].name)
    assert not guardian.reads("garden centres")
    every_step_left_its_mark(journey)


def coach_sees_nothing(journey: Journey) -> None:
    """Raw SQL in the coach's context: not a row of the patient in any table, nor of any clinical note."""
    coach, patient = journey.staff[Role.COACH], journey.patient_id
    with acting(coach, "test.looked"), connection.cursor() as cursor:
        for model in personal_models():
            column = privacy_of(model).patient
            if column and privacy_of(model).keeps_history:
                for table in (model._meta.db_table, model.history.model._meta.db_table):
                    cursor.execute(f'SELECT count(*) FROM "{table}" WHERE "{column}" = %s', [patient])
                    assert cursor.fetchone()[0] == 0, table
    with pytest.raises(DatabaseError), connection.cursor() as cursor:
        cursor.execute("INSERT INTO referrals_clinicalnote (id) VALUES (gen_random_uuid())")


def every_step_left_its_mark(journey: Journey) -> None:
    """What happened on the journey is in the log, under the right role, and in the history."""
    patient = journey.patient_id
    with acting(journey.staff[Role.CALDICOTT_GUARDIAN], "test.looked"):
        found = set(Event.objects.filter(patient_id=patient).values_list("role", "action", "kind"))
    for role, action, kind in (
        ("receptionist", "patient.registered", "created"),
        ("receptionist", "referral.logged", "created"),
        ("receptionist", "patient.invited", "created"),
        ("system", "patient.account_opened", "changed"),
        ("patient", "consent.decided", "created"),
        ("supervisor", "referral.allocated", "changed"),
        ("coach", "session.booked", "created"),
        ("clinician", "clinical_note.written", "created"),
        ("patient", "consent.withdrawn", "created"),
        ("coach", "coaching.person", "read"),
    ):
        assert (role, action, kind) in found, sorted(found)
    receptionist = journey.staff[Role.RECEPTIONIST]
    with acting(receptionist, "test.looked"):
        [referral] = Referral.objects.visible_to(receptionist).filter(patient_id=patient)
        states = list(referral.history.order_by("history_date").values_list("status", flat=True))
    assert states == ["awaiting_decision", "waiting", "with_coach", "ended"]
