"""Writing messages, sending them once, and stopping them. How one is handed over is in `sending`; its words
in `wording`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Any
from uuid import uuid4

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Case, F, Q, TextField, Value, When
from django.utils import timezone
from django.utils.translation import gettext as _

from consent.models import Purpose
from consent.policies import holds
from pilot.access import Actor, Permission, acting, action, current
from pilot.access.context import hold
from pilot.access.records import Record
from pilot.outbox import ledger, sending, wording
from pilot.outbox.models import Message, MessageQuerySet
from pilot.outbox.policies import (
    SENT_ELSEWHERE,
    address_for,
    has_died,
    is_written_to,
    preferred_channel,
    sends_texts,
)
from pilot.outbox.received.policies import are_texts_stopped
from pilot.people.models import Patient

# How long to wait before each further attempt. After the last one a person decides.
PAUSES = tuple(dt.timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 720))


def post(
    patient: Patient,
    *,
    template: str,
    context: Mapping[str, Any],
    channel: str | None = None,
    purpose: str = "",
    about: Record | None = None,
    secret: str = "",
    due_at: dt.datetime | None = None,
    elsewhere: str = "",
    by: Actor,
) -> Message | None:
    """Write a message in the surrounding action; it is sent after the commit, or not at all.

    To somebody who has died nothing is written, nor to anybody else about them: None is returned. Of a record that was
    closed because the same person has another, notices alone are written, into the one that is kept.

    `channel` is the patient's preferred one unless given; one that does not reach them safely is refused with
    a `ValidationError`. With a `purpose` it relies on that consent: nothing is written, and None returned,
    where it is not given, and it is not sent once it ends. Without one it is a notice. What stands for `{{
    secret }}` in the template is readable only in the sent message. `elsewhere` is where this one goes, by that `channel`,
    instead of where the record says (a template of `SENT_ELSEWHERE`). `about` names the row that it is stopped
    with (`stop_about`).
    """
    if bool(elsewhere) != (template in SENT_ELSEWHERE):
        raise ValueError(f"Whether {template} goes where the record says is decided once, in SENT_ELSEWHERE.")
    if patient.merged_into_id is not None and not purpose:
        with acting(by, current().action, patients=[patient.merged_into_id]):
            # Or a death could be written down meanwhile that does not see this message, nor this the death.
            hold(patient.merged_into_id, exclusive=False)
            kept = Patient.objects.select_related("practice").filter(pk=patient.merged_into_id).first()
            if kept is None:
                # Erased before the closed one: there is nowhere to write to any more.
                return None
            return post(
                kept,
                template=template,
                context=context,
                channel=channel,
                about=about,
                secret=secret,
                due_at=due_at,
                elsewhere=elsewhere,
                by=by,
            )
    if not is_written_to(patient.pk) or (purpose and not holds(patient.pk, Purpose(purpose))):
        return None
    chosen = Message.Channel(channel) if channel else preferred_channel(patient)
    address = elsewhere or address_for(patient, chosen)
    if channel:
        _check_reaches(patient, chosen, address)
    words = wording.words_for(patient, chosen, template, context)
    message = Message(
        patient=patient,
        practice_id=patient.practice_id,
        channel=chosen,
        purpose=purpose,
        template=template,
        about=about.pk if about else None,
        address=address,
        subject=words.subject,
        text=words.text,
        secret=wording.seal(secret),
        due_at=due_at or timezone.now(),
        reference=uuid4(),
    )
    message.save(force_insert=True)
    return message


def stop_about(*rows: Record, patient: Patient, by: Actor) -> int:
    """Call off whatever has not certainly been sent about these rows, in the surrounding action. Returns how many.

    What a worker has in its hands already is not handed over, and what failed or may not have arrived is not
    sent again.
    """
    return _stop(_open().filter(patient=patient, about__in=[row.pk for row in rows]))


def stop_all(patient: Patient, *, by: Actor) -> int:
    """Stop whatever has not certainly been sent to the patient, notices too, in the surrounding action: that of records of
    theirs which were closed as well. Returns how many."""
    keys = [patient.pk, *Patient.objects.filter(merged_into=patient).values_list("pk", flat=True)]
    with acting(by, current().action, patients=keys):
        return _stop(_open().filter(patient__in=keys))


def stop_forecasts(patient: Patient, *, by: Actor) -> int:
    """Stop what says that a yes is going to end, where all have ended, in the surrounding action. Returns how many."""
    return _stop(_open().filter(patient=patient, template="ends_soon"))


def stop_purposes(patient: Patient, purposes: Collection[str], *, by: Actor) -> int:
    """Stop what waits to be sent for any of these purposes, in the surrounding action. Returns how many.

    What may not have arrived, and what a worker has in its hands, is called off too: it is not sent again, whatever they
    agree to later.
    """
    waiting = Message.objects.waiting_for(patient, purposes).count()
    _stop(_open().filter(patient=patient, purpose__in=list(purposes)))
    return waiting


@action("message.claimed", Permission.SEND_MESSAGES)
def claim(message: Message, *, by: Actor) -> bool:
    """Take a due message for one attempt to send it. False where another worker has it, or it is not due any
    more.

    Committed before the attempt begins: if the attempt is cut off, the row says that one had begun.
    """
    row = _locked(message, Message.Status.DUE, or_skip=True)
    if row is None or row.channel == Message.Channel.LETTER:
        return False
    if _stays_here(row):
        return False
    row.status, row.claimed_at, row.attempts = Message.Status.SENDING, timezone.now(), row.attempts + 1
    row.save(update_fields=["status", "claimed_at", "attempts"])
    return True


@action("message.sent", Permission.SEND_MESSAGES)
def send(message: Message, *, by: Actor) -> str:
    """Hand a claimed message over, once, and note what became of it. Returns its status.

    The lock on the patient is held meanwhile: a withdrawal either comes before, and nothing leaves, or waits
    for a message that is leaving already (seconds). What was cut off in between stays "being sent" until
    `settle_cut_off`.
    """
    row = _locked(message, Message.Status.SENDING)
    if row is None:
        return ""
    if _stays_here(row):
        return row.status
    outcome = _hand_over(row)
    if outcome is sending.Outcome.SENT:
        return _settle(row, Message.Status.SENT)
    if outcome is sending.Outcome.REFUSED:
        return _settle(row, Message.Status.NOT_SENT)
    if outcome is sending.Outcome.LATER:
        return _again_later(row)
    # Nobody knows. The service for texts can be asked later, by the reference; for e-mail a person decides.
    return row.status if sending.can_look_up(row) else _settle(row, Message.Status.UNKNOWN)


@action("message.looked_up", Permission.SEND_MESSAGES)
def settle_cut_off(message: Message, *, by: Actor) -> str:
    """Find out what became of a message whose sending was cut off. Returns its status.

    A text is looked up at the service that sends it before it is repeated; an e-mail is never repeated by
    itself.
    """
    row = _locked(message, Message.Status.SENDING, or_skip=True)
    if row is None or row.claimed_at is None or not Message.objects.cut_off().filter(pk=row.pk).exists():
        return ""
    if not sending.can_look_up(row):
        ledger.note_left(row)
        return _settle(row, Message.Status.UNKNOWN)
    found = sending.look_up(row)
    if found is sending.Outcome.SENT:
        ledger.note_left(row)
        return _settle(row, Message.Status.SENT)
    return _again_later(row) if found is sending.Outcome.LATER else row.status


@action("message.posted", Permission.SEND_MESSAGES)
def mark_posted(message: Message, *, by: Actor) -> Message:
    """Note that a letter was printed and posted or handed over. Refused once it was stopped or noted."""
    row = _locked(message, Message.Status.DUE)
    if row is None or row.channel != Message.Channel.LETTER:
        raise ValidationError(_("This letter is not waiting to be posted any more."))
    if not _may_still_go(row):
        raise ValidationError(_("The patient has stopped these letters. Please do not post it."))
    row.attempts += 1
    ledger.note_leaving(row)
    _settle(row, Message.Status.SENT)
    return row


@action("message.settled_by_hand", Permission.SEND_MESSAGES)
def settle_by_hand(message: Message, *, arrived: bool, by: Actor) -> Message:
    """Somebody asked the patient: it arrived, or it goes out once more. Refused where that is settled
    already.
    """
    row = _locked(message, Message.Status.UNKNOWN, Message.Status.NOT_SENT)
    if row is None:
        raise ValidationError(_("Somebody else has dealt with this message."))
    if arrived:
        # One of unknown fate is in the ledger already.
        if row.status == Message.Status.NOT_SENT:
            ledger.note_left(row)
        _settle(row, Message.Status.SENT)
    elif not _stays_here(row):
        row.status, row.due_at, row.attempts = Message.Status.DUE, timezone.now(), 0
        if row.template not in SENT_ELSEWHERE:
            row.address = address_for(row.patient, Message.Channel(row.channel))
        row.save(update_fields=["status", "due_at", "attempts", "address"])
    return row


def _hand_over(message: Message) -> sending.Outcome:
    """Hand it over, with its line in the ledger of disclosures: what cannot be put there does not leave."""
    with transaction.atomic():
        ledger.note_leaving(message)
        outcome = sending.hand_over(message)
        has_left = outcome is sending.Outcome.SENT
        # One of unknown fate may have. Where the service can say so later, the line is written then.
        may_have = outcome is sending.Outcome.UNKNOWN and not sending.can_look_up(message)
        if not (has_left or may_have):
            transaction.set_rollback(True)
    return outcome


def _check_reaches(patient: Patient, channel: Message.Channel, address: str) -> None:
    if channel == Message.Channel.SMS and not patient.message_is_safe:
        raise ValidationError(_("It is not safe to send this person a text message. Choose another way."))
    if channel == Message.Channel.SMS and are_texts_stopped(patient):
        raise ValidationError(_("Somebody answered STOP to texts at this number. Choose another way."))
    if channel == Message.Channel.SMS and not sends_texts():
        raise ValidationError(_("Text messages are not set up here. Choose another way."))
    if not address and channel != Message.Channel.LETTER:
        raise ValidationError(_("We do not have what is needed to send it that way. Choose another way."))


def _may_still_go(message: Message) -> bool:
    if message.called_off_at is not None or has_died(message.patient_id):
        return False
    return message.is_notice or holds(message.patient_id, Purpose(message.purpose))


def _stays_here(message: Message) -> bool:
    """Whether it may not go any more, in which case it is stopped. Where that is because somebody answered STOP to texts at
    that number, or the record is closed and the one that is kept may call the number unsafe, what has to be said all the
    same waits as a letter."""
    may_go = _may_still_go(message)
    is_text = message.channel == Message.Channel.SMS
    is_closed = message.patient.merged_into_id is not None
    is_held_back = may_go and is_text and (is_closed or are_texts_stopped(message.patient, message.address))
    if may_go and not is_held_back:
        return False
    if is_held_back and message.is_notice:
        message.channel, message.address = Message.Channel.LETTER, message.patient.address
        message.status = Message.Status.DUE
        message.save(update_fields=["channel", "address", "status"])
    else:
        _settle(message, Message.Status.STOPPED)
    return True


def _locked(message: Message, *statuses: Message.Status, or_skip: bool = False) -> Message | None:
    """The message under lock if it stands so. With `or_skip`, None as well while another worker holds it.

    Whoever has claimed a message waits instead: a worker that came too late to claim it may hold it for a moment.
    """
    return (
        Message.objects.select_for_update(of=("self",), skip_locked=or_skip)
        .filter(pk=message.pk, status__in=statuses)
        .first()
    )


def _open() -> MessageQuerySet:
    """What has not certainly been sent, and was not stopped."""
    return Message.objects.exclude(status__in=[Message.Status.SENT, Message.Status.STOPPED])


def _stop(waiting: MessageQuerySet) -> int:
    # Locked in one order, whoever else stops some of them; then written at once, however many there are.
    keys = list(waiting.select_for_update(of=("self",)).order_by("id").values_list("pk", flat=True))
    if keys:
        is_here = Q(status__in=[Message.Status.DUE, Message.Status.NOT_SENT])
        Message.objects.filter(pk__in=keys).update(
            called_off_at=timezone.now(),
            status=Case(When(is_here, then=Value(Message.Status.STOPPED.value)), default=F("status")),
            secret=Case(When(is_here, then=Value("")), default=F("secret"), output_field=TextField()),
        )
    return len(keys)


def _settle(message: Message, status: Message.Status) -> str:
    message.status = status
    message.sent_at = timezone.now() if status == Message.Status.SENT else None
    if status in (Message.Status.SENT, Message.Status.STOPPED):
        message.secret = ""
    message.save(update_fields=["status", "sent_at", "secret", "attempts"])
    return status.value


def _again_later(message: Message) -> str:
    if _stays_here(message):
        return message.status
    if message.attempts > len(PAUSES):
        return _settle(message, Message.Status.NOT_SENT)
    message.status, message.due_at = Message.Status.DUE, timezone.now() + PAUSES[message.attempts - 1]
    message.save(update_fields=["status", "due_at"])
    return message.status
