"""When something may happen to a session: its states, and who moves it between them."""

from __future__ import annotations

import datetime as dt

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from coaching.models import Session, SessionStatus
from pilot.access import Role
from pilot.access.transitions import StateMachine, Transition
from referrals.models import Referral, Status

NO_CLASHES = "a_coach_is_in_one_place_at_a_time"


# Whoever ends the support, or records that the patient ends it, cancels with it what was booked.
_WHOEVER_ENDS_IT = (
    Role.COACH,
    Role.SUPERVISOR,
    Role.RECEPTIONIST,
    Role.CLINICIAN,
    Role.PATIENT,
    Role.SYSTEM,
)

TRANSITIONS: tuple[Transition[SessionStatus], ...] = (
    Transition("booked", (None,), SessionStatus.BOOKED, (Role.COACH,)),
    Transition("moved", (SessionStatus.BOOKED,), SessionStatus.BOOKED, (Role.COACH,)),
    Transition("held", (SessionStatus.BOOKED,), SessionStatus.HELD, (Role.COACH,)),
    Transition("reworded", (SessionStatus.HELD,), SessionStatus.HELD, (Role.COACH,)),
    Transition("did not happen", (SessionStatus.BOOKED,), SessionStatus.DID_NOT_HAPPEN, (Role.COACH,)),
    Transition("cancelled", (SessionStatus.BOOKED,), SessionStatus.CANCELLED, _WHOEVER_ENDS_IT),
)
_MACHINE = StateMachine(
    SessionStatus,
    TRANSITIONS,
    gettext_lazy("This cannot be done now: the session is “%(status)s”. Open it again to see what changed."),
)
transition, can_move, check_can_move = _MACHINE.transition, _MACHINE.can_move, _MACHINE.check_can_move


def can_book(referral: Referral) -> bool:
    """Whether sessions are booked for this referral as it stands."""
    return referral.status == Status.WITH_COACH


def check_can_book(referral: Referral) -> None:
    if not can_book(referral):
        raise ValidationError(
            _("A session cannot be booked now: the referral stands at “%(status)s”.")
            % {"status": referral.get_status_display()}
        )


def check_is_to_come(starts_at: dt.datetime) -> None:
    """Pass for a time that is still ahead."""
    if starts_at <= timezone.now():
        raise ValidationError({"starts_at": _("Choose a day and time that are still to come.")})


def has_begun(session: Session) -> bool:
    return session.starts_at <= timezone.now()


def check_has_begun(session: Session) -> None:
    """Pass once the time of the session has come: before that it is moved or cancelled."""
    if not has_begun(session):
        raise ValidationError(
            _("This session is still to come. To change the day, or to call it off, go back and choose that.")
        )
