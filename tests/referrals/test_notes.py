"""Clinical notes: for the practice's clinicians and the patient. Nobody else learns that one exists."""

import re

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test import Client
from django.urls import reverse

from pilot.access import Actor, NotVisible, Role, acting
from pilot.people.models import Patient
from referrals.actions import disclose_note, withhold_note, write_note
from referrals.models import ClinicalNote, Status
from referrals.selectors import notes_of
from tests import factories
from tests.forms import send

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

SECRET = "Unmistakable clinical text"
OTHERS = [role for role in Role if role not in (Role.CLINICIAN, Role.PATIENT, Role.SYSTEM)]


@pytest.fixture
def surgery(clinician: Actor) -> Client:
    """The clinician's browser."""
    return factories.sign_in(Client(), clinician)


def url(name: str, row: object) -> str:
    return reverse(f"referrals:{name}", args=[row.pk])  # type: ignore[attr-defined]


def read_by(actor: Actor, patient: Patient) -> list[str]:
    with acting(actor, "test.looked"):
        return [note.text for note in notes_of(actor, patient)]


def only_note(clinician: Actor) -> ClinicalNote:
    with acting(clinician, "test.looked"):
        return ClinicalNote.objects.get()


def test_a_clinician_writes_a_note_that_colleagues_and_the_patient_read(
    surgery: Client, patient: Patient, pilot: factories.Pilot
) -> None:
    send(surgery, url("note-write", patient), kind="note", text=SECRET)
    assert SECRET in surgery.get(url("notes", patient)).content.decode()
    colleague = factories.make_staff(Role.CLINICIAN, pilot.practice)
    assert read_by(colleague, patient) == [SECRET]
    assert read_by(factories.patient_actor(patient), patient) == [SECRET]


def test_a_note_has_a_kind_and_a_text(surgery: Client, patient: Patient) -> None:
    page = send(surgery, url("note-write", patient))
    assert page.status_code == 422
    assert "Write the note" in page.content.decode()


def test_a_clinician_of_another_practice_does_not_find_the_patient(
    pilot: factories.Pilot, patient: Patient, clinician: Actor
) -> None:
    note = write_note(patient, SECRET, by=clinician)
    other = factories.make_staff(Role.CLINICIAN, pilot.other_practice)
    browser = factories.sign_in(Client(), other)
    for name, row in (
        ("notes", patient),
        ("note-write", patient),
        ("note-withhold", note),
        ("note-disclose", note),
    ):
        assert browser.get(url(name, row)).status_code == 404
    assert read_by(other, patient) == []
    with pytest.raises(NotVisible):
        write_note(patient, "Not mine to write", by=other)


@pytest.mark.parametrize("role", OTHERS)
def test_no_other_role_can_tell_a_patient_with_notes_from_one_without(
    pilot: factories.Pilot, clinician: Actor, role: Role
) -> None:
    coach = factories.make_staff(Role.COACH, pilot.provider)
    actor = coach if role is Role.COACH else factories.make_staff_of_every_role(pilot)[role]
    noted, bare = (factories.make_patient(pilot.practice) for _ in range(2))
    for patient in (noted, bare):
        factories.allocate_to(factories.make_referral(patient, status=Status.WAITING), coach)
    note = write_note(noted, SECRET, by=clinician)
    browser = factories.sign_in(Client(), actor)
    answers = []
    for patient in (noted, bare):
        page = browser.get(url("notes", patient))
        answers.append((page.status_code, page.content.decode().replace(str(patient.pk), "")))
        assert SECRET not in page.content.decode()
    assert _without_tokens(answers[0]) == _without_tokens(answers[1])
    assert answers[0][0] in (403, 404)
    assert browser.get(url("note-withhold", note)).status_code in (403, 404)
    assert read_by(actor, noted) == []
    with pytest.raises((PermissionDenied, NotVisible)):
        write_note(noted, "Not mine to write", by=actor)


def _without_tokens(answer: tuple[int, str]) -> tuple[int, str]:
    """Without what differs between two requests for the very same page."""
    return answer[0], re.sub(r'(value|data-ends-in)="[^"]*"|Reference: \w+', "", answer[1])


def test_the_receptionists_page_of_a_patient_is_the_same_with_and_without_a_note(
    desk: Client, patient: Patient, clinician: Actor
) -> None:
    before = desk.get(url("patient", patient)).content.decode()
    write_note(patient, SECRET, by=clinician)
    after = desk.get(url("patient", patient)).content.decode()
    assert "Clinical notes" not in after
    assert _without_tokens((200, before)) == _without_tokens((200, after))


def test_the_patient_does_not_open_the_clinicians_page(patient: Patient) -> None:
    browser = factories.sign_in(Client(), factories.patient_actor(patient))
    assert browser.get(url("notes", patient)).status_code == 403


def test_a_receptionist_in_an_action_about_the_patient_reads_no_note_even_in_raw_sql(
    receptionist: Actor, patient: Patient, clinician: Actor
) -> None:
    write_note(patient, SECRET, by=clinician)
    with acting(receptionist, "test.looked", patients=[patient.pk]), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM referrals_clinicalnote")
        assert cursor.fetchone() == (0,)
        cursor.execute("SELECT count(*) FROM referrals_historicalclinicalnote")
        assert cursor.fetchone() == (0,)


def test_a_withheld_note_is_not_shown_to_the_patient_until_it_is_disclosed(
    surgery: Client, patient: Patient, clinician: Actor
) -> None:
    note = write_note(patient, SECRET, by=clinician)
    assert send(surgery, url("note-withhold", note)).status_code == 422
    page = send(surgery, url("note-withhold", note), ground="serious_harm")
    assert "Withheld from the patient" in page.content.decode()
    assert only_note(clinician).withheld_on == "serious_harm"
    assert read_by(factories.patient_actor(patient), patient) == []
    assert read_by(clinician, patient) == [SECRET]
    send(surgery, url("note-disclose", note))
    assert only_note(clinician).withheld_at is None
    assert read_by(factories.patient_actor(patient), patient) == [SECRET]


def test_only_a_clinician_withholds_or_discloses(
    receptionist: Actor, patient: Patient, clinician: Actor
) -> None:
    note = write_note(patient, SECRET, by=clinician)
    for actor in (receptionist, factories.patient_actor(patient)):
        with pytest.raises((PermissionDenied, NotVisible)):
            withhold_note(note, "third_party", by=actor)
        with pytest.raises((PermissionDenied, NotVisible)):
            disclose_note(note, by=actor)
