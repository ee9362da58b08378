"""What happens to a referral: logged, agreed to, allocated, paused, ended."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from consent.models import NEEDED_TO_BEGIN, Purpose
from consent.policies import ConsentMissing, check_may_be_raised, ended_by_the_calendar, holds
from pilot.access import Actor, Permission, Role, action
from pilot.access.grants import grant, revoke
from pilot.people.models import Membership, Patient
from pilot.people.policies import check_is_in_use
from pilot.people.restrictions.policies import check_not_restricted
from referrals import codes
from referrals.consequences import coaching_stopped
from referrals.invitations.actions import cancel_invitations
from referrals.models import Allocation, Referral, Status
from referrals.policies import (
    SAID_BY_HAND,
    check_can_move,
    check_provider,
    free_places,
    places_of,
    provider_for,
    transition,
)
from referrals.selectors import coaches_today

# --- From being logged to waiting for a coach ------------------------------------------------------


@action("referral.logged", Permission.LOG_REFERRALS)
def log_referral(
    patient: Patient,
    *,
    reasons: Sequence[str],
    own_words: str = "",
    best_times: Sequence[str] = (),
    needs: Sequence[str] | None = None,
    needs_note: str = "",
    patient_asked: bool = False,
    source: str = Referral.Source.DESK,
    by: Actor,
) -> Referral:
    """Suggest coaching for the patient, who decides next; where they agreed before, it waits at once.

    Refused while another referral of theirs is open, and until the day before which nobody is to raise it,
    unless they asked for it. `needs`, where given, replace what is known of their needs.
    """
    # Locked: two receptionists may log the same person at once.
    patient = Patient.objects.select_for_update(of=("self",), no_key=True).get(pk=patient.pk)
    check_is_in_use(patient)
    check_not_restricted(patient)
    if not patient_asked:
        check_may_be_raised(patient)
    if Referral.objects.of(patient).open().exists():
        raise ValidationError(
            _("This person has an open referral already. Open it instead of logging another.")
        )
    _update_patient(patient, needs, needs_note, patient_asked=patient_asked)
    referral = Referral(
        patient=patient,
        practice_id=patient.practice_id,
        reasons=list(reasons),
        own_words=own_words,
        best_times=list(best_times),
        status=transition("logged").target,
        source=source,
        logged_by_id=by.user_id,
        logged_at=timezone.now(),
    )
    _save_with_reference(referral)
    return begin_waiting(patient, by=by) or referral


def begin_waiting(patient: Patient, *, by: Actor) -> Referral | None:
    """Let the patient's undecided referral wait for a coach, where the practice's provider sees it.

    Part of an action: of agreeing, or of logging for somebody who agreed before. None where there is nothing
    to move, or where what is needed to begin does not stand.
    """
    referral = Referral.objects.of(patient).filter(status=Status.AWAITING_DECISION).first()
    if referral is None or _missing(patient.pk):
        return None
    provider = provider_for(patient.practice)
    return _move(referral, "agreed", by=by, provider_id=provider, ready_at=timezone.now())


def set_aside(patient: Patient, until: dt.date, *, by: Actor) -> Referral | None:
    """Close the patient's undecided referral and its invitations: nobody raises it for now.

    Part of an action. Looks the same whatever the reason. None where nothing was undecided.
    """
    referral = Referral.objects.of(patient).filter(status=Status.AWAITING_DECISION).first()
    if referral is None:
        return None
    cancel_invitations(patient, by=by)
    return _move(referral, "set aside", by=by, ended_at=timezone.now())


# --- Allocation ------------------------------------------------------------------------------------


@action("referral.allocated", Permission.ALLOCATE)
def allocate(referral: Referral, coach: Membership, *, by: Actor) -> Allocation:
    """Give the referral to a coach, who sees it from now on.

    Refused unless it waits, the patient's consent stands, the coach belongs to its provider today and has a
    place free. However many supervisors allocate at once, no coach gets more people than their places.
    """
    current = _locked(referral)
    check_can_move(current, "allocated", by.role)
    check_provider(current)
    if missing := _missing(current.patient_id):
        raise ConsentMissing(missing)
    standing = coaches_today(current.provider_id).filter(pk=coach.pk).select_related("user").first()
    if standing is None:
        raise ValidationError({"coach": _("This person does not coach for your organisation today.")})
    allocation = Allocation(
        referral=current,
        patient_id=current.patient_id,
        practice_id=current.practice_id,
        provider_id=standing.organisation_id,
        person=standing.user,
        role=Role.COACH.value,
        begun_at=timezone.now(),
    )
    _take_place(allocation, places_of(standing))
    _move(current, "allocated", by=by, allocated_at=allocation.begun_at)
    grant(standing.user, Role.COACH, current)
    return allocation


@action("referral.handed_back", Permission.ALLOCATE)
def hand_back(referral: Referral, *, by: Actor) -> Referral:
    """Take the referral from its coach, whose access ends; it waits again where it stood in the queue.

    It waits with the provider whose coaches work at its practice now, which may be another one by then, or none.
    """
    provider = provider_for(referral.practice)
    moved = _move(referral, "handed back", by=by, provider_id=provider, allocated_at=None)
    coaching_stopped(moved, by=by)
    _end_access(moved, _end_allocations(moved))
    return moved


# --- Pausing and ending ----------------------------------------------------------------------------


@action("referral.paused", Permission.CHANGE_SUPPORT)
def pause(referral: Referral, *, by: Actor) -> Referral:
    """Rest for a while. The coach stays the same, keeps the place free and goes on seeing the referral."""
    return _move(referral, "paused", by=by)


@action("referral.resumed", Permission.CHANGE_SUPPORT)
def resume(referral: Referral, *, by: Actor) -> Referral:
    """Go on after a pause, with the same coach. Refused unless the patient's consent stands."""
    if missing := _missing(referral.patient_id):
        raise ConsentMissing(missing)
    return _move(referral, "resumed", by=by)


@action("referral.ended", Permission.CHANGE_SUPPORT)
def end_referral(referral: Referral, *, ending: str, by: Actor) -> Referral:
    """End the support, with no mark against anybody: the coach's access and what lies ahead end.

    Refused for an ending that has a page of its own, which ends more than the support: a death, say.
    """
    if ending not in SAID_BY_HAND:
        raise ValidationError({"ending": _("Choose how it ends.")})
    ended = _move(referral, "ended", by=by, ending=ending, ended_at=timezone.now(), provider_id=None)
    coaching_stopped(ended, by=by)
    _end_access(ended, _end_allocations(ended))
    return ended


def end_for_withdrawal(patient: Patient, purposes: Collection[Purpose], *, by: Actor) -> str | None:
    """End whatever of the patient's is open, as part of a withdrawal. Returns the receipt's line, or None."""
    if not set(purposes) & set(NEEDED_TO_BEGIN):
        return None
    cancel_invitations(patient, by=by)
    referral = Referral.objects.of(patient).open().first()
    if referral is None:
        return None
    if referral.status == Status.AWAITING_DECISION:
        _move(referral, "set aside", by=by, ended_at=timezone.now())
        return _("Nobody asks you about coaching any more.")
    was_waiting = referral.status == Status.WAITING
    is_over = ended_by_the_calendar(patient, purposes)
    ending = Referral.Ending.TIME_OVER if is_over else Referral.Ending.PATIENTS_CHOICE
    _move(referral, "ended", by=by, ending=ending, ended_at=timezone.now(), provider_id=None)
    _end_allocations(referral)
    return _has_stopped(was_waiting=was_waiting)


def end_what_is_open(patient: Patient, ending: Referral.Ending, *, by: Actor) -> str | None:
    """End whatever of the patient's is open, which nobody chose: they died or moved, or the record is closed.

    Part of an action; nobody is told. Returns what a receipt would say of it, or None where nothing was under way.
    """
    cancel_invitations(patient, by=by)
    referral = Referral.objects.of(patient).open().first()
    if referral is None:
        return None
    if referral.status == Status.AWAITING_DECISION:
        _move(referral, "set aside", by=by, ended_at=timezone.now())
        return None
    was_waiting = referral.status == Status.WAITING
    _move(referral, "ended", by=by, ending=ending, ended_at=timezone.now(), provider_id=None)
    _end_allocations(referral)
    return _has_stopped(was_waiting=was_waiting)


def revoke_grants(patient: Patient, purposes: Collection[Purpose], *, by: Actor) -> str | None:
    """Take away every coach's and supervisor's access to the patient, last of all that a withdrawal does."""
    if not set(purposes) & set(NEEDED_TO_BEGIN):
        return None
    past = list(Allocation.objects.filter(patient=patient).select_related("person", "referral"))
    for allocation in past:
        revoke(allocation.person, Role(allocation.role), allocation.referral)
    return _("Your coach can no longer see anything about you.") if past else None


# --- Parts of the above ----------------------------------------------------------------------------


def _has_stopped(*, was_waiting: bool) -> str:
    return _("You are no longer waiting for a coach.") if was_waiting else _("Your coaching has stopped.")


def _move(referral: Referral, name: str, *, by: Actor, **columns: object) -> Referral:
    """Make the named move from where the referral stands now, under lock, or refuse."""
    current = _locked(referral)
    check_can_move(current, name, by.role)
    current.status = transition(name).target
    for column, value in columns.items():
        setattr(current, column, value)
    current.move_on()
    current.save(force_update=True)
    return current


def _locked(referral: Referral) -> Referral:
    return Referral.objects.select_for_update(of=("self",), no_key=True).get(pk=referral.pk)


def _save_with_reference(referral: Referral) -> None:
    referral.clean_fields(exclude=["patient", "practice", "provider", "logged_by", "reference"])
    while True:
        referral.reference = codes.new_reference()
        try:
            with transaction.atomic():
                referral.save(force_insert=True)
        except IntegrityError as clash:
            # Somebody has that reference: another one, then.
            if _constraint(clash) != "every_reference_is_new":
                raise
        else:
            return


def _update_patient(
    patient: Patient, needs: Sequence[str] | None, needs_note: str, *, patient_asked: bool
) -> None:
    before = (patient.needs, patient.needs_note, patient.do_not_raise_until)
    if needs is not None:
        patient.needs, patient.needs_note = list(needs), needs_note
    if patient_asked:
        patient.do_not_raise_until = None
    if before != (patient.needs, patient.needs_note, patient.do_not_raise_until):
        patient.move_on()
        columns = ["needs", "needs_note", "do_not_raise_until", "version"]
        patient.clean_fields(exclude=[f.name for f in Patient._meta.fields if f.name not in columns])
        patient.save(update_fields=columns, force_update=True)


def _missing(patient_id: UUID) -> list[Purpose]:
    """What of that which is needed to begin does not stand today."""
    return [purpose for purpose in NEEDED_TO_BEGIN if not holds(patient_id, purpose)]


def _take_place(allocation: Allocation, limit: int) -> None:
    """Save the allocation in the coach's lowest free place, or refuse if none is left."""
    while free := free_places(limit, _taken_beside(allocation)):
        allocation.slot = free[0]
        try:
            with transaction.atomic():
                allocation.save(force_insert=True)
        except IntegrityError as clash:
            # Another supervisor took that place meanwhile: look again.
            if _constraint(clash) != "one_person_per_slot_of_a_coach":
                raise
        else:
            return
    raise ValidationError(
        {
            "coach": _("%(name)s has no place free any more. Choose somebody else.")
            % {"name": allocation.person}
        }
    )


def _taken_beside(allocation: Allocation) -> set[int]:
    beside = Allocation.objects.current().filter(
        provider_id=allocation.provider_id, person_id=allocation.person_id, role=Role.COACH.value
    )
    return {slot for slot in beside.values_list("slot", flat=True) if slot is not None}


def _end_allocations(referral: Referral) -> list[Allocation]:
    ending = list(
        Allocation.objects.current()
        .filter(referral=referral)
        .select_for_update(of=("self",))
        .select_related("person")
    )
    for allocation in ending:
        allocation.ended_at = timezone.now()
        allocation.save(update_fields=["ended_at"], force_update=True)
    return ending


def _end_access(referral: Referral, allocations: Sequence[Allocation]) -> None:
    for allocation in allocations:
        revoke(allocation.person, Role(allocation.role), referral)


def _constraint(clash: IntegrityError) -> str | None:
    """The name of the rule that the database held up."""
    return getattr(getattr(clash.__cause__, "diag", None), "constraint_name", None)
