"""Booking sessions and recording them."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from coaching import actions
from coaching.models import Session, SessionStatus
from consent.models import Decision, Purpose
from consent.policies import ConsentMissing
from pilot.access import Actor, NotVisible, Role, acting
from pilot.outbox.models import Message
from pilot.people.actions import StaleVersion
from referrals import actions as referrals
from referrals.models import Referral, Status
from tests import factories
from tests.coaching.case import Case, in_days, make_case
from tests.together import at_once


def book(case: Case, **changes: Any) -> Session:
    arguments = {"starts_at": in_days(5), "place": Session.Place.PRACTICE, "where": "Room 2", **changes}
    return actions.book(case.referral, **{"by": case.coach, **arguments})


def reload(session: Session, by: Actor) -> Session:
    with acting(by, "test.looked"):
        return Session.objects.get(pk=session.pk)


def messages_of(case: Case) -> list[tuple[str, str]]:
    with acting(case.receptionist, "test.looked"):
        return sorted(Message.objects.values_list("template", "status"))


# --- Booking ---


def test_a_booked_session_is_seen_by_the_coach_and_the_patient_only(case: Case) -> None:
    session = book(case)
    patient = factories.patient_actor(case.referral.patient)
    for actor, sees in ((case.coach, 1), (patient, 1), (case.other_coach, 0), (case.receptionist, 0)):
        with acting(actor, "test.looked"):
            assert Session.objects.filter(pk=session.pk).count() == sees, actor.role


def test_nobody_books_for_somebody_on_another_caseload(case: Case) -> None:
    for somebody in (case.other_coach, case.clinician, case.receptionist, Actor.system("tests")):
        with pytest.raises((NotVisible, PermissionDenied)):
            book(case, by=somebody)


def test_a_session_is_booked_for_a_time_to_come(case: Case) -> None:
    with pytest.raises(ValidationError, match="still to come"):
        book(case, starts_at=in_days(-1))


def test_no_session_is_booked_while_the_referral_is_paused(case: Case) -> None:
    referrals.pause(case.referral, by=case.coach)
    with acting(case.coach, "test.looked"):
        paused = Referral.objects.get(pk=case.referral.pk)
    assert paused.status == Status.PAUSED
    with pytest.raises(ValidationError, match="Paused"):
        actions.book(paused, starts_at=in_days(5), place="phone", by=case.coach)


@pytest.mark.parametrize("answer", [Decision.Answer.WITHDRAWN, Decision.Answer.LAPSED])
def test_nothing_is_booked_without_consent(case: Case, answer: Decision.Answer) -> None:
    factories.give_consent(case.referral.patient, Purpose.SHARE_WITH_COACH, answer=answer)
    with pytest.raises((NotVisible, ConsentMissing)):
        book(case)


def test_consent_is_asked_about_even_where_access_is_not(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    factories.give_consent(case.referral.patient, Purpose.TAKE_PART, answer=Decision.Answer.LAPSED)
    monkeypatch.setattr("pilot.access.policies.check", lambda *args: None)
    with pytest.raises(ConsentMissing):
        book(case)


@pytest.mark.parametrize(
    ("minutes_later", "clashes"), [(0, True), (30, True), (-44, True), (45, False), (-45, False)]
)
def test_a_coach_is_in_one_place_at_a_time(case: Case, minutes_later: int, clashes: bool) -> None:
    first = book(case)
    other = factories.make_case(case.pilot, case.coach)
    begins = first.starts_at + dt.timedelta(minutes=minutes_later)

    def second() -> Session:
        return actions.book(other, starts_at=begins, minutes=45, place="phone", by=case.coach)

    if clashes:
        with pytest.raises(ValidationError, match="You have another session from") as refusal:
            second()
        assert "starts_at" in refusal.value.message_dict
    else:
        assert second().is_booked


def test_two_coaches_may_each_have_a_session_at_the_same_time(case: Case) -> None:
    first = book(case)
    other = factories.make_case(case.pilot, case.other_coach)
    assert actions.book(other, starts_at=first.starts_at, place="phone", by=case.other_coach).is_booked


def test_a_cancelled_session_leaves_its_time_free(case: Case) -> None:
    session = book(case)
    actions.cancel(session, version=1, by=case.coach)
    assert book(case, starts_at=session.starts_at).is_booked


def test_the_database_refuses_a_clash_by_itself(case: Case) -> None:
    first = book(case)
    with pytest.raises(IntegrityError, match="a_coach_is_in_one_place_at_a_time"), transaction.atomic():
        factories.make_session(
            case.referral, case.coach, starts_at=first.starts_at + dt.timedelta(minutes=44)
        )


def test_no_session_lasts_for_a_minute_or_a_day(case: Case) -> None:
    for minutes in (1, 24 * 60):
        with pytest.raises(IntegrityError, match="minutes_to_hours"), transaction.atomic():
            book(case, minutes=minutes)


def test_a_clash_with_a_session_that_the_coach_no_longer_sees_is_refused_without_a_word_about_it(
    case: Case,
) -> None:
    # Somebody else's row, hidden from the coach: only the database knows of it.
    hidden = factories.make_case(case.pilot, case.other_coach)
    clash = factories.make_session(hidden, case.coach)
    with pytest.raises(ValidationError, match="You have another session at that time"):
        book(case, starts_at=clash.starts_at)


def test_of_two_bookings_at_the_same_moment_one_is_made(own_database: str) -> None:
    case = make_case()
    other = factories.make_case(case.pilot, case.coach)
    what = {"starts_at": in_days(3), "place": "phone", "by": case.coach}
    outcomes = at_once(*(partial(actions.book, each, **what) for each in (case.referral, other)))
    assert sorted(type(each).__name__ for each in outcomes) == ["Session", "ValidationError"]


# --- What the patient is told ---


def test_without_consent_to_reminders_no_message_is_written(case: Case) -> None:
    book(case)
    assert messages_of(case) == []


def test_with_consent_to_reminders_the_patient_is_told_and_reminded(case: Case) -> None:
    factories.give_consent(case.referral.patient, Purpose.REMINDERS)
    # In the day: what would go out in the night goes earlier (tests/consent/test_clocks.py).
    noon = timezone.localtime(in_days(5)).replace(hour=12, minute=0)
    session = book(case, starts_at=noon)
    with acting(case.receptionist, "test.looked"):
        told, reminder = Message.objects.order_by("due_at")
    assert (told.template, told.purpose) == ("session_booked", "reminders")
    assert (reminder.template, reminder.purpose) == ("session_reminder", "reminders")
    day_before = timezone.localdate(session.starts_at) - dt.timedelta(days=1)
    assert timezone.localtime(reminder.due_at).replace(tzinfo=None) == dt.datetime.combine(
        day_before, dt.time(12)
    )
    assert "Room 2" in told.text
    assert "Cara Coach" in told.text


def test_for_a_session_soon_one_message_is_enough(case: Case) -> None:
    factories.give_consent(case.referral.patient, Purpose.REMINDERS)
    book(case, starts_at=in_days(1.5))
    assert messages_of(case) == [("session_booked", "due")]


def test_nobody_is_reminded_by_a_letter_that_comes_too_late(case: Case) -> None:
    patient = factories.make_patient(case.pilot.practice, preferred_contact="1")
    referral = factories.make_referral(patient, status=Status.WAITING)
    factories.give_consent(patient, Purpose.REMINDERS)
    factories.allocate_to(referral, case.coach)
    actions.book(referral, starts_at=in_days(9), place="phone", by=case.coach)
    assert messages_of(case) == [("session_booked", "due")]


def test_whoever_prefers_a_text_gets_a_short_one(case: Case) -> None:
    patient = factories.make_patient(case.pilot.practice, preferred_contact="9", message_is_safe=True)
    referral = factories.make_referral(patient, status=Status.WAITING)
    factories.give_consent(patient, Purpose.REMINDERS)
    factories.allocate_to(referral, case.coach)
    session = actions.book(referral, starts_at=in_days(9), place="phone", where="x" * 200, by=case.coach)
    actions.move(
        session, starts_at=in_days(10), minutes=30, place="phone", where="x" * 200, version=1, by=case.coach
    )
    actions.cancel(reload(session, case.coach), version=2, by=case.coach)
    with acting(case.receptionist, "test.looked"):
        texts = list(Message.objects.all())
    assert len(texts) == 5
    assert all(text.channel == "sms" and len(text.text) <= 306 for text in texts)
    assert not any("coach" in text.text.lower() for text in texts)


def test_moving_a_session_stops_the_old_message_and_writes_a_new_one(case: Case) -> None:
    factories.give_consent(case.referral.patient, Purpose.REMINDERS)
    session = book(case)
    moved = actions.move(
        session, starts_at=in_days(6), minutes=60, place="video", where="", version=1, by=case.coach
    )
    assert (moved.version, moved.minutes, moved.place) == (2, 60, "video")
    assert messages_of(case) == [
        ("session_booked", "stopped"),
        ("session_moved", "due"),
        ("session_reminder", "due"),
        ("session_reminder", "stopped"),
    ]


def test_cancelling_a_session_stops_the_reminder_and_tells_the_patient(case: Case) -> None:
    factories.give_consent(case.referral.patient, Purpose.REMINDERS)
    cancelled = actions.cancel(book(case), version=1, by=case.coach)
    assert cancelled.status == SessionStatus.CANCELLED
    assert messages_of(case) == [
        ("session_booked", "stopped"),
        ("session_cancelled", "due"),
        ("session_reminder", "stopped"),
    ]


# --- Recording ---


def begun(case: Case) -> Session:
    return factories.make_session(case.referral, case.coach, starts_at=in_days(-0.1))


def test_what_was_agreed_can_be_read_by_the_patient_at_once(case: Case) -> None:
    session = begun(case)
    actions.record_held(session, agreed="You call the college.", version=1, by=case.coach)
    patient = factories.patient_actor(case.referral.patient)
    held = reload(session, patient)
    assert (held.status, held.agreed) == (SessionStatus.HELD, "You call the college.")
    assert held.starts_at == session.starts_at
    assert held.recorded_at is not None


def test_a_session_that_was_brought_forward_began_when_it_was_recorded(case: Case) -> None:
    session = book(case)
    held = actions.record_held(session, agreed="You call the college.", version=1, by=case.coach)
    assert held.starts_at == held.recorded_at


def test_what_was_agreed_can_be_put_right_and_the_first_wording_is_kept(case: Case) -> None:
    session = begun(case)
    actions.record_held(session, agreed="You call the collage.", version=1, by=case.coach)
    actions.reword(session, agreed="You call the college.", version=2, by=case.coach)
    with acting(case.coach, "test.looked"):
        wordings = list(session.history.order_by("history_date").values_list("agreed", flat=True))
    assert wordings == ["", "You call the collage.", "You call the college."]


def test_a_session_that_did_not_happen_says_who_rearranges_and_nothing_else(case: Case) -> None:
    session = begun(case)
    done = actions.record_did_not_happen(
        session, rearranged_by=Session.Rearranger.PATIENT, version=1, by=case.coach
    )
    assert (done.status, done.rearranged_by, done.agreed) == (SessionStatus.DID_NOT_HAPPEN, "patient", "")
    names = {field.name for field in Session._meta.get_fields()}
    assert not any(word in name for name in names for word in ("reason", "attend", "absen", "dna"))


def test_before_its_time_a_session_cannot_have_failed_to_happen(case: Case) -> None:
    session = book(case)
    with pytest.raises(ValidationError, match="still to come"):
        actions.record_did_not_happen(session, rearranged_by="coach", version=1, by=case.coach)


@pytest.mark.parametrize("move", ["move", "record_held", "reword", "record_did_not_happen", "cancel"])
def test_a_form_that_is_out_of_date_changes_nothing(case: Case, move: str) -> None:
    session = begun(case)
    with pytest.raises(StaleVersion):
        change(move, session, version=7, by=case.coach)
    assert reload(session, case.coach).version == 1


@pytest.mark.parametrize("move", ["move", "record_held", "record_did_not_happen", "cancel"])
def test_what_is_over_is_not_changed_again(case: Case, move: str) -> None:
    session = begun(case)
    actions.record_held(session, agreed="Done.", version=1, by=case.coach)
    with pytest.raises(ValidationError, match="Took place"):
        change(move, session, version=2, by=case.coach)


def test_only_what_took_place_is_reworded(case: Case) -> None:
    with pytest.raises(ValidationError, match="Booked"):
        change("reword", begun(case), version=1, by=case.coach)


@pytest.mark.parametrize("move", ["move", "record_held", "reword", "record_did_not_happen", "cancel"])
def test_nobody_else_changes_a_session(case: Case, move: str) -> None:
    session = begun(case)
    patient = factories.patient_actor(case.referral.patient)
    supervisor = factories.make_staff(Role.SUPERVISOR, case.pilot.provider)
    for somebody in (case.other_coach, case.clinician, case.receptionist, supervisor, patient):
        with pytest.raises((NotVisible, PermissionDenied)):
            change(move, session, version=1, by=somebody)


def test_a_session_leaves_history_and_events(case: Case) -> None:
    session = book(case)
    actions.cancel(session, version=1, by=case.coach)
    with acting(factories.patient_actor(case.referral.patient), "test.looked"), connection.cursor() as cursor:
        cursor.execute(
            "SELECT kind, role, action FROM audit_event WHERE relation = 'coaching_session' ORDER BY id"
        )
        assert cursor.fetchall() == [
            ("created", "coach", "session.booked"),
            ("changed", "coach", "session.cancelled"),
        ]


def change(move: str, session: Session, *, version: int, by: Actor) -> Session:
    arguments: dict[str, dict[str, Any]] = {
        "move": {"starts_at": in_days(4), "minutes": 30, "place": "phone"},
        "record_held": {"agreed": "Something."},
        "reword": {"agreed": "Something."},
        "record_did_not_happen": {"rearranged_by": "coach"},
        "cancel": {},
    }
    done: Session = getattr(actions, move)(session, **arguments[move], version=version, by=by)
    return done
