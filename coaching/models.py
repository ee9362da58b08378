"""What happens between a coach and a patient: sessions, goals, and the call for help in distress."""

from __future__ import annotations

import datetime as dt

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import Func, Q
from django.utils.translation import gettext_lazy as _

from audit.privacy import Personal
from audit.triggers import AppendOnlyTrigger
from pilot.access.records import Record, RecordQuerySet, Versioned
from pilot.access.roles import Permission
from pilot.people.models import Organisation, Patient, User
from referrals.models import Referral


class SessionStatus(models.TextChoices):
    """How a session stands. That one did not happen says nothing about why, and nothing against anybody."""

    BOOKED = "booked", _("Booked")
    HELD = "held", _("Took place")
    DID_NOT_HAPPEN = "did_not_happen", _("Did not happen")
    CANCELLED = "cancelled", _("Cancelled")


class Lasting(Func):
    """The stretch of time that a session takes up, as the database reckons it: its end is not part of it."""

    # In UTC: adding minutes to a local time is not immutable, and an index takes nothing else.
    template = (
        "tsrange(starts_at AT TIME ZONE 'UTC', starts_at AT TIME ZONE 'UTC' + minutes * interval '1 minute')"
    )
    output_field = DateTimeRangeField()


class SessionQuerySet(RecordQuerySet["Session"]):
    def upcoming(self) -> SessionQuerySet:
        """Booked, soonest first."""
        return self.filter(status=SessionStatus.BOOKED).order_by("starts_at", "id")

    def newest_first(self) -> SessionQuerySet:
        return self.order_by("-starts_at", "-id")


class Session(Record, Versioned):
    """One conversation between a coach and a patient. What is written in it, the patient reads at once."""

    class Place(models.TextChoices):
        PRACTICE = "practice", _("At the practice")
        PHONE = "phone", _("By phone")
        VIDEO = "video", _("By video")
        ELSEWHERE = "elsewhere", _("Somewhere else that suits")

    class Rearranger(models.TextChoices):
        COACH = "coach", _("The coach will suggest another time")
        PATIENT = "patient", _("The patient will say when it suits")
        NOBODY = "nobody", _("No other time is needed")

    referral = models.ForeignKey(Referral, on_delete=models.PROTECT, related_name="+")
    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    coach = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    starts_at = models.DateTimeField()
    minutes = models.PositiveSmallIntegerField(default=45)
    place = models.CharField(max_length=10, choices=Place)
    where = models.CharField(max_length=200, blank=True, help_text="A room, a number or a link.")
    status = models.CharField(max_length=16, choices=SessionStatus, default=SessionStatus.BOOKED)
    agreed = models.TextField(_("what was agreed"), blank=True, max_length=4000)
    rearranged_by = models.CharField(max_length=8, choices=Rearranger, blank=True)
    recorded_at = models.DateTimeField(null=True)

    objects = SessionQuerySet.as_manager()

    privacy = Personal(see=Permission.SEE_SESSIONS, patient="patient_id", referral="referral_id")

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["referral", "-starts_at", "-id"], name="session_of_referral"),
            models.Index(fields=["patient", "-starts_at"], name="session_of_patient"),
        ]
        constraints = [
            # Sees every row, whatever the policies show: a clash cannot hide behind one.
            ExclusionConstraint(
                name="a_coach_is_in_one_place_at_a_time",
                expressions=[("coach", RangeOperators.EQUAL), (Lasting(), RangeOperators.OVERLAPS)],
                condition=Q(status="booked"),
            ),
            models.CheckConstraint(
                condition=Q(minutes__gte=5, minutes__lte=240),
                name="a_session_is_minutes_to_hours_long",
            ),
            models.CheckConstraint(
                condition=~Q(status="did_not_happen") | ~Q(rearranged_by=""),
                name="somebody_rearranges_what_did_not_happen",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["booked", "cancelled"], recorded_at__isnull=True)
                | Q(status__in=["held", "did_not_happen"], recorded_at__isnull=False),
                name="what_happened_was_recorded_at_some_time",
            ),
        ]

    @property
    def ends_at(self) -> dt.datetime:
        return self.starts_at + dt.timedelta(minutes=self.minutes)

    @property
    def is_booked(self) -> bool:
        return self.status == SessionStatus.BOOKED


class Goal(Record, Versioned):
    """What the patient wants, in the patient's own words and of the patient's own choosing."""

    class Standing(models.TextChoices):
        WANTED = "wanted", _("Still wanted")
        REACHED = "reached", _("Reached")
        DROPPED = "dropped", _("Something else matters more now")

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    referral = models.ForeignKey(Referral, on_delete=models.PROTECT, related_name="+")
    words = models.TextField(max_length=1000)
    reached_at = models.DateTimeField(null=True, blank=True)
    dropped_at = models.DateTimeField(null=True, blank=True)

    objects = RecordQuerySet["Goal"].as_manager()

    privacy = Personal(see=Permission.SEE_SESSIONS, patient="patient_id", referral="referral_id")

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["patient", "-created_at"], name="goal_of_patient")]
        constraints = [
            models.CheckConstraint(
                condition=Q(reached_at__isnull=True) | Q(dropped_at__isnull=True),
                name="a_goal_is_reached_or_dropped",
            )
        ]

    @property
    def standing(self) -> Standing:
        if self.reached_at:
            return self.Standing.REACHED
        return self.Standing.DROPPED if self.dropped_at else self.Standing.WANTED


class Reply(Record):
    """The patient's own words beside a session or a goal, for ever: “I see this differently”."""

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    referral = models.ForeignKey(Referral, on_delete=models.PROTECT, related_name="+")
    session = models.ForeignKey(Session, null=True, on_delete=models.PROTECT, related_name="+")
    goal = models.ForeignKey(Goal, null=True, on_delete=models.PROTECT, related_name="+")
    words = models.TextField(max_length=4000)

    objects = RecordQuerySet["Reply"].as_manager()

    privacy = Personal(
        see=Permission.SEE_SESSIONS, patient="patient_id", referral="referral_id", append_only=True
    )

    class Meta:
        verbose_name = "patient’s words beside a session or goal"
        default_permissions = ()
        triggers = [AppendOnlyTrigger()]
        indexes = [models.Index(fields=["patient", "created_at"], name="reply_of_patient")]
        constraints = [
            models.CheckConstraint(
                condition=Q(session__isnull=True, goal__isnull=False)
                | Q(session__isnull=False, goal__isnull=True),
                name="words_stand_beside_one_thing",
            )
        ]


class DistressCallQuerySet(RecordQuerySet["DistressCall"]):
    def open(self) -> DistressCallQuerySet:
        """Nobody has accepted responsibility yet; longest waiting first."""
        return self.filter(accepted_at__isnull=True).order_by("raised_at", "id")

    def accepted(self) -> DistressCallQuerySet:
        return self.filter(accepted_at__isnull=False)


class DistressCall(Record):
    """Somebody was in distress: who was told, who accepted responsibility, when. Held against nobody."""

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    referral = models.ForeignKey(Referral, on_delete=models.PROTECT, related_name="+")
    practice = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    raised_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    raised_at = models.DateTimeField()
    immediate_danger = models.BooleanField(default=False, help_text="999 was called, or was to be called.")
    safe_place = models.CharField(max_length=200, blank=True, help_text="Where the person is, if known.")
    told = models.ForeignKey(
        User,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The practice's named clinician; empty where all its clinicians were told.",
    )
    emailed_at = models.DateTimeField(null=True, help_text="When an e-mail went after the alert.")
    accepted_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    accepted_at = models.DateTimeField(null=True)

    objects = DistressCallQuerySet.as_manager()

    privacy = Personal(
        see=Permission.SEE_DISTRESS,
        patient="patient_id",
        practice="practice_id",
        referral="referral_id",
    )

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(
                fields=["practice", "raised_at"],
                condition=Q(accepted_at__isnull=True),
                name="distress_open",
            ),
            models.Index(fields=["patient", "-raised_at"], name="distress_of_patient"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(accepted_by__isnull=True, accepted_at__isnull=True)
                | Q(accepted_by__isnull=False, accepted_at__isnull=False),
                name="accepted_by_somebody_at_some_time",
            )
        ]
