"""What a patient does before they have an account: opening one with an invitation."""

from __future__ import annotations

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from pilot.access import Actor, Permission, action
from pilot.people.actions import open_account
from pilot.people.models import Patient, User
from referrals.invitations.actions import use_invitation
from referrals.models import Invitation


@action("invitation.accepted", Permission.INVITE_PATIENTS)
def accept_invitation(invitation: Invitation, *, email: str, password: str, by: Actor) -> User:
    """Open the patient's account and use the invitation up, both or neither.

    Refused for an invitation that is not open any more, an address that has an account, and a password that
    is easy to guess.
    """
    patient = use_invitation(invitation, by=by)
    _check_password(password, email, patient)
    return open_account(patient, email, password, by=by)


def _check_password(password: str, email: str, patient: Patient) -> None:
    try:
        validate_password(password, User(email=email, display_name=patient.name))
    except ValidationError as refusal:
        raise ValidationError({"password": refusal.messages}) from refusal
