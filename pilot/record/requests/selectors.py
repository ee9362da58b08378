"""What was asked: for the patient, their own; for the guardian, all of it, without a name."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from audit.models import Event
from pilot.access import Actor, NotVisible, Permission, check
from pilot.people.models import Patient
from pilot.record import looks
from pilot.record.models import Request, RequestQuerySet


@dataclass(frozen=True)
class About:
    """What a question is about: the line of the log, and how the patient's page says it."""

    event: Event
    entry: looks.Entry | None


def own_requests(actor: Actor, patient: Patient) -> RequestQuerySet:
    """Everything that the acting patient asked, in no order."""
    return Request.objects.visible_to(actor).filter(patient=patient)


def own_request(actor: Actor, patient: Patient, key: UUID) -> Request:
    """One of them. Raises `NotVisible` for anybody else's."""
    found = own_requests(actor, patient).select_related("answered_by").filter(pk=key).first()
    if found is None:
        raise NotVisible("No question found.")
    return found


def asked_about(actor: Actor, patient: Patient, events: Collection[int]) -> dict[int, Request]:
    """The latest question about each of these lines that the patient asked one about. One query."""
    asked = own_requests(actor, patient).filter(about_event__in=events).order_by("opened_at")
    return {each.about_event: each for each in asked if each.about_event}


def to_answer(actor: Actor) -> RequestQuerySet:
    """Everything that waits for an answer, in no order."""
    return Request.objects.visible_to(actor, Permission.ANSWER_REQUESTS).open()


def answered(actor: Actor) -> RequestQuerySet:
    return Request.objects.visible_to(actor, Permission.ANSWER_REQUESTS).answered()


def number_to_answer(actor: Actor) -> int:
    """How many wait for an answer; shows nothing of any."""
    return to_answer(actor).count()


def request(actor: Actor, key: UUID) -> Request:
    """One that the actor may answer. Raises `NotVisible` where there is none."""
    seen = Request.objects.visible_to(actor).select_related("answered_by").filter(pk=key).first()
    if seen is None:
        raise NotVisible("No question found.")
    check(actor, Permission.ANSWER_REQUESTS, seen)
    return seen


def about(actor: Actor, asked: Request) -> About | None:
    """The line that a question is about; None where it is about none, or that is not shown to this actor."""
    if asked.about_event is None:
        return None
    event = Event.objects.filter(pk=asked.about_event).first()
    return About(event, looks.line(actor, asked.patient_id, event)) if event else None
