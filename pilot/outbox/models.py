"""Everything that is sent to a patient: written in the transaction that causes it, sent by the worker
afterwards.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.privacy import Personal
from pilot.access.records import Record, RecordQuerySet
from pilot.access.roles import Permission
from pilot.people.models import Organisation, Patient, User

# Longer than any attempt may take: whoever claimed a message and has not settled it by then was cut off.
LONGEST_ATTEMPT = dt.timedelta(minutes=5)


class MessageQuerySet(RecordQuerySet["Message"]):
    def newest_first(self) -> MessageQuerySet:
        return self.order_by("-created_at", "-id")

    def due(self) -> MessageQuerySet:
        """What the worker sends now, longest due first. No letters: the practice prints those."""
        return (
            self.filter(status=Message.Status.DUE, due_at__lte=timezone.now())
            .exclude(channel=Message.Channel.LETTER)
            .order_by("due_at", "id")
        )

    def waiting_for(self, patient: Patient, purposes: Collection[str]) -> MessageQuerySet:
        """What waits to be sent to this patient for any of these purposes."""
        return self.filter(patient=patient, purpose__in=list(purposes), status=Message.Status.DUE)

    def cut_off(self) -> MessageQuerySet:
        """What a worker began to send and never settled."""
        return self.filter(status=Message.Status.SENDING, claimed_at__lte=timezone.now() - LONGEST_ATTEMPT)

    def letters_to_print(self) -> MessageQuerySet:
        """Letters that the practice has to print and post."""
        return self.filter(
            status=Message.Status.DUE, channel=Message.Channel.LETTER, due_at__lte=timezone.now()
        )

    def needing_a_look(self) -> MessageQuerySet:
        """What a person decides about: nobody knows whether it arrived, or it could not be sent."""
        return self.filter(status__in=[Message.Status.UNKNOWN, Message.Status.NOT_SENT])


class Message(Record):
    """A letter, e-mail or text to a patient. One without a purpose is a notice: receipts and replies, always
    sent.
    """

    class Channel(models.TextChoices):
        LETTER = "letter", _("Letter")
        EMAIL = "email", _("E-mail")
        SMS = "sms", _("Text message")

    class Status(models.TextChoices):
        DUE = "due", _("Waiting to be sent")
        SENDING = "sending", _("Being sent")
        SENT = "sent", _("Sent")
        STOPPED = "stopped", _("Stopped before it was sent")
        UNKNOWN = "unknown", _("Not known whether it arrived; a person looks at it")
        NOT_SENT = "not_sent", _("Could not be sent")

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    practice = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    channel = models.CharField(max_length=8, choices=Channel)
    purpose = models.CharField(
        max_length=20, blank=True, help_text="The consent it relies on; empty for a notice."
    )
    template = models.CharField(max_length=60)
    about = models.UUIDField(null=True, help_text="The row it is about: it stops when that is called off.")
    address = models.TextField(
        blank=True, help_text="Where it goes: an address, e-mail address or number; empty to hand over."
    )
    subject = models.CharField(max_length=200, blank=True)
    text = models.TextField()
    secret = models.TextField(
        blank=True, help_text="What only the recipient may read, encrypted; removed once it is sent."
    )
    status = models.CharField(max_length=10, choices=Status, default=Status.DUE)
    due_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True, help_text="When the latest attempt to send it began.")
    sent_at = models.DateTimeField(null=True)
    called_off_at = models.DateTimeField(
        null=True, help_text="What it is about was called off: it is not sent, nor sent again."
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    reference = models.UUIDField(unique=True, help_text="What the sending service knows it by.")

    objects = MessageQuerySet.as_manager()

    privacy = Personal(
        see=Permission.SEE_MESSAGES,
        patient="patient_id",
        practice="practice_id",
        classes={"identity": ["address"]},
        unkept=["secret"],
    )

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["due_at"], condition=Q(status="due"), name="message_due"),
            models.Index(fields=["claimed_at"], condition=Q(status="sending"), name="message_being_sent"),
            models.Index(fields=["patient", "-created_at"], name="message_of_patient"),
            models.Index(
                fields=["practice", "created_at", "id"],
                condition=Q(status__in=["due", "unknown", "not_sent"]),
                name="message_open_at_practice",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status="sent", sent_at__isnull=False)
                | (~Q(status="sent") & Q(sent_at__isnull=True)),
                name="what_was_sent_says_when",
            ),
            models.CheckConstraint(
                condition=~Q(status="sending") | Q(claimed_at__isnull=False),
                name="what_is_being_sent_says_since_when",
            ),
            models.CheckConstraint(
                condition=Q(secret="") | ~Q(status__in=["sent", "stopped"]),
                name="no_secret_outlives_its_message",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()}: {self.get_status_display()}"

    @property
    def is_notice(self) -> bool:
        """Whether it relies on no consent and is sent in any case."""
        return not self.purpose


class ReceivedTextQuerySet(RecordQuerySet["ReceivedText"]):
    def to_call_about(self) -> ReceivedTextQuerySet:
        """Those that nobody at the practice has called about yet."""
        return self.filter(called_at__isnull=True)

    def stopping(self) -> ReceivedTextQuerySet:
        """Those that hold texts back: no text goes to that number until the patient wishes it again."""
        return self.filter(is_stop=True, wanted_again_at__isnull=True)


class ReceivedText(Record):
    """A text that came from a patient's number. STOP ends texts to that number, and nothing else; whatever it says, the
    practice calls. Where several patients have the number there is one for each.
    """

    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    practice = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    number = models.CharField(max_length=15, help_text="As its digits.")
    text = models.CharField(max_length=1000, blank=True)
    is_stop = models.BooleanField()
    reference = models.CharField(max_length=80, help_text="What the service that received it knows it by.")
    called_at = models.DateTimeField(null=True)
    called_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    wanted_again_at = models.DateTimeField(
        null=True, help_text="When the patient said that texts may go again."
    )

    objects = ReceivedTextQuerySet.as_manager()

    privacy = Personal(
        see=Permission.SEE_MESSAGES,
        patient="patient_id",
        practice="practice_id",
        default="case",
        classes={"identity": ["number"]},
    )

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["patient", "number"], condition=Q(is_stop=True), name="text_that_stops"),
            models.Index(
                fields=["practice", "created_at"],
                condition=Q(called_at__isnull=True),
                name="text_to_call_about",
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["patient", "reference"], name="a_text_is_received_once"),
            models.CheckConstraint(
                condition=Q(called_at__isnull=True) | Q(called_by__isnull=False),
                name="whoever_called_is_named",
            ),
        ]
