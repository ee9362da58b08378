"""What a hostile reader of the project managed to do once, and nobody can any more."""

import datetime as dt

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client

from audit.models import Event
from consent.actions import How, record_decisions, record_not_now, withdraw
from consent.models import Decision, Purpose
from consent.views import RecordDecisions, RecordNotNow
from pilot.access import Actor, Role, acting
from pilot.outbox.actions import claim, send, settle_by_hand
from pilot.outbox.models import Message
from pilot.people.actions import add_person
from pilot.people.models import Patient
from pilot.record.consent_views import Answer, NotNow
from referrals.importing.actions import discard, import_referrals, stage
from referrals.importing.reading import read
from referrals.invitations.actions import invite
from referrals.models import Allocation, ClinicalNote, ImportBatch, Referral
from referrals.notes.actions import withhold_note
from referrals.notes.policies import Grounds
from tests import factories
from tests.log import events

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

LIST = b"given_name,family_name,date_of_birth,address\r\nAnn,Arbor,27/03/1984,1 Hidden Street\r\n"


@pytest.fixture
def world() -> factories.Pilot:
    return factories.make_pilot()


def test_an_account_with_an_unproved_address_is_never_given_a_role(world: factories.Pilot) -> None:
    patient = factories.make_patient(world.practice, account=True)
    manager = factories.make_staff(Role.PILOT_MANAGER, world.office)
    with pytest.raises(ValidationError) as refusal:
        add_person(world.practice, patient.account.email, "Dr New", Role.CLINICIAN, by=manager)
    assert "patient" not in str(refusal.value).lower()
    assert not patient.account.memberships.exists()


@pytest.mark.parametrize("role", [Role.RECEPTIONIST, Role.COACH])
def test_nobody_changes_the_address_they_sign_in_with(world: factories.Pilot, role: Role) -> None:
    place = world.practice if role is Role.RECEPTIONIST else world.provider
    actor = factories.make_staff(role, place)
    client = factories.sign_in(Client(), actor)
    before = factories.user_of(actor).email
    for field in ("action_add", "action_primary"):
        answer = client.post("/account/email/", {"email": "dr.other@example.org", field: ""})
        assert answer.status_code == 404
    assert factories.user_of(actor).email == before


def test_an_invitation_that_was_called_off_is_not_sent_again(world: factories.Pilot) -> None:
    receptionist = factories.make_staff(Role.RECEPTIONIST, world.practice)
    for status in (Message.Status.NOT_SENT, Message.Status.UNKNOWN):
        patient = factories.make_patient(world.practice)
        referral = factories.make_referral(patient)
        message = invite(referral, channel="email", by=receptionist).message
        with acting(factories.TESTS, "test.made", patients=[patient.pk]):
            message.status = status
            message.save(update_fields=["status"])
        record_not_now(patient, by=receptionist)
        try:
            settled = settle_by_hand(message, arrived=False, by=receptionist)
        except ValidationError:
            continue
        assert settled.status == Message.Status.STOPPED


def test_a_message_in_a_workers_hands_is_not_handed_over_once_it_is_called_off(
    world: factories.Pilot, mailoutbox: list
) -> None:
    receptionist = factories.make_staff(Role.RECEPTIONIST, world.practice)
    patient = factories.make_patient(world.practice)
    message = invite(factories.make_referral(patient), channel="email", by=receptionist).message
    worker = Actor.system("outbox.send")
    assert claim(message, by=worker)
    record_not_now(patient, by=receptionist)
    assert send(message, by=worker) == Message.Status.STOPPED
    assert mailoutbox == []


def test_the_past_of_a_withheld_note_is_withheld_too(world: factories.Pilot) -> None:
    patient = factories.make_patient(world.practice, account=True)
    clinician = factories.make_staff(Role.CLINICIAN, world.practice)
    note = factories.make_note(patient, clinician)
    withhold_note(note, Grounds("serious_harm", "Invented."), by=clinician)
    with acting(factories.patient_actor(patient), "record.opened"):
        assert not ClinicalNote.history.exists()
        assert not Event.objects.filter(relation="referrals_clinicalnote").exists()
        assert Event.objects.filter(relation="people_patient").exists()


@pytest.mark.parametrize("role", [role for role in Role if role not in (Role.PATIENT, Role.SYSTEM)])
def test_whether_a_note_is_withheld_is_told_to_nobody_who_asks(world: factories.Pilot, role: Role) -> None:
    patient = factories.make_patient(world.practice, account=True)
    staff = factories.make_staff_of_every_role(world)
    note = factories.make_note(patient, staff[Role.CLINICIAN])
    withhold_note(note, Grounds("serious_harm", "Invented."), by=staff[Role.CLINICIAN])

    def asked_by(actor: Actor) -> bool:
        with acting(actor, "test.asked", patients=[patient.pk]), connection.cursor() as cursor:
            cursor.execute("SELECT pilot.is_withheld('referrals_clinicalnote', %s)", [str(note.pk)])
            return cursor.fetchone()[0]

    assert not asked_by(staff[role])
    assert asked_by(factories.patient_actor(patient)), "the policies of their own log ask it"


@pytest.mark.parametrize("role", [Role.COACH, Role.RECEPTIONIST, Role.SUPERVISOR, Role.COMMISSIONER])
def test_no_event_tells_anybody_that_a_note_exists(world: factories.Pilot, role: Role) -> None:
    coach = factories.make_staff(Role.COACH, world.provider)
    referral = factories.make_case(world, coach)
    factories.make_note(referral.patient, factories.make_staff(Role.CLINICIAN, world.practice))
    actor = coach if role is Role.COACH else factories.make_staff_of_every_role(world)[role]
    with acting(actor, "something.done", patients=[referral.patient_id]):
        assert not Event.objects.exists()


def test_a_list_that_was_forgotten_is_forgotten(world: factories.Pilot) -> None:
    receptionist = factories.make_staff(Role.RECEPTIONIST, world.practice)
    batch = stage(world.practice, "list.csv", read(LIST), by=receptionist)
    discard(batch, by=receptionist)
    with connection.cursor() as cursor, acting(receptionist, "lists.opened"):
        cursor.execute("SELECT to_jsonb(h)::text FROM referrals_historicalimportbatch h")
        kept = [row[0] for row in cursor.fetchall()]
        assert not ImportBatch.objects.exists()
    assert len(kept) == 2
    assert not [text for text in kept if "Hidden" in text or "Arbor" in text]


def test_two_lists_with_one_person_register_one_person(world: factories.Pilot) -> None:
    receptionist = factories.make_staff(Role.RECEPTIONIST, world.practice)
    for _ in range(2):
        import_referrals(world.practice, read(LIST), by=receptionist)
    with acting(receptionist, "patients.counted"):
        assert Patient.objects.filter(family_name="Arbor").count() == 1


def test_after_a_withdrawal_the_supervisor_has_nothing_of_it_either(world: factories.Pilot) -> None:
    coach = factories.make_staff(Role.COACH, world.provider)
    referral = factories.make_case(world, coach, account=True)
    supervisor = factories.make_staff(Role.SUPERVISOR, world.provider)
    with acting(supervisor, "queue.opened"):
        assert Referral.objects.filter(pk=referral.pk).exists()
    withdraw(referral.patient, by=factories.patient_actor(referral.patient))
    for actor in (supervisor, coach):
        with acting(actor, "queue.opened"):
            for model in (Referral, Allocation):
                assert not model.objects.exists(), (actor.role, model)
                assert not model.history.exists(), (actor.role, model)


def test_a_no_leaves_the_same_marks_as_any_other_reason_for_not_asking(world: factories.Pilot) -> None:
    receptionist = factories.make_staff(Role.RECEPTIONIST, world.practice)
    one, other = factories.make_patient(world.practice), factories.make_patient(world.practice)
    for patient in (one, other):
        factories.make_referral(patient)
    how = How(Decision.Method.IN_PERSON, capacity_not_in_doubt=True, freely_given=True)
    sheet = factories.make_sheet()
    with acting(receptionist, RecordDecisions.known_as):
        record_decisions(one, {Purpose.TAKE_PART: False}, sheet=sheet, how=how, by=receptionist)
    with acting(receptionist, RecordNotNow.known_as):
        record_not_now(other, by=receptionist)

    def marks(patient: Patient) -> set[tuple[str, str, str | None]]:
        found = events(patient_id=patient.pk, actor=receptionist.label)
        return {(event.action, event.kind, event.relation) for event in found}

    assert marks(one) == marks(other)
    assert Answer.known_as == NotNow.known_as != ""


def test_without_a_context_nobody_is_listed_by_their_grants(world: factories.Pilot) -> None:
    factories.make_patient(world.practice, account=True)
    with connection.cursor() as cursor:
        for table in ("patientgrant", "historicalpatientgrant"):
            cursor.execute(f"SELECT count(*) FROM access_{table}")
            assert cursor.fetchone()[0] == 0, table


def test_the_calendars_last_day_is_a_day_like_any_other(world: factories.Pilot) -> None:
    guardian = factories.make_staff(Role.CALDICOTT_GUARDIAN, world.office)
    client = factories.sign_in(Client(), guardian)
    last = {"until_day": "31", "until_month": "12", "until_year": str(dt.date.max.year)}
    assert client.get("/audit/log/", last).status_code == 200
