"""Which clinical notes a page shows, and what was decided about those that are withheld."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.shortcuts import get_object_or_404
from django.utils import timezone

from pilot.access import Actor, Permission
from pilot.people.models import Organisation, Patient
from pilot.people.selectors import ON_A_LIST
from referrals.models import ClinicalNote, Withholding
from referrals.notes.models import NoteReply

# Before anything: a note without a day for its review comes first.
_LONG_AGO = dt.date(2000, 1, 1)


def notes_of(actor: Actor, patient: Patient) -> list[ClinicalNote]:
    """The patient's clinical notes, newest first: to clinicians all, to the patient what is not withheld."""
    rows = ClinicalNote.objects.visible_to(actor).filter(patient=patient).select_related("author")
    return list(rows.order_by("-created_at", "-id"))


def note(actor: Actor, key: UUID) -> ClinicalNote:
    """One note that the actor may change, or 404."""
    rows = ClinicalNote.objects.visible_to(actor, Permission.WRITE_CLINICAL_NOTES)
    return get_object_or_404(rows.select_related("patient", "author"), pk=key)


def withheld_at(actor: Actor, practice: Organisation) -> QuerySet[ClinicalNote]:
    """What the practice withholds from its patients, each with `due_on`; not the text, which a list need not show."""
    rows = ClinicalNote.objects.visible_to(actor, Permission.WRITE_CLINICAL_NOTES)
    rows = rows.filter(practice=practice, withheld_at__isnull=False).select_related("patient", "author")
    # What the list of patients fetches: the patient, who reads what was looked at, cannot tell this list from that.
    whose = [f"patient__{name}" for name in ON_A_LIST]
    shown = ["kind", "patient", "practice", "withheld_at", "withheld_on", "review_on", "author__display_name"]
    return rows.only(*shown, *whose).annotate(due_on=Coalesce("review_on", Value(_LONG_AGO)))


def count_due(actor: Actor, practice: Organisation) -> int:
    """How many withheld notes are to be looked at by now. Counting shows nobody's row; others than clinicians get 0."""
    rows = ClinicalNote.objects.visible_to(actor, Permission.WRITE_CLINICAL_NOTES)
    by_now = Q(review_on__isnull=True) | Q(review_on__lte=timezone.localdate())
    return rows.filter(by_now, practice=practice, withheld_at__isnull=False).count()


def replies_about(actor: Actor, patient: Patient) -> dict[UUID, list[NoteReply]]:
    """The patient's own words beside each of their notes, oldest first: to whoever may read the note."""
    found: dict[UUID, list[NoteReply]] = {}
    rows = NoteReply.objects.visible_to(actor).filter(
        patient=patient, note__in=ClinicalNote.objects.visible_to(actor).only("pk")
    )
    for each in rows.order_by("created_at", "id"):
        found.setdefault(each.note_id, []).append(each)
    return found


def decisions_about(actor: Actor, patient: Patient) -> dict[UUID, list[Withholding]]:
    """What was decided about withholding each of the patient's notes, newest first."""
    found: dict[UUID, list[Withholding]] = {}
    for each in _decisions(actor).filter(patient=patient):
        found.setdefault(each.note_id, []).append(each)
    return found


def decisions_on(actor: Actor, note: ClinicalNote) -> list[Withholding]:
    """What was decided about withholding this note, newest first."""
    return list(_decisions(actor).filter(note=note))


def _decisions(actor: Actor) -> QuerySet[Withholding]:
    rows = Withholding.objects.visible_to(actor).select_related("decided_by")
    return rows.order_by("-created_at", "-id")
