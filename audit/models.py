"""The event log: one row for every change, look, refusal and disclosure. Written by the database, never by a model."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from audit.privacy import Impersonal, Personal
from audit.questions.models import Answer  # noqa: F401 (Django finds an app's models here)
from audit.triggers import AppendOnlyTrigger, TruncateTrigger


class Kind(models.TextChoices):
    CREATED = "created", "Added"
    CHANGED = "changed", "Changed"
    DELETED = "deleted", "Removed"
    READ = "read", "Looked at"
    REFUSED = "refused", "Was refused"
    DISCLOSED = "disclosed", "Sent outside the pilot"
    SIGN_IN = "sign_in", "Sign-in"
    ERASED = "erased", "Erased"


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
    epoch = models.SmallIntegerField(
        db_default=0,
        help_text="Counts the clusters this database has lived in: each numbers transactions anew.",
    )
    transaction = models.BigIntegerField(help_text="The transaction it belongs to, for sealing in order.")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    actor = models.CharField(max_length=80, help_text="A user's id, or system:name.")
    role = models.CharField(max_length=40)
    action = models.CharField(max_length=80)
    reason = models.TextField(null=True)  # noqa: DJ001 (copied as the database has it)
    reason_nonce = models.UUIDField(null=True, help_text="Goes with the reason when it is erased.")
    reason_digest = models.BinaryField(null=True, help_text="sha256(reason_nonce ‖ reason).")
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
    shape = models.CharField(  # noqa: DJ001
        max_length=16, null=True, help_text="Which columns the row had when its digest was made."
    )
    digest = models.BinaryField(
        null=True,
        help_text="Of the changed row, of who was looked at, or of what was sent; see docs/audit.md.",
    )

    privacy = Personal(
        see="see_events",
        patient="patient_id",
        keeps_history=False,
        append_only=True,
        sealer=("SELECT",),
        # Being about somebody, in an action, must not tell that a clinical note of theirs exists.
        sealed=True,
        unless_patient="pilot.is_withheld(relation, row_id)",
        # A look at several patients at once is one event with a subject for each.
        also="id = ANY(ARRAY(SELECT s.event_id FROM public.audit_subject s"
        " WHERE s.patient_id = ANY(ARRAY(SELECT pilot.live_patients('see_events')))))",
    )

    objects = EventQuerySet.as_manager()

    class Meta:
        triggers = [AppendOnlyTrigger(empties=["reason", "reason_nonce"]), TruncateTrigger()]
        indexes = [
            models.Index(fields=["patient_id", "-id"], name="event_by_patient"),
            models.Index(fields=["actor", "-id"], name="event_by_actor"),
            models.Index(fields=["epoch", "transaction", "id"], name="event_in_sealing_order"),
            models.Index(fields=["row_id"], condition=models.Q(kind="sign_in"), name="event_by_sign_in"),
        ]


class Subject(models.Model):
    """One of several patients whose data one look showed (a list, a search, an export)."""

    id = models.BigAutoField(primary_key=True)
    event_id = models.BigIntegerField()
    patient_id = models.UUIDField()

    privacy = Personal(
        see="see_events",
        patient="patient_id",
        keeps_history=False,
        append_only=True,
        sealed=True,
        sealer=("SELECT",),
    )

    class Meta:
        triggers = [AppendOnlyTrigger(), TruncateTrigger()]
        indexes = [
            models.Index(fields=["patient_id", "-event_id"], name="subject_by_patient"),
            models.Index(fields=["event_id"], name="subject_by_event"),
        ]


class Shape(models.Model):
    """The columns, in order, that a table had when a digest was made of its rows: what a later check has to hash again."""

    id = models.CharField(primary_key=True, max_length=16)
    relation = models.CharField(max_length=80)
    columns = ArrayField(models.TextField())

    privacy = Impersonal(why="Names of tables and columns.", reads_only=True, deletable=False)

    class Meta:
        triggers = [AppendOnlyTrigger(), TruncateTrigger()]


class Disclosure(models.Model):
    """What left the pilot: about whom, to whom, what for, on which consent. Written by `pilot.disclose` alone.

    Its content is bound to its event by a digest that `nonce` blinds, as a changed row is.
    """

    class RecipientKind(models.TextChoices):
        PATIENT = "patient", "The patient"
        PRACTICE = "practice", "The practice"
        PROVIDER = "provider", "The coaching provider"
        EMPLOYER = "employer", "An employer"
        SUPPORTER = "supporter", "Somebody the patient named"
        PUBLIC = "public", "Published figures"
        OTHER = "other", "Somebody else"

    id = models.BigAutoField(primary_key=True)
    event_id = models.BigIntegerField(unique=True)
    at = models.DateTimeField()
    patient_id = models.UUIDField()
    recipient_kind = models.CharField(max_length=12, choices=RecipientKind.choices)
    recipient = models.TextField(help_text="Whom it went to, in words a person understands.")
    purpose = models.CharField(max_length=80)
    decision_id = models.UUIDField(
        null=True, help_text="The consent relied on; none where the law needs none."
    )
    classes = ArrayField(models.TextField())
    fields = ArrayField(models.TextField(), help_text="What of the record was in it, by name.")
    relation = models.CharField(max_length=80, null=True, help_text="The table of what was sent.")  # noqa: DJ001
    row_id = models.CharField(max_length=80, null=True)  # noqa: DJ001
    nonce = models.UUIDField()

    privacy = Personal(
        see="see_events",
        patient="patient_id",
        keeps_history=False,
        append_only=True,
        sealed=True,
        sealer=("SELECT",),
    )

    class Meta:
        triggers = [AppendOnlyTrigger(goes=True), TruncateTrigger()]
        indexes = [models.Index(fields=["patient_id", "-id"], name="disclosure_by_patient")]


class Erasure(models.Model):
    """The tombstone of a patient whose record was erased when its time was over. Put up by `pilot.erase` alone.

    Says that there was a record, who erased it when and how much of it, and nothing of what was in it. What the log and the
    tables lack of this patient they lack because of it: `audit check` holds each tombstone against the events that stand.
    """

    class Ground(models.TextChoices):
        RETENTION = "retention", "Kept as long as it had to be, and reviewed"

    id = models.BigAutoField(primary_key=True)
    event_id = models.BigIntegerField(unique=True)
    patient_id = models.UUIDField(unique=True)
    account_id = models.UUIDField(
        null=True, help_text="The account that went with it, if it was nobody else’s."
    )
    at = models.DateTimeField(help_text="When its transaction began.")
    transaction = models.BigIntegerField(
        help_text="In this one, and no other, append-only rows of theirs could go."
    )
    ground = models.CharField(max_length=12, choices=Ground.choices)
    retained_until = models.DateField(help_text="Until when it had to be kept.")
    rows = models.JSONField(help_text="How many rows went, by table.")

    privacy = Personal(
        see="see_events",
        patient="patient_id",
        keeps_history=False,
        append_only=True,
        sealed=True,
        sealer=("SELECT",),
    )

    class Meta:
        triggers = [AppendOnlyTrigger(), TruncateTrigger()]


_TREE = "The log's tree: hashes, from which nothing can be told."


class Leaf(models.Model):
    """An event's place in the log's Merkle tree (RFC 9162) and the hash that holds it there. Added by the sealer alone."""

    index = models.BigIntegerField(primary_key=True)
    event_id = models.BigIntegerField(unique=True)
    hash = models.BinaryField()

    privacy = Impersonal(why=_TREE, reads_only=True, deletable=False, sealer=("SELECT", "INSERT"))

    class Meta:
        triggers = [AppendOnlyTrigger(), TruncateTrigger()]


class Node(models.Model):
    """The root of a complete subtree; `index` counts those of its `level`, over 2 ** level leaves. Level 0 is `Leaf`."""

    pk = models.CompositePrimaryKey("level", "index")
    level = models.SmallIntegerField()
    index = models.BigIntegerField()
    hash = models.BinaryField()

    privacy = Impersonal(why=_TREE, reads_only=True, deletable=False, sealer=("SELECT", "INSERT"))

    class Meta:
        triggers = [AppendOnlyTrigger(), TruncateTrigger()]


class Checkpoint(models.Model):
    """A signed statement that the log had this root at this size, as it was also published outside the database."""

    size = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    note = models.TextField(help_text="A C2SP tlog-checkpoint, as a signed note.")

    privacy = Impersonal(why=_TREE, reads_only=True, deletable=False, sealer=("SELECT", "INSERT"))

    class Meta:
        triggers = [AppendOnlyTrigger(), TruncateTrigger()]
