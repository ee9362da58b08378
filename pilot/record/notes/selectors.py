"""Corrections of clinical notes: the patient's own, and those that a practice's clinicians are to answer."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q

from pilot.access import Actor, NotVisible, Permission, check
from pilot.access.records import RecordQuerySet
from pilot.people.models import Patient
from referrals.models import ClinicalNote
from referrals.notes.models import NoteCorrection


def own_corrections(actor: Actor, patient: Patient) -> list[NoteCorrection]:
    """What the acting patient asked to correct in notes that they can read, newest first: in a record of theirs that was
    closed as well."""
    both = Q(patient=patient) | Q(patient__merged_into=patient)
    mine = NoteCorrection.objects.visible_to(actor).filter(both, note__in=_readable(actor))
    return list(mine.select_related("note", "answered_by").order_by("-opened_at", "-id"))


def own_correction(actor: Actor, key: UUID) -> NoteCorrection:
    """One of them. Raises `NotVisible` for anybody else's."""
    mine = NoteCorrection.objects.visible_to(actor, Permission.MAKE_REQUESTS)
    mine = mine.filter(note__in=_readable(actor))
    return _there(mine.select_related("note", "answered_by").filter(pk=key).first())


def _readable(actor: Actor) -> RecordQuerySet[ClinicalNote]:
    """The notes that the acting patient can read: what was said about one that is withheld is withheld with it."""
    return ClinicalNote.objects.visible_to(actor).only("pk")


def to_answer(actor: Actor) -> RecordQuerySet[NoteCorrection]:
    """What waits for the acting clinician's practice, in no order."""
    rows = NoteCorrection.objects.visible_to(actor, Permission.WRITE_CLINICAL_NOTES)
    return rows.filter(status=NoteCorrection.Status.OPEN).select_related("patient")


def number_to_answer(actor: Actor) -> int:
    """How many wait; shows nothing of any, and nothing to anybody but clinicians."""
    rows = NoteCorrection.objects.visible_to(actor, Permission.WRITE_CLINICAL_NOTES)
    return rows.filter(status=NoteCorrection.Status.OPEN).count()


def correction(actor: Actor, key: UUID) -> NoteCorrection:
    """One that the acting clinician may answer. Raises `NotVisible` where there is none."""
    rows = NoteCorrection.objects.visible_to(actor).select_related("patient", "note__author", "answered_by")
    found = _there(rows.filter(pk=key).first())
    check(actor, Permission.WRITE_CLINICAL_NOTES, found)
    return found


def _there(found: NoteCorrection | None) -> NoteCorrection:
    if found is None:
        raise NotVisible("No correction found.")
    return found
