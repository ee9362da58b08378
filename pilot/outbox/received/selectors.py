"""Which texts came in: whose they may be, and what the practice has to call about."""

from __future__ import annotations

from uuid import UUID

from pilot.access import Actor, NotVisible
from pilot.outbox.models import ReceivedText, ReceivedTextQuerySet
from pilot.outbox.received.policies import with_number
from pilot.people.models import Patient, PatientQuerySet


def whose(actor: Actor, number: str) -> list[Patient]:
    """Everybody who has this number, as keys: none of them is looked at."""
    seen: PatientQuerySet = Patient.objects.visible_to(actor)
    return [Patient(pk=key) for key in with_number(seen, number).values_list("pk", flat=True)]


def to_call_about(actor: Actor) -> ReceivedTextQuerySet:
    """The practice's texts that nobody has called about yet, in no order."""
    return ReceivedText.objects.visible_to(actor).to_call_about().select_related("patient")


def text(actor: Actor, key: UUID) -> ReceivedText:
    """One text. Raises `NotVisible` where the actor may not see it."""
    found = (
        ReceivedText.objects.visible_to(actor).select_related("patient", "practice").filter(pk=key).first()
    )
    if found is None:
        raise NotVisible("No text found.")
    return found
