"""Asking, confirming, giving more time, and answering what was asked. Of corrections: by the side that wrote it."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.models import Event
from coaching.models import Goal, Reply, Session
from pilot.access import Actor, Permission, acting, action, current, patient_of
from pilot.access.context import hold
from pilot.access.records import broken_rule
from pilot.outbox.actions import post
from pilot.people.models import Patient
from pilot.people.policies import check_is_not_double
from pilot.people.restrictions.actions import begin_restriction
from pilot.record.models import Kind, Outcome, Request, Status
from pilot.record.requests import policies
from pilot.record.requests.selectors import coached_now, made_since, thing_of
from referrals.patients.models import DetailReply

# What the patient reads where they ask for what they asked for already, by the rule of the database.
_AGAIN = ("one_open_request_about_a_line", "one_open_correction_of_a_thing", "one_open_request_for_a_right")
Thing = Patient | Session | Goal
# “Yes” to either has the same effect, at once: nothing new is done with the record.
_RESTRICTS = (Kind.RESTRICTION, Kind.OBJECTION)


@action("request.opened", Permission.MAKE_REQUESTS)
def open_request(
    patient: Patient, kind: Kind, words: str, *, about: Event | None = None, by: Actor
) -> Request:
    """Put it before the guardian, with the last day for the answer. Refused while the same is open already, and for a record
    that is closed: it is asked in the other one."""
    _check_is_used(patient)
    return _open(
        Request(
            patient=patient,
            kind=kind,
            words=words,
            about_event=about.pk if about else None,
            about_relation=about.relation or "" if about else "",
            about_row=about.row_id or "" if about else "",
        )
    )


@action("correction.asked_for", Permission.MAKE_REQUESTS)
def ask_for_correction(thing: Thing, words: str, *, detail: str = "", by: Actor) -> Request:
    """Ask whoever wrote it to correct it: the practice for details, the coach for sessions and goals; where there is no
    coach any more, the guardian. Refused while the same is asked for already, and of a closed record's details.
    """
    if isinstance(thing, Patient):
        _check_is_used(thing)
    request = Request(
        patient_id=patient_of(thing),
        kind=Kind.CORRECTION,
        words=words,
        about_relation=thing._meta.db_table,
        about_row=str(thing.pk),
        about_detail=detail,
    )
    if isinstance(thing, Patient):
        request.practice_id = thing.practice_id
    elif coached_now(thing.referral_id):
        request.referral_id = thing.referral_id
    return _open(request)


@action("request.confirmed", Permission.ANSWER_REQUESTS)
def confirm_complaint(request: Request, *, by: Actor) -> Request:
    """Tell the patient that their complaint has arrived and is looked into. A step of its own: it has a clock of its own."""
    fresh = _locked(request, "confirmed", by)
    policies.check_can_confirm(fresh)
    fresh.acknowledged_at, fresh.acknowledged_by_id = timezone.now(), by.user_id
    fresh.save(update_fields=["acknowledged_at", "acknowledged_by"], force_update=True)
    post(fresh.patient, template="news", context={}, by=by)
    return fresh


@action("request.extended", Permission.ANSWER_REQUESTS)
def give_more_time(request: Request, because: str, *, by: Actor) -> Request:
    """Two more months for what is complex, once, with a reason that the patient reads. Refused once it is late."""
    fresh = _locked(request, "given more time", by)
    policies.check_can_extend(fresh)
    fresh.extended_at, fresh.extended_by_id, fresh.extended_because = timezone.now(), by.user_id, because
    fresh.due_on = policies.due_on(Kind(fresh.kind), fresh.opened_at, more=True)
    fresh.save(update_fields=["extended_at", "extended_by", "extended_because", "due_on"], force_update=True)
    post(fresh.patient, template="news", context={}, by=by)
    return fresh


@action("request.answered", Permission.ANSWER_REQUESTS)
def answer_request(request: Request, answer: str, *, outcome: str = "", by: Actor) -> Request:
    """Answer, once and for all, and tell the patient that there is something to read. Refused where it has an answer.

    “Yes” to a restriction or an objection restricts the record in the same transaction or, where it was closed since, the
    one that is kept. The message does not say what about: whoever prints or sees it need not know that they asked.
    """
    return _answer(_locked(request, "answered", by), answer, outcome, by=by)


@action("correction.answered", Permission.ANSWER_CORRECTIONS)
def answer_correction(request: Request, answer: str, *, outcome: str, by: Actor) -> Request:
    """The same by the practice or the coach, of what they were asked to correct.

    “Yes” is refused before something was corrected. Where it is not, or in part, the patient's words stand beside it for
    ever.
    """
    return _answer(_locked(request, "answered", by), answer, outcome, by=by)


def _check_is_used(patient: Patient) -> None:
    # Read again: it may have been closed since it was looked up.
    check_is_not_double(Patient.objects.get(pk=patient.pk))


def _open(request: Request) -> Request:
    kind, now = Kind(request.kind), timezone.now()
    request.opened_at, request.due_on = now, policies.due_on(kind, now)
    request.acknowledge_by = policies.acknowledge_by(kind, now)
    try:
        # A savepoint: the page goes on after a refusal.
        with transaction.atomic():
            request.save(force_insert=True)
    except IntegrityError as error:
        if broken_rule(error) not in _AGAIN:
            raise
        raise ValidationError(_("You have asked about this already. You will have an answer.")) from error
    return request


def _locked(request: Request, move: str, by: Actor) -> Request:
    # Locked: two people may answer at once.
    fresh = Request.objects.select_for_update(of=("self",)).get(pk=request.pk)
    policies.check_can_move(fresh, move, by.role)
    return fresh


def _answer(fresh: Request, answer: str, outcome: str, *, by: Actor) -> Request:
    policies.check_outcome(fresh, outcome)
    if fresh.kind == Kind.CORRECTION:
        if outcome != Outcome.NOT_ACCEPTED and not made_since(fresh):
            raise ValidationError(
                {"outcome": _("Nothing has been corrected since they asked. Correct it first, then answer.")}
            )
        if outcome != Outcome.ACCEPTED:
            _put_beside(fresh)
    if fresh.kind in _RESTRICTS and outcome == Outcome.ACCEPTED:
        _restrict(fresh.patient, by=by)
    fresh.status, fresh.answer, fresh.outcome = Status.ANSWERED, answer, outcome
    fresh.answered_by_id, fresh.answered_at = by.user_id, timezone.now()
    changed = ["status", "answer", "outcome", "answered_by", "answered_at"]
    fresh.save(update_fields=changed, force_update=True)
    post(fresh.patient, template="news", context={}, by=by)
    return fresh


def _restrict(patient: Patient, *, by: Actor) -> None:
    """Restrict the record or, where it was closed since they asked, the one that is used instead."""
    if patient.merged_into_id is None:
        begin_restriction(patient, by=by)
        return
    with acting(by, current().action, patients=[patient.merged_into_id]):
        hold(patient.merged_into_id, exclusive=False)
        # It may have been erased, and then nothing is used any more.
        for kept in Patient.objects.filter(pk=patient.merged_into_id):
            begin_restriction(kept, by=by)


def _put_beside(request: Request) -> None:
    """The patient's words, beside what stays as it is."""
    if request.about_relation == Patient._meta.db_table:
        patient = request.patient
        beside: DetailReply | Reply = DetailReply(
            patient=patient, practice_id=patient.practice_id, words=request.words
        )
    else:
        thing = thing_of(request)
        assert isinstance(thing, Session | Goal)  # noqa: S101 (what it is of is never removed)
        beside = Reply(
            patient_id=thing.patient_id,
            referral_id=thing.referral_id,
            session=thing if isinstance(thing, Session) else None,
            goal=thing if isinstance(thing, Goal) else None,
            words=request.words,
        )
    beside.save(force_insert=True)
