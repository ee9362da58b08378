"""What a guardian reads beyond single lines: one patient's story, values with a reason, a patient's key, a file to take."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import PermissionDenied
from django.db import ProgrammingError, connection, connections, transaction
from django.test import Client

from audit.actions import record_disclosure, record_look
from audit.models import Disclosure, Event
from audit.privacy import declared, privacy_of
from audit.sealing import check_proof, keys
from audit.values.actions import open_values
from coaching.models import Goal
from pilot.access import Actor, Role, acting
from pilot.people.actions import PatientDetails, change_details
from pilot.people.models import Patient, User
from referrals.models import ClinicalNote
from tests import factories

LOG = "/audit/log/"
SECRETS = ("Zuleika", "Quillfeather", "999 Old Lane", "Low mood since spring", "Fewer hours")


class Case:
    """A patient whose details, goal and notes changed, each by somebody else."""

    def __init__(self) -> None:
        self.pilot = factories.make_pilot()
        self.guardian = factories.make_staff(Role.CALDICOTT_GUARDIAN, self.pilot.office, name="Gwen Guardian")
        self.desk = factories.make_staff(Role.RECEPTIONIST, self.pilot.practice, name="Rosa Desk")
        self.clinician = factories.make_staff(Role.CLINICIAN, self.pilot.practice, name="Cleo Clinic")
        self.coach = factories.make_staff(Role.COACH, self.pilot.provider, name="Colin Coach")
        self.patient = factories.make_patient(
            self.pilot.practice, given_name="Zuleika", family_name="Quillfeather", address="999 Old Lane"
        )
        self.key = str(self.patient.pk)[:8]
        referral = factories.make_referral(self.patient, status="waiting")
        factories.allocate_to(referral, self.coach)
        self.goal = factories.GoalFactory(referral=referral, words="Fewer hours")
        self.note = factories.make_note(self.patient, self.clinician, text="Low mood since spring")
        self.other = factories.make_patient(self.pilot.other_practice)
        change_details(
            self.patient,
            PatientDetails(
                given_name="Zuleika",
                family_name="Quillfeather",
                date_of_birth=self.patient.date_of_birth,
                nhs_number=self.patient.nhs_number,
                address="1 New Street",
                preferred_contact="9",
                phone="07700900018",
                message_is_safe=True,
            ),
            version=self.patient.version,
            by=self.desk,
        )

    def event(self, **wanted: object) -> Event:
        """The newest event like this, as the guardian may see it."""
        with acting(self.guardian, "test"):
            return Event.objects.filter(**wanted).latest("pk")

    def newest(self, number: int = 1) -> list[Event]:
        with acting(self.guardian, "test"):
            return list(Event.objects.order_by("-pk")[:number])


@pytest.fixture(scope="module")
def case(module_database: str) -> Case:
    return Case()


@pytest.fixture
def guardian(case: Case, client: Client) -> Client:
    return factories.sign_in(client, case.guardian)


def page_of(client: Client, address: str, status: int = 200) -> str:
    answer = client.get(address)
    assert answer.status_code == status
    return str(answer.content.decode())


def send(client: Client, address: str, **fields: str) -> Any:
    """Send the page's form with these fields filled in."""
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page_of(client, address)))
    return client.post(address, {**hidden, **fields})


class TestStory:
    def test_it_tells_everything_around_a_patient_day_by_day_in_words(
        self, case: Case, guardian: Client
    ) -> None:
        factories.sign_in(Client(), case.desk).get(f"/patients/{case.patient.pk}/")
        with acting(case.desk, "test.listed"):
            record_look([case.patient.pk, case.other.pk], ["identity"])
        page = page_of(guardian, f"/audit/patients/{case.key}/")
        for said in (
            "Added: patient", "Changed: patient", "Added: goal", "Added: clinical note", "Looked at: name and contact",
            "Rosa Desk", "Cleo Clinic", case.pilot.practice.name,
        ):  # fmt: skip
            assert said in page, said
        assert len(re.findall(r'<h2 class="nhsuk-heading-m">\w+day ', page)) >= 1
        assert not [secret for secret in SECRETS if secret in page]

    def test_opening_it_is_a_look_at_that_patient(self, case: Case, guardian: Client) -> None:
        page_of(guardian, f"/audit/patients/{case.key}/")
        [look] = case.newest()
        assert (look.kind, look.columns, look.patient_id) == ("read", ["log"], case.patient.pk)

    def test_what_one_person_did_in_one_go_stands_together(self, case: Case, guardian: Client) -> None:
        with acting(case.desk, "test.together"):
            record_look([case.other.pk], ["identity"])
            record_look([case.other.pk], ["consent"])
        page = page_of(guardian, f"/audit/patients/{str(case.other.pk)[:8]}/")
        [entry] = [each for each in page.split("<li class=") if "test, together" in each]
        assert "Looked at: name and contact details" in entry
        assert "Looked at: what the patient agreed to" in entry

    def test_it_says_to_whom_something_went_and_what_for(self, case: Case, guardian: Client) -> None:
        with acting(case.desk, "test.sent", patients=[case.patient.pk]):
            record_disclosure(
                case.patient.pk,
                recipient_kind=Disclosure.RecipientKind.SUPPORTER,
                recipient="A named friend",
                purpose="A copy",
                classes=["case"],
            )
        assert "To: A named friend. What for: A copy" in page_of(guardian, f"/audit/patients/{case.key}/")

    @pytest.mark.parametrize("key", ["0a0a0a0a", "not-a-key", "%00"])
    def test_a_key_that_the_log_does_not_know_is_not_found(self, guardian: Client, key: str) -> None:
        page_of(guardian, f"/audit/patients/{key}/", 404)

    def test_events_and_lines_lead_to_it(self, case: Case, guardian: Client) -> None:
        event = case.event(kind="created", relation="coaching_goal")
        assert f"/audit/patients/{case.key}/" in page_of(guardian, f"{LOG}{event.pk}/")


class TestValues:
    def address(self, case: Case, **wanted: object) -> str:
        return f"{LOG}{case.event(**wanted).pk}/values/"

    def test_the_page_asks_why_and_shows_nothing_yet(self, case: Case, guardian: Client) -> None:
        address = self.address(
            case, kind="changed", relation="people_patient", action="patient.details_changed"
        )
        page = page_of(guardian, address)
        assert "Why do you need to see this?" in page
        assert not [secret for secret in (*SECRETS, "New Street") if secret in page]

    def test_without_a_reason_no_value_is_fetched_at_all(self, case: Case, guardian: Client) -> None:
        address = self.address(
            case, kind="changed", relation="people_patient", action="patient.details_changed"
        )
        before = case.newest()[0].pk
        answer = send(guardian, address, reason="  ")
        assert answer.status_code == 422
        assert "New Street" not in answer.content.decode()
        assert not [each for each in case.newest(4) if each.pk > before and each.relation]

    def test_with_a_reason_old_and_new_stand_there_in_words(self, case: Case, guardian: Client) -> None:
        address = self.address(
            case, kind="changed", relation="people_patient", action="patient.details_changed"
        )
        page = send(guardian, address, reason="They say the address is wrong").content.decode()
        for said in (
            "999 Old Lane",
            "1 New Street",
            "Text message",
            "Letter",
            "They say the address is wrong",
        ):
            assert said in page, said
        # Only what changed.
        assert "Quillfeather" not in page
        assert "Tester" not in page

    def test_the_reason_and_what_sort_of_thing_it_was_are_in_the_log_in_one_event(
        self, case: Case, guardian: Client
    ) -> None:
        address = self.address(
            case, kind="changed", relation="people_patient", action="patient.details_changed"
        )
        before = case.newest()[0].pk
        send(guardian, address, reason="A complaint")
        [opened] = [
            each for each in case.newest(6) if each.pk > before and each.action == "audit.values_opened"
        ]
        assert (opened.kind, opened.reason, opened.columns) == ("read", "A complaint", ["identity"])
        assert (opened.relation, opened.patient_id) == ("people_patient", case.patient.pk)
        assert "Opened what changed in: patient (name and contact details)" in page_of(guardian, LOG)

    def test_a_clinical_note_is_opened_as_clinical(self, case: Case, guardian: Client) -> None:
        address = self.address(case, kind="created", relation="referrals_clinicalnote")
        page = send(guardian, address, reason="The patient asked").content.decode()
        assert "Low mood since spring" in page
        assert case.event(action="audit.values_opened").columns == ["clinical"]

    def test_a_removed_row_says_what_was_there(self, case: Case, guardian: Client) -> None:
        with connections["owner"].cursor() as cursor:
            cursor.execute(
                "SELECT set_config('pilot.user', 'system:tests', false), set_config('pilot.role', 'system', false),"
                " set_config('pilot.action', 'test.removed', false)"
            )
            goal = factories.GoalFactory(referral=case.goal.referral, words="Not any more")
            cursor.execute("DELETE FROM coaching_goal WHERE id = %s", [goal.pk])
        page = send(guardian, self.address(case, kind="deleted"), reason="Why it went").content.decode()
        assert "Not any more" in page

    def test_an_event_that_changed_nothing_has_nothing_to_open(self, case: Case, guardian: Client) -> None:
        address = self.address(case, kind="read")
        assert "changed nothing" in page_of(guardian, address)
        assert send(guardian, address, reason="Why not").status_code == 422
        with acting(case.guardian, "test"), pytest.raises(ValueError, match="changed nothing"):
            open_values(case.event(kind="read"), reason="Why not", by=case.guardian)

    def test_what_is_erased_says_so(self, case: Case, guardian: Client) -> None:
        patient = factories.make_patient(case.pilot.practice)
        event = case.event(kind="created", relation="people_patient", patient_id=patient.pk)
        with connections["owner"].cursor() as cursor:
            cursor.execute("DELETE FROM people_historicalpatient WHERE id = %s", [patient.pk])
        address = f"{LOG}{event.pk}/values/"
        assert "not there any more" in send(guardian, address, reason="To see").content.decode()
        with connections["owner"].cursor() as cursor:
            cursor.execute(
                "INSERT INTO audit_event (at, transaction, kind, actor, role, action, patient_id, columns)"
                " VALUES (now(), 1, 'erased', 'system:tests', 'system', 'test', %s, '{}')",
                [patient.pk],
            )
        assert "Erased on" in send(guardian, address, reason="To see").content.decode()

    def test_every_audited_table_can_be_opened(self, case: Case) -> None:
        """The database finds a table's history by its name."""
        for model in declared():
            if privacy_of(model).is_audited:
                app, _, name = model._meta.db_table.rpartition("_")
                assert model.history.model._meta.db_table == f"{app}_historical{name}"  # type: ignore[attr-defined]
                assert model._meta.pk.column == "id"

    @pytest.mark.parametrize("who", ["desk", "clinician", "coach"])
    def test_the_database_refuses_everybody_else(self, case: Case, who: str) -> None:
        event = case.event(kind="created", relation="people_patient")
        actor: Actor = getattr(case, who)
        with acting(actor, "test", reason="curious"), pytest.raises(PermissionDenied):
            open_values(event, reason="curious", by=actor)
        with (
            pytest.raises(ProgrammingError, match="whoever reviews"),
            acting(actor, "test", reason="curious"),
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT * FROM pilot.open_values(%s, '{}')", [event.pk])

    def test_the_database_refuses_the_guardian_without_a_reason(self, case: Case) -> None:
        event = case.event(kind="created", relation="people_patient")
        with (
            pytest.raises(ProgrammingError, match="without a reason"),
            acting(case.guardian, "test"),
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT * FROM pilot.open_values(%s, '{}')", [event.pk])

    @pytest.mark.parametrize("blank", ["\u200b", "\u00a0 \u2060", "...", "–", "x", "\t\ufeff"])
    def test_what_says_nothing_is_no_reason(self, case: Case, guardian: Client, blank: str) -> None:
        address = self.address(case, kind="created", relation="people_patient")
        answer = send(guardian, address, reason=blank)
        assert answer.status_code == 422
        assert case.patient.address not in answer.content.decode()
        answer = send(guardian, "/audit/patients/find/", nhs_number=case.patient.nhs_number, reason=blank)
        assert answer.status_code == 422

    @pytest.mark.parametrize("blank", [" ", "\u200b", "\u00a0 \u2060", "\t\ufeff"])
    def test_the_database_takes_no_unseen_characters_for_one(self, case: Case, blank: str) -> None:
        event = case.event(kind="created", relation="people_patient")
        with (
            pytest.raises(ProgrammingError, match="without a reason"),
            acting(case.guardian, "test", reason=blank),
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT * FROM pilot.open_values(%s, '{}')", [event.pk])

    def test_there_is_no_way_to_them_by_address_alone(self, case: Case, guardian: Client) -> None:
        address = self.address(case, kind="created", relation="people_patient")
        for answer in (
            guardian.get(f"{address}?reason=because+they+asked"),
            guardian.head(f"{address}?reason=because+they+asked"),
            guardian.post(f"{address}?reason=because+they+asked"),
        ):
            assert case.patient.address not in answer.content.decode()

    def test_who_talks_to_the_database_and_takes_it_back_leaves_no_look(self, case: Case) -> None:
        """What is not promised: docs/audit.md and ADR 11 say so. No page can do it: each commits before its first byte."""
        event = case.event(kind="created", relation="people_patient")
        before = case.newest()[0].pk
        with acting(case.guardian, "test", reason="curious"), connection.cursor() as cursor:
            cursor.execute("SELECT later FROM pilot.open_values(%s, '{}')", [event.pk])
            assert cursor.fetchone()
            transaction.set_rollback(True)
        assert case.newest()[0].pk == before

    def test_a_reason_opens_no_table_by_itself(self, case: Case) -> None:
        with acting(case.guardian, "test", reason="curious"):
            assert not Patient.objects.exists()
            assert not Goal.history.exists()  # type: ignore[attr-defined]
            assert not ClinicalNote.history.exists()  # type: ignore[attr-defined]


class TestFindingAKey:
    ADDRESS = "/audit/patients/find/"

    def test_a_person_described_exactly_is_found_and_the_search_is_in_the_log(
        self, case: Case, guardian: Client
    ) -> None:
        number = str(case.patient.nhs_number)
        answer = send(guardian, self.ADDRESS, nhs_number=number, reason="They asked me")
        assert answer["Location"] == f"/audit/patients/{case.key}/"
        looked = case.event(action="audit.patient_looked_for")
        assert (looked.columns, looked.patient_id, looked.reason) == (
            ["identity"],
            case.patient.pk,
            "They asked me",
        )
        assert number not in json.dumps(looked.__dict__, default=str)

    def described(self, case: Case, **more: str) -> dict[str, str]:
        born = case.patient.date_of_birth
        return {
            "given_name": "zuleika",
            "family_name": "QUILLFEATHER",
            "born_day": str(born.day),
            "born_month": str(born.month),
            "born_year": str(born.year),
            "reason": "They asked me",
            **more,
        }

    def test_both_names_and_the_birthday_will_do(self, case: Case, guardian: Client) -> None:
        answer = send(guardian, self.ADDRESS, **self.described(case))
        assert answer["Location"] == f"/audit/patients/{case.key}/"

    def test_less_than_that_finds_nobody_and_that_is_in_the_log_too(
        self, case: Case, guardian: Client
    ) -> None:
        answer = send(guardian, self.ADDRESS, **self.described(case, given_name="Z"))
        assert "described exactly like this" in page_of(guardian, answer["Location"])
        looked = case.event(action="audit.patient_looked_for")
        assert (looked.columns, looked.patient_id) == (["identity"], None)

    @pytest.mark.parametrize("left_out", ["given_name", "born_day", "reason"])
    def test_nobody_is_looked_for_by_half_a_description(
        self, case: Case, guardian: Client, left_out: str
    ) -> None:
        assert send(guardian, self.ADDRESS, **self.described(case, **{left_out: ""})).status_code == 422

    @pytest.mark.parametrize(
        "found", ["%", "٣", "' OR 1=1", "\x01", "é", "<script>", "[]", "a,b,,c", "../../", "x" * 5000]
    )
    def test_an_address_that_names_no_keys_shows_none(self, guardian: Client, found: str) -> None:
        answer = guardian.get(self.ADDRESS, {"found": found})
        assert answer.status_code == 200
        assert "/audit/patients/" not in answer.content.decode().replace(self.ADDRESS, "")

    def test_somebody_at_two_practices_is_found_at_both(self, case: Case, guardian: Client) -> None:
        number = str(case.patient.nhs_number)
        twin = factories.make_patient(case.pilot.other_practice, nhs_number=number)
        answer = send(guardian, self.ADDRESS, nhs_number=number, reason="They asked me")
        page = page_of(guardian, answer["Location"])
        for patient in (case.patient, twin):
            assert f"/audit/patients/{str(patient.pk)[:8]}/" in page


class TestTakingAway:
    def file(self, client: Client, address: str) -> zipfile.ZipFile:
        answer = send(client, address, recipient="The regulator", purpose="A complaint")
        assert answer["Content-Type"] == "application/zip"
        return zipfile.ZipFile(io.BytesIO(answer.content))

    def test_what_the_filter_found_with_a_proof_for_each_that_an_outsider_can_check(
        self, case: Case, guardian: Client, log_place: Path, sealed: Callable[[], int]
    ) -> None:
        sealed()
        file = self.file(guardian, f"{LOG}export/?patient={case.key}&kind=created")
        told = json.loads(file.read("events.json"))
        assert len(told["events"]) > 3
        assert {each["kind"] for each in told["events"]} == {"created"}
        verifier = keys.signing_key().verifier
        for each in told["events"]:
            shown = check_proof.check(file.read(f"proofs/event-{each['id']}.json"), [verifier])
            assert shown.event == each
            assert shown.checkpoint.text in file.read("checkpoint.txt").decode()
        assert len(list(csv.DictReader(io.StringIO(file.read("events.csv").decode())))) == len(told["events"])
        assert "Without a proof" not in file.read("README.txt").decode()
        everything = "".join(file.read(name).decode() for name in file.namelist())
        assert not [secret for secret in (*SECRETS, "Rosa Desk") if secret in everything]

    @pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\r"])
    def test_no_spreadsheet_takes_a_cell_for_a_formula(
        self, begins: str, case: Case, guardian: Client, log_place: Path, sealed: Callable[[], int]
    ) -> None:
        patient = factories.make_patient(case.pilot.practice)
        event = case.event(kind="created", patient_id=patient.pk)
        with connections["owner"].cursor() as cursor:
            cursor.execute("ALTER TABLE audit_event DISABLE TRIGGER USER")
            cursor.execute("UPDATE audit_event SET request = %s WHERE id = %s", [f"{begins}1+1", event.pk])
            cursor.execute("ALTER TABLE audit_event ENABLE TRIGGER USER")
        sealed()
        file = self.file(guardian, f"{LOG}export/?patient={patient.pk}&kind=created")
        table = csv.DictReader(io.StringIO(file.read("events.csv").decode(), newline=""))
        assert f"'{begins}1+1" in [row["request"] for row in table]

    def test_a_forged_event_is_given_no_proof(
        self, case: Case, guardian: Client, log_place: Path, sealed: Callable[[], int]
    ) -> None:
        patient = factories.make_patient(case.pilot.practice)
        event = case.event(kind="created", patient_id=patient.pk)
        sealed()
        with connections["owner"].cursor() as cursor:
            cursor.execute("ALTER TABLE audit_event DISABLE TRIGGER USER")
            cursor.execute("UPDATE audit_event SET actor = 'system:else' WHERE id = %s", [event.pk])
            cursor.execute("ALTER TABLE audit_event ENABLE TRIGGER USER")
        file = self.file(guardian, f"{LOG}export/?patient={patient.pk}&kind=created")
        assert f"proofs/event-{event.pk}.json" not in file.namelist()
        assert f"not what was sealed: {event.pk}" in " ".join(file.read("README.txt").decode().split())

    def test_the_ledger_says_for_every_patient_that_it_went_out(self, case: Case, guardian: Client) -> None:
        self.file(guardian, f"{LOG}export/?patient={case.key}")
        with acting(case.guardian, "test"):
            line = Disclosure.objects.latest("pk")
        assert (line.patient_id, line.recipient, line.purpose) == (
            case.patient.pk,
            "The regulator",
            "A complaint",
        )
        assert case.event(action="audit.exported", kind="read").reason == "The regulator: A complaint"

    def test_nothing_is_taken_without_saying_for_whom(self, guardian: Client) -> None:
        assert send(guardian, f"{LOG}export/", recipient="", purpose="A complaint").status_code == 422

    def test_filters_that_make_no_sense_take_nothing(self, guardian: Client) -> None:
        answer = send(guardian, f"{LOG}export/?patient=Ann", recipient="The regulator", purpose="A complaint")
        assert answer.status_code == 422


class TestSealing:
    def test_the_front_page_says_how_far_the_log_is_sealed(
        self, guardian: Client, log_place: Path, sealed: Callable[[], int]
    ) -> None:
        size = sealed()
        page = page_of(guardian, LOG)
        assert f"{size:,} events are sealed" in page
        assert "not being sealed" not in page

    def test_it_is_alarmed_when_an_event_waits_for_long(
        self, guardian: Client, log_place: Path, sealed: Callable[[], int]
    ) -> None:
        sealed()
        with connections["owner"].cursor() as cursor:
            cursor.execute(
                "INSERT INTO audit_event (at, transaction, kind, actor, role, action, columns) VALUES"
                " (now() - interval '10 minutes', pg_current_xact_id()::text::bigint, 'read', 'system:tests', 'system',"
                " 'test', '{}')"
            )
        page = page_of(guardian, LOG)
        assert "The log is not being sealed" in page
        assert "Nothing is lost" in page


def test_a_user_with_no_role_opens_nothing(case: Case, client: Client) -> None:
    with acting(factories.TESTS, "test.made"):
        user = User.objects.create_user(
            f"{uuid4().hex}@example.org", factories.PASSWORD, display_name="Nobody"
        )
        client.force_login(user)
    for address in (
        "/audit/questions/",
        "/audit/patients/find/",
        f"{LOG}export/",
        f"/audit/patients/{case.key}/",
    ):
        assert client.get(address).status_code == 302
