"""“This looks wrong”: a patient asks the guardian about a line of the log, and is answered by a day."""

import datetime as dt

import pytest
import time_machine
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import Event
from pilot.access import Actor, Role, acting
from pilot.outbox import wording
from pilot.outbox.models import Message
from pilot.people.models import Patient
from pilot.record import looks, selectors
from pilot.record.models import Kind, Request, Status
from pilot.record.requests.actions import answer_request, open_request
from pilot.record.requests.policies import MONTHS, clock, due_on, working_day_from
from tests import factories
from tests.forms import send
from tests.record.cases import Case
from tests.record.test_own_pages import page

pytestmark = pytest.mark.django_db(databases=["default", "owner"])


@pytest.fixture
def guardian(case: Case) -> Actor:
    return factories.make_staff(Role.CALDICOTT_GUARDIAN, case.pilot.office, name="Ada Guardian")


def newest(case: Case) -> int:
    with acting(case.actor, "test.read"):
        return looks.page(case.actor, selectors.own_patient(case.actor)).entries[0].key


def look_at(case: Case) -> int:
    """The receptionist opens the record; the key of that line."""
    with acting(case.receptionist, "patients.open"):
        Patient.objects.get(pk=case.patient.pk)
    return newest(case)


def requests_of(case: Case) -> list[Request]:
    with acting(case.actor, "test.read"):
        return list(Request.objects.visible_to(case.actor).order_by("opened_at"))


# --- Clocks ----------------------------------------------------------------------------------------


def noon(day: str) -> dt.datetime:
    return timezone.make_aware(dt.datetime.fromisoformat(f"{day}T12:00"))


@pytest.mark.parametrize(
    ("asked", "due"),
    [
        ("2026-09-03", "2026-10-05"),  # 3 October is a Saturday
        ("2026-09-07", "2026-10-07"),
        ("2026-01-31", "2026-03-02"),  # the last of February is a Saturday
        ("2027-01-29", "2027-03-01"),
        ("2026-11-25", "2026-12-29"),  # Christmas, Boxing Day on a Saturday, and the Monday in its place
        ("2027-02-26", "2027-03-30"),  # Good Friday and Easter Monday
        ("2026-07-31", "2026-09-01"),  # the late summer bank holiday
    ],
)
def test_the_clock_is_a_calendar_month_to_a_working_day_in_england(asked: str, due: str) -> None:
    assert due_on(Kind.ACCESS_QUERY, noon(asked)).isoformat() == due


def test_the_day_counts_as_the_calendar_has_it_here() -> None:
    """Half past midnight on 7 July in London is still 6 July in UTC."""
    asked = dt.datetime(2026, 7, 6, 23, 30, tzinfo=dt.UTC)
    assert due_on(Kind.ACCESS_QUERY, asked).isoformat() == "2026-08-07"


def test_every_kind_has_a_clock() -> None:
    assert set(MONTHS) == set(Kind)


def test_a_bank_holiday_of_another_country_of_the_kingdom_is_a_working_day() -> None:
    st_andrews = dt.date(2026, 11, 30)
    assert working_day_from(st_andrews) == st_andrews


@pytest.mark.parametrize(
    ("today", "said"),
    [
        ("2026-10-01", "Answer by 5 October 2026, in 4 days"),
        ("2026-10-05", "Answer by 5 October 2026, today"),
        ("2026-10-06", "1 day late: it was due on 5 October 2026"),
        ("2026-10-09", "4 days late: it was due on 5 October 2026"),
    ],
)
def test_the_clock_is_said_in_words(today: str, said: str) -> None:
    with time_machine.travel(noon(today), tick=False):
        assert clock(Request(due_on=dt.date(2026, 10, 5))) == said


# --- Asking ----------------------------------------------------------------------------------------


def test_every_line_can_be_asked_about_and_the_question_has_a_day(case: Case) -> None:
    key = look_at(case)
    browser = case.browser
    address = reverse("record:looks_wrong", args=[key])
    assert address in browser.get(reverse("record:who_looked")).content.decode()
    form = page(browser, "looks_wrong", key)
    assert "Receptionist of Amina" in form
    assert "Nobody else is told that you asked" in form
    answer = send(browser, address, follow=False, words="Why did they open it?")
    [asked] = requests_of(case)
    assert answer.url == reverse("record:question", args=[asked.pk])
    assert (asked.kind, asked.words, asked.about_event, asked.status) == (
        Kind.ACCESS_QUERY, "Why did they open it?", key, Status.OPEN
    )  # fmt: skip
    assert asked.due_on == due_on(Kind.ACCESS_QUERY, asked.opened_at)
    shown = page(browser, "question", asked.pk)
    assert "Why did they open it?" in shown
    assert "Answer by" in shown
    assert "You asked about this" in page(browser, "who_looked")


def test_no_word_is_needed_to_ask(case: Case) -> None:
    key = look_at(case)
    assert send(case.browser, reverse("record:looks_wrong", args=[key]), follow=False).status_code == 302
    assert requests_of(case)[0].words == ""


def test_a_look_at_several_people_can_be_asked_about_by_each(case: Case, other: Case) -> None:
    with acting(case.receptionist, "patients.list"):
        assert len(list(Patient.objects.visible_to(case.receptionist))) == 2
    key = newest(case)
    for each in (case, other):
        assert each.browser.get(reverse("record:looks_wrong", args=[key])).status_code == 200


def test_somebody_elses_line_is_not_there(case: Case, other: Case) -> None:
    key = look_at(other)
    address = reverse("record:looks_wrong", args=[key])
    assert case.browser.get(address).status_code == 404
    assert case.browser.post(address, {"words": "x"}).status_code == 404
    assert case.browser.get(reverse("record:looks_wrong", args=[2**62])).status_code == 404


def test_about_one_line_one_question_at_a_time(case: Case, guardian: Actor) -> None:
    key = look_at(case)
    with acting(case.actor, "test.read"):
        event = Event.objects.get(pk=key)
    first = open_request(case.patient, Kind.ACCESS_QUERY, "Why?", about=event, by=case.actor)
    with pytest.raises(ValidationError, match="asked about this already"):
        open_request(case.patient, Kind.ACCESS_QUERY, "Why?", about=event, by=case.actor)
    answer_request(first, "We asked them.", by=guardian)
    open_request(case.patient, Kind.ACCESS_QUERY, "That is not all.", about=event, by=case.actor)
    assert [each.status for each in requests_of(case)] == [Status.ANSWERED, Status.OPEN]


# --- Answering -------------------------------------------------------------------------------------


def test_the_guardian_finds_it_by_the_day_and_answers(case: Case, other: Case, guardian: Actor) -> None:
    with time_machine.travel(timezone.now() - dt.timedelta(days=70)):
        late = factories.ask_guardian(other.patient, "Somebody I know works there.")
    key = look_at(case)
    with acting(case.actor, "test.read"):
        event = Event.objects.get(pk=key)
    asked = factories.ask_guardian(case.patient, "Why was this?", about=event)
    browser = factories.sign_in(Client(), guardian)
    listed = browser.get(reverse("record:to_answer")).content.decode()
    addresses = [reverse("record:answer_question", args=[each.pk]) for each in (late, asked)]
    assert 0 < listed.index(addresses[0]) < listed.index(addresses[1])
    assert "days late: it was due on" in listed
    assert "Requests from patients (2" in listed.replace("</strong>", "")
    shown = page(browser, "answer_question", asked.pk)
    assert "Why was this?" in shown
    assert "Receptionist of Amina" in shown
    assert reverse("audit:event", args=[key]) in browser.get(addresses[1]).content.decode()
    assert send(browser, addresses[1], follow=False, answer="They rang you that day.").status_code == 302
    assert "They rang you that day." in page(case.browser, "question", asked.pk)
    assert "Ada Guardian" in page(case.browser, "question", asked.pk)
    assert addresses[1] not in browser.get(reverse("record:to_answer")).content.decode()
    assert addresses[1] in browser.get(reverse("record:answered")).content.decode()
    assert "They rang you that day." in page(browser, "answer_question", asked.pk)


def test_the_patients_name_is_not_on_the_guardians_pages(case: Case, guardian: Actor) -> None:
    """Not even where the line is about something that the patient did."""
    page(case.browser, "home")
    with acting(case.actor, "test.read"):
        own = looks.page(case.actor, selectors.own_patient(case.actor), include_own=True).entries[0]
        event = Event.objects.get(pk=own.key)
    assert own.is_own
    asked = factories.ask_guardian(case.patient, "That was not me.", about=event)
    browser = factories.sign_in(Client(), guardian)
    for text in (page(browser, "to_answer"), page(browser, "answer_question", asked.pk)):
        assert case.patient.family_name not in text
        assert "Amina" not in text
    assert "The patient" in page(browser, "answer_question", asked.pk)


def test_the_message_says_that_there_is_something_and_nothing_of_what(case: Case, guardian: Actor) -> None:
    asked = factories.ask_guardian(case.patient, "Why?")
    answer_request(asked, "Because they rang you.", by=guardian)
    with acting(case.receptionist, "test.read"):
        message = Message.objects.visible_to(case.receptionist).get(template="news")
    assert message.is_notice
    # Every letter ends with whom to ask.
    written, end, _closing = wording.whole_text(message).partition("If you have a question")
    assert end
    said = f"{message.subject} {written}".lower()
    for word in ("question", "answer", "guardian", "looked", "asked", "wrong", "rang"):
        assert word not in said, word


def test_an_answer_stands(case: Case, guardian: Actor) -> None:
    asked = factories.ask_guardian(case.patient)
    answer_request(asked, "First.", by=guardian)
    with pytest.raises(ValidationError, match="answered already"):
        answer_request(asked, "Second.", by=guardian)
    address = reverse("record:answer_question", args=[asked.pk])
    assert requests_of(case)[0].answer == "First."
    with (
        acting(guardian, "test.changed", patients=[case.patient.pk]),
        pytest.raises(DatabaseError),
        transaction.atomic(),
    ):
        Request.objects.filter(pk=asked.pk).update(answer="")
    assert factories.sign_in(Client(), guardian).get(address).status_code == 200


# --- Between the two of them -----------------------------------------------------------------------


@pytest.mark.parametrize("who", ["coach", "receptionist", "clinician"])
def test_nobody_else_sees_one_nor_that_there_is_one(case: Case, who: str) -> None:
    asked = factories.ask_guardian(case.patient, "About my coach.")
    staff = getattr(case, who)
    # In an action about this very patient too.
    with acting(staff, "test.looked", patients=[case.patient.pk]):
        assert not Request.objects.exists()
        assert not Request.history.exists()
        assert not Event.objects.filter(relation="record_request").exists()
    browser = factories.sign_in(Client(), staff)
    for name, arguments in (("to_answer", []), ("answer_question", [asked.pk]), ("question", [asked.pk])):
        assert browser.get(reverse(f"record:{name}", args=arguments)).status_code == 403


def test_somebody_elses_question_is_not_there(case: Case, other: Case) -> None:
    asked = factories.ask_guardian(other.patient, "About my coach.")
    assert case.browser.get(reverse("record:question", args=[asked.pk])).status_code == 404


def test_nobody_else_writes_one(case: Case) -> None:
    for staff in (case.coach, case.receptionist, case.clinician, factories.TESTS):
        row = Request(patient=case.patient, kind=Kind.ACCESS_QUERY, due_on=timezone.localdate())
        with (
            acting(staff, "test.made", patients=[case.patient.pk]),
            pytest.raises(DatabaseError),
            transaction.atomic(),
        ):
            row.save(force_insert=True)


def test_a_hint_of_a_withheld_note_is_no_line_to_ask_about(other: Case) -> None:
    from referrals.models import ClinicalNote
    from referrals.notes.actions import withhold_note
    from referrals.notes.policies import Grounds
    from tests.log import events

    with acting(other.clinician, "test.read"):
        note = ClinicalNote.objects.get(patient=other.patient)
    withhold_note(note, Grounds("serious_harm", "Invented."), by=other.clinician)
    about_it = [
        each.pk
        for each in events(patient_id=other.patient.pk)
        if each.relation in ("referrals_clinicalnote", "referrals_withholding")
        or each.columns == ["clinical"]
    ]
    assert len(about_it) > 1
    for key in about_it:
        assert other.browser.get(reverse("record:looks_wrong", args=[key])).status_code == 404, key
