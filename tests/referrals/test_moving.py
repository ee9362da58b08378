"""When a patient has moved to another practice: all ends here, they keep reading it, and no practice hears of the other."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from coaching.models import SessionStatus
from consent.actions import How, record_decisions
from consent.models import NEEDED_TO_BEGIN, Decision, Purpose, Receipt
from consent.policies import holds, standing
from pilot.access import Actor, NotVisible, Role, acting
from pilot.outbox import wording
from pilot.outbox.models import Message
from pilot.people.actions import PatientDetails, register_patient
from pilot.people.models import Patient
from referrals import codes
from referrals.actions import log_referral
from referrals.deaths.actions import record_death
from referrals.invitations.actions import invite
from referrals.models import Invitation, Reason, Referral, Status
from referrals.moving.actions import record_move, undo_move
from tests import factories
from tests.forms import send

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

AT_DESK = How(Decision.Method.IN_PERSON, capacity_not_in_doubt=True, freely_given=True, patient_asked=True)
YES_TO_BOTH = dict.fromkeys(NEEDED_TO_BEGIN, True)


def today() -> dt.date:
    return timezone.localdate()


def fresh(row: Any) -> Any:
    with acting(factories.TESTS, "test.looked"):
        return type(row).objects.get(pk=row.pk)


@pytest.fixture
def desk(pilot: factories.Pilot) -> Actor:
    return factories.make_staff(Role.RECEPTIONIST, pilot.practice)


@pytest.fixture
def coach(pilot: factories.Pilot) -> Actor:
    return factories.make_staff(Role.COACH, pilot.provider)


@pytest.fixture
def case(pilot: factories.Pilot, coach: Actor) -> Referral:
    return factories.make_case(pilot, coach, account=True, email="a@example.org", preferred_contact="4")


def test_everything_here_ends_at_once_and_nobody_chose_it(case: Referral, coach: Actor, desk: Actor) -> None:
    patient, session = case.patient, factories.make_session(case, coach)
    factories.give_consent(patient, Purpose.REMINDERS, Purpose.EVALUATION)
    reminder = factories.MessageFactory(patient=patient, purpose=Purpose.REMINDERS)
    record_move(patient, moved_on=today(), by=desk)
    case = fresh(case)
    assert (case.status, case.ending, case.provider_id) == (Status.ENDED, Referral.Ending.MOVED, None)
    assert fresh(session).status == SessionStatus.CANCELLED
    assert fresh(reminder).status == Message.Status.STOPPED
    with acting(factories.TESTS, "test.looked"):
        assert not any(holds(patient.pk, purpose) for purpose in Purpose)
        ended = [decision for decision in standing(patient).values() if decision]
    assert len(ended) == 4
    assert {each.answer for each in ended} == {Decision.Answer.LAPSED}
    with acting(coach, "test.looked"):
        assert not Referral.objects.visible_to(coach).exists()
        assert not Patient.objects.visible_to(coach).exists()


def test_they_keep_their_account_read_everything_and_get_a_receipt(
    case: Referral, coach: Actor, desk: Actor
) -> None:
    factories.make_session(case, coach, status=SessionStatus.HELD, agreed="We wrote a letter together.")
    browser = factories.sign_in(Client(), factories.patient_actor(case.patient))
    record_move(case.patient, moved_on=today(), by=desk)
    home = browser.get(reverse("record:home")).content.decode()
    assert "Everything here has ended, and you can still read all of it" in home
    assert "ask your new practice whether it takes part" in home
    assert "We wrote a letter together." in browser.get(reverse("record:sessions")).content.decode()
    for name in (
        "details",
        "notes",
        "goals",
        "messages",
        "who_looked",
        "consent",
        "copy",
        "own_words",
        "questions",
        "ask",
    ):
        assert browser.get(reverse(f"record:{name}")).status_code == 200, name
    with acting(factories.TESTS, "test.looked"):
        receipt = Receipt.objects.get(patient=case.patient, kind=Receipt.Kind.MOVED)
        message = Message.objects.get(patient=case.patient, template="moved")
    said = " ".join(line["text"] for line in receipt.lines)
    assert "Your coaching has stopped." in said
    assert "Your coach can no longer see anything about you." in said
    assert "If it does, you can start again there." in said
    assert "Health records are kept for 8 years" in said
    assert (message.status, message.channel) == (Message.Status.DUE, Message.Channel.EMAIL)
    assert said.split(".")[0] in message.text
    assert browser.get(reverse("record:receipt", args=[receipt.pk])).status_code == 200


def test_nobody_here_begins_anything_while_it_stands(pilot: factories.Pilot, desk: Actor) -> None:
    patient = factories.make_patient(pilot.practice)
    referral = factories.make_referral(patient)
    invitation = factories.InvitationFactory(referral=referral)
    record_move(patient, moved_on=today(), by=desk)
    assert fresh(invitation).cancelled_at is not None
    assert fresh(referral).status == Status.SET_ASIDE
    for attempt in (
        lambda: log_referral(patient, reasons=[Reason.FIND_WORK], patient_asked=True, by=desk),
        lambda: record_decisions(patient, YES_TO_BOTH, sheet=factories.make_sheet(), how=AT_DESK, by=desk),
        lambda: invite(fresh(referral), channel=Invitation.Channel.LETTER, by=desk),
        lambda: record_move(patient, moved_on=today(), by=desk),
    ):
        with pytest.raises(ValidationError):
            attempt()
    # A death is written down all the same.
    record_death(patient, died_on=today(), by=desk)


@pytest.mark.parametrize("days", [1, -40 * 366])
def test_an_impossible_day_is_refused(days: int, pilot: factories.Pilot, desk: Actor) -> None:
    patient = factories.make_patient(pilot.practice, date_of_birth=dt.date(2000, 1, 1))
    with pytest.raises(ValidationError):
        record_move(patient, moved_on=today() + dt.timedelta(days=days), by=desk)
    assert fresh(patient).moved_on is None


def test_a_mistake_is_put_right_and_nothing_begins_by_itself(case: Referral, desk: Actor) -> None:
    with pytest.raises(ValidationError, match="Nothing of the kind"):
        undo_move(case.patient, by=desk)
    record_move(case.patient, moved_on=today(), by=desk)
    undo_move(case.patient, by=desk)
    assert fresh(case).status == Status.ENDED
    with acting(factories.TESTS, "test.looked"):
        assert "We are sorry" in str(Receipt.objects.get(patient=case.patient, kind="corrected").lines)
        assert not any(holds(case.patient.pk, purpose) for purpose in Purpose)
    assert log_referral(case.patient, reasons=[Reason.FIND_WORK], patient_asked=True, by=desk).is_open


def test_the_new_practice_adds_them_afresh_and_neither_hears_of_the_other(
    pilot: factories.Pilot, case: Referral, desk: Actor
) -> None:
    old = case.patient
    there = factories.make_staff(Role.RECEPTIONIST, pilot.other_practice)
    details = PatientDetails(old.given_name, old.family_name, old.date_of_birth, nhs_number=old.nhs_number)
    record_move(old, moved_on=today(), by=desk)
    new = register_patient(pilot.other_practice, details, by=there)
    log_referral(new, reasons=[Reason.FIND_WORK], by=there)
    with acting(there, "test.looked"):
        assert set(Patient.objects.visible_to(there)) == {new}
        assert Referral.objects.visible_to(there).count() == 1
    with acting(desk, "test.looked"):
        assert set(Patient.objects.visible_to(desk)) == {old}
    browser = factories.sign_in(Client(), there)
    assert browser.get(reverse("referrals:patient", args=[old.pk])).status_code == 404
    for page in (browser, factories.sign_in(Client(), desk)):
        mine = new if page is browser else old
        shown = page.get(reverse("referrals:patient", args=[mine.pk])).content.decode()
        assert (pilot.practice.name in shown and pilot.other_practice.name in shown) is False
    with pytest.raises(NotVisible):
        record_move(old, moved_on=today(), by=there)


def test_invited_by_the_new_practice_with_the_old_address_they_are_told_what_to_do(
    pilot: factories.Pilot, case: Referral, desk: Actor
) -> None:
    factories.make_sheet()
    old, email = case.patient, case.patient.account.email
    record_move(old, moved_on=today(), by=desk)
    new = factories.make_patient(pilot.other_practice, email=email, nhs_number=old.nhs_number)
    invitation = invite(factories.make_referral(new), channel=Invitation.Channel.EMAIL, by=factories.TESTS)
    text = wording.whole_text(fresh(Message(pk=invitation.message_id)))
    code = codes_in(text)
    browser = Client()
    born = {"date_of_birth": new.date_of_birth.strftime("%d/%m/%Y")}
    assert browser.post(reverse("record:invitation"), {"code": code, **born}).status_code == 302
    address = reverse("record:invitation_account")
    refused = send(browser, address, email=email, password="lamp ferry walnut")
    assert refused.status_code == 422
    assert "If it opens your record at a practice where you were before" in refused.content.decode()
    assert fresh(new).account_id is None
    done = send(browser, address, email="another@example.org", password="lamp ferry walnut")
    assert done.status_code == 200
    assert fresh(new).account_id
    # The old one still opens what it opened, and nothing else.
    themselves = factories.patient_actor(fresh(old))
    with acting(themselves, "test.looked"):
        assert set(Patient.objects.visible_to(themselves)) == {old}


def codes_in(text: str) -> str:
    return next(
        word
        for word in text.replace(".", " ").split()
        if codes.digest_of(word) and len(word) == 11 and "-" in word
    )


def test_the_practice_writes_it_down_on_a_page(case: Referral, desk: Actor) -> None:
    browser = factories.sign_in(Client(), desk)
    home = reverse("referrals:patient", args=[case.patient.pk])
    address = reverse("referrals:moved", args=[case.patient.pk])
    assert address in browser.get(home).content.decode()
    day = today()
    when = {"moved_on_day": day.day, "moved_on_month": day.month, "moved_on_year": day.year}
    assert send(browser, address).status_code == 422
    assert send(browser, address, **when).status_code == 200
    page = browser.get(home).content.decode()
    assert "They have belonged to another practice since" in page
    assert reverse("referrals:log", args=[case.patient.pk]) not in page
    assert "Moved to another practice" in browser.get(reverse("referrals:patients")).content.decode()
    assert send(browser, reverse("referrals:has-not-moved", args=[case.patient.pk])).status_code == 200
    assert "They have belonged to another practice" not in browser.get(home).content.decode()
