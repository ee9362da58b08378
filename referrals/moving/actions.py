"""Writing down that a patient has moved to another practice, and putting right that they have not."""

from __future__ import annotations

import datetime as dt

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _

from consent import consequences
from consent.actions import end_every_yes
from consent.models import Decision, Purpose, Receipt
from consent.receipts import words
from consent.receipts.actions import give_receipt, keep_receipt
from pilot.access import Actor, Permission, action
from pilot.outbox.actions import post
from pilot.people.models import Patient
from pilot.people.policies import check_is_in_use, check_is_not_double
from referrals.actions import end_what_is_open
from referrals.models import Referral


@action("patient.move_recorded", Permission.REGISTER_PATIENTS, exclusive=True)
def record_move(patient: Patient, *, moved_on: dt.date, by: Actor) -> Patient:
    """End everything at this practice, now and in one transaction: support, every yes, sessions, messages, access.

    Nobody chose that, so it is written as what the calendar ends. The patient keeps their account, goes on reading
    everything, and gets a receipt. Nobody here refers or invites them while it stands. Which practice it is, is neither
    asked nor told.
    """
    current = _locked(patient)
    if current.moved_on is not None:
        raise ValidationError(_("This is written down already."))
    check_is_in_use(current)
    if moved_on > timezone.localdate():
        raise ValidationError({"moved_on": _("Choose today or an earlier day.")})
    if moved_on < current.date_of_birth:
        raise ValidationError({"moved_on": _("This is before they were born.")})
    current.moved_on = moved_on
    current.move_on()
    current.save(force_update=True)
    ended = end_every_yes(current, by=by)
    support = end_what_is_open(current, Referral.Ending.MOVED, by=by)
    stopped = consequences.stop(current, list(Purpose), by=by)
    lines = words.of_move(ended, [*([support] if support else []), *stopped])
    give_receipt(current, Receipt.Kind.MOVED, lines, method=Decision.Method.SYSTEM, by=by)
    return current


@action("patient.move_undone", Permission.REGISTER_PATIENTS, exclusive=True)
def undo_move(patient: Patient, *, by: Actor) -> Patient:
    """Put right that somebody was written down as moved. A receipt and a notice tell them; nothing that ended begins by
    itself."""
    current = _locked(patient)
    check_is_not_double(current)
    if current.moved_on is None:
        raise ValidationError(_("Nothing of the kind is written down."))
    current.moved_on = None
    current.move_on()
    current.save(force_update=True)
    keep_receipt(current, Receipt.Kind.CORRECTED, words.of_mistaken_move(), by=by)
    post(current, template="news", context={}, by=by)
    return current


def _locked(patient: Patient) -> Patient:
    return Patient.objects.select_for_update(of=("self",)).get(pk=patient.pk)
