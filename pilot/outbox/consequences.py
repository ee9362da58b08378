"""What withdrawing means for messages: what waits for an ended purpose is stopped."""

from __future__ import annotations

from collections.abc import Collection

from django.utils.translation import ngettext

from consent.consequences import Consequence, on_end_announced, on_receipt_kept, register
from consent.models import Decision, Purpose, Receipt, Reminder
from pilot.access import Actor, Role
from pilot.outbox import actions
from pilot.outbox.models import Message
from pilot.outbox.policies import in_the_day, written_channel
from pilot.people.models import Patient


def preview(patient: Patient, purposes: Collection[Purpose]) -> str | None:
    """How many messages would stop."""
    count = Message.objects.waiting_for(patient, purposes).count()
    if not count:
        return None
    return ngettext(
        "%(count)d message that is waiting to go to you will not be sent.",
        "%(count)d messages that are waiting to go to you will not be sent.",
        count,
    ) % {"count": count}


def stop_messages(patient: Patient, purposes: Collection[Purpose], *, by: Actor) -> str | None:
    """Stop them, and say how many."""
    count = actions.stop_purposes(patient, purposes, by=by)
    if not count:
        return None
    return ngettext(
        "%(count)d message that was waiting to go to you will not be sent.",
        "%(count)d messages that were waiting to go to you will not be sent.",
        count,
    ) % {"count": count}


register(Consequence("messages", preview, stop_messages))


@on_receipt_kept
def send_receipt(patient: Patient, receipt: Receipt, *, method: Decision.Method, by: Actor) -> None:
    """Send the receipt of what somebody else wrote down for the patient, or the calendar ended.

    Whoever decides on their own page has it before them: an unasked letter could be read by others. At the desk a yes is
    handed over as a print; one that was said by phone or post goes out as a letter, to be held against what was meant.
    """
    if by.role is Role.PATIENT:
        return
    context = {"receipt": receipt}
    if receipt.kind == Receipt.Kind.LAPSED:
        actions.post(patient, template="lapsed", context=context, due_at=in_the_day(), by=by)
    elif receipt.kind == Receipt.Kind.MERGED:
        # An account may have come over that is somebody else's: whoever has none is told in full.
        actions.post(patient, template="merged", context=context, channel=written_channel(patient), by=by)
    elif receipt.kind == Receipt.Kind.MOVED:
        actions.post(patient, template="moved", context=context, by=by)
    elif receipt.kind != Receipt.Kind.DECIDED:
        actions.post(patient, template="withdrawn", context=context, by=by)
    elif method in (Decision.Method.PHONE, Decision.Method.POST):
        actions.post(patient, template="decided", context=context, channel=Message.Channel.LETTER, by=by)


@on_end_announced
def tell_of_end(patient: Patient, reminders: Collection[Reminder], *, by: Actor) -> None:
    """One gentle notice for everything that ends soon, by its first day."""
    context = {
        "ends_on": min(each.ends_on for each in reminders),
        "has_changed": any(each.why == Reminder.Why.CHANGED for each in reminders),
    }
    actions.post(patient, template="ends_soon", context=context, due_at=in_the_day(), by=by)
