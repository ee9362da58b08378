"""What coaches do: book sessions and record them, keep the patient's goals, and call for help.

Each of these asks again, with the patient's lock held, whether the consent it relies on still stands. Only
the call for help does not: safety comes first, and whoever may open the person's page may make it.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, cast
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from coaching import policies, selectors
from coaching.models import DistressCall, Goal, Session, SessionStatus
from consent.models import NEEDED_TO_BEGIN, Purpose
from consent.policies import check_consent, check_may_be_booked
from pilot.access import Actor, Permission, action
from pilot.access.later import soon
from pilot.outbox.actions import post, stop_about
from pilot.outbox.models import Message
from pilot.outbox.policies import preferred_channel, the_day_before
from pilot.people.actions import StaleVersion
from pilot.people.models import Patient
from pilot.web import formats
from referrals.models import Referral

# One message goes when a session is booked and, where that is at least so long before the other, one on the day before it.
BETWEEN_MESSAGES = dt.timedelta(days=1)


@action("session.booked", Permission.RECORD_SESSIONS)
def book(
    referral: Referral,
    *,
    starts_at: dt.datetime,
    minutes: int = 45,
    place: str,
    where: str = "",
    by: Actor,
) -> Session:
    """Book a session with somebody allocated to this coach, and tell the patient if they agreed to reminders.

    Refused for a time that has passed, for one at which the coach has another session, and while the referral
    is not with a coach.
    """
    check_consent(referral.patient, *NEEDED_TO_BEGIN)
    check_may_be_booked(referral.patient)
    # Locked: the support may be ending, or changing hands, at this moment.
    policies.check_can_book(Referral.objects.select_for_update(of=("self",), no_key=True).get(pk=referral.pk))
    policies.check_is_to_come(starts_at)
    session = Session(
        referral=referral,
        patient_id=referral.patient_id,
        coach_id=_account(by),
        starts_at=starts_at,
        minutes=minutes,
        place=place,
        where=where,
    )
    _save_without_clash(session)
    _tell_patient(session, "session_booked", by=by)
    return session


@action("session.moved", Permission.RECORD_SESSIONS)
def move(
    session: Session,
    *,
    starts_at: dt.datetime,
    minutes: int,
    place: str,
    where: str = "",
    version: int,
    by: Actor,
) -> Session:
    """Change the time or place of a booked session, from then on this coach's. The patient is told anew."""
    fresh = _locked(session, version)
    _check(fresh, "moved", by)
    policies.check_is_to_come(starts_at)
    fresh.coach_id = _account(by)
    fresh.starts_at, fresh.minutes, fresh.place, fresh.where = starts_at, minutes, place, where
    fresh.move_on()
    _save_without_clash(fresh)
    stop_about(fresh, patient=fresh.patient, by=by)
    _tell_patient(fresh, "session_moved", by=by)
    return fresh


@action("session.held", Permission.RECORD_SESSIONS)
def record_held(session: Session, *, agreed: str, version: int, by: Actor) -> Session:
    """Record that it took place and what was agreed; the patient can read it at once.

    One that took place before its time was brought forward: it then began now.
    """
    fresh = _locked(session, version)
    _check(fresh, "held", by)
    now = timezone.now()
    fresh.starts_at = min(fresh.starts_at, now)
    fresh.status, fresh.agreed, fresh.recorded_at = SessionStatus.HELD, agreed, now
    _save(fresh)
    stop_about(fresh, patient=fresh.patient, by=by)
    return fresh


@action("session.reworded", Permission.RECORD_SESSIONS)
def reword(session: Session, *, agreed: str, version: int, by: Actor) -> Session:
    """Correct what is written of a session that took place. What stood there before stays in its history."""
    fresh = _locked(session, version)
    _check(fresh, "reworded", by)
    fresh.agreed = agreed
    _save(fresh)
    return fresh


@action("session.did_not_happen", Permission.RECORD_SESSIONS)
def record_did_not_happen(session: Session, *, rearranged_by: str, version: int, by: Actor) -> Session:
    """Record who arranges another time; why it did not happen is never asked. Refused before its time."""
    fresh = _locked(session, version)
    _check(fresh, "did not happen", by)
    policies.check_has_begun(fresh)
    fresh.status, fresh.recorded_at = SessionStatus.DID_NOT_HAPPEN, timezone.now()
    fresh.rearranged_by = rearranged_by
    _save(fresh)
    return fresh


@action("session.cancelled", Permission.RECORD_SESSIONS)
def cancel(session: Session, *, version: int, by: Actor) -> Session:
    """Call off a booked session, whatever the consents say: to stop is nothing new. The patient is told if they agreed to
    reminders.
    """
    fresh = _locked(session, version)
    policies.check_can_move(fresh, "cancelled", by.role)
    _cancel(fresh, patient=fresh.patient, by=by)
    _tell_patient(fresh, "session_cancelled", by=by)
    return fresh


def cancel_booked(patient: Patient, *, tell_patient: bool = False, by: Actor) -> list[Session]:
    """Call off every session that is booked with the patient, because the support ends or changes hands.

    A consequence, inside somebody else's action. The past stays as it was recorded.
    """
    sessions = list(Session.objects.select_for_update(of=("self",)).filter(patient=patient).upcoming())
    for session in sessions:
        policies.check_can_move(session, "cancelled", by.role)
    _cancel(*sessions, patient=patient, by=by)
    if tell_patient:
        for session in sessions:
            _tell_patient(session, "session_cancelled", by=by)
    return sessions


@action("goal.added", Permission.KEEP_GOALS)
def add_goal(referral: Referral, words: str, *, by: Actor) -> Goal:
    """Write down a goal as the patient says it. It need not be about work."""
    check_consent(referral.patient, *NEEDED_TO_BEGIN)
    goal = Goal(referral=referral, patient_id=referral.patient_id, words=words)
    goal.save(force_insert=True)
    return goal


@action("goal.changed", Permission.KEEP_GOALS)
def change_goal(goal: Goal, *, words: str, standing: str, version: int, by: Actor) -> Goal:
    """Change a goal's words, or whether the patient still wants it, reached it, or wants something else."""
    check_consent(goal.patient, *NEEDED_TO_BEGIN)
    fresh = Goal.objects.select_for_update(of=("self",)).get(pk=goal.pk)
    if fresh.version != version:
        raise StaleVersion
    now = timezone.now()
    fresh.words = words
    fresh.reached_at = (fresh.reached_at or now) if standing == Goal.Standing.REACHED else None
    fresh.dropped_at = (fresh.dropped_at or now) if standing == Goal.Standing.DROPPED else None
    fresh.move_on()
    fresh.save(force_update=True)
    return fresh


@action("distress.raised", Permission.RAISE_DISTRESS)
def raise_distress(
    referral: Referral, *, immediate_danger: bool = False, safe_place: str = "", by: Actor
) -> DistressCall:
    """Call the practice's named clinician, or all clinicians where none is named: an alert, then an e-mail.

    A call that nobody has accepted yet stands, and goes out again: pressing twice makes nothing worse. It
    never counts against anybody.
    """
    call = (
        DistressCall.objects.select_for_update(of=("self",))
        .filter(referral=referral, raised_by_id=by.user_id)
        .open()
        .first()
    )
    if call is None:
        named = selectors.named_clinicians(referral.practice_id)
        call = DistressCall(
            referral=referral,
            patient_id=referral.patient_id,
            practice_id=referral.practice_id,
            raised_by_id=_account(by),
            raised_at=timezone.now(),
            told=named[0] if named else None,
        )
    call.immediate_danger = call.immediate_danger or immediate_danger
    call.safe_place = safe_place or call.safe_place
    call.emailed_at = None
    call.save()
    _email_soon(call)
    return call


@action("distress.details_added", Permission.RAISE_DISTRESS)
def add_details(call: DistressCall, *, immediate_danger: bool, safe_place: str, by: Actor) -> DistressCall:
    """Tell the clinician more about a call that was made."""
    fresh = DistressCall.objects.select_for_update(of=("self",)).get(pk=call.pk)
    fresh.immediate_danger, fresh.safe_place = immediate_danger, safe_place
    fresh.save(update_fields=["immediate_danger", "safe_place"], force_update=True)
    return fresh


@action("distress.accepted", Permission.ACCEPT_DISTRESS)
def accept_distress(call: DistressCall, *, by: Actor) -> DistressCall:
    """Accept responsibility by name. Where somebody else has, it stays with them, and this says who."""
    # Locked: two clinicians may press at the same moment, and exactly one of them is responsible.
    fresh = DistressCall.objects.select_for_update(of=("self",)).get(pk=call.pk)
    if fresh.accepted_by_id == by.user_id:
        return fresh
    if fresh.accepted_by:
        raise ValidationError(
            _("%(name)s accepted responsibility before you. You need do nothing, unless they ask you.")
            % {"name": fresh.accepted_by.display_name},
            code="accepted",
        )
    fresh.accepted_by_id, fresh.accepted_at = by.user_id, timezone.now()
    fresh.save(update_fields=["accepted_by", "accepted_at"], force_update=True)
    return fresh


@action("distress.emailed", Permission.SEND_MESSAGES)
def note_emailed(call: DistressCall, *, by: Actor) -> None:
    """Note that the e-mail after a call has gone."""
    DistressCall.objects.filter(pk=call.pk).update(emailed_at=timezone.now())


def _account(by: Actor) -> UUID:
    # Only people hold these permissions, never the system.
    return cast(UUID, by.user_id)


def _locked(session: Session, version: int) -> Session:
    fresh = Session.objects.select_for_update(of=("self",)).get(pk=session.pk)
    if fresh.version != version:
        raise StaleVersion
    return fresh


def _check(session: Session, move_name: str, by: Actor) -> None:
    check_consent(session.patient, *NEEDED_TO_BEGIN)
    policies.check_can_move(session, move_name, by.role)


def _save(session: Session) -> None:
    session.move_on()
    session.save(force_update=True)


def _cancel(*sessions: Session, patient: Patient, by: Actor) -> None:
    if not sessions:
        return
    for session in sessions:
        session.status = SessionStatus.CANCELLED
        session.move_on()
    # At once, however many there are: whoever withdraws waits for this.
    Session.objects.filter(pk__in=[each.pk for each in sessions]).update(
        status=SessionStatus.CANCELLED, version=F("version") + 1
    )
    stop_about(*sessions, patient=patient, by=by)


def _save_without_clash(session: Session) -> None:
    session.clean_fields(exclude=["referral", "patient", "coach", "recorded_at"])
    try:
        # A savepoint: what was refused is asked about below, which a broken transaction could not do.
        with transaction.atomic():
            session.save()
    except IntegrityError as error:
        if policies.NO_CLASHES not in str(error):
            raise
        raise ValidationError({"starts_at": _clash(session)}) from error


def _clash(session: Session) -> str:
    other = selectors.clashing(session)
    if other is None:
        return _("You have another session at that time. Choose a different time.")
    begins, ends = (timezone.localtime(at) for at in (other.starts_at, other.ends_at))
    return _("You have another session from %(begins)s to %(ends)s on that day. Choose a different time.") % {
        "begins": formats.time(begins),
        "ends": formats.time(ends),
    }


def _tell_patient(session: Session, template: str, *, by: Actor) -> None:
    """Write the message about a session and the reminder; nothing without consent to reminders."""
    patient = session.patient
    told: dict[str, Any] = {
        "context": {"session": session},
        "purpose": Purpose.REMINDERS,
        "about": session,
        "by": by,
    }
    post(patient, template=template, **told)
    remind_at = the_day_before(session.starts_at)
    is_worth_it = session.is_booked and remind_at > timezone.now() + BETWEEN_MESSAGES
    # A letter printed the day before would come too late.
    if is_worth_it and preferred_channel(patient) != Message.Channel.LETTER:
        post(patient, template="session_reminder", due_at=remind_at, **told)


def _email_soon(call: DistressCall) -> None:
    from coaching.tasks import email_clinicians

    # Not retried here: the clinicians' pages show the call already, and the clock sends what was not sent.
    soon(email_clinicians)
