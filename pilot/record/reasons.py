"""Why somebody looked at a record or changed it, as the patient is told: what they did, or what they are there for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from audit.models import Event
from consent.models import Purpose
from pilot.access import Role
from pilot.outbox.ledger import NOTICE
from pilot.record.copies.actions import PURPOSE as OWN_COPY
from pilot.sign_in.actions import ACCOUNT

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

# What the person was doing, by the name of the action. A test asks for every action about a patient.
DOING: dict[str, _StrOrPromise] = {
    "consent.corrected": _("to put right what was recorded of your answers"),
    "consent.decided": _("to give your answers"),
    "consent.end_announced": _("to tell you that something ends soon"),
    "consent.lapsed": _("to end what you had agreed to, because its time was over"),
    "consent.not_now": _("to say “not now”"),
    "consent.not_now_recorded": _("to write down that you said “not now”"),
    "consent.receipt_taken": _("to give you a receipt as a file"),
    "consent.recorded": _("to write down your answers"),
    "consent.withdrawal_recorded": _("to write down what you stopped"),
    "consent.withdrawn": _("to stop something"),
    "copy.asked_for": _("to ask for your copy"),
    "copy.claimed": _("to make your copy"),
    "copy.made": _("to make your copy"),
    "copy.taken": _("to take your copy away"),
    "copy.wiped": _("to wipe a copy of yours"),
    "correction.answered": _("to answer what you asked to correct"),
    "correction.asked_for": _("to ask for a correction"),
    "distress.accepted": _("to help when a coach called for help for you"),
    "distress.details_added": _("to help when a coach called for help for you"),
    "distress.emailed": _("to tell your practice that a coach called for help for you"),
    "distress.raised": _("to call for help for you"),
    "goal.added": _("to write down a goal"),
    "goal.changed": _("to change a goal"),
    "invitation.accepted": _("to open your account"),
    "invitation.tried": _("because somebody used the code of your invitation"),
    "invitation.used": _("to open your account"),
    "message.claimed": _("to send you a message"),
    "message.looked_up": _("to find out whether a message reached you"),
    "message.posted": _("to send you a letter"),
    "message.sent": _("to send you a message"),
    "message.settled_by_hand": _("to find out whether a message reached you"),
    "own_words.confirmed": _("to pass on something in your own words"),
    "patient.account_opened": _("to open your account"),
    "patient.death_recorded": _("to write down a death"),
    "patient.death_undone": _("to put right that a death had been written down"),
    "patient.merged": _("to bring two records about you together"),
    "patient.move_recorded": _("to write down that you have moved to another practice"),
    "patient.move_undone": _("to put right that you were written down as moved"),
    "patient.details_changed": _("to correct your details"),
    "patient.invited": _("to invite you to decide"),
    "patient.registered": _("to add you to the practice’s list"),
    "record.erased": _("because the time for keeping your record was over"),
    "referral.allocated": _("to find you a coach"),
    "referral.ended": _("to end your coaching"),
    "referral.handed_back": _("to find you another coach"),
    "referral.logged": _("to suggest coaching to you"),
    "referral.paused": _("to let your coaching rest"),
    "referral.provider_changed": _("to let you wait for the coaches who work at your practice now"),
    "referral.resumed": _("to go on with your coaching"),
    "referrals.imported": _("to add you to the practice’s list"),
    "referrals.list_confirmed": _("to add you to the practice’s list"),
    "referrals.list_discarded": _("to put aside a list of names"),
    "referrals.list_uploaded": _("to prepare a list of names"),
    "representative.ended": _("to write down who speaks for you"),
    "representative.recorded": _("to write down who speaks for you"),
    "request.answered": _("to answer what you asked"),
    "request.confirmed": _("to tell you that your complaint has arrived"),
    "request.extended": _("to tell you why an answer takes longer"),
    "request.opened": _("to ask for something"),
    "restriction.ended": _("to let your record be used again"),
    "session.booked": _("to book a session with you"),
    "session.cancelled": _("to cancel a session"),
    "session.did_not_happen": _("to write down that a session did not take place"),
    "session.held": _("to write down what you agreed"),
    "session_reply.written": _("to put your words beside something"),
    "session.moved": _("to change a session"),
    "session.reworded": _("to change what is written about a session"),
    "sign_in.account_opened": _("to open your account"),
    "account.mailed": _("to tell you what happened at your account"),
    "text.called_about": _("to call you about a text that you sent"),
    "text.received": _("because a text came from your number"),
}
# Nor is it said of a note what was done about it: of one that is withheld it would tell that it exists.
UNSAID = {
    "clinical_note.disclosed",
    "clinical_note.reviewed",
    "clinical_note.withheld",
    "clinical_note.written",
    "note_correction.asked_for",
    "note_correction.corrected",
    "note_correction.declined",
    "note_reply.written",
}

# What somebody in a role is there for, where the log has only the page.
THERE_FOR: dict[Role, _StrOrPromise] = {
    Role.RECEPTIONIST: _("works at the desk of your practice"),
    Role.CLINICIAN: _("looks after patients of your practice"),
    Role.COACH: _("was your coach at that time"),
    Role.SUPERVISOR: _("finds coaches for people, and helps the coaches"),
    Role.CALDICOTT_GUARDIAN: _("watches over your information, and works for neither practice nor coaches"),
    Role.SYSTEM: _("something that it does by itself"),
}

# What something was sent for.
SENT_FOR: dict[str, _StrOrPromise] = {
    **{purpose.value: purpose.label for purpose in Purpose},
    NOTICE: _("to tell you what you have a right to know"),
    OWN_COPY: _("because you took your copy away"),
    ACCOUNT: _("to keep your account safe"),
}


def doing(event: Event) -> _StrOrPromise:
    """What they were doing; '' where the log has only the page, or it is not said."""
    return DOING.get(event.action, "")


def there_for(role: Role) -> _StrOrPromise:
    return THERE_FOR.get(role, "")


def sent_for(purpose: str) -> _StrOrPromise:
    return SENT_FOR.get(purpose, purpose)
