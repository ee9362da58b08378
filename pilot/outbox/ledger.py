"""What the ledger of disclosures says of a message: to whom, what for, by which consent, and what of the record it held."""

from __future__ import annotations

from uuid import UUID

from audit.actions import record_disclosure
from audit.models import Disclosure
from consent.models import Purpose
from consent.policies import ConsentMissing, relied_on
from pilot.outbox.models import Message
from pilot.outbox.policies import SENT_ELSEWHERE

# What a message without a purpose is sent for: receipts, invitations and replies, which are owed to the patient anyhow.
NOTICE = "notice"

# The parts of the record that each template puts into a letter or e-mail, and into a text. A test reads the templates.
NAME = "people.Patient.name"
SESSION = ("coaching.Session.starts_at", "coaching.Session.minutes", "coaching.Session.place")
WHO_AND_WHERE = ("coaching.Session.where", "coaching.Session.coach")
CODE = ("referrals.Invitation.code", "referrals.Invitation.expires_at")
RECEIPT = "consent.Receipt.lines"
LONG: dict[str, tuple[str, ...]] = {
    "decided": (NAME, RECEIPT),
    "ends_soon": (NAME, "consent.Reminder.ends_on"),
    "invitation": (NAME, *CODE),
    "lapsed": (NAME, RECEIPT),
    "merged": (NAME, RECEIPT),
    "merged_elsewhere": ("people.Patient.given_name", "people.Patient.family_name"),
    "moved": (NAME, RECEIPT),
    "news": (NAME,),
    "session_booked": (NAME, *SESSION, *WHO_AND_WHERE),
    "session_cancelled": (NAME, "coaching.Session.starts_at"),
    "session_moved": (NAME, *SESSION, *WHO_AND_WHERE),
    "session_reminder": (NAME, *SESSION, *WHO_AND_WHERE),
    "withdrawn": (NAME, RECEIPT),
}
SHORT: dict[str, tuple[str, ...]] = {
    "decided": (),
    "ends_soon": ("consent.Reminder.ends_on",),
    "invitation": CODE,
    "lapsed": (),
    "merged": (),
    "merged_elsewhere": (),
    "moved": (),
    "news": (),
    "session_booked": ("coaching.Session.starts_at",),
    "session_cancelled": ("coaching.Session.starts_at",),
    "session_moved": ("coaching.Session.starts_at",),
    "session_reminder": ("coaching.Session.starts_at",),
    "withdrawn": (),
}
# Where it went: a letter shows the address, and whoever carries the others is told it.
_TO = {
    Message.Channel.LETTER: "people.Patient.address",
    Message.Channel.EMAIL: "people.Patient.email",
    Message.Channel.SMS: "people.Patient.phone",
}
_CLASS_OF = {"people": "identity", "consent": "consent"}


def note_leaving(message: Message) -> None:
    """Add a line for this message, which is about to leave, to the surrounding action's transaction.

    Refused, and the message with it, where it relies on a consent that does not stand.
    """
    decision = None if message.is_notice else relied_on(message.patient_id, Purpose(message.purpose))
    if decision is None and not message.is_notice:
        raise ConsentMissing([Purpose(message.purpose)])
    _note(message, decision)


def note_left(message: Message) -> None:
    """The same for one that has left, or may have, when it was sent or its latest attempt began: the line is written in any
    case."""
    at = message.sent_at or message.claimed_at
    _note(message, None if message.is_notice else relied_on(message.patient_id, Purpose(message.purpose), at))


def _note(message: Message, decision: UUID | None) -> None:
    fields = fields_of(message)
    whom = (
        "Where a record that is closed was written to"
        if message.template in SENT_ELSEWHERE
        else "The patient"
    )
    record_disclosure(
        message.patient_id,
        recipient_kind=Disclosure.RecipientKind.PATIENT,
        recipient=f"{whom}, by {message.get_channel_display().lower()}",
        purpose=message.purpose or NOTICE,
        classes={_CLASS_OF.get(each.partition(".")[0], "case") for each in fields},
        fields=fields,
        decision=decision,
        relation=Message._meta.db_table,
        row_id=str(message.pk),
    )


def fields_of(message: Message) -> tuple[str, ...]:
    """The parts of the record in it; of words that were written for this message alone, that it is those."""
    told = SHORT if message.channel == Message.Channel.SMS else LONG
    # Where these go does not stand in the record that they are about.
    is_own = bool(message.address) and message.template not in SENT_ELSEWHERE
    address = (_TO[Message.Channel(message.channel)],) if is_own else ()
    return (*address, *told.get(message.template, ("outbox.Message.text",)))
