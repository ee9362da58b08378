"""Which texts came in: whose they may be, and what the practice has to call about."""

from __future__ import annotations

from uuid import UUID

from pilot.access import Actor, NotVisible
from pilot.outbox.models import Message, ReceivedText, ReceivedTextQuerySet
from pilot.outbox.received.policies import digits_of, with_number
from pilot.people.models import Patient, PatientQuerySet


def whose(actor: Actor, number: str) -> list[tuple[Patient, bool]]:
    """Everybody who has this number, as keys: none of them is looked at. With each, whether a text of ours went there, so
    that what comes from it may be their answer: a number may be a household's, or somebody else's by now."""
    seen: PatientQuerySet = Patient.objects.visible_to(actor).not_doubles()
    keys = list(with_number(seen, number).values_list("pk", flat=True))
    texted = Message.objects.visible_to(actor).filter(patient__in=keys, channel=Message.Channel.SMS)
    went_there = {
        patient
        for patient, address in texted.filter(sent_at__isnull=False).values_list("patient_id", "address")
        if digits_of(address) == digits_of(number)
    }
    return [(Patient(pk=key), key in went_there) for key in keys]


def to_call_about(actor: Actor) -> ReceivedTextQuerySet:
    """The practice's texts that nobody has called about yet, in no order."""
    waiting = ReceivedText.objects.visible_to(actor).to_call_about()
    open_ones = waiting.filter(patient__died_on__isnull=True, patient__merged_into__isnull=True)
    return open_ones.select_related("patient")


def text(actor: Actor, key: UUID) -> ReceivedText:
    """One text. Raises `NotVisible` where the actor may not see it."""
    found = (
        ReceivedText.objects.visible_to(actor).select_related("patient", "practice").filter(pk=key).first()
    )
    if found is None:
        raise NotVisible("No text found.")
    return found
