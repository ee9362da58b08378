"""Information sheets, and the ledger of what patients decided. What a decision sets in motion is registered
from above.
"""

from __future__ import annotations

import datetime as dt
from itertools import groupby

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import OuterRef, Q, Subquery
from django.db.models.functions import Cast, Least, TruncDate
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from audit.privacy import Impersonal, Personal
from audit.triggers import AppendOnlyTrigger, OncePublishedTrigger
from pilot.access.records import Record, RecordQuerySet, Versioned
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

# What somebody agreed to stands for so long after a sheet that says something materially different.
STANDS_AFTER_CHANGE = dt.timedelta(days=42)


class InformationSheetQuerySet(models.QuerySet["InformationSheet"]):
    def published(self) -> InformationSheetQuerySet:
        return self.filter(published_at__isnull=False)

    def of_the_kind(self, sheet: InformationSheet) -> InformationSheetQuerySet:
        """Published in the same format and language, for the same readers."""
        return self.published().filter(format=sheet.format, language=sheet.language, readers=sheet.readers)

    def replaces(self, sheet: InformationSheet) -> InformationSheetQuerySet:
        """Later published sheets for the same readers, in that language, that say something materially different, in
        whatever format: what is true changes for all of them, and the easy one must not stay true for longer."""
        same = self.published().filter(language=sheet.language, readers=sheet.readers)
        return same.filter(version__gt=sheet.version, change=InformationSheet.Change.MATERIAL)

    def in_force(
        self, format: str = "plain", language: str = "en", readers: str = "adults"
    ) -> InformationSheet | None:
        """The latest published sheet of that kind, or None."""
        return (
            self.published()
            .filter(format=format, language=language, readers=readers)
            .order_by("-version")
            .first()
        )


class InformationSheet(models.Model):
    """Exactly what a patient was shown: one version, language and format. Never altered once published."""

    class Format(models.TextChoices):
        PLAIN = "plain", _("Plain English")
        EASY_READ = "easy_read", _("Easy read")
        LARGE_PRINT = "large_print", _("Large print")

    class Change(models.TextChoices):
        MINOR = "minor", _("Minor: earlier answers stand")
        MATERIAL = "material", _("Material: everyone is asked again")

    class Readers(models.TextChoices):
        ADULTS = "adults", _("Adults")
        YOUNG = "young", _("People aged 16 and 17")

    version = models.PositiveIntegerField()
    language = models.CharField(max_length=12, default="en")
    format = models.CharField(max_length=12, choices=Format, default=Format.PLAIN)
    readers = models.CharField(max_length=8, choices=Readers, default=Readers.ADULTS)
    title = models.CharField(max_length=120)
    text = models.TextField(help_text="Markdown.")
    what_changed = models.TextField(
        blank=True,
        help_text="What is different from the version before, for whoever agreed to that. Markdown.",
    )
    charter = models.ForeignKey(Charter, on_delete=models.PROTECT, related_name="+")
    change = models.CharField(max_length=8, choices=Change, default=Change.MATERIAL)
    declared_by = models.CharField(
        max_length=120, blank=True, help_text="Who published it, and so declared how much it changes."
    )
    published_at = models.DateTimeField(null=True, blank=True)

    objects = InformationSheetQuerySet.as_manager()

    privacy = Impersonal("public", audited=True, write=Permission.MANAGE_PILOT)

    class Meta:
        default_permissions = ()
        triggers = [OncePublishedTrigger()]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "language", "format", "readers"],
                name="one_sheet_per_version_and_kind",
            )
        ]

    def __str__(self) -> str:
        return f"{self.title}, version {self.version} ({self.get_format_display()})"

    def clean(self) -> None:
        if (self.version or 0) > 1 and self.change == self.Change.MATERIAL and not self.what_changed.strip():
            raise ValidationError(
                {"what_changed": _("Say what has changed: everybody who agreed to less is asked again.")}
            )

    @property
    def html(self) -> SafeString:
        """The text, ready to be shown."""
        return render(self.text)

    @property
    def what_changed_html(self) -> SafeString:
        return render(self.what_changed)


class Representative(Record, Versioned):
    """Somebody with authority to speak for the patient: they can stop things, and never agree to any.

    Whoever can decide agrees in person; for whoever cannot, the pilot does not go on.
    """

    class Authority(models.TextChoices):
        IN_WRITING = "in_writing", _("The patient’s own written word")
        ATTORNEY = "attorney", _("Lasting power of attorney, health and welfare")
        DEPUTY = "deputy", _("Deputy appointed by the Court of Protection")

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    practice = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=120)
    authority = models.CharField(max_length=12, choices=Authority)
    seen = models.CharField(max_length=300, help_text="Which paper was seen, and when it was written.")
    recorded_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    ended_at = models.DateTimeField(null=True)

    objects = RecordQuerySet["Representative"].as_manager()

    privacy = Personal(
        see=Permission.SEE_CONSENT,
        patient="patient_id",
        practice="practice_id",
        default="consent",
    )

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["patient", "-created_at"], name="representative_of_patient")]

    def __str__(self) -> str:
        return f"{self.name} ({self.get_authority_display()})"


class DecisionQuerySet(RecordQuerySet["Decision"]):
    def of(self, patient: Patient) -> DecisionQuerySet:
        return self.filter(patient=patient)

    def newest_first(self) -> DecisionQuerySet:
        return self.order_by("-created_at", "-id")

    def latest_per_purpose(self) -> DecisionQuerySet:
        """For each patient and purpose the decision that stands."""
        return self.order_by("patient_id", "purpose", "-created_at", "-id").distinct("patient_id", "purpose")

    def with_end(self) -> DecisionQuerySet:
        """With `ends_on`, the first day on which a yes no longer holds: the day on which it lapses or, where the sheet that
        it rests on was materially changed, the end of the time for which it stands nevertheless."""
        later = InformationSheet.objects.published().filter(
            language=OuterRef("sheet__language"),
            readers=OuterRef("sheet__readers"),
            version__gt=OuterRef("sheet__version"),
            change=InformationSheet.Change.MATERIAL,
        )
        first_change = later.order_by("published_at").values("published_at")[:1]
        return self.annotate(
            changed_at=Subquery(first_change),
            ends_on=Least(
                "lapses_on",
                Cast(TruncDate("changed_at") + STANDS_AFTER_CHANGE, models.DateField()),
            ),
        )

    def holding(self, on: dt.date) -> DecisionQuerySet:
        """Yes, and not ended by that day. Of use only on the latest per purpose."""
        return self.with_end().filter(answer=Decision.Answer.GIVEN, ends_on__gt=on)  # type: ignore[misc]


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
        RECORDS = "records", _("When two records of one person were brought together")

    class Help(models.TextChoices):
        INTERPRETER = "interpreter", _("Through an interpreter")
        SUPPORTER = "supporter", _("With a supporter")

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    practice = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    purpose = models.CharField(max_length=20, choices=Purpose)
    answer = models.CharField(max_length=10, choices=Answer)
    sheet = models.ForeignKey(InformationSheet, null=True, on_delete=models.PROTECT, related_name="+")
    method = models.CharField(max_length=10, choices=Method)
    recorded_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    helped_by = models.CharField(max_length=11, choices=Help, blank=True)
    witness = models.CharField(max_length=120, blank=True, help_text="Who else was there.")
    representative = models.ForeignKey(Representative, null=True, on_delete=models.PROTECT, related_name="+")
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
    begins_at = models.DateTimeField(
        null=True, help_text="Nothing that rests on it is booked before: time to think it over."
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
            ),
            models.Index(fields=["lapses_on"], condition=Q(answer="given"), name="yes_that_lapses"),
            models.Index(fields=["sheet"], condition=Q(answer="given"), name="yes_by_sheet"),
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
            models.CheckConstraint(
                condition=Q(representative__isnull=True) | Q(answer="withdrawn"),
                name="a_representative_only_stops",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_purpose_display()}: {self.get_answer_display()}"

    def holds_on(self, day: dt.date) -> bool:
        """Whether it is a yes that has not ended by then; whether it is the latest, the caller knows. Asked of one that was
        read `with_end`; AttributeError otherwise."""
        ends_on: dt.date | None = self.ends_on  # type: ignore[attr-defined]
        return self.answer == self.Answer.GIVEN and ends_on is not None and ends_on > day


class Reminder(Record):
    """That a patient was told, once, that a yes of theirs ends soon, and from what day on. For ever."""

    class Why(models.TextChoices):
        LAPSES = "lapses", _("It was given a year ago")
        CHANGED = "changed", _("The information has changed")

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    practice = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="reminders")
    why = models.CharField(max_length=8, choices=Why)
    ends_on = models.DateField()

    objects = RecordQuerySet["Reminder"].as_manager()

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
        constraints = [
            # Told again only where the day has come nearer: the information has changed since.
            models.UniqueConstraint(fields=["decision", "ends_on"], name="told_once_of_each_end"),
        ]


class Receipt(Record):
    """What the patient was told after deciding or withdrawing: what begins or stops, what is kept, and why.
    For ever.
    """

    class Kind(models.TextChoices):
        DECIDED = "decided", _("What you decided")
        WITHDRAWN = "withdrawn", _("What you stopped")
        CORRECTED = "corrected", _("What was put right")
        LAPSED = "lapsed", _("What has ended")
        MERGED = "merged", _("Your two records are one")
        MOVED = "moved", _("You have moved")

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
