"""What a patient reads about themselves, and that it is never somebody else's."""

import re
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import Event
from consent.models import Receipt
from pilot.access import Actor, NotVisible, Role, acting
from pilot.record import selectors
from referrals.models import ClinicalNote
from tests import factories
from tests.factories import TESTS
from tests.record.cases import Case

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

PAGES = [
    "home", "details", "sessions", "notes", "goals", "messages", "who_looked", "consent", "stop",
]  # fmt: skip


def page(browser: Client, name: str, *args: Any, status: int = 200, **query: Any) -> str:
    response = browser.get(reverse(f"record:{name}", args=args), query)
    assert response.status_code == status, response.content.decode()[:2000]
    text = re.sub(r"<(script|style).*?</\1>", " ", response.content.decode(), flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_and_leads_to_stopping_in_one_click(case: Case, name: str) -> None:
    response = case.browser.get(reverse(f"record:{name}"))
    assert response.status_code == 200
    assert f'href="{reverse("record:stop")}"' in response.content.decode()


@pytest.mark.parametrize("name", PAGES)
def test_staff_have_no_own_record_and_visitors_sign_in_first(case: Case, name: str) -> None:
    for staff in (case.coach, case.receptionist, case.clinician):
        assert factories.sign_in(Client(), staff).get(reverse(f"record:{name}")).status_code == 403
    response = Client().get(reverse(f"record:{name}"))
    assert response.status_code == 302
    assert reverse("account_login") in response.url


def test_the_first_page_says_what_is_next_and_who_helps(case: Case) -> None:
    text = page(case.browser, "home")
    assert "Hello Amina" in text
    assert "Room 7" in text
    assert "Coach of Amina" in text
    assert "Work near home, two mornings." in text
    assert "Take part in employment coaching" in text


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (factories.Status.AWAITING_DECISION, "You have not decided yet. Take your time."),
        (factories.Status.WAITING, "You are waiting for a coach."),
        (factories.Status.PAUSED, "Your coaching is resting for now."),
        (factories.Status.ENDED, "You are not having coaching now."),
        (factories.Status.SET_ASIDE, "You are not having coaching now."),
        (None, "You are not having coaching now."),
    ],
)
def test_the_first_page_says_how_things_stand(status: Any, says: str) -> None:
    patient = factories.make_patient(factories.make_pilot().practice, account=True)
    if status:
        factories.make_referral(patient, status=status)
    assert says in page(factories.sign_in(Client(), factories.patient_actor(patient)), "home")


def test_what_the_coach_wrote_is_there_and_a_session_that_did_not_happen_blames_nobody(case: Case) -> None:
    text = page(case.browser, "sessions")
    assert "We will look at two part-time jobs." in text
    assert "This session did not take place. That is all right. Your coach will suggest another time." in text


def test_clinical_notes_are_readable_unless_withheld(case: Case) -> None:
    factories.make_note(
        case.patient, case.clinician, text="Withheld words.",
        withheld_at=timezone.now(), withheld_on=ClinicalNote.Ground.THIRD_PARTY,
    )  # fmt: skip
    text = page(case.browser, "notes")
    assert "Feeling stronger this spring." in text
    assert "Withheld words." not in text


def test_a_call_for_help_is_there_and_does_not_count_against_anybody(case: Case) -> None:
    factories.DistressCallFactory(referral=case.referral, raised_by_id=case.coach.user_id)
    text = page(case.browser, "notes")
    assert "Coach of Amina asked your practice for help." in text
    assert "This never counts against you." in text


def test_messages_are_readable(case: Case) -> None:
    with acting(TESTS, "test.read"):
        (message,) = factories.Message.objects.filter(patient=case.patient)
    assert "A message from the practice" in page(case.browser, "messages")
    assert "Come and see us." in page(case.browser, "message", message.pk)


def test_nothing_of_somebody_else_shows_and_their_ids_are_not_there(case: Case, other: Case) -> None:
    message = factories.MessageFactory(patient=other.patient, text="For Ben alone.")
    with acting(TESTS, "test.made", patients=[other.patient.pk]):
        receipt = Receipt(
            patient=other.patient, practice_id=other.patient.practice_id, kind=Receipt.Kind.DECIDED, lines=[]
        )
        receipt.save(force_insert=True)
    for name in PAGES:
        assert "Ben" not in page(case.browser, name)
    for name, key in [
        ("message", message.pk),
        ("receipt", receipt.pk),
        ("message", uuid4()),
        ("receipt", uuid4()),
    ]:
        page(case.browser, name, key, status=404)


def test_each_page_is_one_look_by_the_patient(case: Case) -> None:
    def own_looks() -> list[str]:
        with acting(case.actor, "test.read"):
            own = Event.objects.filter(kind="read", actor=case.actor.label).exclude(action="test.read")
            return [event.action for event in own.order_by("id")]

    browser = case.browser
    page(browser, "sessions")
    assert own_looks() == ["record.sessions"]
    page(browser, "who_looked")
    assert own_looks() == ["record.sessions", "record.who_looked"]


@pytest.mark.parametrize("name", PAGES)
def test_the_number_of_queries_does_not_grow(
    case: Case, name: str, django_assert_max_num_queries: Any
) -> None:
    for _ in range(12):
        factories.GoalFactory(referral=case.referral)
        factories.MessageFactory(patient=case.patient)
        factories.make_session(case.referral, case.coach)
        factories.make_note(case.patient, case.clinician)
    browser = case.browser
    page(browser, name)
    with django_assert_max_num_queries(32):
        page(browser, name)


def test_a_patient_without_a_record_of_their_own_sees_none() -> None:
    user = factories.make_user()
    actor = Actor(Role.PATIENT, user.pk, user.display_name)
    with acting(actor, "test.read"), pytest.raises(NotVisible):
        selectors.own_patient(actor)
