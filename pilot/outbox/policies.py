"""Which way a message may go to a patient: their own preference, and never one that is not safe."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from pilot.outbox.models import Message
from pilot.outbox.received.policies import are_texts_stopped
from pilot.people.models import Contact, Patient

MORNING, EVENING = 9, 20
# Written to where the record does not say any more: these go nowhere else.
SENT_ELSEWHERE = frozenset({"merged_elsewhere"})


def is_written_to(patient_id: UUID) -> bool:
    """Whether anything goes to this patient at all: not once they have died, nor about a record that is closed."""
    closed = Q(died_on__isnull=False) | Q(merged_into__isnull=False)
    return not Patient.objects.filter(closed, pk=patient_id).exists()


def has_died(patient_id: UUID) -> bool:
    """Whether whoever this record is about has died, as it says or, where it is closed, the one that is kept."""
    died = Q(died_on__isnull=False) | Q(merged_into__died_on__isnull=False)
    return Patient.objects.filter(died, pk=patient_id).exists()


def in_the_day() -> dt.datetime:
    """Now, or nine in the morning where it is night: for what goes out by the clock and not because of anybody."""
    now = timezone.localtime()
    if MORNING <= now.hour < EVENING:
        return now
    day = now.date() + dt.timedelta(days=1 if now.hour >= EVENING else 0)
    return timezone.make_aware(dt.datetime.combine(day, dt.time(MORNING)))


def the_day_before(moment: dt.datetime) -> dt.datetime:
    """The same time by the clock on the day before, or the nearest at which nobody is disturbed. Where the clocks change in
    between, that is not 24 hours."""
    local = timezone.localtime(moment)
    latest = dt.time(EVENING - 1)
    time = min(max(local.time(), dt.time(MORNING)), latest)
    return timezone.make_aware(dt.datetime.combine(local.date() - dt.timedelta(days=1), time))


def sends_texts() -> bool:
    """Whether this installation has a way to send text messages."""
    return bool(settings.NOTIFY_API_KEY or settings.SMS_SPOOL_FILE)


def preferred_channel(patient: Patient) -> Message.Channel:
    """How the patient would like to hear from us, or a letter where that does not reach them safely.

    A text shows on a screen that others may see: it goes only to somebody who said that a message is safe.
    """
    if patient.preferred_contact == Contact.EMAIL and patient.email:
        return Message.Channel.EMAIL
    if patient.preferred_contact == Contact.SMS and can_text(patient):
        return Message.Channel.SMS
    if patient.email and not patient.address:
        return Message.Channel.EMAIL
    return Message.Channel.LETTER


def written_channel(patient: Patient) -> Message.Channel:
    """The way for what has to be read as a whole: as they would like, but never by text, which shows on a screen and only
    says that there is something to sign in for."""
    channel = preferred_channel(patient)
    if channel != Message.Channel.SMS:
        return channel
    return Message.Channel.LETTER if patient.address or not patient.email else Message.Channel.EMAIL


def can_text(patient: Patient) -> bool:
    """Whether a text reaches this patient, it is safe that it does, and nobody answered STOP from that number."""
    return bool(
        patient.phone and patient.message_is_safe and sends_texts() and not are_texts_stopped(patient)
    )


def address_for(patient: Patient, channel: Message.Channel) -> str:
    """Where a message of this kind goes; empty where we know of none (a letter is then handed over)."""
    if channel == Message.Channel.EMAIL:
        return patient.email
    return patient.phone if channel == Message.Channel.SMS else patient.address
