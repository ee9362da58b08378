"""What was asked: for the patient, their own; for the guardian, all of it, without a name; for the practice and the coach,
what they are asked to correct.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Q

from audit.differences import State, past_of
from audit.models import Event
from coaching.models import Goal, Session
from pilot.access import Actor, NotVisible, Permission, Role, check
from pilot.people.models import Patient
from pilot.record import looks
from pilot.record.models import Detail, Request, RequestQuerySet
from referrals.models import Allocation, Referral

# The fields that each of the details is about.
FIELDS_OF_DETAIL: dict[Detail, tuple[str, ...]] = {
    Detail.NAME: ("given_name", "family_name", "preferred_name", "pronouns"),
    Detail.BORN: ("date_of_birth", "nhs_number", "nhs_number_unknown"),
    Detail.REACH: ("address", "phone", "email"),
    Detail.CONTACT: ("preferred_contact", "message_is_safe"),
    Detail.NEEDS: ("needs", "needs_note", "language"),
    Detail.REFERRAL: ("reasons", "own_words", "best_times"),
}
# And those of what else can be corrected.
FIELDS_OF: dict[type[Session | Goal], tuple[str, ...]] = {
    Session: ("starts_at", "minutes", "place", "where", "status", "agreed"),
    Goal: ("words", "reached_at", "dropped_at"),
}


Thing = Patient | Referral | Session | Goal


@dataclass(frozen=True)
class About:
    """What a question is about: the line of the log, and how the patient's page says it."""

    event: Event
    entry: looks.Entry | None


def own_requests(actor: Actor, patient: Patient) -> RequestQuerySet:
    """Everything that the acting patient asked, in a record of theirs that was closed as well, in no order."""
    mine = Request.objects.visible_to(actor)
    return mine.filter(Q(patient=patient) | Q(patient__merged_into=patient))


def own_request(actor: Actor, patient: Patient, key: UUID) -> Request:
    """One of them. Raises `NotVisible` for anybody else's."""
    found = own_requests(actor, patient).select_related("answered_by", "acknowledged_by").filter(pk=key)
    return _there(found.first())


def asked_about(actor: Actor, patient: Patient, events: Collection[int]) -> dict[int, Request]:
    """The latest question about each of these lines that the patient asked one about. One query."""
    asked = own_requests(actor, patient).filter(about_event__in=events).order_by("opened_at")
    return {each.about_event: each for each in asked if each.about_event}


def to_answer(actor: Actor) -> RequestQuerySet:
    """Everything that waits for the guardian's answer, in no order."""
    return Request.objects.visible_to(actor, Permission.ANSWER_REQUESTS).open().shared(shared=False)


def with_others(actor: Actor) -> RequestQuerySet:
    """Corrections that a practice or a coach is to answer: the guardian watches the clock, and may answer them too."""
    return Request.objects.visible_to(actor, Permission.ANSWER_REQUESTS).open().shared()


def answered(actor: Actor) -> RequestQuerySet:
    return Request.objects.visible_to(actor, Permission.ANSWER_REQUESTS).answered()


def number_to_answer(actor: Actor) -> int:
    """How many wait for an answer; shows nothing of any."""
    return to_answer(actor).count()


def request(actor: Actor, key: UUID) -> Request:
    """One that the actor may answer. Raises `NotVisible` where there is none."""
    seen = _there(_answerable(actor).filter(pk=key).first())
    check(actor, Permission.ANSWER_REQUESTS, seen)
    return seen


def corrections(actor: Actor) -> RequestQuerySet:
    """What the acting practice or coach is asked to correct, in no order."""
    rows = Request.objects.visible_to(actor, Permission.ANSWER_CORRECTIONS)
    return rows.shared().select_related("patient")


def number_of_corrections(actor: Actor) -> int:
    """How many of them wait; shows nothing of any."""
    return Request.objects.visible_to(actor, Permission.ANSWER_CORRECTIONS).open().count()


def correction(actor: Actor, key: UUID) -> Request:
    """One that the acting practice or coach may answer. Raises `NotVisible` where there is none."""
    seen = _there(_answerable(actor).select_related("patient").filter(pk=key).first())
    check(actor, Permission.ANSWER_CORRECTIONS, seen)
    return seen


def about(actor: Actor, asked: Request) -> About | None:
    """The line that a question is about; None where it is about none, or that is not shown to this actor."""
    if asked.about_event is None:
        return None
    event = Event.objects.filter(pk=asked.about_event).first()
    return About(event, looks.line(actor, asked.patient_id, event)) if event else None


def thing_of(asked: Request, actor: Actor | None = None) -> Thing | None:
    """What a correction is of: as far as the actor may see it, or else as far as the database shows it in an action. Of
    details that are about the referral, the latest referral.
    """
    if asked.about_relation == Patient._meta.db_table and asked.about_detail == Detail.REFERRAL:
        mine = Referral.objects.visible_to(actor) if actor else Referral.objects.all()
        return mine.filter(patient_id=asked.patient_id).order_by("-logged_at", "-id").first()
    for model in (Patient, *FIELDS_OF):
        if asked.about_relation == model._meta.db_table:
            rows: Any = model._default_manager
            seen = rows.visible_to(actor) if actor else rows.all()
            found: Thing | None = seen.filter(pk=asked.about_row).first()
            return found
    return None


def made_since(asked: Request, actor: Actor | None = None) -> list[State]:
    """What was changed in it between the question and the answer: old → new and by whom. As `thing_of` sees it."""
    thing = thing_of(asked, actor)
    if thing is None:
        return []
    wanted = _fields(asked, thing)
    left_out = [each.name for each in thing._meta.concrete_fields if each.name not in wanted]
    states = past_of(thing, leave_out=left_out).states
    return [
        each
        for each in states
        if each.differences
        and each.at >= asked.opened_at
        and (asked.answered_at is None or each.at <= asked.answered_at)
    ]


def coached_now(referral: UUID) -> bool:
    """Whether a coach helps with this referral at present, asked within an action."""
    current = Allocation.objects.current().filter(referral_id=referral, role=Role.COACH.value)
    return current.exists()


def _fields(asked: Request, thing: Thing) -> tuple[str, ...]:
    if isinstance(thing, (Session, Goal)):
        return FIELDS_OF[type(thing)]
    return FIELDS_OF_DETAIL[Detail(asked.about_detail)]


def _answerable(actor: Actor) -> RequestQuerySet:
    return Request.objects.visible_to(actor).select_related("answered_by", "acknowledged_by")


def _there(found: Request | None) -> Request:
    if found is None:
        raise NotVisible("No request found.")
    return found
