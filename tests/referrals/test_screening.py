"""Clinical content in boxes that a coach can read: asked about before it is saved; what is answered is recorded."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from pilot.access import Actor
from pilot.people.models import Patient
from referrals.models import ClinicalNote, Referral
from referrals.screening.models import OwnWords
from tests import factories
from tests.forms import hidden_in, send
from tests.referrals.screened import CLINICAL, REWORDED, again, held_in, rows, tick_in

pytestmark = pytest.mark.django_db(databases=["default", "owner"])


@pytest.fixture
def surgery(clinician: Actor) -> Client:
    return factories.sign_in(Client(), clinician)


# --- The dialogue ----------------------------------------------------------------------------------


def test_the_form_comes_back_with_everything_and_says_which_words(
    desk: Client, patient: Patient, receptionist: Actor
) -> None:
    address = reverse("referrals:log", args=[patient.pk])
    page = send(desk, address, reasons=["find_work", "training"], own_words=CLINICAL, best_times=["saturday"])
    html = unescape(page.content.decode())
    assert page.status_code == 422
    assert CLINICAL in html
    for words, kind in (("sertraline", "a medicine"), ("50 mg", "a dose")):
        assert re.search(rf"<strong[^>]*>{words}</strong> \({kind}\)", html)
    assert "A coach can read this" in html
    assert 'href="#id_own_words"' in html
    for ticked in ("find_work", "training", "saturday"):
        assert re.search(rf'value="{ticked}"[^>]* checked', html)
    assert rows(Referral, receptionist) == []
    assert rows(OwnWords, receptionist) == []


def test_other_words_are_saved_without_more_ado(desk: Client, patient: Patient, receptionist: Actor) -> None:
    address = reverse("referrals:log", args=[patient.pk])
    page = send(desk, address, reasons=["find_work"], own_words=CLINICAL)
    again(desk, address, page, reasons=["find_work"], own_words=REWORDED)
    [referral] = rows(Referral, receptionist)
    assert referral.own_words == REWORDED
    assert rows(OwnWords, receptionist) == []


def test_the_patients_own_words_and_wish_are_saved_and_that_is_recorded_without_the_words(
    desk: Client, patient: Patient, receptionist: Actor
) -> None:
    address = reverse("referrals:log", args=[patient.pk])
    page = send(desk, address, reasons=["find_work"], own_words=CLINICAL)
    again(desk, address, page, reasons=["find_work"], own_words=CLINICAL, **tick_in(page, "own_words"))
    [referral] = rows(Referral, receptionist)
    assert referral.own_words == CLINICAL
    [said] = rows(OwnWords, receptionist)
    assert (said.patient_id, said.practice_id, said.confirmed_by_id) == (
        patient.pk,
        patient.practice_id,
        receptionist.user_id,
    )
    assert (said.box, said.kinds) == ("referrals.Referral.own_words", ["dose", "medicine"])
    assert "sertraline" not in str(vars(said))


def test_a_tick_is_good_for_the_very_words_that_were_shown(
    desk: Client, patient: Patient, receptionist: Actor
) -> None:
    address = reverse("referrals:log", args=[patient.pk])
    page = send(desk, address, reasons=["find_work"], own_words=CLINICAL)
    tick = tick_in(page, "own_words")
    changed = CLINICAL.replace("sertraline", "olanzapine")
    page = again(desk, address, page, reasons=["find_work"], own_words=changed, **tick)
    assert page.status_code == 422
    assert "olanzapine" in page.content.decode()
    assert rows(Referral, receptionist) == []
    # Nor in another box.
    moved = again(
        desk,
        address,
        page,
        reasons=["find_work"],
        needs_note=CLINICAL,
        own_words_of_needs_note=tick["own_words_of_own_words"],
    )
    assert moved.status_code == 422
    assert (
        again(
            desk, address, moved, reasons=["find_work"], own_words=CLINICAL, own_words_of_own_words="on"
        ).status_code
        == 422
    )


def test_a_tick_is_good_for_the_person_who_was_asked_and_the_patient_it_was_about(
    pilot: factories.Pilot, desk: Client, surgery: Client, patient: Patient, receptionist: Actor
) -> None:
    another = factories.make_patient(pilot.practice)
    there, elsewhere = (reverse("referrals:log", args=[each.pk]) for each in (patient, another))
    fields = {"reasons": ["find_work"], "own_words": CLINICAL}
    tick = tick_in(send(desk, there, **fields), "own_words")
    # The same words about somebody else, and by somebody else about the same patient.
    for browser, address in ((desk, elsewhere), (surgery, there)):
        assert send(browser, address, **fields, **tick).status_code == 422
    assert rows(Referral, receptionist) == rows(OwnWords, receptionist) == []
    assert send(desk, there, **fields, **tick).status_code == 200
    assert [each.patient_id for each in rows(OwnWords, receptionist)] == [patient.pk]


def test_a_tick_stays_while_something_else_is_put_right(
    desk: Client, patient: Patient, receptionist: Actor
) -> None:
    address = reverse("referrals:log", args=[patient.pk])
    page = send(desk, address, own_words=CLINICAL, needs_note="Has asthma")
    page = again(
        desk, address, page, own_words=CLINICAL, needs_note="Has asthma", **tick_in(page, "own_words")
    )
    assert page.status_code == 422
    html = page.content.decode()
    assert re.search(r'name="own_words_of_own_words" type="checkbox" value="[0-9a-f]+" checked', html)
    assert not re.search(r'name="own_words_of_needs_note" type="checkbox" value="[0-9a-f]+" checked', html)
    both = tick_in(page, "own_words") | tick_in(page, "needs_note")
    again(desk, address, page, reasons=["find_work"], own_words=CLINICAL, needs_note="Has asthma", **both)
    assert sorted(said.box for said in rows(OwnWords, receptionist)) == [
        "people.Patient.needs_note",
        "referrals.Referral.own_words",
    ]


def test_sent_twice_it_is_saved_and_recorded_once(
    desk: Client, patient: Patient, receptionist: Actor
) -> None:
    address = reverse("referrals:log", args=[patient.pk])
    page = send(desk, address, reasons=["find_work"], own_words=CLINICAL)
    fields = {
        **hidden_in(page),
        "reasons": ["find_work"],
        "own_words": CLINICAL,
        **tick_in(page, "own_words"),
    }
    first, second = (desk.post(address, fields) for _ in range(2))
    assert (first.status_code, first.url) == (second.status_code, second.url) == (302, first.url)
    assert len(rows(Referral, receptionist)) == len(rows(OwnWords, receptionist)) == 1


# --- A clinician moves it to a note ----------------------------------------------------------------


def test_a_clinician_moves_the_words_to_a_clinical_note_with_one_click(
    surgery: Client, patient: Patient, clinician: Actor
) -> None:
    address = reverse("referrals:log", args=[patient.pk])
    page = send(surgery, address, reasons=["find_work"], own_words=CLINICAL)
    assert 'name="move_to_note" value="own_words"' in page.content.decode()
    fields = {
        **hidden_in(page),
        **held_in(page, "own_words"),
        "reasons": ["find_work"],
        "own_words": CLINICAL,
        "move_to_note": "own_words",
    }
    assert [surgery.post(address, fields).status_code for _ in range(2)] == [302, 302]
    [referral] = rows(Referral, clinician)
    assert referral.own_words == ""
    [note] = rows(ClinicalNote, clinician)
    assert (note.text, note.author_id, note.patient_id, note.withheld_at) == (
        CLINICAL,
        clinician.user_id,
        patient.pk,
        None,
    )
    assert rows(OwnWords, clinician) == []


@pytest.mark.parametrize("held", ["sertraline " * 5000, "sertraline\x00"])
def test_a_note_gets_nothing_that_the_box_could_not_hold(
    surgery: Client, patient: Patient, clinician: Actor, held: str
) -> None:
    address = reverse("referrals:log", args=[patient.pk])
    page = send(surgery, address, reasons=["find_work"], own_words=CLINICAL)
    fields = {
        "reasons": ["find_work"],
        "own_words": CLINICAL,
        "held_own_words": held,
        "move_to_note": "own_words",
    }
    again(surgery, address, page, **fields)
    assert [note.text for note in rows(ClinicalNote, clinician)] == [CLINICAL]


def test_what_was_found_goes_to_the_note_and_the_new_words_stay_in_the_box(
    surgery: Client, patient: Patient, clinician: Actor
) -> None:
    address = reverse("referrals:log", args=[patient.pk])
    page = send(surgery, address, reasons=["find_work"], own_words=CLINICAL)
    kept = held_in(page, "own_words")
    still = again(
        surgery,
        address,
        page,
        reasons=["find_work"],
        own_words="He has asthma.",
        move_to_note="own_words",
        **kept,
    )
    assert still.status_code == 422
    assert rows(ClinicalNote, clinician) == []
    assert held_in(still, "own_words") == kept
    again(surgery, address, page, reasons=["find_work"], own_words=REWORDED, move_to_note="own_words", **kept)
    [referral], [note] = rows(Referral, clinician), rows(ClinicalNote, clinician)
    assert (referral.own_words, note.text) == (REWORDED, CLINICAL)


def test_nothing_goes_to_a_note_while_something_else_is_wrong(
    surgery: Client, patient: Patient, clinician: Actor
) -> None:
    address = reverse("referrals:log", args=[patient.pk])
    page = send(surgery, address, reasons=["find_work"], own_words=CLINICAL)
    back = again(
        surgery, address, page, own_words=CLINICAL, move_to_note="own_words", **held_in(page, "own_words")
    )
    assert back.status_code == 422
    assert CLINICAL in unescape(back.content.decode())
    assert 'name="move_to_note"' in back.content.decode()
    assert rows(ClinicalNote, clinician) == []


# --- Lists -----------------------------------------------------------------------------------------


def test_a_row_of_an_uploaded_list_is_held_back_and_says_why(desk: Client, receptionist: Actor) -> None:
    content = (
        "given_name,family_name,date_of_birth,own_words\n"
        "Ann,Arbor,27/03/1984,Takes sertraline\nBo,Birch,1990-12-01,A garden\n"
    )
    page = send(desk, reverse("referrals:upload-list"), file=SimpleUploadedFile("list.csv", content.encode()))
    text = unescape(page.content.decode())
    assert "A coach can read this, and some words look medical: “sertraline” (a medicine)" in text
    assert rows(Referral, receptionist) == []
    address = page.redirect_chain[-1][0]
    again(desk, address, page)
    assert [referral.own_words for referral in rows(Referral, receptionist)] == ["A garden"]
