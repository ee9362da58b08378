"""What apps above this one know of a record: what else happens when coaching stops, whether anything is written of it, and
whether the patient waits for a correction. They register it here when they load."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from pilot.access import Actor
from pilot.people.models import Patient
from referrals.models import Referral


class CoachingStopped(Protocol):
    """Runs in the transaction in which a coach stops helping with a referral: handed back, or ended."""

    def __call__(self, referral: Referral, *, by: Actor) -> object: ...


class OfRecord(Protocol):
    """Something that is so of this patient's record, or not. Asked in an action about the patient."""

    def __call__(self, patient: Patient) -> bool: ...


Run = TypeVar("Run", bound=Callable[..., Any])


class _Registered(Generic[Run]):
    """Functions by their names: loading an app twice registers its own once."""

    def __init__(self) -> None:
        self._by_name: dict[str, Run] = {}

    def add(self, run: Run) -> Run:
        self._by_name[f"{run.__module__}.{getattr(run, '__qualname__', repr(run))}"] = run
        return run

    def all(self) -> list[Run]:
        return list(self._by_name.values())


_stopped: _Registered[CoachingStopped] = _Registered()
_written: _Registered[OfRecord] = _Registered()
_waiting: _Registered[OfRecord] = _Registered()


def on_coaching_stopped(run: CoachingStopped) -> CoachingStopped:
    """Run this whenever a coach stops helping with a referral. Usable as a decorator.

    Not after a withdrawal: what that stops is registered with consent, which tells the patient of it.
    """
    return _stopped.add(run)


def coaching_stopped(referral: Referral, *, by: Actor) -> None:
    for run in _stopped.all():
        run(referral, by=by)


def tells_of_coaching(run: OfRecord) -> OfRecord:
    """Ask this whenever it matters where coaching is written down. Usable as a decorator."""
    return _written.add(run)


def holds_coaching(patient: Patient) -> bool:
    """Whether sessions, goals or anything else of coaching is written in this record, which whoever coached them goes on
    reading there."""
    return any(run(patient) for run in _written.all())


def tells_who_waits(run: OfRecord) -> OfRecord:
    """Ask this before a record is closed. Usable as a decorator."""
    return _waiting.add(run)


def waits_for_correction(patient: Patient) -> bool:
    """Whether the practice has yet to answer what they asked to be corrected."""
    return any(run(patient) for run in _waiting.all())
