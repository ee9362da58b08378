"""When a patient has died: all contact stops the same second, and nobody is written to by itself, ever."""

import datetime as dt

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from coaching.models import SessionStatus
from consent import tasks as calendar
from consent.actions import How, record_decisions
from consent.models import NEEDED_TO_BEGIN, Decision, Purpose, Receipt
from consent.policies import holds
from pilot.access import Actor, Role, acting
from pilot.outbox.actions import post
from pilot.outbox.models import Message
from pilot.outbox.tasks import send_due
from pilot.people.models import Patient
from referrals.actions import log_referral
from referrals.deaths.actions import record_death, undo_death
from referrals.models import Invitation, Reason, Referral, Status
from tests import factories
from tests.forms import send

pytestmark = pytest.mark.django_db(databases=["default", "owner"])


def today() -> dt.date:
    return timezone.localdate()


def looking(patient: Patient) -> object:
    return acting(factories.TESTS, "test.looked", patients=[patient.pk])


@pytest.fixture
def desk(pilot: factories.Pilot) -> Actor:
    return factories.make_staff(Role.RECEPTIONIST, pilot.practice)


@pytest.fixture
def coach(pilot: factories.Pilot) -> Actor:
    return factories.make_staff(Role.COACH, pilot.provider)


@pytest.fixture
def case(pilot: factories.Pilot, coach: Actor) -> Referral:
    return factories.make_case(pilot, coach, account=True, email="a@example.org", preferred_contact="4")


def messages(patient: Patient) -> list[str]:
    with looking(patient):  # type: ignore[attr-defined]
        return list(Message.objects.filter(patient=patient).values_list("status", flat=True))


def test_everything_stops_at_once_and_nobody_is_written_to(
    case: Referral, coach: Actor, desk: Actor, mailoutbox: list[object]
) -> None:
    patient, session = case.patient, factories.make_session(case, coach)
    factories.give_consent(patient, Purpose.REMINDERS)
    for purpose in (Purpose.REMINDERS, ""):
        factories.MessageFactory(patient=patient, purpose=purpose, channel="email", address="a@example.org")
    record_death(patient, died_on=today(), by=desk)
    with acting(factories.TESTS, "test.looked"):
        case.refresh_from_db()
        session.refresh_from_db()
        assert (case.status, case.ending) == (Status.ENDED, Referral.Ending.DIED)
        assert session.status == SessionStatus.CANCELLED
        assert not any(holds(patient.pk, purpose) for purpose in Purpose)
    assert messages(patient) == ["stopped", "stopped"]
    with acting(coach, "test.looked"):
        assert not Referral.objects.visible_to(coach).filter(pk=case.pk).exists()
        assert not Patient.objects.visible_to(coach).filter(pk=patient.pk).exists()
    # Whatever runs by the clock, and whoever writes anything later.
    for task in (send_due, calendar.announce_ends, calendar.end_what_has_lapsed):
        task()
    with acting(desk, "test.wrote", patients=[patient.pk]):
        assert post(patient, template="news", context={}, by=desk) is None
    assert messages(patient) == ["stopped", "stopped"]
    assert mailoutbox == []


def test_a_message_that_a_worker_has_in_its_hands_does_not_leave(
    case: Referral, desk: Actor, mailoutbox: list[object]
) -> None:
    from pilot.outbox.actions import claim
    from pilot.outbox.actions import send as hand_over

    notice = factories.MessageFactory(
        patient=case.patient, purpose="", channel="email", address="a@example.org"
    )
    worker = Actor.system("outbox.send_due")
    assert claim(notice, by=worker)
    record_death(case.patient, died_on=today(), by=desk)
    assert hand_over(notice, by=worker) == Message.Status.STOPPED
    assert mailoutbox == []


def test_nobody_opens_the_record_by_the_patients_account(case: Referral, desk: Actor) -> None:
    themselves = factories.patient_actor(case.patient)
    browser = factories.sign_in(Client(), themselves)
    assert browser.get(reverse("record:home")).status_code == 200
    record_death(case.patient, died_on=today(), by=desk)
    assert browser.get(reverse("record:home")).status_code != 200
    with acting(themselves, "test.looked"):
        assert not Patient.objects.visible_to(themselves).exists()


def test_nothing_begins_for_them(pilot: factories.Pilot, desk: Actor) -> None:
    patient = factories.make_patient(pilot.practice)
    referral = factories.make_referral(patient)
    factories.InvitationFactory(referral=referral)
    record_death(patient, died_on=today(), by=desk)
    how = How(Decision.Method.IN_PERSON, capacity_not_in_doubt=True, freely_given=True, patient_asked=True)
    yes = dict.fromkeys(NEEDED_TO_BEGIN, True)
    with pytest.raises(ValidationError, match="has died"):
        record_decisions(patient, yes, sheet=factories.make_sheet(), how=how, by=desk)
    with pytest.raises(ValidationError, match="has died"):
        log_referral(patient, reasons=[Reason.FIND_WORK], patient_asked=True, by=desk)
    with acting(factories.TESTS, "test.looked"):
        assert Referral.objects.get(pk=referral.pk).status == Status.SET_ASIDE
        assert Invitation.objects.get(referral=referral).cancelled_at is not None


@pytest.mark.parametrize("days", [1, 40 * 366])
def test_an_impossible_day_is_refused(days: int, case: Referral, desk: Actor) -> None:
    day = today() + dt.timedelta(days=1) if days == 1 else case.patient.date_of_birth - dt.timedelta(days=1)
    with pytest.raises(ValidationError):
        record_death(case.patient, died_on=day, by=desk)
    with looking(case.patient):  # type: ignore[attr-defined]
        assert Patient.objects.get(pk=case.patient.pk).died_on is None


def test_a_mistake_is_put_right_and_nothing_begins_by_itself(case: Referral, desk: Actor) -> None:
    record_death(case.patient, died_on=today(), by=desk)
    with pytest.raises(ValidationError, match="written down already"):
        record_death(case.patient, died_on=today(), by=desk)
    undo_death(case.patient, by=desk)
    with looking(case.patient):  # type: ignore[attr-defined]
        assert "We are sorry" in str(Receipt.objects.get(patient=case.patient, kind="corrected").lines)
        assert Message.objects.filter(patient=case.patient, template="news", status="due").exists()
    browser = factories.sign_in(Client(), factories.patient_actor(case.patient))
    assert browser.get(reverse("record:home")).status_code == 200
    with acting(factories.TESTS, "test.looked"):
        assert Referral.objects.get(pk=case.pk).status == Status.ENDED
        assert not any(holds(case.patient.pk, purpose) for purpose in Purpose)
    with pytest.raises(ValidationError, match="Nothing of the kind"):
        undo_death(case.patient, by=desk)


def test_the_practice_writes_it_down_on_a_page(case: Referral, desk: Actor) -> None:
    browser = factories.sign_in(Client(), desk)
    home = reverse("referrals:patient", args=[case.patient.pk])
    address = reverse("referrals:died", args=[case.patient.pk])
    assert address in browser.get(home).content.decode()
    day = today()
    when = {"died_on_day": day.day, "died_on_month": day.month, "died_on_year": day.year}
    assert send(browser, address).status_code == 422
    assert send(browser, address, **when).status_code == 200
    page = browser.get(home).content.decode()
    assert "They died on" in page
    assert reverse("referrals:log", args=[case.patient.pk]) not in page
    assert send(browser, reverse("referrals:has-not-died", args=[case.patient.pk])).status_code == 200
    assert "They died on" not in browser.get(home).content.decode()
