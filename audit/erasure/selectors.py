"""Records by the end of their time: whose is over, what would go, what went. Keys, days and counts, and no content."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from uuid import UUID

from django.db import connection
from django.db.models import Model
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from audit.erasure.retention import REASONS
from audit.models import Disclosure, Erasure, Event
from audit.privacy import Impersonal, declared, privacy_of
from pilot.access import Actor, NotVisible, Permission, check, visible_to
from pilot.people.models import Organisation, Patient, User

SHOWN = 50


@dataclass(frozen=True)
class KeptUntil:
    """Until when a record has to be kept; no day while support goes on."""

    day: dt.date | None

    @property
    def is_over(self) -> bool:
        return self.day is not None and self.day <= timezone.localdate()

    @property
    def in_words(self) -> str:
        if self.day is None:
            return _("support goes on, or is about to begin again.")
        return _("until %(day)s.") % {"day": date_format(self.day)}


@dataclass(frozen=True)
class Due:
    """A record whose time is over."""

    patient: UUID
    practice: str
    until: dt.date


@dataclass(frozen=True)
class Gone:
    """One line of what goes or went: how many of what, and of their earlier versions."""

    what: str
    rows: int
    versions: int


@dataclass(frozen=True)
class Fate:
    """One record: its time, and what would go or, with a tombstone, what went."""

    patient: UUID
    kept_until: KeptUntil
    goes: list[Gone]
    stone: Erasure | None
    events: int

    @property
    def may_be_erased(self) -> bool:
        return self.stone is None and self.kept_until.is_over


def due(actor: Actor) -> tuple[list[Due], int]:
    """The records whose time has been over longest, and how many there are in all."""
    check(actor, Permission.ERASE_RECORDS)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT patient, practice, until, count(*) OVER () FROM pilot.records_due() LIMIT %s", [SHOWN]
        )
        found = cursor.fetchall()
    names = dict(Organisation.objects.filter(pk__in={row[1] for row in found}).values_list("pk", "name"))
    return [Due(row[0], names.get(row[1], ""), row[2]) for row in found], found[0][3] if found else 0


def tombstones(actor: Actor) -> list[Erasure]:
    """The records that were erased, the last first."""
    check(actor, Permission.ERASE_RECORDS)
    return list(visible_to(Erasure.objects.order_by("-pk"), actor)[:SHOWN])


def fate(actor: Actor, patient: UUID) -> Fate:
    """What becomes, or became, of this patient's record. `NotVisible` for a key that the log does not know."""
    check(actor, Permission.ERASE_RECORDS)
    events = visible_to(Event.objects.filter(patient_id=patient), actor).count()
    if not events:
        raise NotVisible("No such record.")
    stone = visible_to(Erasure.objects.filter(patient_id=patient), actor).first()
    return Fate(
        patient, kept_until(patient), in_words(stone.rows if stone else _would_go(patient)), stone, events
    )


def subject(fate: Fate) -> Patient:
    """The patient as the subject of an action: their key alone."""
    return Patient(pk=fate.patient)


def kept_until(patient: UUID) -> KeptUntil:
    """Until when the database says that the record has to be kept. Only for whoever may erase it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pilot.retained_until(%s)", [patient])
        return KeptUntil(cursor.fetchone()[0])


def in_words(rows: dict[str, int]) -> list[Gone]:
    """Counts by table as lines that people understand, the largest first; tables of libraries in one."""
    models = {model._meta.db_table: model for model in declared()}
    pasts = {
        model.history.model._meta.db_table: table  # type: ignore[attr-defined]
        for table, model in models.items()
        if privacy_of(model).is_audited
    }
    counted: dict[str, list[int]] = {}
    for table, n in rows.items():
        line = counted.setdefault(_called(models, pasts.get(table, table)), [0, 0])
        line[table in pasts] += n
    return sorted(
        (Gone(what, *line) for what, line in counted.items()), key=lambda gone: (-gone.rows, gone.what)
    )


def _called(models: dict[str, type[Model]], table: str) -> str:
    if table == REASONS:
        return _("Reasons given for looking")
    if table == Disclosure._meta.db_table:
        return _("Lines of the ledger of what was sent")
    if table not in models or table == User._meta.db_table:
        return _("Account and what signing in keeps")
    if isinstance(privacy_of(models[table]), Impersonal):
        return _("Who could open it")
    return capfirst(str(models[table]._meta.verbose_name))


def _would_go(patient: UUID) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pilot.what_would_go(%s)", [patient])
        found = cursor.fetchone()[0]
    counts: dict[str, int] = json.loads(found) if isinstance(found, str) else found
    return counts
