"""What happens to a clinical note: written, withheld from the patient, reviewed, shown again."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django.utils import timezone

from pilot.access import Actor, Permission, action
from pilot.people.models import Patient
from pilot.people.policies import check_is_not_double
from referrals.models import ClinicalNote, Withholding
from referrals.notes.policies import Grounds, check_can_withhold, check_is_withheld


@action("clinical_note.written", Permission.WRITE_CLINICAL_NOTES)
def write_note(
    patient: Patient,
    text: str,
    *,
    kind: str = ClinicalNote.Kind.NOTE,
    withheld: Grounds | None = None,
    by: Actor,
) -> ClinicalNote:
    """Write a note that the practice's clinicians and the patient read, and that nobody else learns of.

    With `withheld` the patient never sees it, not for a moment, until a clinician shows it.
    """
    check_is_not_double(Patient.objects.get(pk=patient.pk))
    # Clinicians alone come this far, and they are people.
    author_id = cast(UUID, by.user_id)
    note = ClinicalNote(
        patient=patient, practice_id=patient.practice_id, author_id=author_id, kind=kind, text=text
    )
    if withheld:
        _withhold(note, withheld)
    note.clean_fields(exclude=["patient", "practice", "author"])
    note.save(force_insert=True)
    if withheld:
        _keep(note, Withholding.Outcome.WITHHELD, withheld, by=by)
    return note


@action("clinical_note.withheld", Permission.WRITE_CLINICAL_NOTES)
def withhold_note(note: ClinicalNote, grounds: Grounds, *, by: Actor) -> ClinicalNote:
    """Stop showing the note to the patient, on one of the two grounds that allow it, until a review."""
    note = _locked_note(note)
    check_can_withhold(note)
    _withhold(note, grounds)
    _save(note)
    _keep(note, Withholding.Outcome.WITHHELD, grounds, by=by)
    return note


@action("clinical_note.reviewed", Permission.WRITE_CLINICAL_NOTES)
def go_on_withholding(note: ClinicalNote, grounds: Grounds, *, by: Actor) -> ClinicalNote:
    """Record that somebody looked again and that the ground stands, or another does; and when to look next."""
    note = _locked_note(note)
    check_is_withheld(note)
    grounds.check()
    note.withheld_on, note.review_on = grounds.ground, grounds.looked_at_again
    _save(note)
    _keep(note, Withholding.Outcome.STILL_WITHHELD, grounds, by=by)
    return note


@action("clinical_note.disclosed", Permission.WRITE_CLINICAL_NOTES)
def disclose_note(note: ClinicalNote, *, by: Actor) -> ClinicalNote:
    """Show the note to the patient again. Why it was withheld stays with the clinicians."""
    note = _locked_note(note)
    check_is_withheld(note)
    note.withheld_at, note.withheld_on, note.review_on = None, "", None
    _save(note)
    _keep(note, Withholding.Outcome.SHOWN, None, by=by)
    return note


def _withhold(note: ClinicalNote, grounds: Grounds) -> None:
    grounds.check()
    note.withheld_at = timezone.now()
    note.withheld_on, note.review_on = grounds.ground, grounds.looked_at_again


def _save(note: ClinicalNote) -> None:
    note.save(update_fields=["withheld_at", "withheld_on", "review_on"], force_update=True)


def _keep(note: ClinicalNote, outcome: str, grounds: Grounds | None, *, by: Actor) -> None:
    decided = Withholding(
        patient_id=note.patient_id,
        practice_id=note.practice_id,
        note=note,
        outcome=outcome,
        ground=grounds.ground if grounds else "",
        because=grounds.because if grounds else "",
        review_on=grounds.looked_at_again if grounds else None,
        decided_by_id=cast(UUID, by.user_id),
    )
    decided.clean_fields(exclude=["patient", "practice", "note", "decided_by"])
    decided.save(force_insert=True)


def _locked_note(note: ClinicalNote) -> ClinicalNote:
    return ClinicalNote.objects.select_for_update(of=("self",)).get(pk=note.pk)
