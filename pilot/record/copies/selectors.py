"""Copies: the patient's own, and which the worker has to make again or wipe. The content of none is read here."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from pilot.access import Actor, NotVisible
from pilot.people.models import Patient
from pilot.record.copies.models import Copy, CopyQuerySet, Status
from pilot.record.copies.policies import LONGEST_ATTEMPT, QUEUED_AGAIN_AFTER

# What can be sealed in it is for `take` alone.
CONTENT = ("pdf", "json")
AT_ONCE = 200


def own_copies(actor: Actor, patient: Patient) -> CopyQuerySet:
    """Every copy that the acting patient asked for, newest first."""
    mine = Copy.objects.visible_to(actor).filter(patient=patient)
    return mine.defer(*CONTENT).order_by("-created_at", "-id")


def own_copy(actor: Actor, key: UUID) -> Copy:
    """One of them. Raises `NotVisible` for anybody else's."""
    found = Copy.objects.visible_to(actor).defer(*CONTENT).filter(pk=key).first()
    if found is None:
        raise NotVisible("No copy found.")
    return found


def to_make_again(actor: Actor) -> list[tuple[UUID, UUID, UUID]]:
    """Copies that nobody makes although they were asked for: (copy, patient, account), keys only."""
    now = timezone.now()
    waits = Q(status=Status.WAITING, created_at__lte=now - QUEUED_AGAIN_AFTER)
    cut_off = Q(status=Status.BUILDING, claimed_at__lte=now - LONGEST_ATTEMPT)
    rows = Copy.objects.visible_to(actor).filter(waits | cut_off, expires_at__gt=now)
    rows = rows.filter(patient__account__isnull=False).order_by("created_at")
    return list(rows.values_list("pk", "patient_id", "patient__account_id")[:AT_ONCE])


def to_wipe(actor: Actor) -> list[Copy]:
    """Copies whose time is over: keys only."""
    rows = Copy.objects.visible_to(actor).open().filter(expires_at__lte=timezone.now())
    keys = rows.values_list("pk", "patient_id")[:AT_ONCE]
    return [Copy(pk=pk, patient_id=patient) for pk, patient in keys]
