"""The patient's page of who looked at their record and who changed it."""

import datetime as dt
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import Kind
from coaching.actions import book
from coaching.models import Session
from consent.models import Purpose
from pilot.access import Role, acting
from pilot.outbox.tasks import send_due
from pilot.people.models import Patient
from pilot.record import looks, reasons, selectors
from referrals.models import ClinicalNote
from referrals.notes.actions import withhold_note
from referrals.notes.policies import Grounds
from tests import factories
from tests.actions import every_action
from tests.log import events
from tests.record.cases import Case
from tests.record.test_own_pages import page

# Their subject is a practice, and they open what concerns a patient themselves.
ADDS_PATIENTS = {"patient.registered"}

pytestmark = pytest.mark.django_db(databases=["default", "owner"])


def log_of(case: Case, **options: object) -> looks.Page:
    with acting(case.actor, "test.read"):
        return looks.page(case.actor, selectors.own_patient(case.actor), **options)  # type: ignore[arg-type]


def test_a_look_is_there_with_name_role_place_and_what_was_shown(case: Case) -> None:
    with acting(case.receptionist, "patients.open"):
        Patient.objects.get(pk=case.patient.pk)
    entry = log_of(case).entries[0]
    assert (entry.who, entry.role, entry.where) == (
        "Receptionist of Amina", "Receptionist", case.pilot.practice.name
    )  # fmt: skip
    assert [(str(did), [str(one) for one in what]) for did, what in entry.parts] == [
        (
            "Looked at",
            [
                "your name and contact details",
                "how things stand: referral, sessions, goals, messages or requests",
            ],
        )
    ]


def test_a_look_at_several_people_at_once_is_on_each_of_their_pages(case: Case, other: Case) -> None:
    with acting(case.receptionist, "patients.list"):
        assert len(list(Patient.objects.visible_to(case.receptionist))) == 2
    for each in (case, other):
        assert log_of(each).entries[0].who == "Receptionist of Amina"


def test_a_change_says_what_was_changed(case: Case) -> None:
    text = page(case.browser, "who_looked")
    assert "Doctor of Amina , Clinician" in text
    assert "Added: a note by your clinician" in text


def test_own_visits_show_only_when_asked_for(case: Case) -> None:
    browser = case.browser
    page(browser, "home")
    assert not any(entry.is_own for entry in log_of(case).entries)
    assert log_of(case, include_own=True).entries[0].is_own
    assert "You" in page(browser, "who_looked", own="")


def test_that_a_note_is_withheld_does_not_show_here(other: Case) -> None:
    with acting(other.clinician, "test.read"):
        note = ClinicalNote.objects.get(patient=other.patient)
    assert "note" in said_to(other)
    withhold_note(note, Grounds("serious_harm", "Invented."), by=other.clinician)
    with acting(other.clinician, "notes.open"):
        list(ClinicalNote.objects.filter(patient=other.patient))
    assert "note" not in said_to(other)


def said_to(case: Case) -> str:
    return "; ".join(str(one) for entry in log_of(case).entries for _, what in entry.parts for one in what)


def test_it_is_paged_and_no_entry_is_lost_or_doubled(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "PAGE", 4)
    for n in range(9):
        with acting(case.receptionist, f"patients.open{n}"):
            Patient.objects.get(pk=case.patient.pk)
    seen, before = [], None
    while True:
        found = log_of(case, before=before)
        seen += [entry.at for entry in found.entries]
        before = found.older
        if before is None:
            break
    assert len(seen) == len(set(seen)) >= 9
    assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize("asked", ["", "x", "-1", "9" * 30, "²"])
def test_a_strange_page_number_shows_the_newest(case: Case, asked: str) -> None:
    assert case.browser.get(reverse("record:who_looked"), {"before": asked}).status_code == 200


@pytest.fixture
def withheld(other: Case) -> ClinicalNote:
    with acting(other.clinician, "test.read"):
        note = ClinicalNote.objects.get(patient=other.patient)
    return withhold_note(note, Grounds("serious_harm", "Invented."), by=other.clinician)


def test_the_list_of_withheld_notes_looks_like_any_list_of_patients(
    other: Case, withheld: ClinicalNote
) -> None:
    """Whoever reads who looked cannot tell which page it was."""
    said = []
    for address in (reverse("referrals:patients"), reverse("referrals:notes-to-review")):
        # Somebody else each time: what one person does in one transaction, as a test is, is one line.
        clinician = factories.make_staff(Role.CLINICIAN, other.patient.practice)
        assert factories.sign_in(Client(), clinician).get(address).status_code == 200
        entry = log_of(other).entries[0]
        assert entry.who == clinician.name
        said.append([(str(did), [str(one) for one in what]) for did, what in entry.parts])
    assert said[0] == said[1]


def test_the_log_names_no_page_about_withholding(other: Case, withheld: ClinicalNote) -> None:
    browser = factories.sign_in(Client(), other.clinician)
    about_it = ("note-withhold", "note-review", "note-disclose")
    addresses = [
        reverse("referrals:notes-to-review"),
        reverse("referrals:notes", args=[other.patient.pk]),
        *(reverse(f"referrals:{name}", args=[withheld.pk]) for name in about_it),
    ]
    for address in addresses:
        browser.get(address)
    looks_of_theirs = {
        event.action
        for event in events()
        if event.kind == Kind.READ and event.actor == str(other.clinician.user_id)
    }
    assert "referrals.notes" in looks_of_theirs
    assert not [
        name for name in looks_of_theirs if any(word in name for word in ("hold", "review", "disclose"))
    ]


# --- Why, and what was sent out --------------------------------------------------------------------


def test_every_line_says_why(case: Case) -> None:
    with acting(case.receptionist, "patients.open"):
        Patient.objects.get(pk=case.patient.pk)
    assert str(log_of(case).entries[0].why) == "works at the desk of your practice"
    book(
        case.referral,
        starts_at=timezone.now() + dt.timedelta(days=9),
        place=Session.Place.PRACTICE,
        by=case.coach,
    )
    assert str(log_of(case).entries[0].why) == "to book a session with you"


def test_there_are_words_for_every_action_about_a_patient() -> None:
    about_patients = {
        name
        for name, run in every_action().items()
        if run.about_patient or name in ADDS_PATIENTS  # type: ignore[attr-defined]
    }
    assert about_patients - set(reasons.DOING) - reasons.UNSAID == set(), (
        "Say in reasons.DOING what they were doing."
    )


def test_what_is_done_about_a_note_is_never_said() -> None:
    """Of a withheld one it would tell that there is one."""
    assert not [name for name in reasons.DOING if "note" in name.split(".")[0]]


def test_what_was_sent_out_says_to_whom_what_and_why(case: Case) -> None:
    message = factories.MessageFactory(
        patient=case.patient, purpose=Purpose.REMINDERS, template="session_booked"
    )
    send_due()
    entry = log_of(case, show=looks.Show.SENT).entries[0]
    sent = next(each for each in entry.sent if each.message == message.pk)
    assert str(sent.whom) == "you, by e-mail"
    assert str(sent.why) == Purpose.REMINDERS.label
    assert "your name and contact details" in [str(each) for each in sent.what]
    text = page(case.browser, "who_looked", show="sent")
    assert "Sent to you, by e-mail" in text
    assert (
        reverse("record:message", args=[message.pk])
        in case.browser.get(reverse("record:who_looked"), {"show": "sent"}).content.decode()
    )


def test_the_lines_can_be_narrowed_and_stay_so_from_page_to_page(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "PAGE", 2)
    for n in range(5):
        with acting(case.receptionist, f"patients.open{n}"):
            Patient.objects.get(pk=case.patient.pk)
    assert not log_of(case, show=looks.Show.SENT).entries
    changed = log_of(case, show=looks.Show.CHANGES)
    assert changed.entries
    assert all(Kind.READ not in entry.did for entry in changed.entries)
    looked = log_of(case, show=looks.Show.LOOKS)
    assert all(set(entry.did) == {Kind.READ} for entry in looked.entries)
    response = case.browser.get(reverse("record:who_looked"), {"show": "looks", "own": "yes"})
    assert re.search(r"\?show=looks&amp;own=yes&amp;before=\d+", response.content.decode())
    assert case.browser.get(reverse("record:who_looked"), {"show": "nonsense"}).status_code == 200


def test_it_takes_as_many_queries_however_long_the_story(
    case: Case, django_assert_max_num_queries: Any
) -> None:
    for n in range(20):
        with acting(case.receptionist, f"patients.open{n}"):
            Patient.objects.get(pk=case.patient.pk)
    factories.MessageFactory(patient=case.patient)
    send_due()
    with acting(case.actor, "test.read"):
        patient = selectors.own_patient(case.actor)
        with django_assert_max_num_queries(8):
            assert looks.page(case.actor, patient).entries
