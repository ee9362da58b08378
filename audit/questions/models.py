"""What came of a question: asked once, answered, and not asked again."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.privacy import Personal
from audit.triggers import AppendOnlyTrigger
from pilot.access.records import RecordQuerySet


class Question(models.TextChoices):
    """What may be worth asking about. Each has an ordinary answer more often than not."""

    MANY = "many", _("Many records on one day")
    HOURS = "hours", _("Outside usual hours")
    RELATION = "relation", _("Nothing that links the person to the patient")
    OWN = "own", _("Perhaps their own record")
    SURNAME = "surname", _("The same last name")
    REFUSALS = "refusals", _("Refused several times")
    OPENED = "opened", _("Opened by a guardian, with a reason")


class Answer(models.Model):
    """“Asked, and it was …”: the guardian's own note on a question about one person and, where it is about a day or about
    a patient, that day or patient. It belongs to the organisation where the person worked. It stays as it is."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(auto_now_add=True)
    question = models.CharField(max_length=12, choices=Question)
    actor = models.CharField(max_length=80, help_text="Whom the question is about: a user's id.")
    organisation_id = models.UUIDField(db_index=True)
    day = models.DateField(null=True)
    about_patient = models.UUIDField(null=True)
    text = models.TextField(max_length=1000)
    answered_by = models.UUIDField()

    objects = RecordQuerySet["Answer"].as_manager()

    privacy = Personal(
        see="review_audit",
        write="review_audit",
        practice="organisation_id",
        # The note is about a member of staff; what was said of a patient's record goes with it.
        goes_with="about_patient",
        append_only=True,
    )

    class Meta:
        triggers = [AppendOnlyTrigger()]
        constraints = [
            models.UniqueConstraint(
                fields=["question", "actor", "day", "about_patient"],
                nulls_distinct=False,
                name="a_question_is_answered_once",
            )
        ]
