"""What withdrawing means for messages: what waits for an ended purpose is stopped."""

from __future__ import annotations

from collections.abc import Collection

from django.utils.translation import ngettext

from consent.consequences import Consequence, on_end_announced, register
from consent.models import Purpose, Reminder
from consent.policies import ended_by_the_calendar
from pilot.access import Actor, Role
from pilot.outbox import actions
from pilot.outbox.models import Message
from pilot.outbox.policies import in_the_day
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
    """Stop them. Where somebody wrote the withdrawal down for the patient, or the calendar ended something, a notice
    tells the patient so.

    Whoever stops on their own page has the receipt before them: an unasked letter could be read by others.
    """
    count = actions.stop_purposes(patient, purposes, by=by)
    if by.role is not Role.PATIENT:
        ended = [purpose.label for purpose in purposes]
        if ended_by_the_calendar(patient, purposes):
            actions.post(patient, template="lapsed", context={"ended": ended}, due_at=in_the_day(), by=by)
        else:
            actions.post(patient, template="withdrawn", context={"ended": ended}, by=by)
    if not count:
        return None
    return ngettext(
        "%(count)d message that was waiting to go to you will not be sent.",
        "%(count)d messages that were waiting to go to you will not be sent.",
        count,
    ) % {"count": count}


register(Consequence("messages", preview, stop_messages))


@on_end_announced
def tell_of_end(patient: Patient, reminders: Collection[Reminder], *, by: Actor) -> None:
    """One gentle notice for everything that ends soon, by its first day."""
    context = {
        "ends_on": min(each.ends_on for each in reminders),
        "has_changed": any(each.why == Reminder.Why.CHANGED for each in reminders),
    }
    actions.post(patient, template="ends_soon", context=context, due_at=in_the_day(), by=by)
