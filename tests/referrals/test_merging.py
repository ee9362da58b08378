"""Two records of one person: one is kept, the other is closed for ever, and the stricter answer stands."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from coaching.models import SessionStatus
from consent.actions import How, record_decisions, record_not_now, record_withdrawal
from consent.correcting.actions import correct
from consent.models import NEEDED_TO_BEGIN, Decision, Purpose, Receipt
from consent.policies import standing
from consent.representatives.actions import record_representative
from pilot.access import Actor, NotVisible, Role, acting
from pilot.access.projections import compare
from pilot.outbox.actions import post
from pilot.outbox.models import Message, ReceivedText
from pilot.outbox.received.policies import are_texts_stopped
from pilot.outbox.received.selectors import to_call_about, whose
from pilot.people import selectors as people
from pilot.people.actions import PatientDetails, change_details, open_account
from pilot.people.models import Patient
from pilot.people.restrictions.actions import begin_restriction
from referrals import codes, selectors
from referrals.actions import log_referral
from referrals.deaths.actions import record_death, undo_death
from referrals.merging.policies import check_can_be_one
from referrals.models import Allocation, Invitation, Reason, Referral, Status
from referrals.moving.actions import record_move
from referrals.notes.actions import write_note
from tests import factories
from tests.forms import hidden_in, send
from tests.referrals.doubles import BORN, SAME, fresh, held, looking, merged, record
from tests.together import at_once

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

YES_TO_BOTH = dict.fromkeys(NEEDED_TO_BEGIN, True)
AT_DESK = How(Decision.Method.IN_PERSON, capacity_not_in_doubt=True, freely_given=True, patient_asked=True)


def latest(patient: Patient, purpose: Purpose) -> Decision:
    with looking():
        found = standing(patient)[purpose]
    assert found
    return found


def receipt_of(patient: Patient) -> str:
    with looking():
        receipt = Receipt.objects.get(patient=patient, kind=Receipt.Kind.MERGED)
    return " ".join(f"{line['title']}: {line['text']}." for line in receipt.lines)


def says_no(patient: Patient, purpose: Purpose, answer: Decision.Answer = Decision.Answer.WITHDRAWN) -> None:
    factories.DecisionFactory(patient=patient, purpose=purpose)
    factories.DecisionFactory(patient=patient, purpose=purpose, answer=answer, lapses_on=None)


@pytest.fixture
def kept(pilot: factories.Pilot) -> Patient:
    factories.make_sheet()
    return record(pilot, preferred_contact="1")


@pytest.fixture
def double(pilot: factories.Pilot) -> Patient:
    return record(pilot)


# --- The closed one -------------------------------------------------------------------------------


def test_whatever_is_open_in_the_closed_record_ends_without_blame(
    pilot: factories.Pilot, kept: Patient, coach: Actor, receptionist: Actor
) -> None:
    double = record(pilot)
    referral = factories.make_referral(double, status=Status.WAITING)
    factories.allocate_to(referral, coach)
    factories.MessageFactory(patient=double, purpose=Purpose.REMINDERS.value)
    merged(double, into=kept)
    referral = fresh(referral)
    assert (referral.status, referral.ending) == (Status.ENDED, Referral.Ending.MERGED)
    assert held(double) == set()
    assert latest(double, Purpose.TAKE_PART).answer == Decision.Answer.LAPSED
    with looking():
        assert not Allocation.objects.current().filter(patient=double).exists()
        assert set(Message.objects.filter(patient=double).values_list("status", flat=True)) == {"stopped"}
    with acting(coach, "test.looked"):
        assert not Patient.objects.visible_to(coach).exists()
    # Nobody is carried over: they are asked again.
    assert held(kept) == set()
    assert "It does not count any more, unless you say it again: Take part" in receipt_of(kept)


def test_an_invitation_to_the_closed_record_opens_nothing(
    kept: Patient, double: Patient, receptionist: Actor
) -> None:
    referral = factories.make_referral(double)
    invitation = factories.InvitationFactory(referral=referral)
    merged(double, into=kept)
    assert fresh(invitation).cancelled_at is not None
    assert fresh(referral).status == Status.SET_ASIDE


def test_nothing_is_written_about_it_any_more(
    pilot: factories.Pilot, kept: Patient, double: Patient, receptionist: Actor
) -> None:
    clinician = factories.make_staff(Role.CLINICIAN, pilot.practice)
    said = factories.DecisionFactory(
        patient=double, purpose=Purpose.EVALUATION, answer="refused", lapses_on=None
    )
    merged(double, into=kept)
    closed = fresh(double)
    details = PatientDetails("A", "B", BORN)
    for attempt in (
        lambda: log_referral(closed, reasons=[Reason.FIND_WORK], patient_asked=True, by=receptionist),
        lambda: record_decisions(
            closed, YES_TO_BOTH, sheet=factories.make_sheet(), how=AT_DESK, by=receptionist
        ),
        lambda: record_not_now(closed, by=receptionist),
        lambda: record_withdrawal(closed, method=Decision.Method.PHONE, by=receptionist),
        lambda: change_details(closed, details, version=closed.version, by=receptionist),
        lambda: record_representative(
            closed, name="Ada", authority="attorney", seen="A paper", by=receptionist
        ),
        lambda: write_note(closed, "A note.", by=clinician),
        lambda: record_death(closed, died_on=timezone.localdate(), by=receptionist),
        lambda: record_move(closed, moved_on=timezone.localdate(), by=receptionist),
        lambda: correct(said, Decision.Answer.CORRECTED, "A slip of the pen", by=receptionist),
        lambda: open_account(closed, "another@example.org", None, by=receptionist),
        lambda: merged(closed, into=kept),
        lambda: merged(kept, into=closed),
    ):
        with pytest.raises(ValidationError):
            attempt()
    with acting(receptionist, "test.wrote", patients=[closed.pk]):
        # What has to be said goes to the person, in the record that is kept.
        notice = post(closed, template="news", context={}, by=receptionist)
        assert notice
        assert notice.patient_id == kept.pk
        assert post(closed, template="news", context={}, purpose=Purpose.REMINDERS, by=receptionist) is None
    assert fresh(double) == closed
    assert fresh(double).version == closed.version


def test_it_leaves_lists_and_search_and_its_page_says_which_is_kept(
    kept: Patient, double: Patient, receptionist: Actor
) -> None:
    referral = factories.make_referral(double, reference=codes.new_reference())
    browser = factories.sign_in(Client(), receptionist)
    merged(double, into=kept)
    with acting(receptionist, "test.looked"):
        assert set(people.patients_at(receptionist, kept.practice)) == {kept}
        assert not selectors.newest_at(receptionist, kept.practice).exists()
        # Whoever has the closed one's reference finds the person.
        assert selectors.patients_with_reference(receptionist, referral.reference) == [kept.pk]
    with acting(factories.TESTS, "test.looked"):
        assert [patient.pk for patient, _ in whose(factories.TESTS, double.phone)] == [kept.pk]
    page = browser.get(reverse("referrals:patient", args=[double.pk])).content.decode()
    assert "This record is closed" in page
    assert reverse("referrals:patient", args=[kept.pk]) in page
    for name in ("referrals:log", "referrals:patient-edit", "referrals:died", "referrals:moved"):
        assert reverse(name, args=[double.pk]) not in page
    other = browser.get(reverse("referrals:patient", args=[kept.pk])).content.decode()
    assert "Another record of theirs" in other


# --- The stricter answer --------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [Decision.Answer.WITHDRAWN, Decision.Answer.REFUSED])
def test_a_no_in_the_closed_record_ends_the_yes_in_the_other_with_all_that_rests_on_it(
    answer: Decision.Answer, kept: Patient, double: Patient, receptionist: Actor
) -> None:
    factories.give_consent(kept, *NEEDED_TO_BEGIN, Purpose.REMINDERS)
    waiting = factories.MessageFactory(patient=kept, purpose=Purpose.REMINDERS)
    says_no(double, Purpose.REMINDERS, answer)
    merged(double, into=kept)
    assert held(kept) == set(NEEDED_TO_BEGIN)
    assert fresh(waiting).status == Message.Status.STOPPED
    written = latest(kept, Purpose.REMINDERS)
    assert (written.answer, written.method) == (Decision.Answer.WITHDRAWN, Decision.Method.RECORDS)
    receipt = receipt_of(kept)
    assert "Your practice had two records about you" in receipt
    assert "That counts more than a yes, so this has ended: Send me reminders of sessions" in receipt
    assert "1 message that was waiting to go to you will not be sent" in receipt


def test_who_had_stopped_everything_in_the_closed_record_has_no_coach_in_the_other(
    pilot: factories.Pilot, double: Patient, coach: Actor, receptionist: Actor
) -> None:
    case = factories.make_case(pilot, coach, **SAME)
    session = factories.make_session(case, coach)
    says_no(double, Purpose.TAKE_PART)
    merged(double, into=case.patient)
    assert held(case.patient) == set()
    assert fresh(case).status == Status.ENDED
    assert fresh(session).status == SessionStatus.CANCELLED
    with acting(coach, "test.looked"):
        assert not Referral.objects.visible_to(coach).exists()
    receipt = receipt_of(case.patient)
    assert "Your coach can no longer see anything about you" in receipt
    assert "Your session on" in receipt


def test_what_the_calendar_ended_or_was_a_mistake_is_no_no(
    kept: Patient, double: Patient, receptionist: Actor
) -> None:
    factories.give_consent(kept)
    says_no(double, Purpose.TAKE_PART, Decision.Answer.LAPSED)
    merged(double, into=kept)
    assert held(kept) == set(NEEDED_TO_BEGIN)
    assert "That counts more" not in receipt_of(kept)


def test_a_no_in_the_record_that_is_kept_stands(kept: Patient, double: Patient, receptionist: Actor) -> None:
    says_no(kept, Purpose.TAKE_PART)
    factories.give_consent(double)
    merged(double, into=kept)
    assert held(kept) == set()


@pytest.mark.parametrize(("here", "there"), [(10, 20), (20, 10), (None, 10), (10, None), (-5, None)])
def test_the_later_day_before_which_nobody_raises_it_stands(
    here: int | None, there: int | None, pilot: factories.Pilot, receptionist: Actor
) -> None:
    today = timezone.localdate()
    kept, double = record(pilot), record(pilot)
    referral = factories.make_referral(kept)
    for patient, days in ((kept, here), (double, there)):
        with acting(factories.TESTS, "test.made", patients=[patient.pk]):
            patient.do_not_raise_until = today + dt.timedelta(days=days) if days else None
            patient.save()
    merged(double, into=kept)
    ahead = max(days or 0 for days in (here, there))
    until = fresh(kept).do_not_raise_until
    if ahead > 0:
        assert until == today + dt.timedelta(days=ahead)
        assert fresh(referral).status == Status.SET_ASIDE
        assert "Until when nobody asks you" in receipt_of(kept)
    else:
        assert fresh(referral).status == Status.AWAITING_DECISION


def test_a_not_now_in_the_closed_record_is_a_no_to_taking_part(
    pilot: factories.Pilot, double: Patient, coach: Actor, receptionist: Actor
) -> None:
    case = factories.make_case(pilot, coach, **SAME)
    record_not_now(double, by=receptionist)
    merged(double, into=case.patient)
    assert held(case.patient) == set()
    assert fresh(case).status == Status.ENDED


def test_stop_to_texts_stands_and_an_unanswered_text_still_waits(
    pilot: factories.Pilot, kept: Patient, receptionist: Actor
) -> None:
    double = record(pilot, phone=kept.phone)
    factories.ReceivedTextFactory(patient=double, number="02079460000")
    waiting = factories.MessageFactory(patient=kept, channel="sms", purpose="", address=kept.phone)
    merged(double, into=kept)
    with looking():
        assert are_texts_stopped(Patient.objects.get(pk=kept.pk))
        assert ReceivedText.objects.filter(patient=kept, called_at__isnull=True).count() == 1
    with acting(receptionist, "test.looked"):
        assert [text.patient_id for text in to_call_about(receptionist)] == [kept.pk]
    assert fresh(waiting).channel == Message.Channel.LETTER


def test_that_a_message_is_not_safe_stands_for_the_same_number(
    pilot: factories.Pilot, kept: Patient, receptionist: Actor
) -> None:
    for phone, is_safe in (("020 7946 0000", False), ("020 7946 0999", True)):
        one = record(pilot, message_is_safe=True)
        merged(record(pilot, phone=phone, message_is_safe=False), into=one)
        assert fresh(one).message_is_safe is is_safe


# --- What goes over, and what the patient loses: nothing --------------------------------------------


def test_the_number_goes_to_the_record_that_is_kept(
    pilot: factories.Pilot, kept: Patient, receptionist: Actor
) -> None:
    number = next(factories.nhs_numbers(700))
    merged(record(pilot, nhs_number=number), into=kept)
    assert (fresh(kept).nhs_number, fresh(kept).nhs_number_unknown) == (number, False)


def test_the_account_goes_with_the_person_who_reads_both(
    pilot: factories.Pilot, kept: Patient, receptionist: Actor
) -> None:
    double = record(pilot, account=True, email="twice@example.org")
    clinician = factories.make_staff(Role.CLINICIAN, pilot.practice)
    factories.make_note(double, clinician, text="Sleeps badly since March.")
    themselves = factories.patient_actor(double)
    browser = factories.sign_in(Client(), themselves)
    merged(double, into=kept)
    assert fresh(kept).account_id == themselves.user_id
    assert fresh(double).account_id is None
    home = browser.get(reverse("record:home")).content.decode()
    link = reverse("record:other", args=[double.pk])
    assert link in home
    page = browser.get(link)
    assert page.status_code == 200
    assert "Sleeps badly since March." in page.content.decode()
    assert "Your two records are one" in browser.get(reverse("record:consent")).content.decode()
    assert f"You sign in with {fresh(kept).account.email}, as before" in receipt_of(kept)
    # Somebody else's, and one's own that is not closed, are not there.
    stranger = factories.sign_in(Client(), factories.patient_actor(factories.make_patient(pilot.practice)))
    assert stranger.get(link).status_code == 404
    assert browser.get(reverse("record:other", args=[kept.pk])).status_code == 404


def test_of_two_accounts_the_closed_ones_opens_nothing(pilot: factories.Pilot, receptionist: Actor) -> None:
    kept, double = record(pilot, account=True), record(pilot, account=True)
    gone, stays = factories.patient_actor(double), factories.patient_actor(kept)
    browser = factories.sign_in(Client(), gone)
    merged(double, into=kept)
    with acting(gone, "test.looked"):
        assert not Patient.objects.visible_to(gone).exists()
    assert browser.get(reverse("record:home")).status_code != 200
    with acting(stays, "test.looked"):
        assert set(Patient.objects.visible_to(stays)) == {kept, double}
    assert f"From now on you sign in with {kept.account.email}" in receipt_of(kept)


def test_the_copy_that_they_take_holds_both(
    pilot: factories.Pilot, kept: Patient, receptionist: Actor
) -> None:
    from pilot.record.copies.making import make

    double = record(pilot, account=True, address="2 Zebedee Road")
    themselves = factories.patient_actor(double)
    merged(double, into=kept)
    assert b"Zebedee" in make(themselves).json


def test_the_receipt_goes_out_as_those_by_others_do(
    kept: Patient, double: Patient, receptionist: Actor
) -> None:
    merged(double, into=kept)
    with looking():
        message = Message.objects.get(patient=kept)
    assert (message.template, message.status) == ("merged", Message.Status.DUE)
    assert "If one of the two was not about you, please call us today." in message.text


def test_a_closed_record_is_kept_as_long_as_the_other(
    pilot: factories.Pilot, kept: Patient, double: Patient, receptionist: Actor
) -> None:
    guardian = factories.make_staff(Role.CALDICOTT_GUARDIAN, pilot.office)
    merged(double, into=kept)
    with acting(guardian, "test.asked"), connection.cursor() as cursor:
        cursor.execute("SELECT pilot.retained_until(%s), pilot.retained_until(%s)", [kept.pk, double.pk])
        ends, never = cursor.fetchone()
    assert ends is not None
    assert never is None


# --- What cannot be -------------------------------------------------------------------------------


def test_what_is_refused_says_what_to_do_and_changes_nothing(
    pilot: factories.Pilot, kept: Patient, double: Patient, coach: Actor, receptionist: Actor
) -> None:
    numbers = factories.nhs_numbers(900)
    numbered = [record(pilot, nhs_number=next(numbers)) for _ in range(2)]
    third = record(pilot)
    dead, moved = record(pilot), record(pilot)
    record_death(dead, died_on=timezone.localdate(), by=receptionist)
    record_move(moved, moved_on=timezone.localdate(), by=receptionist)
    case = factories.make_case(pilot, coach, **SAME)
    factories.GoalFactory(referral=case)
    merged(third, into=double)
    for closing, into, words in (
        (kept, kept, "one and the same record"),
        (numbered[0], numbered[1], "The NHS numbers differ"),
        (record(pilot, date_of_birth=dt.date(1981, 5, 4)), kept, "The dates of birth differ"),
        (dead, kept, "has died"),
        (kept, dead, "has died"),
        (moved, kept, "has moved"),
        (kept, moved, "has moved"),
        (third, kept, "closed already"),
        (kept, third, "closed already"),
        (double, kept, "Keep this one"),
        (case.patient, kept, "Sessions or goals are written in this record"),
    ):
        with pytest.raises(ValidationError) as refusal:
            merged(closing, into=into)
        assert words in " ".join(refusal.value.messages)
    assert fresh(kept).merged_into_id is None
    # It can be kept instead.
    merged(kept, into=case.patient)


def test_a_restriction_stands_since_the_restricted_record_is_the_one_to_keep(
    pilot: factories.Pilot, kept: Patient, double: Patient, receptionist: Actor
) -> None:
    guardian = factories.make_staff(Role.CALDICOTT_GUARDIAN, pilot.office)
    with acting(guardian, "test.restricted", patients=[double.pk]):
        begin_restriction(double, by=guardian)
    with pytest.raises(ValidationError, match="This record is restricted"):
        merged(double, into=kept)
    merged(kept, into=double)
    assert fresh(kept).merged_into_id == double.pk


def test_where_both_hold_sessions_the_office_is_asked(
    pilot: factories.Pilot, coach: Actor, receptionist: Actor
) -> None:
    who = {**SAME, "nhs_number": None}
    cases = [factories.make_case(pilot, coach, **who) for _ in range(2)]
    for case in cases:
        factories.make_session(case, coach, status=SessionStatus.HELD)
    with pytest.raises(ValidationError, match="ask the pilot’s office"):
        merged(cases[0].patient, into=cases[1].patient)


def test_another_practices_record_is_not_there(
    pilot: factories.Pilot, kept: Patient, receptionist: Actor
) -> None:
    elsewhere = factories.make_patient(pilot.other_practice, **SAME)
    for one, other in ((elsewhere, kept), (kept, elsewhere)):
        with pytest.raises(NotVisible):
            merged(one, into=other)
    with pytest.raises(ValidationError, match="one practice"):
        check_can_be_one(elsewhere, kept)
    browser = factories.sign_in(Client(), receptionist)
    assert browser.get(reverse("referrals:merge", args=[kept.pk, elsewhere.pk])).status_code == 404


def test_undoing_a_death_and_then_bringing_together_is_possible(
    kept: Patient, double: Patient, receptionist: Actor
) -> None:
    record_death(double, died_on=timezone.localdate(), by=receptionist)
    undo_death(double, by=receptionist)
    merged(double, into=kept)
    assert fresh(double).merged_into_id == kept.pk


# --- On the page ----------------------------------------------------------------------------------


def test_the_desk_finds_and_compares_and_a_clinician_confirms(
    pilot: factories.Pilot, kept: Patient, clinician: Actor, receptionist: Actor
) -> None:
    double = record(pilot, address="2 Other Road", nhs_number=next(factories.nhs_numbers(1100)))
    stranger = factories.make_patient(pilot.practice, family_name="Elsewhere")
    browser = factories.sign_in(Client(), receptionist)
    assert reverse("referrals:same-person", args=[kept.pk]) in browser.get(
        reverse("referrals:patient", args=[kept.pk])
    ).content.decode()  # fmt: skip
    address = reverse("referrals:same-person", args=[kept.pk])
    found = browser.get(address).content.decode()
    compare_both = reverse("referrals:merge", args=[kept.pk, double.pk])
    assert compare_both in found
    assert reverse("referrals:merge", args=[kept.pk, stranger.pk]) not in found
    searched = browser.post(address, {"search": "Elsewhere"}, follow=True).content.decode()
    assert reverse("referrals:merge", args=[kept.pk, stranger.pk]) in searched
    page = browser.get(compare_both).content.decode()
    assert "2 Other Road" in page
    assert "This cannot be undone" in page
    # Whoever reads no clinical note does not decide who does.
    assert "A clinician has to bring them together" in page
    assert "Which record do you keep?" not in page
    assert send(browser, compare_both, keep=str(kept.pk), is_one_person="on").status_code == 403
    assert fresh(double).merged_into_id is None
    browser = factories.sign_in(Client(), clinician)
    assert "A clinician has to" not in browser.get(compare_both).content.decode()
    assert send(browser, compare_both).status_code == 422
    assert send(browser, compare_both, keep=str(kept.pk)).status_code == 422
    assert send(browser, compare_both, keep=str(stranger.pk), is_one_person="on").status_code == 422
    seen = hidden_in(browser.get(compare_both))
    now = fresh(double)
    details = {
        "given_name": "Ada",
        "family_name": "Twice",
        "date_of_birth": BORN,
        "nhs_number": now.nhs_number,
    }
    change_details(
        now, PatientDetails(**details, phone="020 7946 0123"), version=now.version, by=receptionist
    )
    stale = browser.post(compare_both, {**seen, "keep": str(kept.pk), "is_one_person": "on"})
    assert stale.status_code == 409
    assert "020 7946 0123" in stale.content.decode()
    assert "One of these has changed since you looked" in stale.content.decode()
    # They checked others.
    assert not re.search(r"<input[^>]* checked", stale.content.decode())
    # Nor does a page that was open for too long go on with what has changed.
    assert browser.post(compare_both, {**seen, "form_key": "x", "is_one_person": "on"}).status_code == 409
    done = send(browser, compare_both, keep=str(kept.pk), is_one_person="on")
    assert "The two records are one now" in done.content.decode()
    assert fresh(double).merged_into_id == kept.pk
    again = browser.get(compare_both).content.decode()
    assert "closed already" in again
    assert "Which record do you keep?" not in again


def test_a_number_that_clashes_leads_to_bringing_both_together(
    pilot: factories.Pilot, kept: Patient, receptionist: Actor
) -> None:
    number = next(factories.nhs_numbers(1300))
    other = record(pilot, nhs_number=number)
    browser = factories.sign_in(Client(), receptionist)
    address = reverse("referrals:patient-edit", args=[kept.pk])
    given = {
        "nhs_number": number, "given_name": kept.given_name, "family_name": "Twice", "date_of_birth_day": BORN.day,
        "date_of_birth_month": BORN.month, "date_of_birth_year": BORN.year,
    }  # fmt: skip
    refused = send(browser, address, **given)
    assert refused.status_code == 422
    assert "has this NHS number already" in refused.content.decode()
    assert reverse("referrals:merge", args=[kept.pk, other.pk]) in refused.content.decode()


class TestForReal:
    """With commits: grants are compared by another connection, and two windows are two."""

    pytestmark = pytest.mark.usefixtures("own_database")

    def test_grants_are_in_step_afterwards(self, own_database: str) -> None:
        pilot = factories.make_pilot()
        receptionist = factories.make_staff(Role.RECEPTIONIST, pilot.practice)
        coach = factories.make_staff(Role.COACH, pilot.provider)
        alone, first, second = record(pilot), record(pilot, account=True), record(pilot, account=True)
        merged(first, into=alone)
        merged(second, into=alone)
        cases = [factories.make_case(pilot, coach, account=True, **SAME) for _ in range(4)]
        says_no(double := record(pilot), Purpose.TAKE_PART)
        merged(double, into=cases[0].patient)
        record_move(cases[1].patient, moved_on=timezone.localdate(), by=receptionist)
        record_death(cases[2].patient, died_on=timezone.localdate(), by=receptionist)
        found = {each.name: each for each in compare()}
        assert not any(each.missing or each.left_over for each in found.values()), found
        # The one who has both, the three who live, and the one who still has a coach.
        assert (found["patients"].kept, found["referrals"].kept) == (4, 1)

    def test_of_two_windows_one_wins_and_the_other_is_told(self, own_database: str) -> None:
        pilot = factories.make_pilot()
        one, other = record(pilot), record(pilot)
        for patient in (one, other):
            factories.give_consent(patient, Purpose.EVALUATION)
        # The other way round as well: the locks are taken in one order, so neither waits for the other for ever.
        results = at_once(
            lambda: merged(one, into=other),
            lambda: merged(other, into=one),
            lambda: merged(one, into=other),
        )
        refusals = [each for each in results if isinstance(each, ValidationError)]
        assert len(refusals) == 2, results
        assert all("closed already" in each.messages[0] for each in refusals)
        with looking():
            assert Patient.objects.filter(merged_into__isnull=False).count() == 1
            assert Receipt.objects.filter(kind=Receipt.Kind.MERGED).count() == 1
            assert Invitation.objects.count() == 0
