"""How long a copy may take to be made and how long it waits to be taken; and the sentence that stands on all of it."""

from __future__ import annotations

import datetime as dt

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from pilot.access import Role
from pilot.access.transitions import StateMachine, Transition
from pilot.record.copies.models import Copy, Part, Status

# Once it is ready; and before that, from when it was asked for.
KEPT_FOR = dt.timedelta(hours=24)
# Longer than a task may run: whoever began to make it and has not finished by then was cut off.
LONGEST_ATTEMPT = dt.timedelta(minutes=5)
# Queued again by the clock if nobody has begun by then.
QUEUED_AGAIN_AFTER = dt.timedelta(minutes=1)

NO_EVIDENCE = gettext_lazy("Taking part in work coaching, or not, is no evidence of fitness for work.")

_BY = (Role.PATIENT,)
TRANSITIONS: tuple[Transition[Status], ...] = (
    Transition("asked for", (None,), Status.WAITING, _BY),
    Transition("claimed", (Status.WAITING, Status.BUILDING), Status.BUILDING, _BY),
    Transition("made", (Status.BUILDING,), Status.READY, _BY),
    Transition("taken", (Status.READY,), Status.TAKEN, _BY),
    Transition(
        "wiped", (Status.WAITING, Status.BUILDING, Status.READY), Status.EXPIRED, (Role.SYSTEM, Role.PATIENT)
    ),
)
_MACHINE = StateMachine(Status, TRANSITIONS, gettext_lazy("This copy is not there any more."))
can_move = _MACHINE.can_move


def is_over(copy: Copy) -> bool:
    """Whether its time is over."""
    return copy.expires_at <= timezone.now()


def may_be_claimed(copy: Copy) -> bool:
    """Whether an attempt to make it may begin: nobody has begun, or whoever did was cut off."""
    if is_over(copy) or not can_move(copy, "claimed", Role.PATIENT):
        return False
    return copy.claimed_at is None or copy.claimed_at <= timezone.now() - LONGEST_ATTEMPT


def is_there(copy: Copy, part: Part) -> bool:
    """Whether this file of it can be taken now."""
    return copy.status == Status.READY and not is_over(copy) and taken_at(copy, part) is None


def check_is_there(copy: Copy, part: Part) -> None:
    """Pass; or say kindly that it can be taken once, and what to do."""
    if is_there(copy, part):
        return
    if taken_at(copy, part) is not None:
        raise ValidationError(
            _("You have taken this file already. Each can be taken once, so that nobody else finds it here.")
        )
    raise ValidationError(
        _("This copy is not there any more. A copy waits for 24 hours, and then it is wiped.")
    )


def taken_at(copy: Copy, part: Part) -> dt.datetime | None:
    """When this file of it was taken; None where it was not."""
    at: dt.datetime | None = getattr(copy, f"{part.value}_taken_at")
    return at
