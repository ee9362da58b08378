"""What the guardian reads in the log, and that nobody reads what was in a record there."""

from __future__ import annotations

import re
from html import unescape
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from audit import selectors
from audit.actions import record_look
from audit.models import Event
from pilot.access import ROLES, Actor, Role, acting
from pilot.people.models import ROLE_BELONGS_TO, Membership
from pilot.web import formats
from tests import factories

LOG = "/audit/log/"
SECRETS = (
    "Zuleika",
    "Quillfeather",
    "zuleika",
    "07700 900018",
    "07700900018",
    formats.phone("07700 900018"),
    "Invented Road",
    "A private matter",
    "Two mornings",
)


class Story:
    """A pilot in which each role did something about one patient."""

    def __init__(self) -> None:
        self.pilot = factories.make_pilot()
        self.staff = factories.make_staff_of_every_role(self.pilot)
        self.receptionist = factories.make_staff(Role.RECEPTIONIST, self.pilot.practice, name="Rosa Desk")
        self.guardian = self.staff[Role.CALDICOTT_GUARDIAN]
        self.patient = factories.make_patient(
            self.pilot.practice, given_name="Zuleika", family_name="Quillfeather", phone="07700 900018"
        )
        self.own = factories.patient_actor(self.patient)
        coach = self.staff[Role.COACH]
        referral = factories.make_referral(self.patient, status="waiting")
        factories.allocate_to(referral, coach)
        factories.make_session(referral, coach, agreed="A private matter")
        factories.GoalFactory(referral=referral)
        self.note = factories.make_note(
            self.patient, self.staff[Role.CLINICIAN], text="A private matter of health"
        )
        self.other = factories.make_patient(self.pilot.other_practice)


@pytest.fixture(scope="module")
def story(module_database: str) -> Story:
    return Story()


@pytest.fixture
def guardian(story: Story, client: Client) -> Client:
    return factories.sign_in(client, story.guardian)


def text_of(client: Client, **asked: str) -> str:
    answer = client.get(LOG, asked)
    assert answer.status_code == 200
    return answer.content.decode()


def rows_of(page: str) -> list[str]:
    """The lines of the log on this page."""
    _before, _tag, table = page.partition("<tbody")
    return table.partition("</tbody>")[0].split("<tr ")[1:]


def newest_event(**wanted: object) -> int:
    guardians = Membership.objects.filter(role=Role.CALDICOTT_GUARDIAN.value)
    person = guardians.values_list("user", flat=True).first()
    with acting(Actor(Role.CALDICOTT_GUARDIAN, person, ""), "test"):
        return Event.objects.filter(**wanted).latest("pk").pk


class TestLog:
    def test_everything_that_just_happened_is_there(self, story: Story, guardian: Client) -> None:
        page = text_of(guardian, patient=str(story.patient.pk))
        for record in ("patient", "referral", "session", "goal", "clinical note"):
            assert f"Added: {record}" in page
        assert str(story.patient.pk)[:8] in page
        assert str(story.patient.pk) not in "".join(rows_of(page))

    def test_a_look_at_a_page_is_there_with_who_and_in_which_role(
        self, story: Story, guardian: Client
    ) -> None:
        desk = factories.sign_in(Client(), story.receptionist)
        assert desk.get(reverse("referrals:patient", args=[story.patient.pk])).status_code == 200
        row = next(row for row in rows_of(text_of(guardian)) if "Rosa Desk" in row)
        assert "Receptionist" in row
        assert story.pilot.practice.name in row
        assert "Looked at: name and contact details" in row
        assert str(story.patient.pk)[:8] in row

    def test_a_refusal_is_there(self, story: Story, guardian: Client) -> None:
        desk = factories.sign_in(Client(), story.receptionist)
        assert desk.get(reverse("referrals:patient", args=[story.other.pk])).status_code == 404
        row = next(row for row in rows_of(text_of(guardian)) if "Rosa Desk" in row)
        assert "Was refused" in row
        assert str(story.other.pk)[:8] not in row

    def test_the_guardians_own_visit_is_there(self, guardian: Client, story: Story) -> None:
        text_of(guardian)
        row = rows_of(text_of(guardian))[0]
        assert story.guardian.name in row
        assert "Looked at: this log" in row

    def test_it_says_nothing_that_is_in_a_record(self, story: Story, guardian: Client) -> None:
        own = factories.sign_in(Client(), story.own)
        own.get("/", follow=True)
        with acting(story.guardian, "test"):
            keys = list(Event.objects.values_list("pk", flat=True))
        roles = ("patient", "coach", "clinician")
        pages = [text_of(guardian), *(text_of(guardian, role=role) for role in roles)]
        pages += [guardian.get(f"{LOG}{key}/").content.decode() for key in keys[-60:]]
        for page in pages:
            assert not [secret for secret in SECRETS if secret in page]
            assert str(story.patient.nhs_number) not in page

    def test_a_patient_is_never_named_as_the_one_who_acted(self, story: Story, guardian: Client) -> None:
        factories.sign_in(Client(), story.own).get("/", follow=True)
        rows = rows_of(text_of(guardian, role="patient"))
        assert rows
        assert all("The patient" in row for row in rows)
        assert "Quillfeather" not in "".join(rows)


class TestFilters:
    def test_by_role(self, guardian: Client) -> None:
        rows = rows_of(text_of(guardian, role="clinician"))
        assert rows
        assert all("Clinician" in row for row in rows)

    def test_without_the_system(self, guardian: Client) -> None:
        rows = rows_of(text_of(guardian, role="people"))
        assert rows
        assert not [row for row in rows if "The system" in row]

    def test_by_kind(self, guardian: Client) -> None:
        rows = rows_of(text_of(guardian, kind="created"))
        assert all("Added:" in row for row in rows)

    def test_by_the_beginning_of_an_action(self, guardian: Client) -> None:
        rows = rows_of(text_of(guardian, action="patient.reg"))
        assert rows
        assert all("Patient registered" in row for row in rows)

    def test_by_a_patients_key_or_its_first_eight_characters(self, story: Story, guardian: Client) -> None:
        key = str(story.other.pk)
        for asked in (key, key[:8], key[:13].upper()):
            rows = rows_of(text_of(guardian, patient=asked, kind="created"))
            assert len(rows) == 1
            assert "Added: patient" in rows[0]

    def test_a_look_at_several_patients_is_found_under_each(self, story: Story, guardian: Client) -> None:
        with acting(story.receptionist, "test.listed"):
            record_look([story.patient.pk, story.other.pk], ["identity"])
        rows = rows_of(text_of(guardian, patient=str(story.other.pk)[:8], action="test.listed"))
        assert len(rows) == 1
        assert "2 patients" in rows[0]

    def test_by_person(self, story: Story, guardian: Client) -> None:
        page = text_of(guardian, person=str(story.receptionist.user_id))
        rows = rows_of(page)
        assert rows
        assert all("Rosa Desk" in row for row in rows)
        assert "Person: <strong>Rosa Desk</strong>" in page

    def test_by_practice_its_records_and_what_its_people_did(self, story: Story, guardian: Client) -> None:
        with acting(story.receptionist, "test.at_practice"):
            record_look([story.patient.pk], ["identity"])
        page = text_of(guardian, practice=str(story.pilot.practice.pk))
        assert any("Rosa Desk" in row for row in rows_of(page))
        elsewhere = text_of(guardian, practice=str(story.pilot.other_practice.pk))
        assert rows_of(elsewhere)
        assert not [row for row in rows_of(elsewhere) if "Rosa Desk" in row]
        assert f"Practice or organisation: <strong>{story.pilot.practice.name}</strong>" in page

    def test_a_person_and_a_patient_at_once(self, story: Story, guardian: Client) -> None:
        with acting(story.receptionist, "test.at_once"):
            record_look([story.other.pk], ["identity"])
        asked = {"patient": str(story.other.pk), "person": str(story.receptionist.user_id)}
        rows = rows_of(text_of(guardian, **asked))
        assert rows
        assert all("Rosa Desk" in row for row in rows)

    def test_by_name_of_a_member_of_staff_without_the_name_in_the_address(
        self, story: Story, guardian: Client
    ) -> None:
        answer = guardian.post(LOG, {"search": "rosa de"})
        assert "rosa" not in answer["Location"].lower()
        rows = rows_of(guardian.get(answer["Location"]).content.decode())
        assert rows
        assert all("Rosa Desk" in row for row in rows)

    def test_a_patient_cannot_be_found_by_name(self, guardian: Client) -> None:
        page = guardian.post(LOG, {"search": "Quillfeather"}, follow=True).content.decode()
        assert not rows_of(page)

    def test_by_period(self, guardian: Client) -> None:
        today = timezone.localdate().isoformat()
        assert rows_of(text_of(guardian, since=today, until=today))
        assert not rows_of(text_of(guardian, until="2020-01-01"))

    @pytest.mark.parametrize(
        "wrong",
        [
            {"patient": "Ann"},
            {"since": "31/02/2026"},
            {"since": "2026-05-01", "until": "2026-04-01"},
            {"role": "x"},
        ],
    )
    def test_what_makes_no_sense_is_explained(self, guardian: Client, wrong: dict[str, str]) -> None:
        page = text_of(guardian, **wrong)
        assert "There is a problem" in page
        assert not rows_of(page)


@pytest.mark.parametrize(
    "forged",
    [
        *({name: value} for name in ("before", "after") for value in
            ("0", "-1", "1e9", "٣", "9" * 18, "9" * 19, "9" * 5000, "NaN", "1;DROP")),
        {"before": "5", "after": "9" * 18},
        {"since": "0001-01-01", "until": "9999-12-31", "role": "people"},
        {"since": "9999-12-31", "kind": "read"},
        {"patient": "ffffffff" + "-" * 28, "action": "%"},
        {"patient": "f" * 36},
        {"person": "-" * 36},
        {"practice": "00000000-0000-0000-0000-000000000000"},
    ],
    ids=lambda forged: "&".join(f"{name}={value[:12]}" for name, value in forged.items()),
)  # fmt: skip
def test_forged_addresses_are_answered_like_any_other(guardian: Client, forged: dict[str, str]) -> None:
    """Whatever stands in an address, it finds what there is or nothing: no error, and no more than a page."""
    for address in (LOG, f"{LOG}export/"):
        assert guardian.get(address, forged).status_code == 200
    assert len(rows_of(guardian.get(LOG, forged).content.decode())) <= 50


class TestPaging:
    @pytest.fixture(autouse=True)
    def many(self, story: Story) -> None:
        for name, number in (("test.once", 1), ("test.paged", 60)):
            with acting(story.receptionist, name):
                for _each in range(number):
                    record_look([story.patient.pk, story.other.pk], ["identity"])

    def test_fifty_a_page_each_event_once(self, guardian: Client) -> None:
        first = text_of(guardian, action="test.paged")
        assert len(rows_of(first)) == 50
        href = re.search(r'href="([^"]*before=[^"]*)"', first)
        assert href
        second = guardian.get(unescape(href[1])).content.decode()
        keys = [
            row.split('href="/audit/log/')[1].split("/")[0]
            for page in (first, second)
            for row in rows_of(page)
        ]
        assert len(keys) >= 60
        assert len(keys) == len(set(keys))
        assert keys == sorted(keys, key=int, reverse=True)

    def test_the_number_of_queries_is_the_same_for_one_line_and_for_fifty(self, guardian: Client) -> None:
        counts = []
        for action in ("test.once", "test.paged"):
            asked = {"action": action, "kind": "read"}
            guardian.get(LOG, asked)
            with CaptureQueriesContext(connection) as queries:
                guardian.get(LOG, asked)
            counts.append(len(queries))
        assert counts[0] == counts[1] <= 14

    def test_the_database_never_counts_or_skips_through_the_log(self, guardian: Client) -> None:
        for asked in ({}, {"kind": "read"}, {"role": "people", "before": "100"}, {"after": "3"}):
            with CaptureQueriesContext(connection) as queries:
                guardian.get(LOG, asked)
            for query in queries.captured_queries:
                assert "OFFSET" not in query["sql"]
                assert not re.search(r"COUNT\(\S*\) .*FROM \"audit_event\"", query["sql"])

    def test_newer_leads_back_to_where_one_came_from(self, guardian: Client) -> None:
        first = rows_of(text_of(guardian, action="test.paged"))
        page = text_of(guardian, action="test.paged")
        older = guardian.get(unescape(re.search(r'href="([^"]*before=[^"]*)"', page)[1])).content.decode()  # type: ignore[index]
        back = guardian.get(unescape(re.search(r'href="([^"]*after=[^"]*)"', older)[1])).content.decode()  # type: ignore[index]
        assert rows_of(back) == first

    def test_what_no_index_knows_is_looked_for_a_stretch_at_a_time(
        self, story: Story, guardian: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(selectors, "STRETCH", 25)
        with acting(story.receptionist, "test.rare"):
            record_look([story.patient.pk], ["identity"])
        with acting(story.receptionist, "test.common"):
            for _each in range(60):
                record_look([story.patient.pk], ["identity"])
        found, address, pages = [], f"{LOG}?action=test.rare", 0
        while address and not found:
            page = guardian.get(address).content.decode()
            found, pages = rows_of(page), pages + 1
            assert "Looked through the log back to" in page or found
            href = re.search(r'href="([^"]*before=[^"]*)"', page)
            address = unescape(href[1]) if href else ""
        assert len(found) == 1
        assert pages > 2
        # A patient's and a person's are indexed: they need no stretch.
        for asked in ({"patient": str(story.patient.pk)}, {"person": str(story.receptionist.user_id)}):
            page = text_of(guardian, action="test.rare", **asked)
            assert len(rows_of(page)) == 1
            assert "Looked through" not in page


class TestEvent:
    def test_it_names_the_parts_that_changed_and_not_what_they_were(
        self, story: Story, guardian: Client
    ) -> None:
        with_coach = newest_event(kind="changed", relation="referrals_referral")
        page = guardian.get(f"{LOG}{with_coach}/").content.decode()
        assert "Parts that changed" in page
        assert "status" in page
        assert factories.TESTS.name in page
        assert "with_coach" not in page

    def test_it_shows_what_else_was_done_by_the_same_page(self, story: Story, guardian: Client) -> None:
        with acting(story.receptionist, "test.together", request=uuid4().hex):
            record_look([story.patient.pk], ["identity"])
            record_look([story.patient.pk], ["clinical"])
        page = guardian.get(f"{LOG}{newest_event(action='test.together')}/").content.decode()
        assert "Done together with this" in page
        assert "Looked at: name and contact details" in page

    def test_opening_one_is_in_the_log_under_its_patient(self, story: Story, guardian: Client) -> None:
        guardian.get(f"{LOG}{newest_event(relation='coaching_goal')}/")
        row = rows_of(text_of(guardian))[0]
        assert "Looked at: this log" in row
        assert str(story.patient.pk)[:8] in row

    def test_a_number_that_no_event_has_is_not_found(self, guardian: Client) -> None:
        assert guardian.get(f"{LOG}999999999/").status_code == 404


@pytest.mark.parametrize("role", [role for role in ROLE_BELONGS_TO if role is not Role.CALDICOTT_GUARDIAN])
def test_nobody_else_opens_the_log(story: Story, client: Client, role: Role) -> None:
    factories.sign_in(client, story.staff[role])
    assert client.get(LOG).status_code == 403
    assert client.get(f"{LOG}1/").status_code == 403


def test_the_patient_does_not_open_the_log(story: Story, client: Client) -> None:
    factories.sign_in(client, story.own)
    assert client.get(LOG).status_code == 403


def test_visitors_are_asked_to_sign_in(story: Story, client: Client) -> None:
    assert client.get(LOG).status_code == 302


class TestWhoMayDoWhat:
    def test_everybody_can_read_who_may_do_what(self, story: Story, client: Client) -> None:
        page = client.get(reverse("audit:roles")).content.decode()
        for role, duties in ROLES.items():
            assert role.label in page
            assert duties.sentence.replace("'", "&#39;") in page

    def test_it_says_who_reads_clinical_notes(self, story: Story, client: Client) -> None:
        page = client.get(reverse("audit:roles")).content.decode()
        who = page.split("Read clinical notes</dt>")[1].split("</dd>")[0]
        assert "Clinician, at their own practice" in who
        assert "Patient, about themselves" in who
        assert "Coach" not in who
