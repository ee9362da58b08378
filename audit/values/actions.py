"""What a guardian does with a reason: open the values behind an event, find a patient's key."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from audit import words
from audit.differences import Difference, Names, differences
from audit.models import Event, Kind
from audit.privacy import Personal, privacy_of
from pilot.access import Actor, Permission, acting, check

CHANGES = (Kind.CREATED, Kind.CHANGED, Kind.DELETED)


@dataclass(frozen=True)
class Values:
    """What an event changed, in words. Where nothing is left of it, `erased_at` says since when, if that is known."""

    differences: list[Difference]
    classes: list[str]
    is_gone: bool = False
    erased_at: dt.datetime | None = None


def open_values(event: Event, *, reason: str, by: Actor) -> Values:
    """Show the guardian what this event changed. Afterwards the log says that they opened it, which classes of field
    they were shown and why, in one event. Refused, in the database too, without a reason; ValueError for an event that
    changed nothing.
    """
    model = words.model_of(event.relation)
    if event.kind not in CHANGES or model is None:
        raise ValueError("This event changed nothing.")
    shown = _classes(model, event)
    with _with_reason(by, "audit.values_opened", reason), connection.cursor() as cursor:
        cursor.execute(
            "SELECT earlier::text, later::text FROM pilot.open_values(%s, %s::text[])", [event.pk, shown]
        )
        earlier, later = (json.loads(each) if each else {} for each in cursor.fetchone())
    if not earlier and not later:
        return Values([], shown, is_gone=True, erased_at=_erased_at(event))
    names = Names.of(model, [earlier, later])
    return Values(differences(model, earlier, later, names), shown)


def find_patient(
    *, nhs_number: str, given_name: str, family_name: str, born: dt.date | None, reason: str, by: Actor
) -> list[tuple[UUID, UUID]]:
    """(key, practice) of whoever is described exactly, by number or else by both names and birthday. Afterwards the log
    says that somebody was looked for, why, and whom it found; not what was asked. Refused without a reason.
    """
    with _with_reason(by, "audit.patient_looked_for", reason), connection.cursor() as cursor:
        cursor.execute(
            "SELECT patient, practice FROM pilot.find_patient(%s, %s, %s, %s)",
            [nhs_number, given_name, family_name, born],
        )
        return list(cursor.fetchall())


@contextmanager
def _with_reason(by: Actor, action: str, reason: str) -> Iterator[None]:
    check(by, Permission.REVIEW_AUDIT)
    with acting(by, action, reason=reason):
        yield


def _classes(model: Any, event: Event) -> list[str]:
    """Which classes of field the values are of: those of the changed columns, of the whole row where it came or went."""
    privacy = privacy_of(model)
    if not isinstance(privacy, Personal):
        return []
    every = [each.attname for each in model._meta.concrete_fields]
    return sorted(privacy.classes_of(tuple(event.columns if event.kind == Kind.CHANGED else every)))


def _erased_at(event: Event) -> dt.datetime | None:
    """When this content was erased after retention; None where the log does not say so."""
    if event.patient_id is None:
        return None
    erased = Event.objects.filter(kind=Kind.ERASED, patient_id=event.patient_id)
    return erased.order_by("pk").values_list("at", flat=True).first()
