"""When something may happen to a session: its states, and who moves it between them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _

from coaching.models import Session, SessionStatus
from pilot.access import Role
from referrals.models import Referral, Status

NO_CLASHES = "a_coach_is_in_one_place_at_a_time"


@dataclass(frozen=True)
class Transition:
    """A move between states, the roles that may make it, and what it is called. `None` begins a session."""

    name: str
    sources: tuple[SessionStatus | None, ...]
    target: SessionStatus
    by: tuple[Role, ...]


# Whoever ends the support, or records that the patient ends it, cancels with it what was booked.
_WHOEVER_ENDS_IT = (
    Role.COACH,
    Role.SUPERVISOR,
    Role.RECEPTIONIST,
    Role.CLINICIAN,
    Role.PATIENT,
    Role.SYSTEM,
)

TRANSITIONS: tuple[Transition, ...] = (
    Transition("booked", (None,), SessionStatus.BOOKED, (Role.COACH,)),
    Transition("moved", (SessionStatus.BOOKED,), SessionStatus.BOOKED, (Role.COACH,)),
    Transition("held", (SessionStatus.BOOKED,), SessionStatus.HELD, (Role.COACH,)),
    Transition("reworded", (SessionStatus.HELD,), SessionStatus.HELD, (Role.COACH,)),
    Transition("did not happen", (SessionStatus.BOOKED,), SessionStatus.DID_NOT_HAPPEN, (Role.COACH,)),
    Transition("cancelled", (SessionStatus.BOOKED,), SessionStatus.CANCELLED, _WHOEVER_ENDS_IT),
)


def transition(name: str) -> Transition:
    return next(each for each in TRANSITIONS if each.name == name)


def can_move(session: Session, name: str, role: Role) -> bool:
    """Whether somebody in this role may make this move from where the session stands."""
    move = transition(name)
    return SessionStatus(session.status) in move.sources and role in move.by


def check_can_move(session: Session, name: str, role: Role) -> None:
    """Pass, or refuse with a sentence that says how the session stands now."""
    if not can_move(session, name, role):
        raise ValidationError(
            _("This cannot be done now: the session is “%(status)s”. Open it again to see what changed.")
            % {"status": session.get_status_display()}
        )


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
