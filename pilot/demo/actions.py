"""Saves the invented pilot: all of it or nothing. The system does, in batches of patients, as for an import;
but clinical notes are written by the clinicians who sign them, since nobody else may."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from coaching.models import DistressCall, Goal, Session
from consent.models import Decision, InformationSheet, NotNow, Receipt
from consent.publishing import drafts as sheets
from pilot.access import Actor, Role, acting
from pilot.access.grants import grant
from pilot.charter import drafts as charters
from pilot.dashboards.actions import publish_what_is_due
from pilot.demo.cases import Invention
from pilot.demo.days import Calendar
from pilot.demo.invention import invent
from pilot.demo.places import COMMISSIONER, PRACTICES, place, places, workers
from pilot.outbox import ledger
from pilot.outbox.models import Message
from pilot.people.actions import appoint
from pilot.people.models import Organisation, Patient, User
from referrals.models import Allocation, ClinicalNote, Invitation, Referral, Status, Withholding

# Everything but clinical notes, each after what it refers to.
_IN_ORDER: tuple[type[Any], ...] = (
    Patient,
    Referral,
    Allocation,
    Message,
    Invitation,
    Decision,
    Receipt,
    Session,
    Goal,
    DistressCall,
)
_PATIENTS_AT_ONCE = 300
# Any fixed number: two that load at once would both find nothing there.
_LOADING = 7_010_428

Progress = Callable[[int, int], None]


def load(*, by: Actor, today: dt.date | None = None, progress: Progress = lambda done, of: None) -> bool:
    """Load the invented pilot, all of it or nothing. False where it was there already.

    `progress` is told how many rows of how many are saved.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOADING])
        if _is_loaded():
            return False
        calendar = Calendar(today or timezone.localdate())
        _add_organisations(calendar, by=by)
        _add_staff(calendar, by=by)
        sheet = InformationSheet.objects.in_force() or _publish_sheets(calendar, by=by)
        invention = invent(calendar, organisations=_practices(), staff=_staff(), sheet=sheet)
        saving = _Saving(invention, progress)
        with _given_times():
            saving.accounts(by=by)
            saving.patients(by=by)
            saving.clinical_notes()
        saving.grants(by=by)
        _count_who_said_not_now(invention)
        publish_what_is_due(by=by)
    return True


def _is_loaded() -> bool:
    """Whether the invented pilot is in this database."""
    return Organisation.objects.filter(ods_code=COMMISSIONER.code).exists()


def _add_organisations(calendar: Calendar, *, by: Actor) -> None:
    with acting(by, "demo.loaded"):
        for each in places():
            Organisation(
                id=each.id,
                kind=each.kind,
                name=each.name,
                ods_code=each.code,
                phone=each.phone,
                served_by_id=place(each.served_by).id if each.served_by else None,
                valid_from=calendar.date(each.joined - 20),
            ).save(force_insert=True)


def _add_staff(calendar: Calendar, *, by: Actor) -> None:
    """Everybody who works in the pilot. Nobody has a password: the demo's own page signs them in."""
    users = {}
    for worker in workers():
        users[worker.id] = User(id=worker.id, email=worker.email, display_name=worker.name)
        users[worker.id].set_unusable_password()
    with acting(by, "demo.loaded"):
        User.objects.bulk_create(users.values())
    organisations = {each.ods_code: each for each in Organisation.objects.all()}
    for worker in workers():
        appoint(
            organisations[worker.place],
            users[worker.id],
            worker.role,
            valid_from=calendar.date(worker.joined - 30),
            caseload_limit=worker.places,
            is_named_clinician=worker.is_named_clinician,
            by=by,
        )


def _practices() -> list[Organisation]:
    codes = [practice.code for practice in PRACTICES]
    return list(Organisation.objects.filter(ods_code__in=codes).select_related("served_by"))


def _staff() -> list[User]:
    return list(User.objects.filter(pk__in={worker.id for worker in workers()}))


def _publish_sheets(calendar: Calendar, *, by: Actor) -> InformationSheet:
    """Charter and sheets, as if published before the first patient was asked: every yes rests on one."""
    with acting(by, "demo.loaded"):
        for charter in charters.drafts():
            charter.published_at = calendar.at(-20, 9)
            charter.save(force_insert=True)
        for sheet in sheets.drafts():
            sheet.charter, sheet.published_at = charter, calendar.at(-20, 9)
            sheet.save(force_insert=True)
    found = InformationSheet.objects.in_force()
    if found is None:
        raise RuntimeError("No information sheet is written that anybody could have agreed to.")
    return found


class _Saving:
    """Writes what was invented, and says how far it has come."""

    def __init__(self, invention: Invention, progress: Progress) -> None:
        self.invention, self.progress = invention, progress
        self.rows: dict[UUID, dict[type[Any], list[Any]]] = defaultdict(lambda: defaultdict(list))
        for patient in invention.patients:
            self.rows[patient.pk][Patient].append(patient)
        for model, rows in invention.rows.items():
            for row in rows:
                self.rows[row.patient_id][model].append(row)
        self.total = sum(len(rows) for by_model in self.rows.values() for rows in by_model.values())
        self.done = 0

    def accounts(self, *, by: Actor) -> None:
        with acting(by, "demo.loaded"):
            User.objects.bulk_create(self.invention.accounts)

    def patients(self, *, by: Actor) -> None:
        """Everything about a few hundred patients of one practice at a time."""
        for ids in self._batches():
            with acting(by, "demo.loaded", patients=ids):
                for model in _IN_ORDER:
                    self._save(model, [row for patient in ids for row in self.rows[patient][model]])
                # What has left is in the ledger of disclosures, here as anywhere.
                for message in (row for patient in ids for row in self.rows[patient][Message]):
                    if message.status == Message.Status.SENT:
                        ledger.note_left(message)

    def clinical_notes(self) -> None:
        """And what was decided about withholding them; each by whoever wrote the note."""
        by_author: dict[UUID, list[ClinicalNote]] = defaultdict(list)
        for note in self.invention.rows[ClinicalNote]:
            by_author[note.author_id].append(note)
        decisions = self.invention.rows[Withholding]
        for author, notes in by_author.items():
            clinician = Actor(Role.CLINICIAN, author, self.invention.staff[author].display_name)
            with acting(clinician, "demo.loaded", patients={note.patient_id for note in notes}):
                self._save(ClinicalNote, notes)
                self._save(Withholding, [each for each in decisions if each.decided_by_id == author])

    def grants(self, *, by: Actor) -> None:
        """Coaches open the referrals that they have now, patients their own record."""
        current = [each for each in self.invention.rows[Allocation] if each.ended_at is None]
        own = [(patient, patient.account) for patient in self.invention.patients if patient.account]
        about = {each.patient_id for each in current} | {patient.pk for patient, _ in own}
        with acting(by, "demo.loaded", patients=about):
            for each in current:
                grant(self.invention.staff[each.person_id], Role(each.role), each.referral)
            for patient, account in own:
                grant(account, Role.PATIENT, patient)

    def _batches(self) -> Iterator[list[UUID]]:
        by_practice: dict[UUID, list[UUID]] = defaultdict(list)
        for patient in self.invention.patients:
            by_practice[patient.practice_id].append(patient.pk)
        for ids in by_practice.values():
            for start in range(0, len(ids), _PATIENTS_AT_ONCE):
                yield ids[start : start + _PATIENTS_AT_ONCE]

    def _save(self, model: type[Any], rows: list[Any]) -> None:
        model.objects.bulk_create(rows, batch_size=500)
        self.done += len(rows)
        self.progress(self.done, self.total)


@contextmanager
def _given_times() -> Iterator[None]:
    """Let `created_at` be when something happened in the story, instead of now."""
    models: tuple[Any, ...] = (*_IN_ORDER, ClinicalNote, Withholding)
    fields = [model._meta.get_field("created_at") for model in models]
    for each in fields:
        each.auto_now_add = False
    try:
        yield
    finally:
        for each in fields:
            each.auto_now_add = True


def _count_who_said_not_now(invention: Invention) -> None:
    said = sum(referral.status == Status.SET_ASIDE for referral in invention.rows[Referral])
    NotNow.objects.update_or_create(pk=1, defaults={"count": said})
