"""Answering and stopping on one's own pages."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from coaching.models import Session, SessionStatus
from consent.models import Decision, InformationSheet, Purpose, Receipt
from consent.policies import holds
from pilot.access import acting
from pilot.outbox.models import Message
from pilot.people.models import Patient
from referrals.models import Referral, Status
from tests import factories
from tests.factories import TESTS
from tests.record.cases import Case
from tests.record.test_own_pages import page

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

ALL_YES = {purpose.value: "yes" for purpose in Purpose} | {"freely_given": "on"}


def send(browser: Client, address: str, **data: str) -> Any:
    html = browser.get(address).content.decode()
    for name in ("form_key", "version"):
        if f'name="{name}" value="' in html:
            data.setdefault(name, html.split(f'name="{name}" value="')[1].split('"')[0])
    return browser.post(address, data)


def decisions(patient: Patient) -> dict[str, str]:
    with acting(TESTS, "test.read"):
        return {
            each.purpose: each.answer
            for each in Decision.objects.filter(patient=patient).order_by("created_at")
        }


def standing_for(patient: Patient) -> set[Purpose]:
    with acting(TESTS, "test.read"):
        return {purpose for purpose in Purpose if holds(patient.pk, purpose)}


@pytest.fixture
def sheet() -> InformationSheet:
    return factories.make_sheet()


@pytest.fixture
def undecided(sheet: InformationSheet) -> Patient:
    patient = factories.make_patient(factories.make_pilot().practice, account=True)
    factories.make_referral(patient)
    return patient


@pytest.fixture
def browser(undecided: Patient) -> Client:
    return factories.sign_in(Client(), factories.patient_actor(undecided))


def answer_page(sheet: InformationSheet) -> str:
    return reverse("record:answer", args=[sheet.pk])


def test_nothing_is_answered_beforehand(browser: Client, sheet: InformationSheet) -> None:
    html = browser.get(answer_page(sheet)).content.decode()
    assert "checked" not in html
    assert html.count('type="radio"') == 2 * len(Purpose)


def test_the_questions_name_who_asks_who_employs_the_coaches_and_who_pays(
    browser: Client, undecided: Patient, sheet: InformationSheet
) -> None:
    payer = factories.make_organisation(factories.Kind.COMMISSIONER, name="Invented Care Board")
    provider = undecided.practice.served_by
    assert provider is not None
    text = browser.get(reverse("record:answer", args=[sheet.pk])).content.decode()
    for name in (undecided.practice.name, provider.name, payer.name):
        assert name in text


def test_yes_to_what_is_needed_begins_and_names_the_sheet(
    browser: Client, undecided: Patient, sheet: InformationSheet
) -> None:
    answers = {**ALL_YES, "contact_employers": "no"}
    answer = send(browser, answer_page(sheet), **answers)
    assert answer.status_code == 302, answer.content.decode()[-4000:]
    assert decisions(undecided) == {
        "take_part": "given", "share_with_coach": "given", "reminders": "given",
        "contact_employers": "refused", "evaluation": "given",
    }  # fmt: skip
    with acting(TESTS, "test.read"):
        assert {each.sheet_id for each in Decision.objects.filter(patient=undecided)} == {sheet.pk}
        assert Referral.objects.get(patient=undecided).status == Status.WAITING
    assert "You said yes to" in browser.get(answer.url).content.decode()


def test_no_to_what_is_needed_is_kept_as_not_now_and_nothing_else(
    browser: Client, undecided: Patient, sheet: InformationSheet
) -> None:
    answer = send(browser, answer_page(sheet), take_part="no")
    assert answer.url == reverse("record:not_now_said")
    assert decisions(undecided) == {}
    with acting(TESTS, "test.read"):
        assert not Receipt.objects.filter(patient=undecided).exists()
        assert Patient.objects.get(pk=undecided.pk).do_not_raise_until is not None
    assert "Nobody will bring this up before" in page(browser, "home")


def test_not_now_from_the_reading_page_is_one_button(browser: Client, undecided: Patient) -> None:
    assert send(browser, reverse("record:not_now")).url == reverse("record:not_now_said")
    assert decisions(undecided) == {}


def test_the_patient_can_come_back_after_not_now(
    browser: Client, undecided: Patient, sheet: InformationSheet
) -> None:
    send(browser, reverse("record:not_now"))
    assert send(browser, answer_page(sheet), **ALL_YES).status_code == 302
    assert standing_for(undecided) == set(Purpose)


def test_a_yes_needs_the_statement_and_keeps_what_was_answered(
    browser: Client, undecided: Patient, sheet: InformationSheet
) -> None:
    answers = {name: value for name, value in ALL_YES.items() if name != "freely_given"}
    answer = send(browser, answer_page(sheet), **answers)
    assert answer.status_code == 422
    assert answer.content.decode().count("checked") == len(Purpose)
    assert decisions(undecided) == {}


def test_answers_given_on_two_devices_keep_the_first_and_show_the_second_what_stands(
    browser: Client, undecided: Patient, sheet: InformationSheet
) -> None:
    html = browser.get(answer_page(sheet)).content.decode()
    stale = {name: html.split(f'name="{name}" value="')[1].split('"')[0] for name in ("form_key", "version")}
    send(browser, answer_page(sheet), **ALL_YES)
    answer = browser.post(answer_page(sheet), {**ALL_YES, "reminders": "no", **stale})
    assert answer.status_code == 409
    assert standing_for(undecided) == set(Purpose)


def test_a_sheet_that_was_replaced_has_to_be_read_again(
    browser: Client, undecided: Patient, sheet: InformationSheet
) -> None:
    html = browser.get(answer_page(sheet)).content.decode()
    kept = {name: html.split(f'name="{name}" value="')[1].split('"')[0] for name in ("form_key", "version")}
    factories.make_sheet(text="Something important is different.")
    answer = browser.post(answer_page(sheet), {**ALL_YES, **kept})
    assert answer.status_code == 422
    assert decisions(undecided) == {}


def test_a_sheet_that_does_not_exist_is_not_there(browser: Client, sheet: InformationSheet) -> None:
    assert browser.get(reverse("record:answer", args=[sheet.pk + 999])).status_code == 404


def test_the_sheet_comes_in_the_format_that_suits(undecided: Patient, sheet: InformationSheet) -> None:
    factories.make_sheet(format=InformationSheet.Format.EASY_READ, text="Easy words.", version=sheet.version)
    patient = factories.make_patient(undecided.practice, account=True, needs=["easy_read"])
    browser = factories.sign_in(Client(), factories.patient_actor(patient))
    assert "Easy words." in page(browser, "read")
    assert "It is up to you." in page(browser, "read", format="plain")
    assert "Easy words." in page(browser, "read", format="braille")


def test_stopping_is_two_clicks_from_any_page_and_ends_everything(case: Case) -> None:
    browser = case.browser
    confirmation = page(browser, "stop")
    assert "Your coaching stops." in confirmation
    assert "What is kept, and why" in confirmation
    answer = send(browser, reverse("record:stop"))
    assert answer.status_code == 302
    receipt = browser.get(answer.url).content.decode()
    assert "What has stopped now" in receipt
    assert "What is kept, and why" in receipt
    assert standing_for(case.patient) == set()
    with acting(TESTS, "test.read"):
        assert Referral.objects.get(pk=case.referral.pk).status == Status.ENDED
        assert not Session.objects.filter(patient=case.patient, status=SessionStatus.BOOKED).exists()
    with acting(case.coach, "test.read"):
        assert not Patient.objects.filter(pk=case.patient.pk).exists()


def test_looking_at_the_confirmation_changes_nothing(case: Case) -> None:
    page(case.browser, "stop")
    page(case.browser, "stop_one", "reminders")
    assert standing_for(case.patient) == {Purpose.TAKE_PART, Purpose.SHARE_WITH_COACH, Purpose.REMINDERS}


def test_stopping_twice_says_that_there_is_nothing_to_stop(case: Case) -> None:
    browser = case.browser
    html = browser.get(reverse("record:stop")).content.decode()
    key = html.split('name="form_key" value="')[1].split('"')[0]
    other_tab = browser.get(reverse("record:stop")).content.decode()
    other_key = other_tab.split('name="form_key" value="')[1].split('"')[0]
    first = browser.post(reverse("record:stop"), {"form_key": key})
    assert browser.post(reverse("record:stop"), {"form_key": key}).url == first.url
    answer = browser.post(reverse("record:stop"), {"form_key": other_key})
    assert answer.status_code == 422
    assert "There is nothing to stop." in answer.content.decode()


def test_a_single_purpose_can_be_stopped_and_the_rest_goes_on(case: Case) -> None:
    browser = case.browser
    factories.MessageFactory(patient=case.patient, purpose=Purpose.REMINDERS)
    assert "1 message that is waiting" in page(browser, "stop_one", "reminders")
    answer = send(browser, reverse("record:stop_one", args=["reminders"]))
    assert answer.status_code == 302
    assert standing_for(case.patient) == {Purpose.TAKE_PART, Purpose.SHARE_WITH_COACH}
    with acting(TESTS, "test.read"):
        assert Referral.objects.get(pk=case.referral.pk).status == Status.WITH_COACH
        stopped = Message.objects.filter(patient=case.patient, purpose=Purpose.REMINDERS)
        assert {message.status for message in stopped} == {Message.Status.STOPPED}


@pytest.mark.parametrize("purpose", ["take_part", "share_with_coach", "jobcentre", "x"])
def test_what_everything_rests_on_or_is_no_purpose_has_no_page_of_its_own(case: Case, purpose: str) -> None:
    page(case.browser, "stop_one", purpose, status=404)


def test_the_coachs_next_click_finds_nothing(case: Case) -> None:
    coach = factories.sign_in(Client(), case.coach)
    address = reverse("coaching:person", args=[case.referral.pk])
    assert coach.get(address).status_code == 200
    send(case.browser, reverse("record:stop"))
    assert coach.get(address).status_code == 404


def test_staff_cannot_answer_or_stop_here(case: Case, sheet: InformationSheet) -> None:
    for staff in (case.coach, case.receptionist, case.clinician):
        browser = factories.sign_in(Client(), staff)
        for address in (reverse("record:stop"), answer_page(sheet), reverse("record:not_now")):
            assert browser.post(address).status_code == 403
    assert Purpose.TAKE_PART in standing_for(case.patient)


def test_what_was_agreed_shows_what_was_shown_and_every_earlier_answer(case: Case) -> None:
    send(case.browser, reverse("record:stop_one", args=["reminders"]))
    text = page(case.browser, "consent")
    assert "Not now: it has stopped" in text
    assert "Send me reminders of sessions – Withdrawn" in text
    assert "What you were shown" in text
    assert "What you stopped" in text
