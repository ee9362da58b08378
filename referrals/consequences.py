"""What else happens when coaching stops: apps above this one register it here when they load."""

from __future__ import annotations

from typing import Protocol

from pilot.access import Actor
from referrals.models import Referral


class CoachingStopped(Protocol):
    """Runs in the transaction in which a coach stops helping with a referral: handed back, or ended."""

    def __call__(self, referral: Referral, *, by: Actor) -> object: ...


_registered: dict[str, CoachingStopped] = {}


def on_coaching_stopped(run: CoachingStopped) -> CoachingStopped:
    """Run this whenever a coach stops helping with a referral. Usable as a decorator.

    Not after a withdrawal: what that stops is registered with consent, which tells the patient of it.
    """
    # Loading an app twice registers its functions once.
    _registered[f"{run.__module__}.{getattr(run, '__qualname__', repr(run))}"] = run
    return run


def coaching_stopped(referral: Referral, *, by: Actor) -> None:
    for run in list(_registered.values()):
        run(referral, by=by)
