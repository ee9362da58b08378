"""What staff read of a record's past: who changed what, old → new in words, and never more than the record itself."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.differences import PAGE, Names, differences, word
from audit.models import Event
from coaching import actions as coaching
from coaching.models import Session
from consent.actions import withdraw
from pilot.access import Actor, Role, acting
from pilot.people.actions import PatientDetails, change_details
from pilot.people.models import Membership, Organisation, Patient
from referrals.actions import pause
from referrals.models import Referral
from tests import factories
from tests.factories import Pilot


@pytest.fixture
def receptionist(pilot: Pilot) -> Actor:
    return factories.make_staff(Role.RECEPTIONIST, pilot.practice, name="Rita Desk")


@pytest.fixture
def coach(pilot: Pilot) -> Actor:
    return factories.make_staff(Role.COACH, pilot.provider, name="Cole Coach")


@pytest.fixture
def referral(pilot: Pilot, coach: Actor) -> Referral:
    return factories.make_case(pilot, coach, account=True, address="Old Lane")


def text_of(client: Client, actor: Actor, address: str, status: int = 200) -> str:
    answer = factories.sign_in(client, actor).get(address)
    assert answer.status_code == status
    return " ".join(answer.content.decode().split())


def details(patient: Patient, **changed: object) -> PatientDetails:
    kept = {
        name: getattr(patient, name) for name in PatientDetails.__dataclass_fields__ if name not in changed
    }
    return PatientDetails(**{**kept, **changed})  # type: ignore[arg-type]


def entries(page: str) -> list[str]:
    """What the page says of each change, the newest first."""
    return page.split('<li class="pilot-log__entry">')[1:]


class TestPatient:
    def test_old_and_new_with_who_and_when_in_words(
        self, client: Client, receptionist: Actor, referral: Referral
    ) -> None:
        patient = referral.patient
        changed = details(
            patient, address="New Street", preferred_contact="9", phone="07700900018", message_is_safe=True
        )
        change_details(patient, changed, version=patient.version, by=receptionist)
        page = text_of(client, receptionist, f"/patients/{patient.pk}/past/")
        newest = entries(page)[0]
        for said in ("Rita Desk", "Receptionist", "Old Lane", "New Street", "Letter", "Text message", "Yes"):
            assert said in newest, said
        assert "Added" in entries(page)[-1]
        assert "The service itself" in entries(page)[-1]

    def test_what_did_not_change_is_not_said(
        self, client: Client, receptionist: Actor, referral: Referral
    ) -> None:
        patient = referral.patient
        change_details(patient, details(patient, pronouns="they"), version=patient.version, by=receptionist)
        newest = entries(text_of(client, receptionist, f"/patients/{patient.pk}/past/"))[0]
        assert "they" in newest
        assert patient.family_name not in newest
        assert "version" not in newest.lower()

    def test_how_often_somebody_said_not_now_is_not_said(
        self, client: Client, receptionist: Actor, referral: Referral
    ) -> None:
        patient = referral.patient
        before = len(entries(text_of(client, receptionist, f"/patients/{patient.pk}/past/")))
        with acting(factories.TESTS, "test.changed", patients=[patient.pk]):
            for year in (2031, 2032):
                Patient.objects.filter(pk=patient.pk).update(do_not_raise_until=dt.date(year, 5, 6))
        page = text_of(client, receptionist, f"/patients/{patient.pk}/past/")
        assert "2031" not in page
        assert "raise" not in page.partition("<main")[2].lower()
        assert len(entries(page)) == before

    def test_looking_at_it_is_a_look_at_the_record(
        self, client: Client, receptionist: Actor, referral: Referral, pilot: Pilot
    ) -> None:
        text_of(client, receptionist, f"/patients/{referral.patient_id}/past/")
        guardian = factories.make_staff(Role.CALDICOTT_GUARDIAN, pilot.office)
        with acting(guardian, "test"):
            look = Event.objects.filter(action="referrals.patient-past").latest("pk")
        assert look.patient_id == referral.patient_id
        assert set(look.columns) >= {"identity"}

    def test_another_practices_is_not_there(self, client: Client, receptionist: Actor, pilot: Pilot) -> None:
        other = factories.make_patient(pilot.other_practice)
        text_of(client, receptionist, f"/patients/{other.pk}/past/", 404)

    def test_the_page_costs_the_same_however_much_changed(
        self, client: Client, receptionist: Actor, referral: Referral
    ) -> None:
        patient = referral.patient
        factories.sign_in(client, receptionist)
        counts = []
        for number in (1, 12):
            for each in range(number):
                change_details(
                    patient,
                    details(patient, pronouns=f"they {number}-{each}"),
                    version=patient.version,
                    by=receptionist,
                )
                patient = self.again(patient, receptionist)
            client.get(f"/patients/{patient.pk}/past/")
            with CaptureQueriesContext(connection) as queries:
                client.get(f"/patients/{patient.pk}/past/")
            counts.append(len(queries))
        assert counts[0] == counts[1] <= 16

    def again(self, patient: Patient, actor: Actor) -> Patient:
        with acting(actor, "test"):
            return Patient.objects.get(pk=patient.pk)

    def test_older_changes_are_on_a_page_of_their_own(
        self, client: Client, receptionist: Actor, referral: Referral
    ) -> None:
        patient = referral.patient
        with acting(factories.TESTS, "test.changed", patients=[patient.pk]):
            for number in range(PAGE + 3):
                Patient.objects.filter(pk=patient.pk).update(language=f"Language {number:03}")
        first = text_of(client, receptionist, f"/patients/{patient.pk}/past/")
        assert len(entries(first)) == PAGE
        assert "Language 003" in first
        older = first.split('href="?before=')[1].split('"')[0]
        second = text_of(client, receptionist, f"/patients/{patient.pk}/past/?before={older}")
        assert "Language 002" in second
        assert "Language 003" not in second
        assert "Added" in entries(second)[-1]


class TestReferral:
    def test_it_says_how_it_moved(
        self, client: Client, receptionist: Actor, coach: Actor, referral: Referral
    ) -> None:
        pause(referral, by=coach)
        page = text_of(client, receptionist, f"/referrals/{referral.pk}/past/")
        assert "With a coach" in entries(page)[0]
        assert "Paused" in entries(page)[0]
        assert "Cole Coach" in entries(page)[0]
        assert "with_coach" not in page


class TestCoaching:
    @pytest.fixture
    def session(self, referral: Referral, coach: Actor) -> Session:
        return factories.make_session(referral, coach, where="Room 2")

    def test_a_session_that_moved(self, client: Client, coach: Actor, session: Session) -> None:
        coaching.move(
            session, starts_at=session.starts_at + dt.timedelta(days=1), minutes=60, place=Session.Place.PHONE,
            where="020 7946 0000", version=session.version, by=coach,
        )  # fmt: skip
        newest = entries(text_of(client, coach, f"/coaching/sessions/{session.pk}/past/"))[0]
        for said in ("Room 2", "020 7946 0000", "At the practice", "By phone", "45", "60"):
            assert said in newest, said

    def test_a_goal_in_other_words(self, client: Client, coach: Actor, referral: Referral) -> None:
        goal = coaching.add_goal(referral, "Mornings", by=coach)
        coaching.change_goal(goal, words="Two mornings", standing="wanted", version=goal.version, by=coach)
        newest = entries(text_of(client, coach, f"/coaching/goals/{goal.pk}/past/"))[0]
        assert "Mornings" in newest
        assert "Two mornings" in newest

    def test_it_ends_with_the_consent(
        self, client: Client, coach: Actor, session: Session, referral: Referral
    ) -> None:
        address = f"/coaching/sessions/{session.pk}/past/"
        text_of(client, coach, address)
        withdraw(referral.patient, by=factories.patient_actor(referral.patient))
        text_of(Client(), coach, address, 404)

    def test_the_practice_does_not_read_it(
        self, client: Client, receptionist: Actor, session: Session
    ) -> None:
        text_of(client, receptionist, f"/coaching/sessions/{session.pk}/past/", 403)


class TestWords:
    def field(self, name: str, model: type[models.Model] = Patient) -> models.Field:  # type: ignore[type-arg]
        return model._meta.get_field(name)  # type: ignore[return-value]

    def test_codes_become_labels(self) -> None:
        assert word(self.field("preferred_contact"), "4") == "E-mail"
        assert word(self.field("needs"), ["step_free", "audio"]) == "Step-free access, Audio"
        assert word(self.field("message_is_safe"), False) == "No"
        assert word(self.field("preferred_contact"), "no longer offered") == "no longer offered"

    def test_times_are_those_of_the_place(self) -> None:
        noon = dt.datetime(2026, 7, 1, 11, tzinfo=dt.UTC)
        assert word(self.field("starts_at", Session), noon) == "1 July 2026, 12:00"
        assert word(self.field("date_of_birth"), dt.date(1990, 2, 3)) == "3 February 1990"

    def test_what_came_from_json_is_the_same_as_what_came_from_the_table(self, pilot: Pilot) -> None:
        columns = {"starts_at": timezone.now(), "place": "phone", "minutes": 45}
        spelt = {**columns, "starts_at": columns["starts_at"].isoformat()}  # type: ignore[union-attr]
        assert differences(Session, columns, spelt, Names({})) == []

    def test_organisations_are_called_by_their_names(self, pilot: Pilot) -> None:
        states = [{"organisation_id": pilot.practice.pk}, {"organisation_id": str(pilot.provider.pk)}]
        [found] = differences(Membership, *states, Names.of(Membership, states))
        assert (found.before, found.after) == (pilot.practice.name, pilot.provider.name)

    def test_whose_row_it_is_is_said_only_where_it_became_somebody_elses(self, pilot: Pilot) -> None:
        one, other = pilot.practice.pk, pilot.provider.pk
        [found] = differences(Session, {"patient_id": one}, {"patient_id": other}, Names({}))
        assert (found.before, found.after) == (str(one)[:8], str(other)[:8])
        assert differences(Session, {}, {"patient_id": one}, Names({})) == []

    def test_nothing_stands_as_nothing(self) -> None:
        [found] = differences(Organisation, {"phone": ""}, {"phone": "020 7946 0000"}, Names({}))
        assert (found.label, found.before, found.after) == ("Phone", "", "020 7946 0000")
        assert differences(Organisation, {"phone": ""}, {"phone": None}, Names({})) == []
