"""Keeping texts that came in, and what the practice did about them."""

from __future__ import annotations

from django.db.models import Q
from django.utils import timezone

from pilot.access import Actor, Permission, action
from pilot.outbox.models import Message, ReceivedText
from pilot.outbox.received.policies import are_texts_stopped, digits_of, is_stop
from pilot.people.models import Patient

LONGEST = 1000


@action("text.received", Permission.SEND_MESSAGES, exclusive=True)
def receive(
    patient: Patient, *, number: str, text: str, reference: str, keep_words: bool, by: Actor
) -> ReceivedText:
    """Keep a text that came from the patient's number, for the practice to call about. Safe to repeat.

    Its words are kept only where they may be an answer to a text of ours (`keep_words`): a number may be shared. After STOP
    no text goes to that number: what waits to go there is held back, and a letter says what a notice has to say. Exclusive,
    so that no text is written or handed over beside it. Nothing else changes: to leave the pilot is the patient's own
    decision, and a text may come from anybody who holds the phone.
    """
    kept, is_new = ReceivedText.objects.get_or_create(
        patient=patient,
        reference=reference,
        defaults={
            "practice_id": Patient.objects.values_list("practice_id", flat=True).get(pk=patient.pk),
            "number": digits_of(number),
            "text": text[:LONGEST] if keep_words else "",
            "is_stop": is_stop(text),
        },
    )
    if is_new and kept.is_stop:
        _hold_back(patient)
    return kept


@action("text.called_about", Permission.SEND_MESSAGES)
def note_called(text: ReceivedText, *, texts_again: bool = False, by: Actor) -> ReceivedText:
    """Note that the practice has called, and whether the patient would like texts again. Safe to repeat."""
    current = ReceivedText.objects.select_for_update(of=("self",)).get(pk=text.pk)
    if current.called_at is None:
        current.called_at, current.called_by_id = timezone.now(), by.user_id
    if texts_again and current.is_stop and current.wanted_again_at is None:
        current.wanted_again_at = timezone.now()
    current.save(force_update=True)
    return current


def carry_over(double: Patient, kept: Patient, *, by: Actor) -> None:
    """Let a STOP that stands for a number stand in the record that is kept, and what nobody has called about wait there, as
    part of an action."""
    stands = Q(is_stop=True, wanted_again_at__isnull=True)
    for each in ReceivedText.objects.filter(stands | Q(called_at__isnull=True), patient=double):
        ReceivedText.objects.get_or_create(
            patient=kept,
            reference=each.reference,
            defaults={
                "practice_id": kept.practice_id,
                "number": each.number,
                "text": each.text,
                "is_stop": each.is_stop,
                "called_at": each.called_at,
                "called_by_id": each.called_by_id,
                "wanted_again_at": each.wanted_again_at,
            },
        )
    if are_texts_stopped(kept):
        _hold_back(kept)


def _hold_back(patient: Patient) -> None:
    """What waits to be texted: what relies on a consent is stopped, and what has to be said goes by letter."""
    address = Patient.objects.values_list("address", flat=True).get(pk=patient.pk)
    waiting = Message.objects.filter(patient=patient, channel=Message.Channel.SMS, status=Message.Status.DUE)
    waiting.exclude(purpose="").update(status=Message.Status.STOPPED, secret="")
    waiting.filter(purpose="").update(channel=Message.Channel.LETTER, address=address)
