"""Two people taken for one, by mistake or on purpose: what keeps it from happening, and who is told if it does. And what
the patient goes on saying of the record that was closed."""

from __future__ import annotations

from functools import partial

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.test import Client
from django.urls import reverse

from consent.actions import record_withdrawal
from consent.models import Decision, Purpose
from pilot.access import Actor, Role, acting
from pilot.access.projections import compare
from pilot.outbox.models import Message
from pilot.people.actions import PatientDetails, StaleVersion, change_details, open_account
from pilot.people.models import Patient
from pilot.people.restrictions.policies import is_restricted
from pilot.record.models import Detail, Kind, Outcome
from pilot.record.notes.actions import ask_to_correct_note, correct_note, reply_to_note
from pilot.record.requests.actions import (
    answer_correction,
    answer_request,
    ask_for_correction,
    open_request,
)
from referrals.merging.actions import merge
from referrals.merging.policies import version_of
from referrals.models import ClinicalNote
from referrals.notes.models import NoteReply
from tests import factories
from tests.referrals.doubles import BORN, SAME, fresh, held, looking, merged, record
from tests.together import at_once

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

GRANTED = {"answer": "It is so from now on.", "outcome": Outcome.ACCEPTED}


@pytest.fixture
def desk(pilot: factories.Pilot) -> Actor:
    return factories.make_staff(Role.RECEPTIONIST, pilot.practice)


@pytest.fixture
def clinician(pilot: factories.Pilot) -> Actor:
    return factories.make_staff(Role.CLINICIAN, pilot.practice)


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
        merge(victim, into=kept, version=version_of(victim, kept), by=by)
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


@pytest.mark.parametrize("which", ["closed", "kept"])
def test_what_changed_since_both_were_looked_at_is_looked_at_again(
    which: str, pilot: factories.Pilot, kept: Patient, clinician: Actor, desk: Actor
) -> None:
    double = record(pilot)
    seen = version_of(fresh(double), fresh(kept))
    changed = fresh(double if which == "closed" else kept)
    details = PatientDetails("Ada", "Twice", BORN, phone="020 7946 0777")
    change_details(changed, details, version=changed.version, by=desk)
    with pytest.raises(StaleVersion):
        merge(double, into=kept, version=seen, by=clinician)
    assert fresh(double).merged_into_id is None


# --- Who is told ----------------------------------------------------------------------------------


def test_wherever_the_closed_one_alone_was_written_to_is_told_and_nothing_of_either(
    pilot: factories.Pilot,
) -> None:
    kept = record(pilot, address="1 New Road", email="new@example.org")
    double = record(pilot, account=True, address="2 Old Road", email="other@example.org")
    signed_in_with = fresh(double).account.email
    merged(double, into=kept)
    assert told_elsewhere(kept) == {("letter", "2 Old Road"), ("email", signed_in_with)}
    with looking():
        texts = Message.objects.filter(patient=kept, template="merged_elsewhere").values_list(
            "text", flat=True
        )
    for text in texts:
        assert "please call us today" in text
        assert not any(word in text for word in ("New Road", "new@example.org", "other@example.org"))


@pytest.mark.parametrize(
    ("closed", "stays", "expected"),
    [
        ({"address": "2 Old Road"}, {"address": "2 old  road"}, set()),
        ({"address": "", "email": "a@example.org"}, {"email": "A@example.org"}, set()),
        ({"address": "", "email": "a@example.org"}, {"email": ""}, {("email", "a@example.org")}),
        # It might be read by others, and a letter goes anyway.
        ({"address": "2 Old Road", "email": "a@example.org"}, {}, {("letter", "2 Old Road")}),
        ({"address": "", "email": "", "phone": "020 7946 0001"}, {}, set()),
    ],
)
def test_nobody_is_told_twice_or_where_others_might_read_it(
    closed: dict[str, str], stays: dict[str, str], expected: set[tuple[str, str]], pilot: factories.Pilot
) -> None:
    kept = record(pilot, **{"address": "1 New Road", "email": "", **stays})
    merged(record(pilot, **closed), into=kept)
    assert told_elsewhere(kept) == expected


def test_such_a_message_goes_nowhere_else_when_it_is_sent_once_more(
    pilot: factories.Pilot, desk: Actor
) -> None:
    from pilot.outbox.actions import settle_by_hand

    kept = record(pilot, address="1 New Road")
    merged(record(pilot, address="", email="old@example.org"), into=kept)
    with acting(factories.TESTS, "test.made", patients=[kept.pk]):
        message = Message.objects.get(patient=kept, template="merged_elsewhere")
        message.status = Message.Status.NOT_SENT
        message.save()
    settle_by_hand(message, arrived=False, by=desk)
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
        assert is_restricted(double.pk)


def test_a_correction_that_the_practice_owes_comes_first_and_nothing_else_is_hinted_at(
    pilot: factories.Pilot, kept: Patient, guardian: Actor, desk: Actor
) -> None:
    double = record(pilot, account=True)
    themselves = factories.patient_actor(double)
    complaint = open_request(double, Kind.COMPLAINT, "I was not listened to.", by=themselves)
    asked = ask_for_correction(double, "I moved.", detail=Detail.REACH, by=themselves)
    with pytest.raises(ValidationError, match="Answer first"):
        merged(double, into=kept)
    answer_correction(asked, "It is the one you gave us.", outcome=Outcome.NOT_ACCEPTED, by=desk)
    merged(double, into=kept)
    # The complaint goes on: it is the guardian's to answer, and the answer is told where the patient is written to.
    answer_request(complaint, "You were right.", outcome=Outcome.ACCEPTED, by=guardian)
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
    reply_to_note(note, "I live with my sister.", by=themselves)
    asked = ask_to_correct_note(note, "I live with my sister.", by=themselves)
    correct_note(asked, "Lives with a sister.", "It is right now.", by=clinician)
    with acting(clinician, "test.looked"):
        assert ClinicalNote.objects.get(pk=note.pk).text == "Lives with a sister."
        assert NoteReply.objects.filter(note=note).count() == 1
    with looking():
        assert Message.objects.filter(patient=kept, template="news").exists()
    assert "I live with my sister." in browser.get(reverse("record:other", args=[double.pk])).content.decode()


def test_whatever_else_they_ask_is_asked_in_the_record_that_is_kept(
    pilot: factories.Pilot, kept: Patient
) -> None:
    double = record(pilot, account=True)
    themselves = factories.patient_actor(double)
    merged(double, into=kept)
    closed = fresh(double)
    for attempt in (
        lambda: ask_for_correction(closed, "I moved.", detail=Detail.REACH, by=themselves),
        *(partial(open_request, closed, kind, "Please.", by=themselves) for kind in Kind),
    ):
        with pytest.raises(ValidationError, match="This record is closed"):
            attempt()
    assert open_request(fresh(kept), Kind.RESTRICTION, "Please.", by=themselves).patient_id == kept.pk


def test_no_account_is_opened_for_a_record_that_was_closed_since_it_was_looked_up(
    pilot: factories.Pilot, kept: Patient, desk: Actor
) -> None:
    double = record(pilot)
    merged(double, into=kept)
    with pytest.raises(ValidationError, match="This record is closed"):
        open_account(double, "late@example.org", None, by=desk)


class TestForReal:
    """With commits, and both at once."""

    pytestmark = pytest.mark.usefixtures("own_database")

    def test_an_account_opened_meanwhile_opens_the_record_that_is_kept_or_none(
        self, own_database: str
    ) -> None:
        pilot = factories.make_pilot()
        clinician = factories.make_staff(Role.CLINICIAN, pilot.practice)
        for attempt in range(3):
            kept, double = record(pilot, **SAME), record(pilot)
            version = version_of(kept, double)
            at_once(
                partial(merge, double, into=kept, version=version, by=clinician),
                partial(open_account, double, f"late{attempt}@example.org", None, by=clinician),
            )
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
                partial(merge, double, into=kept, version=version_of(double, kept), by=clinician),
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
