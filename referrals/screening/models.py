"""What is kept of an answer to the screening of free text."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from audit.privacy import Personal
from audit.triggers import AppendOnlyTrigger
from pilot.access.records import Record, RecordQuerySet
from pilot.access.roles import Permission
from pilot.people.models import Organisation, Patient, User
from referrals.clinical_terms import Kind


class OwnWords(Record):
    """That somebody, asked about clinical content, said that these are the patient's own words and wish.

    Which box and which kinds, never the words. The patient reads it. For ever.
    """

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    practice = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    box = models.CharField(max_length=60, help_text="The column that the words were saved in.")
    kinds = ArrayField(models.CharField(max_length=12, choices=Kind))
    confirmed_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")

    objects = RecordQuerySet["OwnWords"].as_manager()

    privacy = Personal(
        see=Permission.SEE_REFERRALS, patient="patient_id", practice="practice_id", append_only=True
    )

    class Meta:
        verbose_name = "words confirmed as the patient’s own"
        default_permissions = ()
        triggers = [AppendOnlyTrigger()]
        indexes = [models.Index(fields=["patient", "-created_at"], name="own_words_of_patient")]
