"""What a patient says about the details that are kept of them."""

from __future__ import annotations

from django.db import models

from audit.privacy import Personal
from audit.triggers import AppendOnlyTrigger
from pilot.access.records import Record, RecordQuerySet
from pilot.access.roles import Permission
from pilot.people.models import Organisation, Patient


class DetailReply(Record):
    """The patient's own words beside their details, for ever: what they asked to correct, and stays as it is.

    They were told that their practice and the guardian read them. No coach does.
    """

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    practice = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    words = models.TextField(max_length=4000)

    objects = RecordQuerySet["DetailReply"].as_manager()

    privacy = Personal(
        see=Permission.SEE_WORDS_ON_DETAILS,
        patient="patient_id",
        practice="practice_id",
        default="identity",
        append_only=True,
    )

    class Meta:
        verbose_name = "patient’s words beside their details"
        default_permissions = ()
        triggers = [AppendOnlyTrigger()]
        indexes = [models.Index(fields=["patient", "created_at"], name="detail_reply_of_patient")]
