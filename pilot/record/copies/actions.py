"""Asking for a copy, making it, taking it away once, wiping it. All but the last is done as the patient themselves."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from dataclasses import dataclass
from functools import cache

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.actions import record_disclosure, record_look
from audit.models import Disclosure
from pilot.access import Actor, Permission, action
from pilot.access.later import soon
from pilot.people.models import Patient
from pilot.record.copies import policies
from pilot.record.copies.models import Copy, Part, Status
from pilot.record.copies.selectors import CONTENT

# What the ledger says that it was for.
PURPOSE = "own_copy"
CLASSES = ("case", "clinical", "consent", "identity", "log")


@dataclass(frozen=True)
class Files:
    """Both files of a copy, as they are handed over."""

    pdf: bytes
    json: bytes


@action("copy.asked_for", Permission.TAKE_COPY, exclusive=True)
def ask_for_copy(patient: Patient, *, by: Actor) -> Copy:
    """The patient's copy: the one that is on its way or ready, or else a new one, which the worker begins at once.

    Exclusive, so that two clicks are one copy.
    """
    there = Copy.objects.select_for_update(of=("self",)).filter(patient=patient).open()
    for copy in there.defer(*CONTENT):
        if not policies.is_over(copy) and not _is_half_taken(copy):
            if policies.may_be_claimed(copy):
                _queue(copy, by)
            return copy
        _empty(copy, Status.EXPIRED)
    copy = Copy(patient=patient, expires_at=timezone.now() + policies.KEPT_FOR)
    copy.save(force_insert=True)
    _queue(copy, by)
    return copy


@action("copy.claimed", Permission.TAKE_COPY)
def claim(copy: Copy, *, by: Actor) -> dt.datetime | None:
    """Begin to make it; the moment stands for this attempt. None where somebody else does, or it is not wanted any more."""
    fresh = _locked(copy)
    if not policies.may_be_claimed(fresh):
        return None
    fresh.status, fresh.claimed_at = Status.BUILDING, timezone.now()
    fresh.save(update_fields=["status", "claimed_at"], force_update=True)
    return fresh.claimed_at


@action("copy.made", Permission.TAKE_COPY)
def keep(copy: Copy, files: Files, *, attempt: dt.datetime, by: Actor) -> bool:
    """Put both files into it, encrypted, to be taken within 24 hours. False for an attempt that another has overtaken."""
    fresh = _locked(copy)
    if (
        fresh.claimed_at != attempt
        or not policies.can_move(fresh, "made", by.role)
        or policies.is_over(fresh)
    ):
        return False
    now = timezone.now()
    fresh.status, fresh.ready_at, fresh.expires_at = Status.READY, now, now + policies.KEPT_FOR
    fresh.pdf, fresh.json = _cipher().encrypt(files.pdf), _cipher().encrypt(files.json)
    fresh.save(update_fields=["status", "ready_at", "expires_at", *CONTENT], force_update=True)
    return True


@action("copy.taken", Permission.TAKE_COPY)
def take(copy: Copy, part: Part, *, by: Actor) -> bytes:
    """Hand one of its files over, once. It is gone from here afterwards, and the ledger says that it was taken.

    Refused kindly where it was taken, or its day is over.
    """
    fresh = Copy.objects.select_for_update(of=("self",)).get(pk=copy.pk)
    policies.check_is_there(fresh, part)
    sealed: bytes | memoryview | None = getattr(fresh, part.value)
    if sealed is None:
        raise ValidationError(_("This copy is not there any more. Ask for a new one."))
    content = _cipher().decrypt(bytes(sealed))
    setattr(fresh, part.value, None)
    setattr(fresh, f"{part.value}_taken_at", timezone.now())
    if all(policies.taken_at(fresh, each) for each in Part):
        fresh.status = Status.TAKEN
    fresh.save(update_fields=["status", part.value, f"{part.value}_taken_at"], force_update=True)
    record_look([fresh.patient_id], [each for each in CLASSES if each != "log"])
    record_disclosure(
        fresh.patient_id,
        recipient_kind=Disclosure.RecipientKind.PATIENT,
        recipient=f"The patient, by downloading their own copy ({part.value.upper()})",
        purpose=PURPOSE,
        classes=CLASSES,
        relation=Copy._meta.db_table,
        row_id=str(fresh.pk),
    )
    return content


@action("copy.wiped", Permission.TAKE_COPY)
def wipe(copy: Copy, *, by: Actor) -> bool:
    """Wipe one whose time is over. False where it is not, or it is gone already."""
    fresh = _locked(copy)
    if not policies.is_over(fresh) or not policies.can_move(fresh, "wiped", by.role):
        return False
    _empty(fresh, Status.EXPIRED)
    return True


def _locked(copy: Copy) -> Copy:
    # Locked: two workers may have been handed it. Its files are none of their business.
    return Copy.objects.select_for_update(of=("self",)).defer(*CONTENT).get(pk=copy.pk)


def _is_half_taken(copy: Copy) -> bool:
    """Whether one of the files is gone already: whoever asks again wants both."""
    return any(policies.taken_at(copy, part) for part in Part)


def _empty(copy: Copy, status: Status) -> None:
    copy.status, copy.pdf, copy.json = status, None, None
    copy.save(update_fields=["status", *CONTENT], force_update=True)


def _queue(copy: Copy, by: Actor) -> None:
    from pilot.record.tasks import make_copy

    # Not lost with the queue: the clock queues again what nobody has begun.
    soon(make_copy, str(copy.pk), str(copy.patient_id), str(by.user_id))


@cache
def _cipher() -> MultiFernet:
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    digests = [hashlib.sha256(b"pilot.record.copies" + key.encode()).digest() for key in keys]
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])
