"""A copy between being asked for and being taken away."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from audit.privacy import Personal
from pilot.access.records import Record, RecordQuerySet
from pilot.access.roles import Permission
from pilot.people.models import Patient


class Status(models.TextChoices):
    """How a copy stands. Only one that is ready has anything in it."""

    WAITING = "waiting", _("Waiting to be made")
    BUILDING = "building", _("Being made")
    READY = "ready", _("Ready to be taken away")
    TAKEN = "taken", _("Taken away")
    EXPIRED = "expired", _("Not taken in time, and wiped")


OPEN = (Status.WAITING, Status.BUILDING, Status.READY)


class Part(models.TextChoices):
    """Its two files, each of which can be taken once."""

    PDF = "pdf", _("Pages to read (PDF)")
    JSON = "json", _("A file for computers (JSON)")


class CopyQuerySet(RecordQuerySet["Copy"]):
    def open(self) -> CopyQuerySet:
        return self.filter(status__in=OPEN)

    def unmade(self) -> CopyQuerySet:
        return self.filter(status__in=(Status.WAITING, Status.BUILDING))


class Copy(Record):
    """A patient's copy of their record, made on their own request and for them alone.

    Both files are encrypted, and are gone from the row once taken or once their day is over; no history keeps them.
    """

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    status = models.CharField(max_length=10, choices=Status, default=Status.WAITING)
    claimed_at = models.DateTimeField(null=True, help_text="When the latest attempt to make it began.")
    ready_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(help_text="When it is wiped, or given up, at the latest.")
    pdf = models.BinaryField(null=True, help_text="Encrypted.")
    json = models.BinaryField(null=True, help_text="Encrypted.")
    pdf_taken_at = models.DateTimeField(null=True)
    json_taken_at = models.DateTimeField(null=True)

    objects = CopyQuerySet.as_manager()

    privacy = Personal(
        see=Permission.TAKE_COPY,
        write=Permission.TAKE_COPY,
        patient="patient_id",
        # Whoever does something about the patient is not shown it, nor that there is one.
        sealed=True,
        unkept=["pdf", "json"],
    )

    class Meta:
        verbose_name = "copy of a record"
        verbose_name_plural = "copies of records"
        default_permissions = ()
        indexes = [
            models.Index(fields=["patient", "-created_at"], name="copy_of_patient"),
            models.Index(
                fields=["expires_at"],
                condition=Q(status__in=["waiting", "building", "ready"]),
                name="copy_open",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["patient"],
                condition=Q(status__in=["waiting", "building", "ready"]),
                name="one_open_copy_per_patient",
            ),
            models.CheckConstraint(
                condition=Q(status="ready") | Q(pdf__isnull=True, json__isnull=True),
                name="only_a_copy_that_is_ready_has_content",
            ),
            models.CheckConstraint(
                condition=Q(pdf_taken_at__isnull=True) | Q(pdf__isnull=True), name="pages_taken_are_gone"
            ),
            models.CheckConstraint(
                condition=Q(json_taken_at__isnull=True) | Q(json__isnull=True), name="file_taken_is_gone"
            ),
        ]
