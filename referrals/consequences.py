"""What apps above this one know of a record: what else happens when coaching stops, whether anything is written of it, and
whether the patient waits for a correction. They register it here when they load."""

from __future__ import annotations

from typing import Protocol

from pilot.access import Actor
from pilot.people.models import Patient
from referrals.models import Referral


class CoachingStopped(Protocol):
    """Runs in the transaction in which a coach stops helping with a referral: handed back, or ended."""

    def __call__(self, referral: Referral, *, by: Actor) -> object: ...


class WrittenOfCoaching(Protocol):
    """Whether something is written in this patient's record that whoever coached them goes on reading there."""

    def __call__(self, patient: Patient) -> bool: ...


class WaitsForCorrection(Protocol):
    """Whether the practice has yet to answer what this patient asked it to correct."""

    def __call__(self, patient: Patient) -> bool: ...


_registered: dict[str, CoachingStopped] = {}
_written: dict[str, WrittenOfCoaching] = {}
_waiting: dict[str, WaitsForCorrection] = {}


def on_coaching_stopped(run: CoachingStopped) -> CoachingStopped:
    """Run this whenever a coach stops helping with a referral. Usable as a decorator.

    Not after a withdrawal: what that stops is registered with consent, which tells the patient of it.
    """
    _registered[_name_of(run)] = run
    return run


def coaching_stopped(referral: Referral, *, by: Actor) -> None:
    for run in list(_registered.values()):
        run(referral, by=by)


def tells_of_coaching(run: WrittenOfCoaching) -> WrittenOfCoaching:
    """Ask this whenever it matters where coaching is written down. Usable as a decorator."""
    _written[_name_of(run)] = run
    return run


def holds_coaching(patient: Patient) -> bool:
    """Whether sessions, goals or anything else of coaching is written in this record. Ask in an action about the patient."""
    return any(run(patient) for run in list(_written.values()))


def tells_who_waits(run: WaitsForCorrection) -> WaitsForCorrection:
    """Ask this before a record is closed. Usable as a decorator."""
    _waiting[_name_of(run)] = run
    return run


def waits_for_correction(patient: Patient) -> bool:
    """Whether the practice has yet to answer what they asked to be corrected. Ask in an action about the patient."""
    return any(run(patient) for run in list(_waiting.values()))


def _name_of(run: object) -> str:
    # Loading an app twice registers its functions once.
    return f"{run.__module__}.{getattr(run, '__qualname__', repr(run))}"
