"""The event log: one row for every change, look, refusal and disclosure. Written by the database, never by a model."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from audit.privacy import Personal
from audit.triggers import AppendOnlyTrigger, TruncateTrigger


class Kind(models.TextChoices):
    CREATED = "created", "Added"
    CHANGED = "changed", "Changed"
    DELETED = "deleted", "Removed"
    READ = "read", "Looked at"
    REFUSED = "refused", "Was refused"
    DISCLOSED = "disclosed", "Sent outside the pilot"
    SIGN_IN = "sign_in", "Sign-in"


class EventQuerySet(models.QuerySet["Event"]):
    def newest_first(self) -> EventQuerySet:
        return self.order_by("-id")


class Event(models.Model):
    """Something somebody did, in which role, for which named action, and to whose record.

    Holds ids and the names of columns, never their content; the content is in the history row that has the nonce of
    `digest`. The app role may read the events that policy shows it, and can neither write, change nor remove one.
    """

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    transaction = models.BigIntegerField(help_text="The transaction it belongs to, for sealing in order.")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    actor = models.CharField(max_length=80, help_text="A user's id, or system:name.")
    role = models.CharField(max_length=40)
    action = models.CharField(max_length=80)
    reason = models.TextField(null=True)  # noqa: DJ001 (copied as the database has it)
    request = models.CharField(max_length=40, null=True)  # noqa: DJ001
    relation = models.CharField(max_length=80, null=True, help_text="The table.")  # noqa: DJ001
    row_id = models.CharField(max_length=80, null=True)  # noqa: DJ001
    patient_id = models.UUIDField(null=True)
    practice_id = models.UUIDField(null=True)
    columns = ArrayField(
        models.TextField(),
        default=list,
        help_text="Columns changed, or classes of field shown.",
    )
    digest = models.BinaryField(null=True)

    privacy = Personal(
        see="see_events",
        patient="patient_id",
        keeps_history=False,
        append_only=True,
        # Being about somebody, in an action, must not tell that a clinical note of theirs exists.
        sealed=True,
        unless_patient="pilot.is_withheld(relation, row_id)",
        # A look at several patients at once is one event with a subject for each.
        also="id = ANY(ARRAY(SELECT s.event_id FROM public.audit_subject s"
        " WHERE s.patient_id = ANY(ARRAY(SELECT pilot.live_patients('see_events')))))",
    )

    objects = EventQuerySet.as_manager()

    class Meta:
        triggers = [AppendOnlyTrigger(), TruncateTrigger()]
        indexes = [
            models.Index(fields=["patient_id", "-id"], name="event_by_patient"),
            models.Index(fields=["actor", "-id"], name="event_by_actor"),
            models.Index(fields=["row_id"], condition=models.Q(kind="sign_in"), name="event_by_sign_in"),
        ]


class Subject(models.Model):
    """One of several patients whose data one look showed (a list, a search, an export)."""

    id = models.BigAutoField(primary_key=True)
    event_id = models.BigIntegerField()
    patient_id = models.UUIDField()

    privacy = Personal(
        see="see_events", patient="patient_id", keeps_history=False, append_only=True, sealed=True
    )

    class Meta:
        triggers = [AppendOnlyTrigger(), TruncateTrigger()]
        indexes = [
            models.Index(fields=["patient_id", "-event_id"], name="subject_by_patient"),
            models.Index(fields=["event_id"], name="subject_by_event"),
        ]
