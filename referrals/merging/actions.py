"""Bringing two records of one person together."""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext as _

from consent import consequences
from consent.actions import end_every_yes, write_ended
from consent.models import NEEDED_TO_BEGIN, Decision, Purpose, Receipt
from consent.policies import noes, standing, what_would_stop
from consent.receipts import words
from consent.receipts.actions import give_receipt
from pilot.access import Actor, Permission, action
from pilot.outbox.actions import post, stop_forecasts
from pilot.outbox.received import actions as received
from pilot.outbox.received.policies import digits_of
from pilot.people.actions import StaleVersion, hand_over_account
from pilot.people.models import Patient
from referrals.actions import end_what_is_open
from referrals.invitations.actions import cancel_invitations
from referrals.merging.policies import check_can_merge, version_of, way_to, ways_to
from referrals.models import Referral

RECORDS = Decision.Method.RECORDS


@action("patient.merged", Permission.MERGE_RECORDS, exclusive=True, beside="into")
def merge(double: Patient, *, into: Patient, version: int, by: Actor) -> Patient:
    """Close this record for ever, since the same person has another one here. Returns the one that is kept.

    What is open in the closed one ends, with nothing held against anybody, and nothing is written about it any more but
    what the patient says of it, and the answer; they go on reading it, and a notice that waits in it, such as the receipt
    of a withdrawal, still goes. Purpose by purpose the stricter answer stands: a no in either ends a yes in the kept one,
    with all that rests on it; a yes in the closed one is not carried over. So do the later “not before”, STOP to texts, and
    that no message is safe to the same number. The NHS number and the account go to the kept one where it has none. The
    patient gets a receipt; where the closed one was written to, and by which address it was signed in with, it is told
    that the two are one, unless the receipt itself goes there.

    Whoever signs in with the one reads the clinical notes of the other from now on, so that it takes a clinician.
    `version` is `policies.version_of` both as they were compared; refused with `StaleVersion` if that changed since.
    Cannot be undone.
    """
    locked = (
        Patient.objects.select_for_update(of=("self",)).filter(pk__in=[double.pk, into.pk]).order_by("id")
    )
    rows = {each.pk: each for each in locked}
    closed, kept = rows[double.pk], rows[into.pk]
    check_can_merge(closed, kept)
    if version_of(closed, kept) != version:
        raise StaleVersion
    ways = ways_to(closed)
    refused = _refused(closed)
    yes = end_every_yes(closed, method=RECORDS, by=by)
    end_what_is_open(closed, Referral.Ending.MERGED, by=by)
    consequences.stop(closed, list(Purpose), by=by)
    stop_forecasts(closed, by=by)
    account = _bring_together(closed, kept, by=by)
    received.carry_over(closed, kept, by=by)
    ended = what_would_stop(standing(kept), refused) if refused else []
    write_ended(kept, ended, Decision.Answer.WITHDRAWN, method=RECORDS, by=by)
    stopped = consequences.stop(kept, ended, by=by) if ended else []
    not_before = kept.do_not_raise_until if _is_ahead(kept) else None
    if not_before:
        consequences.not_now_said(kept, not_before, by=by)
    lines = words.of_merging(
        ended=ended, stopped=stopped, not_carried_over=yes, not_before=not_before, account=account
    )
    give_receipt(kept, Receipt.Kind.MERGED, lines, method=RECORDS, by=by)
    for way in ways:
        if way != way_to(kept):
            post(
                kept,
                template="merged_elsewhere",
                context={},
                channel=way.channel,
                elsewhere=way.address,
                by=by,
            )
    return kept


def _refused(closed: Patient) -> list[Purpose]:
    """What was said no to in the record that is closed. Before joining a no is kept as a “not before” alone, so that one
    that lies ahead has to count as a no to taking part."""
    return list(dict.fromkeys([*noes(standing(closed)), *(NEEDED_TO_BEGIN if _is_ahead(closed) else ())]))


def _is_ahead(patient: Patient) -> bool:
    until = patient.do_not_raise_until
    return until is not None and until > timezone.localdate()


def _bring_together(closed: Patient, kept: Patient, *, by: Actor) -> str:
    """What the kept record takes over of the closed one. Returns what the receipt says about signing in, if anything."""
    both = closed.account is not None and kept.account is not None
    hand_over_account(closed, kept, by=by)
    if kept.nhs_number is None and closed.nhs_number is not None:
        kept.nhs_number, kept.nhs_number_unknown = closed.nhs_number, False
        closed.nhs_number, closed.nhs_number_unknown = None, True
    if _is_ahead(closed):
        days = [day for day in (closed.do_not_raise_until, kept.do_not_raise_until) if day]
        kept.do_not_raise_until = max(days)
    if digits_of(closed.phone) == digits_of(kept.phone):
        kept.message_is_safe = kept.message_is_safe and closed.message_is_safe
    closed.merged_into = kept
    # The closed one first: number and account are in one place at a time.
    for each in (closed, kept):
        each.move_on()
        each.save(force_update=True)
    if kept.account is None:
        return ""
    cancel_invitations(kept, by=by)
    if both:
        return _("You had two accounts. From now on you sign in with %(email)s.") % {
            "email": kept.account.email
        }
    return _("You sign in with %(email)s, as before.") % {"email": kept.account.email}
