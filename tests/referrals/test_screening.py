"""Clinical content in boxes that a coach can read: asked about before it is saved; what is answered is recorded."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from django.apps import apps
from django.db import DatabaseError, models
from django.forms import Form
from django.test import Client
from django.urls import reverse

import coaching
import consent
import pilot.record
import referrals
from audit.models import Event
from audit.privacy import personal_models, privacy_of
from coaching.models import Goal, Session
from pilot.access import Actor, Role, acting
from pilot.access.roles import Permission, reach_of
from pilot.people.models import Patient
from pilot.web.fields import TextField
from referrals.models import ClinicalNote, Referral
from referrals.screening.forms import screened_forms
from referrals.screening.models import OwnWords
from tests import factories
from tests.coaching.case import Case, in_days, make_case
from tests.forms import hidden_in, send

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

CLINICAL = "I take sertraline 50 mg and would like to work with animals."
REWORDED = "I would like to work with animals, mornings only."
GOAL = "Work mornings although depression makes them slow."


@pytest.fixture
def surgery(clinician: Actor) -> Client:
    return factories.sign_in(Client(), clinician)


@pytest.fixture
def case(db: None) -> Case:
    return make_case()


@pytest.fixture
def coach_client(case: Case) -> Client:
    return factories.sign_in(Client(), case.coach)


def tick_in(page: Any, box: str) -> dict[str, str]:
    """The box "these are the patient's own words", ticked as this page offers it."""
    html = page.content.decode()
    [value] = re.findall(rf'name="own_words_of_{box}" type="checkbox" value="([0-9a-f]+)"', html)
    return {f"own_words_of_{box}": value}


def held_in(page: Any, box: str) -> dict[str, str]:
    [text] = re.findall(rf'name="held_{box}" value="([^"]*)"', page.content.decode())
    return {f"held_{box}": unescape(text)}


def again(browser: Client, address: str, page: Any, **fields: Any) -> Any:
    return browser.post(address, {**hidden_in(page), **fields}, follow=True)


def rows(model: type[models.Model], by: Actor) -> list[Any]:
    with acting(by, "test.looked"):
        return list(model._default_manager.all())


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
    both = tick_in_checked(html, "own_words") | tick_in(page, "needs_note")
    again(desk, address, page, reasons=["find_work"], own_words=CLINICAL, needs_note="Has asthma", **both)
    assert sorted(said.box for said in rows(OwnWords, receptionist)) == [
        "people.Patient.needs_note",
        "referrals.Referral.own_words",
    ]


def tick_in_checked(html: str, box: str) -> dict[str, str]:
    [value] = re.findall(rf'name="own_words_of_{box}" type="checkbox" value="([0-9a-f]+)"', html)
    return {f"own_words_of_{box}": value}


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


def test_nobody_but_a_clinician_is_offered_a_note_or_gets_one(
    desk: Client, patient: Patient, receptionist: Actor, clinician: Actor, case: Case, coach_client: Client
) -> None:
    forms = (
        (
            desk,
            reverse("referrals:log", args=[patient.pk]),
            {"reasons": ["find_work"], "own_words": CLINICAL},
            "own_words",
        ),
        (coach_client, reverse("coaching:add-goal", args=[case.referral.pk]), {"words": CLINICAL}, "words"),
    )
    for browser, address, fields, box in forms:
        page = send(browser, address, **fields)
        assert page.status_code == 422
        assert "move_to_note" not in page.content.decode()
        assert "clinical note" not in page.content.decode().lower()
        forged = browser.post(
            address, {**hidden_in(page), **held_in(page, box), **fields, "move_to_note": box, box: REWORDED}
        )
        assert forged.status_code == 403
    assert rows(ClinicalNote, clinician) == []
    assert rows(Referral, receptionist) == []
    assert rows(Goal, case.coach) == []


# --- Coaches' boxes --------------------------------------------------------------------------------


def test_every_box_of_a_coach_asks_and_takes_the_patients_word_for_it(
    case: Case, coach_client: Client
) -> None:
    session = factories.make_session(case.referral, case.coach, starts_at=in_days(-0.1))
    person = [case.referral.pk]
    booking = {
        "starts_on_day": "1", "starts_on_month": "6", "starts_on_year": str(in_days(400).year),
        "starts_at": "10:00", "minutes": "45", "place": "phone",
    }  # fmt: skip
    asked = (
        (reverse("coaching:add-goal", args=person), "words", {}),
        (reverse("coaching:book", args=person), "where", booking),
        (reverse("coaching:took-place", args=[session.pk]), "agreed", {}),
    )
    for address, box, more in asked:
        page = send(coach_client, address, **{**more, box: "Rest after the fluoxetine."})
        assert page.status_code == 422, address
        assert "fluoxetine" in page.content.decode()
        answer = {**more, box: "Rest after the fluoxetine.", **tick_in(page, box)}
        assert again(coach_client, address, page, **answer).status_code == 200
    boxes = ["coaching.Goal.words", "coaching.Session.agreed", "coaching.Session.where"]
    assert sorted(said.box for said in rows(OwnWords, case.coach)) == boxes
    assert {said.patient_id for said in rows(OwnWords, case.coach)} == {case.referral.patient_id}


def test_what_was_saved_before_is_not_asked_about_again(case: Case, coach_client: Client) -> None:
    goal = factories.GoalFactory(referral=case.referral, words=GOAL)
    address = reverse("coaching:goal", args=[goal.pk])
    assert send(coach_client, address, words=GOAL, standing="reached").status_code == 200
    [kept] = rows(Goal, case.coach)
    assert kept.reached_at
    assert send(coach_client, address, words=GOAL + " At last.", standing="reached").status_code == 422


def test_a_row_that_changed_meanwhile_is_shown_and_the_tick_still_stands(
    case: Case, coach_client: Client
) -> None:
    session = factories.make_session(case.referral, case.coach, status="held", agreed="A plan.")
    address = reverse("coaching:reword", args=[session.pk])
    page = send(coach_client, address, agreed=CLINICAL)
    with acting(case.coach, "test.changed", patients=[session.patient_id]):
        Session.objects.filter(pk=session.pk).update(agreed="Another plan.", version=2)
    stale = again(coach_client, address, page, agreed=CLINICAL, **tick_in(page, "agreed"))
    assert stale.status_code == 409
    assert "Another plan." in stale.content.decode()
    assert rows(OwnWords, case.coach) == []
    kept = tick_in_checked(stale.content.decode(), "agreed")
    assert "checked" in stale.content.decode()
    assert again(coach_client, address, stale, agreed=CLINICAL, **kept).status_code == 200
    [now] = rows(Session, case.coach)
    assert now.agreed == CLINICAL
    assert len(rows(OwnWords, case.coach)) == 1


def test_what_is_refused_for_another_reason_records_nothing(case: Case, coach_client: Client) -> None:
    """A session in the past: the action refuses it after the words were confirmed."""
    address = reverse("coaching:book", args=[case.referral.pk])
    taken = factories.make_session(case.referral, case.coach, starts_at=in_days(400))
    booking = {
        "starts_on_day": taken.starts_at.day, "starts_on_month": taken.starts_at.month,
        "starts_on_year": taken.starts_at.year, "starts_at": taken.starts_at.strftime("%H:%M"),
        "minutes": "45", "place": "phone", "where": "Insulin fridge at hand",
    }  # fmt: skip
    page = send(coach_client, address, **booking)
    back = again(coach_client, address, page, **booking, **tick_in(page, "where"))
    assert back.status_code == 422
    assert rows(OwnWords, case.coach) == []


def test_a_call_for_help_is_never_held_up(case: Case, coach_client: Client) -> None:
    send(coach_client, reverse("coaching:distress-of", args=[case.referral.pk]))
    address = coach_client.get(reverse("coaching:person", args=[case.referral.pk])).content.decode()
    [call] = set(re.findall(r"/coaching/calls/[0-9a-f-]+/", address))
    page = send(coach_client, call, safe_place="At home. Overdose of paracetamol.")
    assert page.status_code == 200
    assert "The clinicians can read it now" in page.content.decode()


# --- Who learns of it ------------------------------------------------------------------------------


def confirmed(case: Case, browser: Client) -> None:
    address = reverse("coaching:add-goal", args=[case.referral.pk])
    page = send(browser, address, words=GOAL)
    again(browser, address, page, words=GOAL, **tick_in(page, "words"))


def test_the_patient_reads_what_was_confirmed_in_their_name(case: Case, coach_client: Client) -> None:
    confirmed(case, coach_client)
    patient = factories.sign_in(Client(), factories.patient_actor(case.referral.patient))
    text = unescape(patient.get(reverse("record:own_words")).content.decode())
    assert "Cara Coach said that these were your own words." in text
    assert "They looked like a health condition." in text
    assert "depression" not in text.lower()
    assert "that words are your own" in patient.get(reverse("record:who_looked")).content.decode()
    somebody = factories.sign_in(
        Client(), factories.patient_actor(factories.make_patient(case.pilot.practice))
    )
    assert "Nobody has said this." in somebody.get(reverse("record:own_words")).content.decode()


def test_the_guardians_log_says_who_which_box_and_which_kinds(case: Case, coach_client: Client) -> None:
    confirmed(case, coach_client)
    guardian = factories.make_staff(Role.CALDICOTT_GUARDIAN, case.pilot.office)
    with acting(guardian, "test.looked"):
        event = Event.objects.get(relation="referrals_ownwords")
    assert (event.kind, event.actor, event.action) == (
        "created",
        str(case.coach.user_id),
        "own_words.confirmed",
    )
    assert event.reason == "coaching.Goal.words: diagnosis"
    page = factories.sign_in(Client(), guardian).get(reverse("audit:event", args=[event.pk])).content.decode()
    assert "coaching.Goal.words: diagnosis" in page
    assert "depression" not in page


def test_what_was_said_is_never_taken_back_or_altered(case: Case, coach_client: Client) -> None:
    confirmed(case, coach_client)
    for change in (
        lambda: OwnWords.objects.update(kinds=[]),
        lambda: OwnWords.objects.all().delete(),
    ):
        with (
            pytest.raises(DatabaseError),
            acting(case.coach, "test.tried", patients=[case.referral.patient_id]),
        ):
            change()


# --- Lists -----------------------------------------------------------------------------------------


def test_a_row_of_an_uploaded_list_is_held_back_and_says_why(desk: Client, receptionist: Actor) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

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


# --- No box is forgotten ---------------------------------------------------------------------------

# Columns of free text that a coach is shown, and why nobody is asked about what stands in them.
NAME = "a name"
REASONS = {
    "people.Patient.given_name": NAME,
    "people.Patient.family_name": NAME,
    "people.Patient.preferred_name": NAME,
    "people.Patient.pronouns": "forty letters, for pronouns",
    "people.Patient.language": "a language",
    "people.Patient.address": "an address: streets and postcodes look like codes",
    "people.Patient.phone": "digits",
    "people.Patient.email": "an address",
    "people.Patient.nhs_number": "digits",
    "referrals.Referral.reference": "made by the system",
    "consent.Decision.witness": "a name; on no page of a coach's",
    "consent.Decision.correction_reason": "no page writes it; on no page of a coach's",
    "consent.Receipt.lines": "sentences of the system's",
    "coaching.DistressCall.safe_place": "nothing may stand before a call for help",
    "referrals.OwnWords.box": "the name of a column",
}
# Boxes to type in, on forms of the apps that keep a coach's records, that are not screened: and why.
NOT_SCREENED = {
    "PatientForm": "names, address, language",
    "AddPatientForm": "names, address, language",
    "ChangePatientForm": "names, address, language; the note about needs is screened",
    "NoteForm": "a clinical note is where it belongs",
    "WithholdForm": "clinicians alone read it",
    "ReviewForm": "clinicians alone read it",
    "_IfWithheld": "the base of those two",
    "DetailsForm": "nothing may stand before a call for help",
    "InvitationForm": "a code",
    "AccountForm": "an address and a password",
    "StaffDecisionForm": "the name of a witness",
    "record.GoalForm": "patients choose what to tell; the page says that the coach can read it",
    "record.ChangeGoalForm": "patients choose what to tell; the page says that the coach can read it",
}


def free_text_that_a_coach_sees() -> Iterator[str]:
    for model in personal_models():
        if reach_of(Role.COACH, Permission(privacy_of(model).see)) is None:
            continue
        for field in model._meta.concrete_fields:
            if (
                isinstance(field, models.CharField | models.TextField | models.JSONField)
                and not field.choices
            ):
                yield f"{model._meta.label}.{field.name}"


def forms_of(package: Any) -> Iterator[type[Form]]:
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if module.name.endswith("forms"):
            found = importlib.import_module(module.name)
            yield from (
                each
                for each in vars(found).values()
                if isinstance(each, type) and issubclass(each, Form) and each.__module__ == module.name
            )


def test_every_free_text_that_a_coach_sees_is_screened_or_has_a_reason_not_to_be() -> None:
    screened = {column for form in screened_forms() for column in form.screened.values()}
    shown = set(free_text_that_a_coach_sees())
    assert screened | set(REASONS) == shown
    assert not screened & set(REASONS)
    assert {"referrals.Referral.own_words", "coaching.Session.agreed"} <= screened
    for column in screened:
        label, _dot, name = column.rpartition(".")
        apps.get_model(label)._meta.get_field(name)


@pytest.mark.parametrize(
    "package", [referrals, coaching, consent, pilot.record], ids=lambda package: package.__name__
)
def test_every_box_to_type_in_is_screened_or_has_a_reason_not_to_be(package: Any) -> None:
    for form in forms_of(package):
        typed = {
            name
            for name, field in form.base_fields.items()
            if type(field).__name__ in ("TextField", "TextAreaField")
        }
        left = typed - set(getattr(form, "screened", {}))
        place = f"{form.__module__.split('.')[-2]}.{form.__name__}"
        assert not left or form.__name__ in NOT_SCREENED or place in NOT_SCREENED, (form, left)
        assert set(getattr(form, "screened", {})) <= typed
        assert all(isinstance(form.base_fields[name], TextField) for name in typed)


def test_the_patients_page_has_a_name_for_every_box() -> None:
    from pilot.record.views import BOXES

    assert set(BOXES) == {column for form in screened_forms() for column in form.screened.values()}
