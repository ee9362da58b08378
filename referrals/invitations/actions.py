"""What happens to an invitation: sent, tried, used, cancelled."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.utils import timezone

from pilot.access import Actor, Permission, action
from pilot.outbox.actions import post, stop_about
from pilot.people.models import Patient
from referrals import codes
from referrals.models import Invitation, Referral
from referrals.policies import check_can_invite, check_is_open, is_open


@action("patient.invited", Permission.INVITE_PATIENTS)
def invite(referral: Referral, *, channel: str, by: Actor) -> Invitation:
    """Send or print a code with which the patient, giving their date of birth, decides for themselves.

    Earlier invitations stop working. The code stands in the message alone. Refused for somebody who has an
    account, and by a way that does not reach them safely.
    """
    patient = Patient.objects.select_related("practice").get(pk=referral.patient_id)
    check_can_invite(referral, patient)
    cancel_invitations(patient, by=by)
    code = codes.new_code()
    invitation = Invitation(
        patient=patient,
        practice_id=referral.practice_id,
        referral=referral,
        channel=channel,
        code_digest=codes.digest_of(code),
        expires_at=timezone.now() + dt.timedelta(days=settings.INVITATION_DAYS),
    )
    invitation.message = post(
        patient,
        template="invitation",
        context={"expires_at": invitation.expires_at},
        channel=channel,
        about=invitation,
        secret=code,
        by=by,
    )
    invitation.save(force_insert=True)
    return invitation


@action("invitation.tried", Permission.INVITE_PATIENTS)
def try_invitation(invitation: Invitation, date_of_birth: dt.date, *, by: Actor) -> bool:
    """Whether the invitation is open and the date of birth fits. A wrong one is counted; five close it.

    Call it where what it counts is committed even if the answer is no.
    """
    current = (
        Invitation.objects.select_for_update(of=("self",)).select_related("patient").get(pk=invitation.pk)
    )
    if not is_open(current):
        return False
    if current.patient.date_of_birth == date_of_birth:
        return True
    current.attempts += 1
    current.save(update_fields=["attempts"], force_update=True)
    return False


@action("invitation.used", Permission.INVITE_PATIENTS)
def use_invitation(invitation: Invitation, *, by: Actor) -> Patient:
    """Use the invitation up, once, and say whose it is. Refused unless it is open."""
    current = (
        Invitation.objects.select_for_update(of=("self",)).select_related("patient").get(pk=invitation.pk)
    )
    check_is_open(current)
    current.used_at = timezone.now()
    current.save(update_fields=["used_at"], force_update=True)
    stop_about(current, patient=current.patient, by=by)
    return current.patient


def cancel_invitations(patient: Patient, *, by: Actor) -> None:
    """Close every invitation of the patient that is still open, as part of an action: its letter is not sent."""
    waiting = Invitation.objects.filter(patient=patient, used_at__isnull=True, cancelled_at__isnull=True)
    for invitation in waiting.select_for_update(of=("self",)):
        invitation.cancelled_at = timezone.now()
        invitation.save(update_fields=["cancelled_at"], force_update=True)
        stop_about(invitation, patient=patient, by=by)
