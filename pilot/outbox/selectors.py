"""Which messages there are: for the worker, and for the practice's list."""

from __future__ import annotations

from uuid import UUID

from django.shortcuts import get_object_or_404

from pilot.access import Actor
from pilot.outbox.models import Message, MessageQuerySet

AT_ONCE = 200


def to_send(actor: Actor) -> list[Message]:
    """The messages to send now, longest due first: keys only, nothing that anybody would read."""
    return _keys(Message.objects.visible_to(actor).due())


def cut_off(actor: Actor) -> list[Message]:
    """The messages whose sending was cut off: keys only."""
    return _keys(Message.objects.visible_to(actor).cut_off())


def letters_to_print(actor: Actor) -> MessageQuerySet:
    """The practice's letters that wait to be printed."""
    return Message.objects.visible_to(actor).letters_to_print().select_related("patient")


def needing_a_look(actor: Actor) -> MessageQuerySet:
    """The practice's messages that a person has to decide about."""
    return Message.objects.visible_to(actor).needing_a_look().select_related("patient")


def message(actor: Actor, key: UUID) -> Message:
    """One message that the actor may see, or 404."""
    return get_object_or_404(Message.objects.visible_to(actor).select_related("patient", "practice"), pk=key)


def _keys(messages: MessageQuerySet) -> list[Message]:
    # Not fetched as rows: the worker has no need to look at any before it takes one.
    return [
        Message(pk=pk, patient_id=patient)
        for pk, patient in messages.values_list("pk", "patient_id")[:AT_ONCE]
    ]
