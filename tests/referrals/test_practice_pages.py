"""The practice's pages: finding and adding patients, logging referrals; nothing for another practice."""

import datetime as dt

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.models import Event
from consent.actions import not_now
from pilot.access import Actor, Role, acting
from pilot.people.models import Patient
from referrals.models import Referral, Status
from tests import factories
from tests.forms import hidden_in, send

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

NEW = {
    "nhs_number": "999 123 4578",
    "given_name": "Nina",
    "family_name": "Newcomer",
    "date_of_birth_day": "27",
    "date_of_birth_month": "3",
    "date_of_birth_year": "1984",
}


def url(name: str, *rows: object) -> str:
    return reverse(f"referrals:{name}", args=[getattr(row, "pk", row) for row in rows])


def patients() -> list[Patient]:
    with acting(factories.TESTS, "test.looked"):
        return list(Patient.objects.order_by("created_at"))


def only_referral() -> Referral:
    with acting(factories.TESTS, "test.looked"):
        return Referral.objects.select_related("patient").get()


# --- Finding ---------------------------------------------------------------------------------------


def test_a_receptionist_starts_at_a_search_box_with_the_focus(desk: Client) -> None:
    page = desk.get(reverse("web:home"), follow=True)
    assert page.request["PATH_INFO"] == url("home")
    assert 'autofocus=""' in page.content.decode()
    assert "Add a patient" in page.content.decode()


def test_home_lists_the_newest_referrals_with_how_they_stand(desk: Client, pilot: factories.Pilot) -> None:
    factories.make_referral(factories.make_patient(pilot.practice, family_name="Firstly"))
    factories.make_referral(
        factories.make_patient(pilot.practice, family_name="Lastly"), status=Status.WAITING
    )
    text = desk.get(url("home")).content.decode()
    assert text.index("Lastly") < text.index("Firstly")
    assert "Waiting for a coach" in text
    assert "Waiting for the patient&#39;s decision" in text


@pytest.mark.parametrize("name", ["home", "patients"])
def test_a_list_takes_as_many_queries_for_one_row_as_for_thirty(
    desk: Client, pilot: factories.Pilot, name: str
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert desk.get(url(name)).status_code == 200
        return len(captured)

    factories.make_referral(factories.make_patient(pilot.practice))
    desk.get(url(name))
    with_one = queries()
    for _ in range(29):
        factories.make_referral(factories.make_patient(pilot.practice))
    assert queries() == with_one


def test_home_is_paged(desk: Client, pilot: factories.Pilot) -> None:
    for _ in range(26):
        factories.make_referral(factories.make_patient(pilot.practice))
    page = desk.get(url("home")).content.decode()
    assert page.count("pilot-pair__strong") == 25
    assert "after=" in page


@pytest.mark.parametrize(
    "text", ["999 000 3211", "Oa", "olive oakes", "27/03/1984", "1984-03-27", "K7M-2QX", "k7m 2qx"]
)
def test_a_patient_is_found_by_number_name_birthday_or_reference(
    desk: Client, pilot: factories.Pilot, text: str
) -> None:
    patient = factories.make_patient(
        pilot.practice,
        given_name="Olive",
        family_name="Oakes",
        nhs_number="9990003211",
        date_of_birth=dt.date(1984, 3, 27),
    )
    factories.make_patient(pilot.practice, family_name="Somebody", given_name="Else")
    factories.make_referral(patient, reference="K7M-2QX")
    page = desk.post(url("patients"), {"search": text}, follow=True).content.decode()
    assert "Olive Oakes" in page
    assert "Somebody" not in page


def test_what_was_searched_for_stands_in_no_address(desk: Client) -> None:
    page = desk.post(url("patients"), {"search": "Oakes"}, follow=True)
    assert "Oakes" not in page.request["QUERY_STRING"]


@pytest.mark.parametrize(
    ("typed", "values"),
    [
        ("Nina de Souza 27/3/1984", ["Souza", "Nina de", "1984"]),
        ("9990003211", ["999 000 3211"]),
        ("Souza 12345", ["Souza"]),
        ("12345", []),
    ],
)
def test_one_who_is_not_found_is_added_with_what_was_typed(
    desk: Client, typed: str, values: list[str]
) -> None:
    page = desk.post(url("patients"), {"search": typed}, follow=True)
    link = next(
        part for part in page.content.decode().split('"') if part.startswith(url("patient-add") + "?")
    )
    form = desk.get(link.replace("&amp;", "&")).content.decode()
    for value in values:
        assert f'value="{value}"' in form


def test_the_list_says_what_to_do_next(desk: Client, pilot: factories.Pilot) -> None:
    factories.make_patient(pilot.practice, family_name="Aaron")
    factories.make_referral(factories.make_patient(pilot.practice, family_name="Boone"))
    later = factories.make_patient(pilot.practice, family_name="Cole")
    not_now(later, by=factories.patient_actor(later))
    page = desk.get(url("patients")).content.decode()
    assert page.count("Log a referral") == page.count("Open the referral") == 1
    assert "Not to be raised before" in page


# --- Adding ----------------------------------------------------------------------------------------


def test_adding_a_patient_leads_to_logging_the_referral(desk: Client) -> None:
    page = send(desk, url("patient-add"), **NEW)
    [patient] = patients()
    assert (patient.given_name, patient.nhs_number, patient.message_is_safe) == ("Nina", "9991234578", False)
    assert page.request["PATH_INFO"] == url("log", patient)


def test_an_unknown_number_is_said_to_be_unknown(desk: Client) -> None:
    without = {**NEW, "nhs_number": ""}
    page = send(desk, url("patient-add"), **without)
    assert page.status_code == 422
    assert "NHS number not known" in page.content.decode()
    send(desk, url("patient-add"), **without, nhs_number_unknown="on")
    assert patients()[0].nhs_number is None


def test_a_number_cannot_be_given_and_unknown(desk: Client) -> None:
    assert send(desk, url("patient-add"), **NEW, nhs_number_unknown="on").status_code == 422


def test_somebody_under_16_is_not_added(desk: Client) -> None:
    page = send(desk, url("patient-add"), **{**NEW, "date_of_birth_year": "2024"})
    assert page.status_code == 422
    assert "aged 16 and over" in page.content.decode()
    assert not patients()


def test_likely_duplicates_are_shown_before_anything_is_saved(desk: Client, pilot: factories.Pilot) -> None:
    there = factories.make_patient(
        pilot.practice, given_name="Nan", family_name="newcomer", date_of_birth=dt.date(1984, 3, 27)
    )
    page = send(desk, url("patient-add"), **NEW)
    text = page.content.decode()
    assert page.status_code == 422
    assert len(patients()) == 1
    assert "Somebody here may be the same person" in text
    assert url("patient", there) in text
    assert 'value="Nina"' in text

    again = desk.post(url("patient-add"), {**hidden_in(page), **NEW, "is_somebody_else": "on"}, follow=True)
    assert again.status_code == 200
    assert len(patients()) == 2


def test_the_same_nhs_number_is_never_somebody_else(desk: Client, pilot: factories.Pilot) -> None:
    there = factories.make_patient(pilot.practice, nhs_number="9991234578")
    page = send(desk, url("patient-add"), **NEW, is_somebody_else="on")
    text = page.content.decode()
    assert page.status_code == 422
    assert url("patient", there) in text
    assert "None of these is the person" not in text
    assert len(patients()) == 1


def test_another_practices_patient_is_never_shown_as_a_duplicate(
    desk: Client, pilot: factories.Pilot
) -> None:
    factories.make_patient(
        pilot.other_practice,
        family_name="Newcomer",
        nhs_number="9991234578",
        date_of_birth=dt.date(1984, 3, 27),
    )
    page = send(desk, url("patient-add"), **NEW)
    assert page.status_code == 200
    assert "may be the same" not in page.content.decode()


# --- A patient -------------------------------------------------------------------------------------


def test_needs_are_flagged_wherever_the_record_is_open(desk: Client, pilot: factories.Pilot) -> None:
    patient = factories.make_patient(pilot.practice, needs=["large_print"], needs_note="Size 18")
    referral = factories.make_referral(patient)
    for address in (url("patient", patient), url("referral", referral)):
        page = desk.get(address).content.decode()
        assert "Needs to know about" in page
        assert "Large print" in page
        assert "Size 18" in page


CHANGED = {
    "nhs_number_unknown": "",
    "given_name": "Amina",
    "family_name": "Changed",
    "date_of_birth": "1/1/1980",
    "needs": ["quiet_room"],
    "message_is_safe": "yes",
}


def test_details_are_corrected(desk: Client, patient: Patient) -> None:
    page = send(desk, url("patient-edit", patient), **CHANGED, nhs_number=patient.nhs_number)
    assert "Details saved" in page.content.decode()
    [changed] = patients()
    assert (changed.family_name, changed.needs, changed.message_is_safe) == ("Changed", ["quiet_room"], True)


def test_a_stale_change_is_answered_409_with_what_was_written(desk: Client, patient: Patient) -> None:
    before = desk.get(url("patient-edit", patient))
    send(desk, url("patient-edit", patient), **CHANGED, nhs_number=patient.nhs_number)
    theirs = {**CHANGED, "family_name": "Mine", "nhs_number": patient.nhs_number}
    page = desk.post(url("patient-edit", patient), {**hidden_in(before), **theirs})
    text = page.content.decode()
    assert page.status_code == 409
    assert 'value="Mine"' in text
    assert "Changed" in text
    assert patients()[0].family_name == "Changed"


def test_correcting_to_a_number_that_another_patient_has_is_refused(
    desk: Client, patient: Patient, pilot: factories.Pilot
) -> None:
    other = factories.make_patient(pilot.practice)
    page = send(desk, url("patient-edit", patient), **CHANGED, nhs_number=other.nhs_number)
    assert page.status_code == 422
    assert "has this NHS number already" in page.content.decode()


# --- Logging ---------------------------------------------------------------------------------------


def test_a_referral_is_logged_on_one_page(desk: Client, patient: Patient) -> None:
    page = send(
        desk,
        url("log", patient),
        reasons=["find_work", "training"],
        own_words="Something with plants.",
        best_times=["saturday"],
        needs=["interpreter"],
        needs_note="Somali",
    )
    referral = only_referral()
    text = page.content.decode()
    assert page.request["PATH_INFO"] == url("referral", referral)
    assert referral.reasons == ["find_work", "training"]
    assert referral.patient.needs == ["interpreter"]
    assert "Record what they say now" in text
    assert reverse("consent:record", args=[patient.pk]) in text
    assert url("invite", referral) in text


def test_a_referral_needs_a_reason(desk: Client, patient: Patient) -> None:
    page = send(desk, url("log", patient), own_words="Anything")
    assert page.status_code == 422
    assert "Choose at least one reason" in page.content.decode()
    assert "Anything" in page.content.decode()


def test_logging_for_somebody_who_has_one_opens_it(desk: Client, patient: Patient) -> None:
    referral = factories.make_referral(patient)
    assert desk.get(url("log", patient)).headers["Location"] == url("referral", referral)


def test_nobody_raises_it_for_now_but_the_patient_may_ask(desk: Client, patient: Patient) -> None:
    not_now(patient, by=factories.patient_actor(patient))
    page = send(desk, url("log", patient), reasons=["find_work"])
    assert page.status_code == 422
    assert "Nobody raises coaching with them before" in page.content.decode()
    send(desk, url("log", patient), reasons=["find_work"], patient_asked="on")
    assert only_referral().status == Status.AWAITING_DECISION


def test_a_form_sent_twice_logs_one_referral(desk: Client, patient: Patient) -> None:
    filled = {**hidden_in(desk.get(url("log", patient))), "reasons": ["find_work"]}
    first, second = (desk.post(url("log", patient), filled) for _ in range(2))
    assert first.headers["Location"] == second.headers["Location"] == url("referral", only_referral())


# --- Pausing and ending ----------------------------------------------------------------------------


def test_the_practice_pauses_goes_on_and_ends(desk: Client, pilot: factories.Pilot, coach: Actor) -> None:
    referral = factories.make_case(pilot, coach)
    assert "Cole Coach" in desk.get(url("referral", referral)).content.decode()
    send(desk, url("pause", referral))
    assert only_referral().status == Status.PAUSED
    send(desk, url("resume", referral))
    assert only_referral().status == Status.WITH_COACH
    page = send(desk, url("end", referral), ending="health_first")
    assert only_referral().ending == "health_first"
    assert "Health care comes first for now" in page.content.decode()


def test_a_stale_ending_is_answered_409(desk: Client, pilot: factories.Pilot, coach: Actor) -> None:
    referral = factories.make_case(pilot, coach)
    before = desk.get(url("end", referral))
    send(desk, url("pause", referral))
    page = desk.post(url("end", referral), {**hidden_in(before), "ending": "moved"})
    assert page.status_code == 409
    # It says so, and not that what was asked for is what is saved.
    assert "Nothing was done" in page.content.decode()
    assert "the same as what is saved" not in page.content.decode()
    assert only_referral().status == Status.PAUSED


def test_a_coach_ends_it_with_the_red_button_in_sight(pilot: factories.Pilot, coach: Actor) -> None:
    referral = factories.make_case(pilot, coach)
    browser = factories.sign_in(Client(), coach)
    assert "Someone is in distress" in browser.get(url("end", referral)).content.decode()
    page = send(browser, url("end", referral), ending="support_complete")
    assert page.status_code == 200
    assert browser.get(url("end", referral)).status_code == 404


# --- Who may not -----------------------------------------------------------------------------------

OF_A_PATIENT = ("patient", "patient-edit", "log")
OF_A_REFERRAL = ("referral", "invite", "pause", "resume", "end")


@pytest.mark.parametrize("name", OF_A_PATIENT)
def test_another_practices_patient_is_not_there(elsewhere: Client, patient: Patient, name: str) -> None:
    assert elsewhere.get(url(name, patient)).status_code == 404


@pytest.mark.parametrize("name", OF_A_REFERRAL)
def test_another_practices_referral_is_not_there(elsewhere: Client, patient: Patient, name: str) -> None:
    assert elsewhere.get(url(name, factories.make_referral(patient))).status_code == 404


def test_lists_and_search_show_nothing_of_another_practice(elsewhere: Client, patient: Patient) -> None:
    factories.make_referral(patient)
    for page in (
        elsewhere.get(url("home")),
        elsewhere.get(url("patients")),
        elsewhere.post(url("patients"), {"search": patient.nhs_number}, follow=True),
    ):
        assert patient.family_name not in page.content.decode()


@pytest.mark.parametrize(
    "role", [role for role in Role if role not in (Role.RECEPTIONIST, Role.CLINICIAN, Role.SYSTEM)]
)
def test_no_other_role_opens_the_practices_pages(
    pilot: factories.Pilot, patient: Patient, role: Role
) -> None:
    referral = factories.make_referral(patient)
    actor = (
        factories.patient_actor(patient)
        if role is Role.PATIENT
        else factories.make_staff_of_every_role(pilot)[role]
    )
    browser = factories.sign_in(Client(), actor)
    for address in (
        url("home"),
        url("patients"),
        url("patient-add"),
        *(url(name, patient) for name in OF_A_PATIENT),
        *(url(name, referral) for name in ("referral", "invite")),
    ):
        assert browser.get(address).status_code in (403, 404), address


def test_a_visitor_is_sent_to_sign_in(client: Client, patient: Patient) -> None:
    for address in (url("home"), url("patients"), url("patient", patient)):
        assert client.get(address).headers["Location"].startswith(reverse("account_login"))


def test_opening_a_patient_leaves_a_look_and_a_refusal_leaves_one_too(
    desk: Client, elsewhere: Client, patient: Patient, pilot: factories.Pilot
) -> None:
    desk.get(url("patient", patient))
    elsewhere.get(url("patient", patient))
    guardian = factories.make_staff(Role.CALDICOTT_GUARDIAN, pilot.office)
    with acting(guardian, "test.looked"):
        kinds = list(Event.objects.filter(action="referrals.patient").values_list("kind", flat=True))
    assert sorted(kinds) == ["read", "refused"]
