"""Invitations: a code that works once, with the date of birth, for a while, and in five tries at most."""

import datetime as dt

import pytest
import time_machine
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from consent.actions import not_now, withdraw
from pilot.access import Actor, NotVisible, Role, acting
from pilot.outbox.models import Message
from pilot.outbox.wording import whole_text
from pilot.people.models import Patient
from referrals.codes import digest_of, new_code
from referrals.invitations.actions import invite, try_invitation, use_invitation
from referrals.models import Invitation, Referral, Status
from referrals.selectors import find_invitation
from tests import factories
from tests.forms import send

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

SYSTEM = Actor.system("invitation")


@pytest.fixture
def referral(patient: Patient) -> Referral:
    return factories.make_referral(patient)


def url(name: str, row: Referral) -> str:
    return reverse(f"referrals:{name}", args=[row.pk])


def latest() -> Invitation:
    with acting(factories.TESTS, "test.looked"):
        return Invitation.objects.select_related("message").order_by("-created_at")[0]


def code_of(invitation: Invitation) -> str:
    with acting(factories.TESTS, "test.looked"):
        text = whole_text(Message.objects.get(pk=invitation.message_id))
    return text.split("Your code: ")[1].split()[0]


def found(code: str) -> Invitation | None:
    with acting(SYSTEM, "test.looked"):
        return find_invitation(SYSTEM, code)


def test_a_letter_holds_a_code_that_finds_the_invitation_however_it_is_typed(
    referral: Referral, receptionist: Actor
) -> None:
    invitation = invite(referral, channel="letter", by=receptionist)
    code = code_of(invitation)
    for typed in (code, code.lower(), code.replace("-", ""), f" {code.replace('-', ' ')} "):
        assert found(typed) == invitation
    assert found(new_code()) is None


def test_the_code_itself_is_kept_nowhere_but_in_the_message(referral: Referral, receptionist: Actor) -> None:
    invitation = invite(referral, channel="letter", by=receptionist)
    code = code_of(invitation)
    assert invitation.code_digest == digest_of(code)
    with acting(factories.TESTS, "test.looked"):
        assert code not in Message.objects.get().text


def test_the_right_date_of_birth_opens_it_and_five_wrong_ones_close_it(
    referral: Referral, patient: Patient, receptionist: Actor
) -> None:
    invitation = invite(referral, channel="letter", by=receptionist)
    assert try_invitation(invitation, patient.date_of_birth, by=SYSTEM)
    for _ in range(5):
        assert not try_invitation(invitation, patient.date_of_birth + dt.timedelta(days=1), by=SYSTEM)
    assert not try_invitation(invitation, patient.date_of_birth, by=SYSTEM)
    assert latest().attempts == 5
    assert found(code_of(invitation)) is None
    with pytest.raises(ValidationError, match="cannot be used any more"):
        use_invitation(invitation, by=SYSTEM)


def test_six_tries_cannot_be_written_even_by_mistake(referral: Referral, receptionist: Actor) -> None:
    invitation = invite(referral, channel="letter", by=receptionist)
    invitation.attempts = 6
    with (
        acting(factories.TESTS, "test.made", patients=[referral.patient_id]),
        pytest.raises(IntegrityError),
        transaction.atomic(),
    ):
        invitation.save(force_update=True)


def test_it_works_once(referral: Referral, patient: Patient, receptionist: Actor) -> None:
    invitation = invite(referral, channel="letter", by=receptionist)
    code = code_of(invitation)
    assert use_invitation(invitation, by=SYSTEM) == patient
    with pytest.raises(ValidationError, match="cannot be used any more"):
        use_invitation(invitation, by=SYSTEM)
    assert found(code) is None


def test_it_expires(referral: Referral, receptionist: Actor) -> None:
    invitation = invite(referral, channel="letter", by=receptionist)
    code = code_of(invitation)
    with time_machine.travel(timezone.now() + dt.timedelta(days=29)):
        assert found(code) is None
        with pytest.raises(ValidationError):
            use_invitation(invitation, by=SYSTEM)


def test_a_new_one_ends_the_earlier_one(referral: Referral, receptionist: Actor) -> None:
    first = invite(referral, channel="letter", by=receptionist)
    code = code_of(first)
    second = invite(referral, channel="email", by=receptionist)
    assert found(code) is None
    assert found(code_of(second)) == second
    with acting(factories.TESTS, "test.looked"):
        assert Message.objects.get(pk=first.message_id).status == Message.Status.STOPPED


def test_not_now_and_withdrawal_end_it(referral: Referral, patient: Patient, receptionist: Actor) -> None:
    code = code_of(invite(referral, channel="letter", by=receptionist))
    not_now(patient, by=factories.patient_actor(patient))
    assert found(code) is None


def test_withdrawal_ends_it(pilot: factories.Pilot, receptionist: Actor) -> None:
    waiting = factories.make_referral(factories.make_patient(pilot.practice), status=Status.WAITING)
    code = code_of(invite(waiting, channel="letter", by=receptionist))
    withdraw(waiting.patient, by=factories.patient_actor(waiting.patient))
    assert found(code) is None


def test_somebody_with_an_account_needs_none(
    referral: Referral, patient: Patient, receptionist: Actor
) -> None:
    factories.patient_actor(patient)
    with pytest.raises(ValidationError, match="have an account already"):
        invite(referral, channel="letter", by=receptionist)


def test_nobody_is_invited_to_what_has_ended(patient: Patient, receptionist: Actor) -> None:
    ended = factories.make_referral(patient, status=Status.ENDED)
    with pytest.raises(ValidationError, match="has ended"):
        invite(ended, channel="letter", by=receptionist)


def test_a_text_goes_only_where_it_is_safe(pilot: factories.Pilot, receptionist: Actor) -> None:
    unsafe = factories.make_patient(pilot.practice, phone="07700900018", message_is_safe=False)
    with pytest.raises(ValidationError):
        invite(factories.make_referral(unsafe), channel="sms", by=receptionist)
    safe = factories.make_patient(pilot.practice, phone="07700900018", message_is_safe=True)
    assert invite(factories.make_referral(safe), channel="sms", by=receptionist).channel == "sms"


def test_only_the_practice_invites(pilot: factories.Pilot, referral: Referral, supervisor: Actor) -> None:
    elsewhere = factories.make_staff(Role.RECEPTIONIST, pilot.other_practice)
    for actor in (supervisor, elsewhere, factories.patient_actor(referral.patient)):
        with pytest.raises((PermissionDenied, NotVisible)):
            invite(referral, channel="letter", by=actor)


# --- The page --------------------------------------------------------------------------------------


def test_a_letter_leads_to_its_print(desk: Client, referral: Referral) -> None:
    page = send(desk, url("invite", referral), channel="letter")
    assert page.request["PATH_INFO"] == reverse("outbox:letter", args=[latest().message_id])
    assert code_of(latest()) in page.content.decode()
    assert "Print the letter" in desk.get(url("referral", referral)).content.decode()


def test_an_e_mail_leads_back_to_the_referral(desk: Client, referral: Referral) -> None:
    page = send(desk, url("invite", referral), channel="email")
    assert page.request["PATH_INFO"] == url("referral", referral)
    assert "The invitation is on its way" in page.content.decode()
    assert latest().message.channel == "email"  # type: ignore[union-attr]


def test_only_ways_that_reach_them_safely_are_offered(desk: Client, pilot: factories.Pilot) -> None:
    patient = factories.make_patient(pilot.practice, phone="07700900018", email="", message_is_safe=False)
    text = desk.get(url("invite", factories.make_referral(patient))).content.decode()
    assert 'value="letter"' in text
    assert 'value="email"' not in text
    assert 'value="sms"' not in text
    assert "We do not know that it is safe" in text


def test_a_text_is_offered_where_it_is_safe(desk: Client, pilot: factories.Pilot) -> None:
    patient = factories.make_patient(pilot.practice, phone="07700900018", message_is_safe=True)
    text = desk.get(url("invite", factories.make_referral(patient))).content.decode()
    assert 'value="sms"' in text
    assert "07700 900 018" in text


def test_the_page_says_why_an_invitation_would_be_no_use(desk: Client, referral: Referral) -> None:
    factories.patient_actor(referral.patient)
    page = desk.get(url("invite", referral)).content.decode()
    assert "They have an account already" in page
    assert "Make the invitation" not in page
