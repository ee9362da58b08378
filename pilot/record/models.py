"""What a patient asks of the pilot that has to be answered by a day."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.privacy import Personal
from pilot.access import Permission
from pilot.access.records import Record, RecordQuerySet
from pilot.people.models import Organisation, Patient, User
from pilot.record.copies.models import Copy  # noqa: F401 (Django finds an app's models here)
from referrals.models import Referral


class Kind(models.TextChoices):
    """What is asked for. Each has a clock of its own, in `pilot.record.requests.policies`."""

    ACCESS_QUERY = "access_query", _("A question about who looked, or what was sent")
    CORRECTION = "correction", _("Something written is not right")
    COMPLAINT = "complaint", _("A complaint or a worry")
    OBJECTION = "objection", _("Do not use my information for something")
    RESTRICTION = "restriction", _("Keep my information, but do not use it")
    ERASURE = "erasure", _("Erase my information")


class Right(models.TextChoices):
    """The kinds that are a right over the whole record. Each is asked for once at a time."""

    OBJECTION = Kind.OBJECTION.value, Kind.OBJECTION.label
    RESTRICTION = Kind.RESTRICTION.value, Kind.RESTRICTION.label
    ERASURE = Kind.ERASURE.value, Kind.ERASURE.label


class Detail(models.TextChoices):
    """Which of the details is not right, as a patient says it."""

    NAME = "name", _("My name, or what to call me")
    BORN = "born", _("My date of birth or NHS number")
    REACH = "reach", _("My address, phone number or e-mail address")
    CONTACT = "contact", _("How I like to hear from you")
    NEEDS = "needs", _("What helps me, or my language")
    REFERRAL = "referral", _("Why I was suggested, or what I would like")


class Outcome(models.TextChoices):
    """What became of it. A question is answered without one."""

    ACCEPTED = "accepted", _("Yes")
    PARTLY = "partly", _("In part")
    NOT_ACCEPTED = "not_accepted", _("No")


class Status(models.TextChoices):
    OPEN = "open", _("Waiting for an answer")
    ANSWERED = "answered", _("Answered")


class RequestQuerySet(RecordQuerySet["Request"]):
    def open(self) -> RequestQuerySet:
        return self.filter(status=Status.OPEN)

    def answered(self) -> RequestQuerySet:
        return self.filter(status=Status.ANSWERED)

    def shared(self, *, shared: bool = True) -> RequestQuerySet:
        """Corrections that a practice or a coach answers; or everything else, which the guardian does."""
        unshared = Q(practice__isnull=True, referral__isnull=True)
        return self.exclude(unshared) if shared else self.filter(unshared)


class Request(Record):
    """Something that a patient asked of the pilot, in their own words, and what was answered; both stay for ever.

    Between the patient and the Caldicott Guardian: no coach, provider or practice is shown one, or told that there is one.
    But for a correction: `practice` or `referral` names the side that wrote what is not right, which sees it and answers.
    The database refuses either on anything else. What is asked about a clinical note is a `NoteCorrection`.
    """

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    words = models.TextField(_("patient’s words"), blank=True, help_text="As the patient wrote them.")
    about_event = models.BigIntegerField(null=True, help_text="The line of the log that it is about.")
    about_relation = models.CharField(
        max_length=80, blank=True, help_text="The table of the row that it is about."
    )
    about_row = models.CharField(max_length=80, blank=True)
    about_detail = models.CharField(max_length=10, choices=Detail, blank=True)
    practice = models.ForeignKey(
        Organisation,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Of a correction: the practice, where it is to answer.",
    )
    referral = models.ForeignKey(
        Referral,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Of a correction: whose coach is to answer.",
    )
    opened_at = models.DateTimeField(
        _("asked"), default=timezone.now, help_text="The clock counts from here."
    )
    due_on = models.DateField(_("due"), help_text="The last day for the answer.")
    acknowledge_by = models.DateField(null=True, help_text="Of a complaint: the last day to confirm it.")
    acknowledged_at = models.DateTimeField(_("confirmed"), null=True)
    acknowledged_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    extended_at = models.DateTimeField(_("given more time"), null=True)
    extended_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    extended_because = models.TextField(
        _("why it takes longer"), blank=True, help_text="The patient reads it."
    )
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.OPEN)
    outcome = models.CharField(_("outcome"), max_length=12, choices=Outcome, blank=True)
    answer = models.TextField(_("answer"), blank=True)
    answered_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    answered_at = models.DateTimeField(_("answered"), null=True)

    objects = RequestQuerySet.as_manager()

    privacy = Personal(
        see=Permission.SEE_REQUESTS,
        patient="patient_id",
        practice="practice_id",
        referral="referral_id",
        write=Permission.SEE_REQUESTS,
        # A coach or receptionist who does something about the patient is not shown it either.
        sealed=True,
    )

    class Meta:
        default_permissions = ()
        verbose_name = _("request from a patient")
        indexes = [
            models.Index(fields=["patient", "-opened_at"], name="request_of_patient"),
            models.Index(fields=["due_on", "id"], condition=Q(status="open"), name="request_open"),
            models.Index(
                fields=["answered_at", "id"], condition=Q(status="answered"), name="request_answered"
            ),
            models.Index(
                fields=["practice", "due_on", "id"],
                condition=Q(practice__isnull=False),
                name="request_of_practice",
            ),
            models.Index(
                fields=["referral", "due_on", "id"],
                condition=Q(referral__isnull=False),
                name="request_of_coach",
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
            models.UniqueConstraint(
                fields=["patient", "about_relation", "about_row", "about_detail"],
                condition=Q(status="open", kind="correction"),
                name="one_open_correction_of_a_thing",
            ),
            models.UniqueConstraint(
                fields=["patient", "kind"],
                condition=Q(status="open", kind__in=["objection", "restriction", "erasure"]),
                name="one_open_request_for_a_right",
            ),
            models.CheckConstraint(
                condition=Q(practice__isnull=True, referral__isnull=True)
                | Q(kind="correction") & (Q(practice__isnull=True) | Q(referral__isnull=True)),
                name="only_a_correction_is_shared_and_with_one_side",
            ),
            models.CheckConstraint(
                condition=Q(outcome="") | Q(status="answered"), name="only_an_answer_has_an_outcome"
            ),
            models.CheckConstraint(
                condition=Q(kind="complaint", acknowledge_by__isnull=False)
                | ~Q(kind="complaint") & Q(acknowledge_by__isnull=True),
                name="a_complaint_is_confirmed_by_a_day",
            ),
            models.CheckConstraint(
                condition=Q(acknowledged_at__isnull=True, acknowledged_by__isnull=True)
                | Q(acknowledged_at__isnull=False, acknowledged_by__isnull=False, kind="complaint"),
                name="confirmed_by_somebody_at_some_time",
            ),
            models.CheckConstraint(
                condition=Q(extended_at__isnull=True, extended_by__isnull=True, extended_because="")
                | Q(extended_at__isnull=False, extended_by__isnull=False) & ~Q(extended_because=""),
                name="more_time_says_why_who_and_when",
            ),
        ]

    @property
    def is_shared(self) -> bool:
        """Whether the practice or the coach sees it and answers."""
        return self.practice_id is not None or self.referral_id is not None
