"""What a patient asks of the pilot that has to be answered by a day."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.privacy import Personal
from pilot.access import Permission
from pilot.access.records import Record, RecordQuerySet
from pilot.people.models import Patient, User


class Kind(models.TextChoices):
    """What is asked for. Each has a clock of its own, in `pilot.record.requests.policies`."""

    ACCESS_QUERY = "access_query", _("A question about who looked, or what was sent")


class Status(models.TextChoices):
    OPEN = "open", _("Waiting for an answer")
    ANSWERED = "answered", _("Answered")


class RequestQuerySet(RecordQuerySet["Request"]):
    def open(self) -> RequestQuerySet:
        return self.filter(status=Status.OPEN)

    def answered(self) -> RequestQuerySet:
        return self.filter(status=Status.ANSWERED)


class Request(Record):
    """Something that a patient asked of the pilot, in their own words, and what was answered; both stay for ever.

    Between the patient and the Caldicott Guardian: no coach, provider or practice is shown one, or told that there is one.
    """

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    words = models.TextField(_("patient’s words"), blank=True, help_text="As the patient wrote them.")
    about_event = models.BigIntegerField(null=True, help_text="The line of the log that it is about.")
    about_relation = models.CharField(
        max_length=80, blank=True, help_text="The table of the row that it is about."
    )
    about_row = models.CharField(max_length=80, blank=True)
    opened_at = models.DateTimeField(
        _("asked"), default=timezone.now, help_text="The clock counts from here."
    )
    due_on = models.DateField(_("due"), help_text="The last day for the answer.")
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.OPEN)
    answer = models.TextField(_("answer"), blank=True)
    answered_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    answered_at = models.DateTimeField(_("answered"), null=True)

    objects = RequestQuerySet.as_manager()

    privacy = Personal(
        see=Permission.SEE_REQUESTS,
        patient="patient_id",
        write=Permission.SEE_REQUESTS,
        # A coach or receptionist who does something about the patient is not shown it either.
        sealed=True,
    )

    class Meta:
        default_permissions = ()
        verbose_name = _("question from a patient")
        indexes = [
            models.Index(fields=["patient", "-opened_at"], name="request_of_patient"),
            models.Index(fields=["due_on", "id"], condition=Q(status="open"), name="request_open"),
            models.Index(
                fields=["answered_at", "id"], condition=Q(status="answered"), name="request_answered"
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["patient", "about_event"],
                condition=Q(status="open"),
                name="one_open_request_about_a_line",
            ),
            models.CheckConstraint(
                condition=Q(status="open", answer="", answered_by__isnull=True, answered_at__isnull=True)
                | Q(status="answered", answered_by__isnull=False, answered_at__isnull=False) & ~Q(answer=""),
                name="an_answer_says_what_who_and_when",
            ),
        ]
