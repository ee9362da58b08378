"""Ending a restriction. It begins with the guardian's answer, in `pilot.record.requests`."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.utils import timezone

from pilot.access import Actor, Permission, action
from pilot.access.records import broken_rule
from pilot.people.models import Patient
from pilot.people.restrictions.models import Restriction


def begin_restriction(patient: Patient, *, by: Actor) -> None:
    """Restrict the record from now on, in the surrounding action; once is enough."""
    if Restriction.objects.current().filter(patient=patient).exists():
        return
    row = Restriction(patient=patient, practice_id=patient.practice_id, granted_by_id=by.user_id)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as error:
        # Somebody else granted another request meanwhile.
        if broken_rule(error) != "one_restriction_at_a_time":
            raise


@action("restriction.ended", Permission.RESTRICT_USE, exclusive=True)
def end_restriction(patient: Patient, *, by: Actor) -> bool:
    """Let the record be used again, as the patient wants. False where it was not restricted."""
    current = Restriction.objects.select_for_update(of=("self",)).current().filter(patient=patient).first()
    if current is None:
        return False
    current.ended_at = timezone.now()
    current.save(update_fields=["ended_at"], force_update=True)
    return True
