"""What a patient says about a clinical note: walled exactly like the note."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.privacy import Personal
from audit.triggers import AppendOnlyTrigger
from pilot.access.records import Record, RecordQuerySet
from pilot.access.roles import Permission
from pilot.people.models import Organisation, Patient, User

# Where the note is withheld from the patient, so is whatever was said about it.
_NOTE_IS_WITHHELD = "pilot.is_withheld('referrals_clinicalnote', note_id::text)"


class NoteReply(Record):
    """The patient's own words beside a clinical note, for ever: “I see this differently”."""

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    practice = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    note = models.ForeignKey("referrals.ClinicalNote", on_delete=models.PROTECT, related_name="+")
    words = models.TextField(max_length=4000)

    objects = RecordQuerySet["NoteReply"].as_manager()

    privacy = Personal(
        see=Permission.READ_CLINICAL_NOTES,
        write=Permission.READ_CLINICAL_NOTES,
        patient="patient_id",
        practice="practice_id",
        default="clinical",
        sealed=True,
        append_only=True,
        unless_patient=_NOTE_IS_WITHHELD,
    )

    class Meta:
        verbose_name = "patient’s words beside a note"
        default_permissions = ()
        triggers = [AppendOnlyTrigger()]
        indexes = [models.Index(fields=["patient", "created_at"], name="note_reply_of_patient")]


class NoteCorrection(Record):
    """A patient asks for a clinical note to be corrected; a clinician of the practice answers by a day.

    `before` is what stood there, once it is corrected. Nobody but them learns that it was asked for.
    """

    class Status(models.TextChoices):
        OPEN = "open", _("Waiting for an answer")
        CORRECTED = "corrected", _("Corrected")
        STANDS = "stands", _("Stays as it is, with your words beside it")

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    practice = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    note = models.ForeignKey("referrals.ClinicalNote", on_delete=models.PROTECT, related_name="+")
    words = models.TextField(_("patient’s words"), max_length=4000)
    opened_at = models.DateTimeField(default=timezone.now)
    due_on = models.DateField()
    status = models.CharField(max_length=10, choices=Status, default=Status.OPEN)
    answer = models.TextField(blank=True)
    before = models.TextField(blank=True)
    answered_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    answered_at = models.DateTimeField(null=True)

    objects = RecordQuerySet["NoteCorrection"].as_manager()

    privacy = Personal(
        see=Permission.READ_CLINICAL_NOTES,
        write=Permission.READ_CLINICAL_NOTES,
        patient="patient_id",
        practice="practice_id",
        default="clinical",
        sealed=True,
        unless_patient=_NOTE_IS_WITHHELD,
    )

    class Meta:
        verbose_name = "correction of a note that a patient asked for"
        default_permissions = ()
        indexes = [
            models.Index(
                fields=["practice", "due_on", "id"], condition=Q(status="open"), name="note_correction_open"
            ),
            models.Index(fields=["patient", "-opened_at"], name="note_correction_of_patient"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["note"], condition=Q(status="open"), name="one_open_correction_of_a_note"
            ),
            models.CheckConstraint(
                condition=Q(status="open", answer="", answered_by__isnull=True, answered_at__isnull=True)
                | ~Q(status="open") & ~Q(answer="") & Q(answered_by__isnull=False, answered_at__isnull=False),
                name="a_corrected_note_says_what_who_and_when",
            ),
            models.CheckConstraint(
                condition=Q(before="") | Q(status="corrected"), name="only_a_corrected_note_was_different"
            ),
        ]
