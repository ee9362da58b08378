"""Writing down that a patient has died, and putting right that they have not."""

from __future__ import annotations

import datetime as dt

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _

from consent import consequences
from consent.actions import end_every_yes
from consent.models import Purpose, Receipt
from consent.receipts import words
from consent.receipts.actions import keep_receipt
from pilot.access import Actor, Permission, action
from pilot.outbox.actions import post, stop_all
from pilot.people.actions import close_account, reopen_account
from pilot.people.models import Patient
from pilot.people.policies import check_is_not_double
from referrals.actions import end_what_is_open
from referrals.models import Referral


@action("patient.death_recorded", Permission.REGISTER_PATIENTS, exclusive=True)
def record_death(patient: Patient, *, died_on: dt.date, by: Actor) -> Patient:
    """Stop all contact, now and in one transaction: sessions, messages, notices too, invitations, access, sign-in.

    Nothing is sent to anybody, and nothing ever will be by itself: the practice knows whom to speak to. What was written
    stays for as long as the law says. Refused for a day that has not come, and where it is written down already.
    """
    current = _locked(patient)
    check_is_not_double(current)
    if current.died_on is not None:
        raise ValidationError(_("This is written down already."))
    if died_on > timezone.localdate():
        raise ValidationError({"died_on": _("Choose today or an earlier day.")})
    if died_on < current.date_of_birth:
        raise ValidationError({"died_on": _("This is before they were born.")})
    current.died_on = died_on
    current.move_on()
    current.save(force_update=True)
    end_every_yes(current, by=by)
    end_what_is_open(current, Referral.Ending.DIED, by=by)
    consequences.stop(current, list(Purpose), by=by)
    stop_all(current, by=by)
    close_account(current, by=by)
    return current


@action("patient.death_undone", Permission.REGISTER_PATIENTS, exclusive=True)
def undo_death(patient: Patient, *, by: Actor) -> Patient:
    """Put right that somebody was written down as dead. They can sign in again, and a receipt and a notice tell them what
    happened; nothing that ended begins by itself."""
    current = _locked(patient)
    if current.died_on is None:
        raise ValidationError(_("Nothing of the kind is written down."))
    current.died_on = None
    current.move_on()
    current.save(force_update=True)
    reopen_account(current, by=by)
    keep_receipt(current, Receipt.Kind.CORRECTED, words.of_mistaken_death(), by=by)
    post(current, template="news", context={}, by=by)
    return current


def _locked(patient: Patient) -> Patient:
    return Patient.objects.select_for_update(of=("self",)).get(pk=patient.pk)
