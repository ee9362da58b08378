"""Information sheets, and the ledger of what patients decided. What a decision sets in motion is registered
from above.
"""

from __future__ import annotations

import datetime as dt
from itertools import groupby

from django.db import models
from django.db.models import Q
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from audit.privacy import Impersonal, Personal
from audit.triggers import AppendOnlyTrigger, OncePublishedTrigger
from pilot.access.records import Record, RecordQuerySet
from pilot.access.roles import Permission
from pilot.charter.markdown import render
from pilot.charter.models import Charter
from pilot.people.models import Organisation, Patient, User


class Purpose(models.TextChoices):
    """What consent is asked for, each on its own. None of them reaches the Jobcentre or the DWP; none ever
    will.
    """

    TAKE_PART = "take_part", _("Take part in employment coaching")
    SHARE_WITH_COACH = (
        "share_with_coach",
        _("Share my name, contact details and needs with my coach"),
    )
    REMINDERS = "reminders", _("Send me reminders of sessions")
    CONTACT_EMPLOYERS = "contact_employers", _("Let my coach talk to employers for me")
    EVALUATION = (
        "evaluation",
        _("Count my answers, without my name, to see whether the pilot helps"),
    )


NEEDED_TO_BEGIN = (Purpose.TAKE_PART, Purpose.SHARE_WITH_COACH)


class InformationSheetQuerySet(models.QuerySet["InformationSheet"]):
    def published(self) -> InformationSheetQuerySet:
        return self.filter(published_at__isnull=False)

    def replaces(self, sheet: InformationSheet) -> InformationSheetQuerySet:
        """Later published sheets of that kind that say something materially different."""
        return self.published().filter(
            format=sheet.format,
            language=sheet.language,
            version__gt=sheet.version,
            change=InformationSheet.Change.MATERIAL,
        )

    def in_force(self, format: str = "plain", language: str = "en") -> InformationSheet | None:
        """The latest published sheet of that kind, or None."""
        return self.published().filter(format=format, language=language).order_by("-version").first()


class InformationSheet(models.Model):
    """Exactly what a patient was shown: one version, language and format. Never altered once published."""

    class Format(models.TextChoices):
        PLAIN = "plain", _("Plain English")
        EASY_READ = "easy_read", _("Easy read")
        LARGE_PRINT = "large_print", _("Large print")

    class Change(models.TextChoices):
        MINOR = "minor", _("Minor: earlier answers stand")
        MATERIAL = "material", _("Material: everyone is asked again")

    version = models.PositiveIntegerField()
    language = models.CharField(max_length=12, default="en")
    format = models.CharField(max_length=12, choices=Format, default=Format.PLAIN)
    title = models.CharField(max_length=120)
    text = models.TextField(help_text="Markdown.")
    charter = models.ForeignKey(Charter, on_delete=models.PROTECT, related_name="+")
    change = models.CharField(max_length=8, choices=Change, default=Change.MATERIAL)
    published_at = models.DateTimeField(null=True, blank=True)

    objects = InformationSheetQuerySet.as_manager()

    privacy = Impersonal("public", audited=True, write=Permission.MANAGE_PILOT)

    class Meta:
        default_permissions = ()
        triggers = [OncePublishedTrigger()]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "language", "format"],
                name="one_sheet_per_version_language_format",
            )
        ]

    def __str__(self) -> str:
        return f"{self.title}, version {self.version} ({self.get_format_display()})"

    @property
    def html(self) -> SafeString:
        """The text, ready to be shown."""
        return render(self.text)


class DecisionQuerySet(RecordQuerySet["Decision"]):
    def of(self, patient: Patient) -> DecisionQuerySet:
        return self.filter(patient=patient)

    def newest_first(self) -> DecisionQuerySet:
        return self.order_by("-created_at", "-id")

    def latest_per_purpose(self) -> DecisionQuerySet:
        """For each patient and purpose the decision that stands."""
        return self.order_by("patient_id", "purpose", "-created_at", "-id").distinct("patient_id", "purpose")

    def holding(self, on: dt.date) -> DecisionQuerySet:
        """Yes, and not lapsed by that day. Of use only on the latest per purpose."""
        return self.filter(answer=Decision.Answer.GIVEN, lapses_on__gt=on)


class Decision(Record):
    """One answer to one purpose, for ever. A mistake in recording is put right by a further decision that
    `corrects` it.

    A no before joining is never stored here: it is "do not raise until" a day, like any other reason for not
    asking.
    """

    class Answer(models.TextChoices):
        GIVEN = "given", _("Yes")
        REFUSED = "refused", _("No")
        WITHDRAWN = "withdrawn", _("Withdrawn")
        LAPSED = "lapsed", _("Lapsed")
        CORRECTED = "corrected", _("Recorded by mistake")

    class Method(models.TextChoices):
        ONLINE = "online", _("Online, by themselves")
        IN_PERSON = "in_person", _("In person")
        PHONE = "phone", _("By phone, read back")
        POST = "post", _("By post")
        SYSTEM = "system", _("By the calendar")

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    practice = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    purpose = models.CharField(max_length=20, choices=Purpose)
    answer = models.CharField(max_length=10, choices=Answer)
    sheet = models.ForeignKey(InformationSheet, null=True, on_delete=models.PROTECT, related_name="+")
    method = models.CharField(max_length=10, choices=Method)
    recorded_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    witness = models.CharField(max_length=120, blank=True, help_text="Who else was there.")
    capacity_not_in_doubt = models.BooleanField(default=False)
    freely_given = models.BooleanField(
        default=False, help_text="The statement of free choice was read, or read out."
    )
    patient_asked = models.BooleanField(
        default=False,
        help_text="They brought it up themselves, when nobody was to raise it.",
    )
    lapses_on = models.DateField(
        null=True,
        help_text="The first day on which it no longer holds, unless refreshed.",
    )
    corrects = models.OneToOneField("self", null=True, on_delete=models.PROTECT, related_name="+")
    correction_reason = models.CharField(max_length=300, blank=True)

    objects = DecisionQuerySet.as_manager()

    privacy = Personal(
        see=Permission.SEE_CONSENT,
        patient="patient_id",
        practice="practice_id",
        default="consent",
        append_only=True,
    )

    class Meta:
        default_permissions = ()
        triggers = [AppendOnlyTrigger()]
        indexes = [
            models.Index(
                fields=["patient", "purpose", "-created_at", "-id"],
                name="decision_that_stands",
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=~Q(answer="given")
                | Q(capacity_not_in_doubt=True, freely_given=True, sheet__isnull=False),
                name="a_yes_is_informed_capable_and_free",
            ),
            models.CheckConstraint(
                condition=~Q(answer="given") | Q(lapses_on__isnull=False),
                name="a_yes_lapses_some_day",
            ),
            models.CheckConstraint(
                condition=Q(corrects__isnull=True) | ~Q(correction_reason=""),
                name="a_correction_says_why",
            ),
            models.CheckConstraint(
                condition=~Q(answer="corrected") | Q(corrects__isnull=False),
                name="recorded_by_mistake_names_the_mistake",
            ),
            models.CheckConstraint(
                condition=~Q(answer="refused", purpose__in=["take_part", "share_with_coach"]),
                name="a_no_to_joining_is_never_kept",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_purpose_display()}: {self.get_answer_display()}"

    def holds_on(self, day: dt.date) -> bool:
        """Whether it is a yes that has not lapsed by then; whether it is the latest, the caller knows."""
        return self.answer == self.Answer.GIVEN and self.lapses_on is not None and self.lapses_on > day


class Receipt(Record):
    """What the patient was told after deciding or withdrawing: what begins or stops, what is kept, and why.
    For ever.
    """

    class Kind(models.TextChoices):
        DECIDED = "decided", _("What you decided")
        WITHDRAWN = "withdrawn", _("What you stopped")
        CORRECTED = "corrected", _("What was put right")

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    practice = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind)
    lines = models.JSONField(help_text="A list of {title, text}, as shown.")

    objects = RecordQuerySet["Receipt"].as_manager()

    privacy = Personal(
        see=Permission.SEE_CONSENT,
        patient="patient_id",
        practice="practice_id",
        default="consent",
        append_only=True,
    )

    class Meta:
        default_permissions = ()
        triggers = [AppendOnlyTrigger()]
        indexes = [models.Index(fields=["patient", "-created_at"], name="receipt_of_patient")]

    @property
    def by_title(self) -> list[tuple[str, list[dict[str, str]]]]:
        """The lines in order, those that share a title together."""
        return [(title, list(lines)) for title, lines in groupby(self.lines, key=lambda line: line["title"])]


class NotNow(models.Model):
    """How many people said "not now" before joining: one number, with nothing to break it down by."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    count = models.PositiveIntegerField(default=0)

    privacy = Impersonal("one number for the whole pilot")

    class Meta:
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_number_for_the_whole_pilot")]
