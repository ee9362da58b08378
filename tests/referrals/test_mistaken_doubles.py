"""Two people taken for one, by mistake or on purpose: what keeps it from happening, and who is told if it does. And what
the patient goes on saying of the record that was closed."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.test import Client
from django.urls import reverse

from consent.actions import record_not_now, record_withdrawal
from consent.models import Decision, Purpose
from pilot.access import Actor, Role, acting
from pilot.access.projections import compare
from pilot.outbox.models import Message
from pilot.people.actions import PatientDetails, StaleVersion, change_details, open_account
from pilot.people.models import Contact, Patient
from pilot.people.restrictions.actions import begin_restriction, end_restriction
from pilot.people.restrictions.models import Restriction
from pilot.people.restrictions.policies import is_restricted
from pilot.record.models import Detail, Kind, Outcome, Status
from pilot.record.notes.actions import ask_to_correct_note, correct_note
from pilot.record.requests.actions import (
    answer_correction,
    answer_request,
    ask_for_correction,
    open_request,
)
from referrals.actions import end_referral, log_referral
from referrals.merging.actions import merge
from referrals.models import ClinicalNote, Reason, Referral
from referrals.notes.models import NoteReply
from tests import factories
from tests.forms import send
from tests.referrals.doubles import BORN, SAME, fresh, held, looking, merged, record, seen
from tests.together import at_once

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

GRANTED = {"answer": "It is so from now on.", "outcome": Outcome.ACCEPTED}


@pytest.fixture
def guardian(pilot: factories.Pilot) -> Actor:
    return factories.make_staff(Role.CALDICOTT_GUARDIAN, pilot.office)


@pytest.fixture
def kept(pilot: factories.Pilot) -> Patient:
    return record(pilot)


def told_elsewhere(patient: Patient) -> set[tuple[str, str]]:
    with looking():
        rows = Message.objects.filter(patient=patient, template="merged_elsewhere")
        return set(rows.values_list("channel", "address"))


# --- Who does it, and what stops them -------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.RECEPTIONIST, Role.SYSTEM])
def test_whoever_reads_no_clinical_note_cannot_decide_who_does(
    role: Role, pilot: factories.Pilot, kept: Patient, clinician: Actor
) -> None:
    victim = record(pilot)
    factories.make_note(victim, clinician)
    by = factories.TESTS if role is Role.SYSTEM else factories.make_staff(role, pilot.practice)
    with pytest.raises(PermissionDenied):
        merge(victim, into=kept, version=seen(victim, kept), by=by)
    assert fresh(victim).merged_into_id is None


@pytest.mark.parametrize(
    "details",
    [{"given_name": "Ida"}, {"family_name": "Thrice"}, {"given_name": "Twice", "family_name": "Ada"}],
)
def test_twins_are_two(details: dict[str, str], pilot: factories.Pilot, kept: Patient) -> None:
    with pytest.raises(ValidationError, match="The names differ"):
        merged(record(pilot, **details), into=kept)


def test_capitals_and_spaces_make_no_other_name(pilot: factories.Pilot, kept: Patient) -> None:
    double = record(pilot, given_name=" ADA ", family_name="twice", email="")
    merged(double, into=kept)
    assert fresh(double).merged_into_id == kept.pk


def changes_details(patient: Patient, by: Actor) -> None:
    details = PatientDetails("Ada", "Twice", BORN, phone="020 7946 0777")
    change_details(patient, details, version=fresh(patient).version, by=by)


CHANGES = {
    "details": changes_details,
    "a day before which nobody raises it": lambda patient, by: record_not_now(patient, by=by),
    "a referral": lambda patient, by: log_referral(
        patient, reasons=[Reason.FIND_WORK], patient_asked=True, by=by
    ),
    # Whoever has it reads the other record: nobody agreed to that without having seen it.
    "an account": lambda patient, by: open_account(patient, "new@example.org", None, by=factories.TESTS),
}


@pytest.mark.parametrize("which", ["closed", "kept"])
@pytest.mark.parametrize("what", CHANGES)
def test_what_changed_since_both_were_looked_at_is_looked_at_again(
    what: str, which: str, pilot: factories.Pilot, kept: Patient, clinician: Actor, receptionist: Actor
) -> None:
    double = record(pilot)
    before = seen(double, kept)
    CHANGES[what](fresh(double if which == "closed" else kept), receptionist)
    with pytest.raises(StaleVersion):
        merge(double, into=kept, version=before, by=clinician)
    assert fresh(double).merged_into_id is None


def test_how_a_referral_stands_is_seen_as_well(
    pilot: factories.Pilot, kept: Patient, clinician: Actor, receptionist: Actor
) -> None:
    double = record(pilot)
    referral = factories.make_referral(double, status="waiting")
    before = seen(double, kept)
    end_referral(referral, ending=Referral.Ending.PATIENTS_CHOICE, by=receptionist)
    with pytest.raises(StaleVersion):
        merge(double, into=kept, version=before, by=clinician)


def test_a_restriction_since_then_is_seen_as_well(
    pilot: factories.Pilot, kept: Patient, clinician: Actor, guardian: Actor
) -> None:
    double = record(pilot)
    before = seen(double, kept)
    with acting(guardian, "test.restricted", patients=[kept.pk]):
        begin_restriction(kept, by=guardian)
    with pytest.raises(StaleVersion):
        merge(double, into=kept, version=before, by=clinician)


# --- Who is told ----------------------------------------------------------------------------------


def test_where_the_closed_one_was_written_to_is_told_and_nothing_of_either(pilot: factories.Pilot) -> None:
    kept = record(
        pilot, preferred_name="Max", address="1 New Road", email="new@example.org", pronouns="they/them"
    )
    double = record(pilot, account=True, preferred_name="Addie", address="2 Old Road", email="o@example.org")
    signed_in_with = fresh(double).account.email
    merged(double, into=kept)
    assert told_elsewhere(kept) == {("letter", "2 Old Road"), ("email", signed_in_with)}
    with looking():
        texts = Message.objects.filter(patient=kept, template="merged_elsewhere").values_list(
            "text", flat=True
        )
    for text in texts:
        assert "Dear Ada Twice," in text
        assert "please tell us today" in text
        hidden = ("Max", "Addie", "New Road", "new@", "o@example", "coach", "Taking part", settings.BASE_URL)
        assert not [word for word in hidden if word in text]


def test_who_copies_somebodys_address_does_not_keep_it_from_them(pilot: factories.Pilot) -> None:
    victim = record(pilot, address="2 Old Road", preferred_contact=Contact.LETTER)
    invented = record(
        pilot, account=True, address="2 Old Road", email="else@example.org", preferred_contact=Contact.EMAIL
    )
    merged(victim, into=invented)
    assert told_elsewhere(invented) == {("letter", "2 Old Road")}


LETTER, EMAIL = {"preferred_contact": Contact.LETTER}, {"preferred_contact": Contact.EMAIL}


@pytest.mark.parametrize(
    ("closed", "stays", "expected"),
    [
        # The receipt goes there.
        ({"address": "2 Old Road", **LETTER}, {"address": "2 old  road", **LETTER}, set()),
        ({"email": "a@example.org", **EMAIL}, {"email": "A@example.org", **EMAIL}, set()),
        # As they like to hear from us, and by no other way.
        ({"address": "2 Old Road", "email": "a@example.org", **EMAIL}, {}, {("email", "a@example.org")}),
        ({"address": "2 Old Road", "email": "a@example.org", **LETTER}, {}, {("letter", "2 Old Road")}),
        # A text shows on a screen.
        (
            {
                "address": "2 Old Road", "phone": "07700 900123", "message_is_safe": True,
                "preferred_contact": Contact.SMS,
            },
            {},
            {("letter", "2 Old Road")},
        ),
        (
            {
                "address": "", "email": "a@example.org", "phone": "07700 900123", "message_is_safe": True,
                "preferred_contact": Contact.SMS,
            },
            {},
            {("email", "a@example.org")},
        ),
        ({"address": "", "email": "", "phone": "020 7946 0001"}, {}, set()),
        # That a message is not safe stands for the same number, so that the receipt goes by letter after all.
        (
            {"address": "2 Old Road", "phone": "07700 900123", "message_is_safe": False, **LETTER},
            {
                "address": "2 Old Road", "phone": "07700 900123", "message_is_safe": True,
                "preferred_contact": Contact.SMS,
            },
            set(),
        ),
    ],
)  # fmt: skip
def test_each_way_is_told_once_and_as_they_like_to_hear_from_us(
    closed: dict[str, Any], stays: dict[str, Any], expected: set[tuple[str, str]], pilot: factories.Pilot
) -> None:
    kept = record(pilot, **{"address": "1 New Road", "email": "", **LETTER, **stays})
    merged(record(pilot, **closed), into=kept)
    assert told_elsewhere(kept) == expected


def test_such_a_message_goes_nowhere_else_when_it_is_sent_once_more(
    pilot: factories.Pilot, receptionist: Actor
) -> None:
    from pilot.outbox.actions import settle_by_hand

    kept = record(pilot, address="1 New Road")
    merged(record(pilot, address="", email="old@example.org"), into=kept)
    with acting(factories.TESTS, "test.made", patients=[kept.pk]):
        message = Message.objects.get(patient=kept, template="merged_elsewhere")
        message.status = Message.Status.NOT_SENT
        message.save()
    settle_by_hand(message, arrived=False, by=receptionist)
    assert (fresh(message).status, fresh(message).address) == (Message.Status.DUE, "old@example.org")


# --- What the patient asked before, and says afterwards -------------------------------------------


@pytest.mark.parametrize("kind", [Kind.RESTRICTION, Kind.OBJECTION])
def test_a_restriction_granted_afterwards_restricts_the_record_that_is_used(
    kind: Kind, pilot: factories.Pilot, kept: Patient, guardian: Actor
) -> None:
    double = record(pilot, account=True)
    asked = open_request(double, kind, "Please.", by=factories.patient_actor(double))
    merged(double, into=kept)
    answer_request(asked, by=guardian, **GRANTED)
    with looking():
        assert is_restricted(kept.pk)
        # The other is not used: they let one record be used again, on their own page.
        assert not is_restricted(double.pk)
    end_restriction(kept, by=factories.patient_actor(fresh(kept)))
    with looking():
        assert not is_restricted(kept.pk)


def test_a_correction_that_the_practice_owes_comes_first_and_nothing_else_is_hinted_at(
    pilot: factories.Pilot, kept: Patient, guardian: Actor, receptionist: Actor
) -> None:
    double = record(pilot, account=True)
    themselves = factories.patient_actor(double)
    complaint = open_request(double, Kind.COMPLAINT, "I was not listened to.", by=themselves)
    asked = ask_for_correction(double, "I moved.", detail=Detail.REACH, by=themselves)
    with pytest.raises(ValidationError, match="Answer first"):
        merged(double, into=kept)
    answer_correction(asked, "It is the one you gave us.", outcome=Outcome.NOT_ACCEPTED, by=receptionist)
    merged(double, into=kept)
    # The complaint goes on: it is the guardian's to answer, and the answer is told where the patient is written to.
    browser = factories.sign_in(Client(), themselves)
    assert reverse("record:question", args=[complaint.pk]) in browser.get(reverse("record:questions")).text
    answer_request(complaint, "You were right.", outcome=Outcome.ACCEPTED, by=guardian)
    assert "You were right." in browser.get(reverse("record:question", args=[complaint.pk])).text
    with looking():
        assert Message.objects.filter(patient=kept, template="news").exists()


def test_a_note_in_the_closed_record_can_still_be_answered_and_corrected(
    pilot: factories.Pilot, kept: Patient, clinician: Actor
) -> None:
    double = record(pilot, account=True)
    note = factories.make_note(double, clinician, text="Lives alone.")
    themselves = factories.patient_actor(double)
    merged(double, into=kept)
    browser = factories.sign_in(Client(), themselves)
    page = browser.get(reverse("record:other", args=[double.pk])).content.decode()
    for name in ("record:note_differently", "record:wrong_note"):
        address = reverse(name, args=[note.pk])
        assert address in page
        assert browser.get(address).status_code == 200
    # The page that shows it is the one of the closed record.
    replied = send(
        browser, reverse("record:note_differently", args=[note.pk]), words="I live with my sister."
    )
    assert replied.redirect_chain[-1][0] == reverse("record:other", args=[double.pk])
    assert "I live with my sister." in replied.text
    asked = ask_to_correct_note(note, "I live with my sister.", by=themselves)
    correct_note(asked, "Lives with a sister.", "It is right now.", by=clinician)
    with acting(clinician, "test.looked"):
        assert ClinicalNote.objects.get(pk=note.pk).text == "Lives with a sister."
        assert NoteReply.objects.filter(note=note).count() == 1
    with looking():
        assert Message.objects.filter(patient=kept, template="news").exists()
    assert reverse("record:note_correction", args=[asked.pk]) in browser.get(reverse("record:questions")).text


def test_whatever_else_they_ask_is_asked_in_the_record_that_is_kept(
    pilot: factories.Pilot, kept: Patient
) -> None:
    double = record(pilot, account=True)
    themselves = factories.patient_actor(double)
    merged(double, into=kept)
    # As it was looked up before it was closed.
    for attempt in (
        lambda: ask_for_correction(double, "I moved.", detail=Detail.REACH, by=themselves),
        *(partial(open_request, double, kind, "Please.", by=themselves) for kind in Kind),
    ):
        with pytest.raises(ValidationError, match="This record is closed"):
            attempt()
    assert open_request(fresh(kept), Kind.RESTRICTION, "Please.", by=themselves).patient_id == kept.pk


def test_no_account_is_opened_for_a_record_that_was_closed_since_it_was_looked_up(
    pilot: factories.Pilot, kept: Patient, receptionist: Actor
) -> None:
    double = record(pilot)
    merged(double, into=kept)
    with pytest.raises(ValidationError, match="This record is closed"):
        open_account(double, "late@example.org", None, by=receptionist)


def test_a_withdrawal_for_the_closed_record_says_in_which_one_something_may_stand(
    pilot: factories.Pilot, kept: Patient, receptionist: Actor
) -> None:
    factories.give_consent(kept)
    double = record(pilot)
    merged(double, into=kept)
    with pytest.raises(ValidationError, match="Open that one"):
        record_withdrawal(double, method=Decision.Method.PHONE, by=receptionist)


def test_nothing_is_said_to_somebody_whose_kept_record_is_erased(
    pilot: factories.Pilot, guardian: Actor
) -> None:
    kept, double = record(pilot), record(pilot, account=True)
    asked = open_request(double, Kind.RESTRICTION, "Please.", by=factories.patient_actor(double))
    with acting(factories.TESTS, "test.made", patients=[double.pk]):
        Patient.objects.filter(pk=double.pk).update(merged_into=uuid4())
    answer_request(asked, by=guardian, **GRANTED)
    with looking():
        assert not Message.objects.filter(patient__in=[kept, double]).exists()


class TestForReal:
    """With commits, and both at once."""

    pytestmark = pytest.mark.usefixtures("own_database")

    def test_of_two_grants_at_once_each_is_given_and_the_record_is_restricted_once(
        self, own_database: str
    ) -> None:
        pilot = factories.make_pilot()
        guardians = [factories.make_staff(Role.CALDICOTT_GUARDIAN, pilot.office) for _ in range(2)]
        for _ in range(3):
            patient = record(pilot, account=True)
            themselves = factories.patient_actor(patient)
            asked = [
                open_request(patient, kind, "Please.", by=themselves)
                for kind in (Kind.RESTRICTION, Kind.OBJECTION)
            ]
            answered = at_once(
                *(
                    partial(answer_request, each, by=guardian, **GRANTED)
                    for each, guardian in zip(asked, guardians, strict=True)
                )
            )
            assert [each.status for each in answered] == [Status.ANSWERED] * 2
            with looking():
                assert Restriction.objects.filter(patient=patient).count() == 1

    def test_an_account_opened_meanwhile_opens_the_record_that_is_kept_or_none(
        self, own_database: str
    ) -> None:
        pilot = factories.make_pilot()
        clinician = factories.make_staff(Role.CLINICIAN, pilot.practice)
        for attempt in range(3):
            kept, double = record(pilot, **SAME), record(pilot)
            version = seen(kept, double)
            merging, _ = at_once(
                partial(merge, double, into=kept, version=version, by=clinician),
                partial(open_account, double, f"late{attempt}@example.org", None, by=factories.TESTS),
            )
            # Opened first, it is something that whoever compared the two did not see.
            if isinstance(merging, StaleVersion):
                assert fresh(double).account_id is not None
            else:
                assert fresh(double).merged_into_id == kept.pk
                assert fresh(double).account_id is None
        assert not any(each.missing or each.left_over for each in compare())

    def test_a_withdrawal_meanwhile_stands(self, own_database: str) -> None:
        pilot = factories.make_pilot()
        clinician = factories.make_staff(Role.CLINICIAN, pilot.practice)
        for which in ("closed", "kept"):
            kept, double = record(pilot), record(pilot)
            factories.give_consent(kept)
            factories.give_consent(double)
            who = double if which == "closed" else kept
            merging, withdrawing = at_once(
                partial(merge, double, into=kept, version=seen(double, kept), by=clinician),
                partial(record_withdrawal, who, method=Decision.Method.PHONE, by=clinician),
            )
            assert not isinstance(merging, Exception), merging
            # Too late for the closed one, whoever wrote it down is told to go on in the other.
            if isinstance(withdrawing, Exception):
                assert which == "closed"
                assert "Open that one" in str(withdrawing)
            else:
                assert Purpose.TAKE_PART not in held(kept)
            assert held(double) == set()
