"""That a record is kept and not used, from when until when."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from audit.privacy import Personal
from pilot.access.records import Record, RecordQuerySet
from pilot.access.roles import Permission


class RestrictionQuerySet(RecordQuerySet["Restriction"]):
    def current(self) -> RestrictionQuerySet:
        return self.filter(ended_at__isnull=True)


class Restriction(Record):
    """Nothing new is done with this record until the patient says so. Whoever sees the patient sees that it is so.

    Begun by the guardian's answer to the patient's request and ended by the patient: the database takes it from nobody else.
    """

    patient = models.ForeignKey("people.Patient", on_delete=models.PROTECT, related_name="+")
    practice = models.ForeignKey("people.Organisation", on_delete=models.PROTECT, related_name="+")
    granted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    ended_at = models.DateTimeField(_("ended"), null=True)

    objects = RestrictionQuerySet.as_manager()

    privacy = Personal(
        see=Permission.SEE_PATIENTS,
        write=Permission.RESTRICT_USE,
        patient="patient_id",
        practice="practice_id",
    )

    class Meta:
        verbose_name = "time in which a record is kept and not used"
        verbose_name_plural = "times in which your record was kept and not used"
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["patient"], condition=Q(ended_at__isnull=True), name="one_restriction_at_a_time"
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("created_at")),
                name="restriction_ends_after_it_begins",
            ),
        ]
