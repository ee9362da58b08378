"""Asking for a clinical note to be corrected, and answering: it is corrected, or the patient's words stand beside it."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from pilot.access import Actor, Permission, action
from pilot.access.records import broken_rule
from pilot.outbox.actions import post
from pilot.record.models import Kind
from pilot.record.requests.policies import due_on
from referrals.models import ClinicalNote
from referrals.notes.models import NoteCorrection, NoteReply

_ONE_AT_A_TIME = "one_open_correction_of_a_note"
_Status = NoteCorrection.Status


@action("note_correction.asked_for", Permission.MAKE_REQUESTS)
def ask_to_correct_note(note: ClinicalNote, words: str, *, by: Actor) -> NoteCorrection:
    """Ask the practice's clinicians to correct a note that the patient can read. Refused while that is asked already."""
    now = timezone.now()
    correction = NoteCorrection(
        patient_id=note.patient_id,
        practice_id=note.practice_id,
        note=note,
        words=words,
        opened_at=now,
        due_on=due_on(Kind.CORRECTION, now),
    )
    try:
        # A savepoint: the page goes on after a refusal.
        with transaction.atomic():
            correction.save(force_insert=True)
    except IntegrityError as error:
        if broken_rule(error) != _ONE_AT_A_TIME:
            raise
        raise ValidationError(_("You have asked about this already. You will have an answer.")) from error
    return correction


@action("note_correction.corrected", Permission.WRITE_CLINICAL_NOTES)
def correct_note(correction: NoteCorrection, text: str, answer: str, *, by: Actor) -> NoteCorrection:
    """Correct the note and tell the patient. What stood there is kept beside the answer, and in the note's history.

    Refused where nothing is different, and where it was answered already.
    """
    fresh, note = _locked(correction)
    if text.strip() == note.text.strip():
        raise ValidationError({"text": _("This is what it says now. Correct it, or let it stand.")})
    fresh.before, note.text = note.text, text
    note.save(update_fields=["text"], force_update=True)
    return _answer(fresh, _Status.CORRECTED, answer, by=by)


@action("note_correction.declined", Permission.WRITE_CLINICAL_NOTES)
def let_note_stand(correction: NoteCorrection, answer: str, *, by: Actor) -> NoteCorrection:
    """Leave the note as it is and say why. The patient's own words stand beside it for ever."""
    fresh, note = _locked(correction)
    _beside(note, fresh.words)
    return _answer(fresh, _Status.STANDS, answer, by=by)


@action("note_reply.written", Permission.MAKE_REQUESTS)
def reply_to_note(note: ClinicalNote, words: str, *, by: Actor) -> NoteReply:
    """Put the patient's own words beside a note that they can read, for ever. Read by whoever reads the note alone."""
    return _beside(note, words)


def _beside(note: ClinicalNote, words: str) -> NoteReply:
    reply = NoteReply(patient_id=note.patient_id, practice_id=note.practice_id, note=note, words=words)
    reply.save(force_insert=True)
    return reply


def _locked(correction: NoteCorrection) -> tuple[NoteCorrection, ClinicalNote]:
    # Locked: two clinicians may answer at once.
    fresh = NoteCorrection.objects.select_for_update(of=("self",)).get(pk=correction.pk)
    if fresh.status != _Status.OPEN:
        raise ValidationError(_("This has been answered already."))
    return fresh, ClinicalNote.objects.select_for_update(of=("self",)).get(pk=fresh.note_id)


def _answer(fresh: NoteCorrection, status: str, answer: str, *, by: Actor) -> NoteCorrection:
    fresh.status, fresh.answer = status, answer
    fresh.answered_by_id, fresh.answered_at = by.user_id, timezone.now()
    fresh.save(update_fields=["status", "answer", "before", "answered_by", "answered_at"], force_update=True)
    post(fresh.patient, template="news", context={}, by=by)
    return fresh
