"""The patient's page of who looked at their record and who changed it."""

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import Kind
from pilot.access import Role, acting
from pilot.people.models import Patient
from pilot.record import looks, selectors
from referrals.models import ClinicalNote
from referrals.notes.actions import withhold_note
from referrals.notes.policies import Grounds
from tests import factories
from tests.log import events
from tests.record.cases import Case
from tests.record.test_own_pages import page

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
            ["your name and contact details", "how things stand: referral, sessions, goals or messages"],
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
