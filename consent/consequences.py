"""What else happens when somebody decides. Apps above this one register it here when they load; nothing is
imported upwards.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Protocol

from consent.models import Decision, Purpose, Receipt, Reminder
from pilot.access import Actor
from pilot.people.models import Patient


class Preview(Protocol):
    """One line for the patient to read before confirming, or None where nothing of theirs would change."""

    def __call__(self, patient: Patient, purposes: Collection[Purpose]) -> str | None: ...


class Apply(Protocol):
    """Stop it, inside the withdrawing transaction. Returns the line for the receipt, or None where nothing
    stopped.
    """

    def __call__(self, patient: Patient, purposes: Collection[Purpose], *, by: Actor) -> str | None: ...


@dataclass(frozen=True)
class Consequence:
    """Something that stops when a patient withdraws: what they read first, and what is done.

    `name` is unique. Both are called with every purpose that ends. If one raises, nothing at all was
    withdrawn, so `apply` must not depend on anything outside the database. `last` ones run after all others:
    what takes access away.
    """

    name: str
    preview: Preview
    apply: Apply
    last: bool = False


class Agreed(Protocol):
    """Runs in the agreeing transaction, once everything that is needed to begin stands."""

    def __call__(self, patient: Patient, *, by: Actor) -> object: ...


class NotNowSaid(Protocol):
    """Runs in the same transaction, when nobody is to bring the pilot up before that day."""

    def __call__(self, patient: Patient, until: dt.date, *, by: Actor) -> object: ...


class EndAnnounced(Protocol):
    """Runs in the transaction that writes down that the patient is told: these of their yeses end soon."""

    def __call__(self, patient: Patient, reminders: Collection[Reminder], *, by: Actor) -> object: ...


class ReceiptKept(Protocol):
    """Runs in the transaction that wrote the receipt; `method` is how the patient said what it is about."""

    def __call__(
        self, patient: Patient, receipt: Receipt, *, method: Decision.Method, by: Actor
    ) -> object: ...


@dataclass
class _Registered:
    consequences: dict[str, Consequence] = field(default_factory=dict)
    agreed: dict[str, Agreed] = field(default_factory=dict)
    not_now: dict[str, NotNowSaid] = field(default_factory=dict)
    end_announced: dict[str, EndAnnounced] = field(default_factory=dict)
    receipt_kept: dict[str, ReceiptKept] = field(default_factory=dict)


_registered = _Registered()


def register(consequence: Consequence) -> None:
    """Add what stops on withdrawal. The same name again replaces it."""
    _registered.consequences[consequence.name] = consequence


def on_agreement(run: Agreed) -> Agreed:
    """Run this whenever a patient has just agreed to everything that is needed to begin. Usable as a
    decorator.
    """
    _registered.agreed[_name(run)] = run
    return run


def on_not_now(run: NotNowSaid) -> NotNowSaid:
    """Run this whenever nobody is to raise the pilot with a patient until a day. Usable as a decorator."""
    _registered.not_now[_name(run)] = run
    return run


def on_end_announced(run: EndAnnounced) -> EndAnnounced:
    """Run this whenever a patient is to be told that something ends soon. Usable as a decorator."""
    _registered.end_announced[_name(run)] = run
    return run


def on_receipt_kept(run: ReceiptKept) -> ReceiptKept:
    """Run this whenever a patient has been given a receipt. Usable as a decorator."""
    _registered.receipt_kept[_name(run)] = run
    return run


def previews(patient: Patient, purposes: Collection[Purpose]) -> list[str]:
    """What the patient reads before confirming that these purposes end."""
    return [line for each in _in_order() if (line := each.preview(patient, purposes))]


def stop(patient: Patient, purposes: Collection[Purpose], *, by: Actor) -> list[str]:
    """Stop everything that rests on these purposes, access last. Returns the lines for the receipt."""
    return [line for each in _in_order() if (line := each.apply(patient, purposes, by=by))]


def agreed(patient: Patient, *, by: Actor) -> None:
    for run in list(_registered.agreed.values()):
        run(patient, by=by)


def not_now_said(patient: Patient, until: dt.date, *, by: Actor) -> None:
    for run in list(_registered.not_now.values()):
        run(patient, until, by=by)


def end_announced(patient: Patient, reminders: Collection[Reminder], *, by: Actor) -> None:
    for run in list(_registered.end_announced.values()):
        run(patient, reminders, by=by)


def receipt_kept(patient: Patient, receipt: Receipt, *, method: Decision.Method, by: Actor) -> None:
    for run in list(_registered.receipt_kept.values()):
        run(patient, receipt, method=method, by=by)


def _in_order() -> list[Consequence]:
    return sorted(_registered.consequences.values(), key=lambda each: each.last)


def _name(run: Callable[..., object]) -> str:
    # Loading an app twice registers its functions once.
    return f"{run.__module__}.{getattr(run, '__qualname__', repr(run))}"
