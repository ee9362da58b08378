"""People and organisations: who works where, and who the patients are. What happens in a case does not belong here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any
from uuid import uuid4

import nhs_number
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.history import revision_of
from audit.privacy import Impersonal, Personal
from audit.triggers import OnlySystemSetsTrigger
from pilot.access.grants import permissions_for
from pilot.access.records import Record, RecordQuerySet, Versioned
from pilot.access.roles import Permission, Role
from pilot.people.restrictions.models import Restriction  # noqa: F401 (Django finds an app's models here)


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Add a user who signs in with this e-mail address. Without a password they cannot sign in with one."""
        if not email:
            raise ValueError("A user signs in with an e-mail address.")
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Add a Django superuser. Being one opens no case: access comes from memberships alone."""
        return self.create_user(email, password, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)


class User(AbstractBaseUser, PermissionsMixin):
    """Somebody who signs in: credentials and a display name, nothing about any case."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    email = models.EmailField(_("e-mail address"), unique=True)
    display_name = models.CharField(_("name"), max_length=120)
    is_active = models.BooleanField(default=True)
    sessions_valid_from = models.DateTimeField(
        default=timezone.now, help_text="Sessions begun before this have ended."
    )
    joined_at = models.DateTimeField(auto_now_add=True)

    objects = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ["display_name"]

    privacy = Impersonal(
        "credentials and a display name; says nothing about a case",
        audited=True,
        write=Permission.MANAGE_PILOT,
        own="id",
        deletable=False,
        # Signing in leaves an event of its own.
        unkept=["last_login"],
        secret=["password"],
    )

    class Meta:
        triggers = [OnlySystemSetsTrigger(column="is_superuser")]

    def __str__(self) -> str:
        return self.display_name

    @property
    def is_staff(self) -> bool:
        """Django's admin is not part of this service."""
        return False


class InForce(models.QuerySet[Any]):
    """Rows with a first day and, perhaps, a day on which they no longer hold."""

    def in_force(self, on: dt.date | None = None) -> InForce:
        on = on or timezone.localdate()
        return self.filter(Q(valid_until__isnull=True) | Q(valid_until__gt=on), valid_from__lte=on)


def _holds_today(row: Organisation | Membership) -> bool:
    """What `InForce` asks the database of many rows, asked of one that is here."""
    today = timezone.localdate()
    return row.valid_from <= today and (row.valid_until is None or row.valid_until > today)


class Organisation(models.Model):
    """A practice, provider, commissioner or the pilot's own office, for as long as it exists."""

    class Kind(models.TextChoices):
        PRACTICE = "practice", _("GP practice")
        PROVIDER = "provider", _("Provider of coaching")
        COMMISSIONER = "commissioner", _("Commissioner")
        PILOT_OFFICE = "pilot_office", _("Pilot office")

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    kind = models.CharField(max_length=12, choices=Kind)
    name = models.CharField(max_length=120)
    ods_code = models.CharField(
        _("ODS code"),
        max_length=12,
        unique=True,
        validators=[RegexValidator(r"^[A-Z0-9]{3,12}$", _("Capital letters and digits, like F83673."))],
    )
    phone = models.CharField(max_length=30, blank=True)
    served_by = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="practices",
        help_text="The provider whose coaches work here.",
    )
    valid_from = models.DateField(default=timezone.localdate)
    valid_until = models.DateField(
        null=True, blank=True, help_text="The first day on which it no longer exists."
    )

    objects = InForce.as_manager()

    privacy = Impersonal("organisations", audited=True, write=Permission.MANAGE_PILOT)

    class Meta:
        default_permissions = ()
        permissions = permissions_for(*(role for role in Role if role not in (Role.PATIENT, Role.SYSTEM)))
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(valid_until__isnull=True) | Q(valid_until__gt=F("valid_from")),
                name="organisation_ends_after_it_begins",
            ),
            models.CheckConstraint(
                condition=Q(served_by__isnull=True) | Q(kind="practice"),
                name="only_practices_are_served",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_open(self) -> bool:
        """Whether it is part of the pilot today."""
        return _holds_today(self)

    @property
    def version(self) -> int:
        """Which state of the row stands, so that a stale form is noticed."""
        return revision_of(self)


# Which kind of organisation each role belongs to.
ROLE_BELONGS_TO: dict[Role, Organisation.Kind] = {
    Role.RECEPTIONIST: Organisation.Kind.PRACTICE,
    Role.CLINICIAN: Organisation.Kind.PRACTICE,
    Role.COACH: Organisation.Kind.PROVIDER,
    Role.SUPERVISOR: Organisation.Kind.PROVIDER,
    Role.COMMISSIONER: Organisation.Kind.COMMISSIONER,
    Role.PILOT_MANAGER: Organisation.Kind.PILOT_OFFICE,
    Role.CALDICOTT_GUARDIAN: Organisation.Kind.PILOT_OFFICE,
    Role.SPEAK_UP_GUARDIAN: Organisation.Kind.PILOT_OFFICE,
}


class Membership(models.Model):
    """A user's role at an organisation, from a day until another. The day it ends, access ends."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="memberships")
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=20, choices=[(role.value, role.label) for role in ROLE_BELONGS_TO])
    valid_from = models.DateField(default=timezone.localdate)
    valid_until = models.DateField(
        null=True, blank=True, help_text="The first day on which it no longer holds."
    )
    caseload_limit = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Coaches: most people at once."
    )
    is_named_clinician = models.BooleanField(
        default=False, help_text="Told first when someone is in distress."
    )

    objects = InForce.as_manager()

    privacy = Impersonal("which member of staff works where", audited=True, write=Permission.MANAGE_PILOT)

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["user", "role"], name="membership_by_user")]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "organisation", "role"],
                condition=Q(valid_until__isnull=True),
                name="one_open_membership_per_role",
            ),
            models.CheckConstraint(
                condition=Q(valid_until__isnull=True) | Q(valid_until__gte=F("valid_from")),
                name="membership_ends_after_it_begins",
            ),
            models.CheckConstraint(
                condition=Q(is_named_clinician=False) | Q(role="clinician"),
                name="named_clinician_is_a_clinician",
            ),
            models.CheckConstraint(
                condition=Q(caseload_limit__isnull=True) | Q(role="coach"),
                name="only_coaches_have_a_caseload_limit",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_role_display()} at {self.organisation}"

    @property
    def is_in_force(self) -> bool:
        """Whether the person holds the role today."""
        return _holds_today(self)

    def clean(self) -> None:
        if ROLE_BELONGS_TO[Role(self.role)] != self.organisation.kind:
            raise ValidationError({"role": _("This role does not belong to that kind of organisation.")})


def validate_nhs_number(value: str) -> None:
    """Ten digits with the right check digit, as the NHS numbers them."""
    if not nhs_number.is_valid(value):
        raise ValidationError(
            _("Enter a valid 10-digit NHS number, like 999 123 4567. Check it against the letter or card.")
        )


class Contact(models.TextChoices):
    """How somebody prefers to be contacted (NHS Data Dictionary)."""

    LETTER = "1", _("Letter")
    VISIT = "2", _("In person")
    PHONE = "3", _("Phone call")
    EMAIL = "4", _("E-mail")
    MINICOM = "5", _("Minicom")
    PROXY = "6", _("Through somebody else")
    SIGN_LANGUAGE = "7", _("Sign language")
    NO_PHONE = "8", _("Not by phone")
    SMS = "9", _("Text message")


class Need(models.TextChoices):
    """Communication and access needs, flagged wherever the record is open (Accessible Information Standard)."""

    LARGE_PRINT = "large_print", _("Large print")
    BRAILLE = "braille", _("Braille")
    AUDIO = "audio", _("Audio")
    EASY_READ = "easy_read", _("Easy read")
    INTERPRETER = "interpreter", _("Interpreter")
    SIGN_LANGUAGE = "sign_language", _("British Sign Language")
    LIP_READING = "lip_reading", _("Lip reading: face the person")
    STEP_FREE = "step_free", _("Step-free access")
    QUIET_ROOM = "quiet_room", _("Quiet room")
    LONGER_TIME = "longer_time", _("More time")
    SUPPORTER = "supporter", _("Brings a supporter")


class PatientQuerySet(RecordQuerySet["Patient"]):
    def not_doubles(self) -> PatientQuerySet:
        """Without records that were closed because the same person has another."""
        return self.filter(merged_into__isnull=True)

    def find(self, text: str) -> PatientQuerySet:
        """Whose NHS number, name or date of birth (dd/mm/yyyy) is this? Every word has to fit somewhere."""
        number = nhs_number.standardise_format(text)
        if number:
            return self.filter(nhs_number=number)
        found = self
        for word in text.split():
            found = found.filter(_fits(word))
        return found

    def who_may_be(
        self,
        practice: Organisation,
        *,
        numbers: Collection[str],
        names: Collection[str],
        born: Collection[dt.date],
    ) -> PatientQuerySet:
        """The practice's patients with one of these NHS numbers, or one of these last names (in small letters) and
        birthdays."""
        alike = Q(small_family_name__in=names, date_of_birth__in=born)
        found = self.not_doubles().filter(practice=practice).annotate(small_family_name=Lower("family_name"))
        return found.filter(Q(nhs_number__in=numbers) | alike)

    def likely_same(
        self, *, nhs_number: str | None, family_name: str, date_of_birth: dt.date
    ) -> PatientQuerySet:
        """Who may well be the person described: the same number, or the same birthday and last name."""
        same = Q(family_name__iexact=family_name, date_of_birth=date_of_birth)
        return self.filter(same | Q(nhs_number=nhs_number)) if nhs_number else self.filter(same)


def _fits(word: str) -> Q:
    for pattern in ("%d/%m/%Y", "%Y-%m-%d"):
        try:
            return Q(date_of_birth=dt.datetime.strptime(word, pattern).replace(tzinfo=dt.UTC).date())
        except ValueError:
            continue
    return (
        Q(family_name__istartswith=word)
        | Q(given_name__istartswith=word)
        | Q(preferred_name__istartswith=word)
    )


class Patient(Record, Versioned):
    """Somebody registered with a practice who might like help with work. Unique per practice, never across practices:
    a wider rule would tell one practice whom another knows."""

    practice = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    nhs_number = models.CharField(  # noqa: DJ001 (unique per practice where there is one)
        _("NHS number"),
        max_length=10,
        null=True,
        blank=True,
        validators=[validate_nhs_number],
    )
    nhs_number_unknown = models.BooleanField(_("NHS number not known"), default=False)
    given_name = models.CharField(_("first name"), max_length=80)
    family_name = models.CharField(_("last name"), max_length=80)
    preferred_name = models.CharField(_("preferred name"), max_length=80, blank=True)
    pronouns = models.CharField(_("pronouns"), max_length=40, blank=True)
    date_of_birth = models.DateField(_("date of birth"))
    address = models.TextField(_("address"), blank=True)
    phone = models.CharField(_("phone number"), max_length=30, blank=True)
    email = models.EmailField(_("e-mail address"), blank=True)
    message_is_safe = models.BooleanField(_("safe to leave a message"), default=False)
    preferred_contact = models.CharField(max_length=1, choices=Contact, default=Contact.LETTER)
    needs = ArrayField(models.CharField(max_length=20, choices=Need), default=list, blank=True)
    needs_note = models.CharField(_("about these needs"), max_length=300, blank=True)
    language = models.CharField(_("language"), max_length=40, blank=True)
    do_not_raise_until = models.DateField(
        null=True, blank=True, help_text="Nobody brings the pilot up before this day."
    )
    died_on = models.DateField(
        null=True, blank=True, help_text="Nobody writes to them, or to anybody about them."
    )
    moved_on = models.DateField(
        null=True, blank=True, help_text="They belong to another practice since; which one is not written."
    )
    # Without a rule in the database: the record that is kept may be erased before this one.
    merged_into = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        db_constraint=False,
        related_name="+",
        help_text="The record of the same person that is kept: this one is closed for ever.",
    )
    account = models.OneToOneField(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    objects = PatientQuerySet.as_manager()

    privacy = Personal(
        see=Permission.SEE_PATIENTS,
        patient="id",
        practice="practice_id",
        default="identity",
        classes={"case": ["do_not_raise_until"]},
    )

    class Meta:
        default_permissions = ()
        permissions = permissions_for(Role.PATIENT)
        indexes = [
            models.Index(fields=["practice", "family_name", "given_name"], name="patient_by_name"),
            models.Index(fields=["practice", "date_of_birth"], name="patient_by_birth"),
            models.Index(fields=["practice", "-created_at"], name="patient_newest"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["practice", "nhs_number"], name="nhs_number_once_per_practice"),
            models.CheckConstraint(
                condition=Q(nhs_number__isnull=False, nhs_number_unknown=False)
                | Q(nhs_number__isnull=True, nhs_number_unknown=True),
                name="nhs_number_given_or_said_to_be_unknown",
            ),
            models.CheckConstraint(
                condition=Q(nhs_number__isnull=True) | Q(nhs_number__regex=r"^[0-9]{10}$"),
                name="nhs_number_is_ten_digits",
            ),
            models.CheckConstraint(
                condition=Q(merged_into__isnull=True) | ~Q(merged_into=F("id")),
                name="nobody_is_a_double_of_themselves",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """What to call them: the preferred first name, if there is one, and the last name."""
        return f"{self.preferred_name or self.given_name} {self.family_name}"
