"""Referrals and their way to a coach, invitations to decide, and clinical notes behind the wall."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from guardian.models import UserObjectPermissionBase

from audit.privacy import Impersonal, Personal
from audit.triggers import AppendOnlyTrigger
from pilot.access.grants import permissions_for
from pilot.access.records import Record, RecordQuerySet, Versioned
from pilot.access.roles import Permission, Role
from pilot.outbox.models import Message
from pilot.people.models import Organisation, Patient, User
from referrals.notes.models import NoteCorrection, NoteReply  # noqa: F401 (Django finds an app's models here)
from referrals.patients.models import DetailReply  # noqa: F401 (the same)
from referrals.screening.models import OwnWords  # noqa: F401 (the same)


class Reason(models.TextChoices):
    """Why coaching might help. Nothing clinical: what is clinical goes into a clinical note."""

    FIND_WORK = "find_work", _("Would like to find work")
    KEEP_WORK = "keep_work", _("Would like to keep a job")
    CHANGE_WORK = "change_work", _("Would like a different job, or different hours")
    RETURN_TO_WORK = "return_to_work", _("Is thinking about going back to work")
    TRAINING = "training", _("Training, skills or qualifications")
    SELF_EMPLOYMENT = "self_employment", _("Working for themselves")
    VOLUNTEERING = "volunteering", _("Volunteering")
    TALK_IT_OVER = "talk_it_over", _("Would like to talk it over first")


class BestTime(models.TextChoices):
    """When suits the patient best."""

    WEEKDAY_MORNING = "weekday_morning", _("Weekday mornings")
    WEEKDAY_AFTERNOON = "weekday_afternoon", _("Weekday afternoons")
    WEEKDAY_EVENING = "weekday_evening", _("Weekday evenings")
    SATURDAY = "saturday", _("Saturdays")


class Status(models.TextChoices):
    """Where a referral stands. None of these says anything about the patient's part in it."""

    AWAITING_DECISION = "awaiting_decision", _("Waiting for the patient's decision")
    WAITING = "waiting", _("Waiting for a coach")
    WITH_COACH = "with_coach", _("With a coach")
    PAUSED = "paused", _("Paused")
    ENDED = "ended", _("Ended")
    SET_ASIDE = "set_aside", _("Not being raised for now")


OPEN_STATUSES = (
    Status.AWAITING_DECISION,
    Status.WAITING,
    Status.WITH_COACH,
    Status.PAUSED,
)


class ReferralQuerySet(RecordQuerySet["Referral"]):
    def of(self, patient: Patient) -> ReferralQuerySet:
        return self.filter(patient=patient)

    def open(self) -> ReferralQuerySet:
        return self.filter(status__in=OPEN_STATUSES)

    def newest_first(self) -> ReferralQuerySet:
        return self.order_by("-logged_at", "-id")


class Referral(Record, Versioned):
    """A suggestion that coaching might help somebody, from being logged until it ends.

    `provider` is set only while the patient's consent lasts: it is what lets the provider see the row.
    """

    class Ending(models.TextChoices):
        SUPPORT_COMPLETE = "support_complete", _("Support came to its end")
        HEALTH_FIRST = "health_first", _("Health care comes first for now")
        PATIENTS_CHOICE = "patients_choice", _("The patient chose to stop")
        MOVED = "moved", _("Moved away or changed practice")
        TIME_OVER = "time_over", _("The time that was agreed to was over")
        DIED = "died", _("The patient died")
        MERGED = "merged", _("Goes on in another record of the same person, if they wish")

    class Source(models.TextChoices):
        DESK = "desk", _("At the practice")
        IMPORT = "import", _("From a file")

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    practice = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    provider = models.ForeignKey(
        Organisation, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    reference = models.CharField(max_length=10, help_text="Short enough to say on the phone.")
    reasons = ArrayField(models.CharField(max_length=20, choices=Reason))
    own_words = models.TextField(
        _("what the patient would like, in their own words"),
        blank=True,
        max_length=2000,
    )
    best_times = ArrayField(models.CharField(max_length=20, choices=BestTime), default=list, blank=True)
    status = models.CharField(max_length=20, choices=Status, default=Status.AWAITING_DECISION)
    source = models.CharField(max_length=8, choices=Source, default=Source.DESK)
    logged_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    logged_at = models.DateTimeField()
    ready_at = models.DateTimeField(
        null=True, blank=True, help_text="When the patient had agreed and began to wait."
    )
    allocated_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    ending = models.CharField(max_length=20, choices=Ending, blank=True)

    objects = ReferralQuerySet.as_manager()

    privacy = Personal(
        see=Permission.SEE_REFERRALS,
        patient="patient_id",
        practice="practice_id",
        provider="provider_id",
        referral="id",
        # A supervisor learns neither who it is nor what they wrote.
        unless_provider=["own_words"],
    )

    class Meta:
        default_permissions = ()
        permissions = permissions_for(Role.COACH, Role.SUPERVISOR)
        indexes = [
            models.Index(fields=["practice", "-logged_at", "-id"], name="referral_by_practice"),
            models.Index(fields=["provider", "status", "ready_at", "id"], name="referral_waiting"),
            models.Index(fields=["practice", "status", "-logged_at"], name="referral_by_status"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["patient"],
                condition=Q(status__in=["awaiting_decision", "waiting", "with_coach", "paused"]),
                name="one_open_referral_per_patient",
            ),
            models.UniqueConstraint(fields=["reference"], name="every_reference_is_new"),
            models.CheckConstraint(condition=Q(reasons__len__gt=0), name="a_referral_has_a_reason"),
            models.CheckConstraint(
                condition=~Q(status="waiting") | Q(ready_at__isnull=False),
                name="who_waits_began_to_wait",
            ),
            models.CheckConstraint(
                condition=Q(status="ended", ending__gt="") | (~Q(status="ended") & Q(ending="")),
                name="what_ended_says_how",
            ),
            models.CheckConstraint(
                condition=Q(provider__isnull=True) | Q(status__in=["waiting", "with_coach", "paused"]),
                name="the_provider_sees_only_what_was_agreed",
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(status__in=["ended", "set_aside"]),
                name="only_what_ended_has_an_end",
            ),
        ]

    def __str__(self) -> str:
        return f"Referral {self.reference}"

    @property
    def is_open(self) -> bool:
        return Status(self.status) in OPEN_STATUSES

    @property
    def reason_words(self) -> list[str]:
        return [str(Reason(each).label) for each in self.reasons]

    @property
    def time_words(self) -> list[str]:
        return [str(BestTime(each).label) for each in self.best_times]


class AllocationQuerySet(RecordQuerySet["Allocation"]):
    def current(self) -> AllocationQuerySet:
        """Those that have not ended."""
        return self.filter(ended_at__isnull=True)


class Allocation(Record):
    """Who helps with a referral, from when until when. Numbered slots keep a caseload under its limit."""

    referral = models.ForeignKey(Referral, on_delete=models.PROTECT, related_name="allocations")
    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    practice = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    provider = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    person = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    role = models.CharField(
        max_length=12,
        choices=[(r.value, r.label) for r in (Role.COACH, Role.SUPERVISOR)],
    )
    slot = models.PositiveSmallIntegerField(null=True, help_text="Coaches: which of their places it takes.")
    begun_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    objects = AllocationQuerySet.as_manager()

    privacy = Personal(
        see=Permission.SEE_REFERRALS,
        patient="patient_id",
        practice="practice_id",
        provider="provider_id",
        referral="referral_id",
        provider_until="ended_at",
    )

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(
                fields=["provider", "person"],
                condition=Q(ended_at__isnull=True),
                name="allocation_load",
            )
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["referral", "role"],
                condition=Q(ended_at__isnull=True),
                name="one_coach_at_a_time",
            ),
            models.UniqueConstraint(
                fields=["provider", "person", "slot"],
                condition=Q(ended_at__isnull=True, role="coach"),
                name="one_person_per_slot_of_a_coach",
            ),
            models.CheckConstraint(
                condition=~Q(role="coach") | Q(slot__gte=1),
                name="a_coach_has_numbered_slots",
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("begun_at")),
                name="allocation_ends_after_it_begins",
            ),
        ]


class ReferralGrant(UserObjectPermissionBase):
    """A coach or supervisor may open the referral allocated to them. A policy of its own shows rows."""

    content_object = models.ForeignKey(Referral, on_delete=models.CASCADE)

    privacy = Impersonal("an account and a random key; shown to its own account only", audited=True)

    class Meta(UserObjectPermissionBase.Meta):
        abstract = False


class Invitation(Record):
    """A code that, with the date of birth, lets a patient decide for themselves. Works once; expires."""

    class Channel(models.TextChoices):
        LETTER = "letter", _("Printed letter")
        EMAIL = "email", _("E-mail")
        SMS = "sms", _("Text message")

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    practice = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    referral = models.ForeignKey(Referral, on_delete=models.PROTECT, related_name="invitations")
    channel = models.CharField(max_length=8, choices=Channel)
    message = models.ForeignKey(Message, null=True, on_delete=models.PROTECT, related_name="+")
    code_digest = models.CharField(
        max_length=64,
        unique=True,
        help_text="SHA-256 of the code; the code is not kept.",
    )
    expires_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Dates of birth tried that did not fit.")
    used_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)

    objects = RecordQuerySet["Invitation"].as_manager()

    privacy = Personal(see=Permission.INVITE_PATIENTS, patient="patient_id", practice="practice_id")

    class Meta:
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=Q(attempts__lte=5), name="five_tries_at_most")]


class ClinicalNote(Record):
    """Clinical text, for the practice's clinicians and the patient. Nobody else learns that one exists."""

    class Kind(models.TextChoices):
        NOTE = "note", _("Note")
        CAPACITY = "capacity", _("Assessment of capacity")

    class Ground(models.TextChoices):
        SERIOUS_HARM = (
            "serious_harm",
            _("Reading it would be likely to cause serious harm"),
        )
        THIRD_PARTY = "third_party", _("It is about somebody else who has not agreed")

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    practice = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    author = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.NOTE)
    text = models.TextField(max_length=10_000)
    withheld_at = models.DateTimeField(
        null=True, blank=True, help_text="While set, the patient is not shown it."
    )
    withheld_on = models.CharField(max_length=20, choices=Ground, blank=True)
    review_on = models.DateField(
        null=True, blank=True, help_text="By when a clinician looks again whether it is still to be withheld."
    )

    objects = RecordQuerySet["ClinicalNote"].as_manager()

    privacy = Personal(
        see=Permission.READ_CLINICAL_NOTES,
        write=Permission.WRITE_CLINICAL_NOTES,
        patient="patient_id",
        practice="practice_id",
        default="clinical",
        sealed=True,
        hidden_from_patient="withheld_at",
    )

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["patient", "-created_at"], name="clinical_note_of_patient"),
            models.Index(
                fields=["practice", "review_on"],
                condition=Q(withheld_at__isnull=False),
                name="clinical_note_to_review",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(withheld_at__isnull=True, withheld_on="")
                | (Q(withheld_at__isnull=False) & ~Q(withheld_on="")),
                name="withheld_on_a_ground",
            ),
            models.CheckConstraint(
                condition=Q(review_on__isnull=True) | Q(withheld_at__isnull=False),
                name="only_what_is_withheld_is_reviewed",
            ),
        ]


class Withholding(Record):
    """A clinician's decision to withhold a note from the patient, to go on doing so, or to show it. For ever.

    `because` is for clinicians alone, and may be about somebody else: it stays hidden when the note is shown.
    """

    class Outcome(models.TextChoices):
        WITHHELD = "withheld", _("Withheld")
        STILL_WITHHELD = "still_withheld", _("Reviewed: still withheld")
        SHOWN = "shown", _("Shown to the patient")

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    practice = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    note = models.ForeignKey(ClinicalNote, on_delete=models.PROTECT, related_name="+")
    outcome = models.CharField(max_length=16, choices=Outcome)
    ground = models.CharField(max_length=20, choices=ClinicalNote.Ground, blank=True)
    because = models.TextField(max_length=2000, blank=True)
    review_on = models.DateField(null=True, blank=True)
    decided_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")

    objects = RecordQuerySet["Withholding"].as_manager()

    privacy = Personal(
        see=Permission.WRITE_CLINICAL_NOTES,
        write=Permission.WRITE_CLINICAL_NOTES,
        patient="patient_id",
        practice="practice_id",
        default="clinical",
        sealed=True,
        append_only=True,
        # Never empty: neither the row nor that there is an event about it is ever shown to the patient.
        hidden_from_patient="created_at",
    )

    class Meta:
        verbose_name = "decision about withholding a note"
        default_permissions = ()
        triggers = [AppendOnlyTrigger()]
        indexes = [models.Index(fields=["note", "-created_at"], name="withholding_of_note")]
        constraints = [
            models.CheckConstraint(
                condition=Q(outcome="shown", ground="", review_on__isnull=True)
                | (~Q(outcome="shown") & ~Q(ground="") & ~Q(because="") & Q(review_on__isnull=False)),
                name="withholding_has_a_ground_a_reason_and_a_review",
            )
        ]


class ImportBatch(Record):
    """A file of referrals between upload and decision: what was read, row by row; nothing saved yet."""

    practice = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    uploaded_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    file_name = models.CharField(max_length=200)
    rows = models.JSONField()
    report = models.JSONField()
    decided_at = models.DateTimeField(null=True)

    objects = RecordQuerySet["ImportBatch"].as_manager()

    privacy = Personal(
        see=Permission.IMPORT_REFERRALS,
        practice="practice_id",
        default="identity",
        deletable=True,
        # Whoever is never registered must not be remembered by a list that was forgotten.
        unkept=["rows", "report"],
    )

    class Meta:
        default_permissions = ()
