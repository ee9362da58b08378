"""Ending a restriction. It begins with the guardian's answer, in `pilot.record.requests`."""

from __future__ import annotations

from django.utils import timezone

from pilot.access import Actor, Permission, action
from pilot.people.models import Patient
from pilot.people.restrictions.models import Restriction


def begin_restriction(patient: Patient, *, by: Actor) -> None:
    """Restrict the record from now on, in the surrounding action; once is enough."""
    if not Restriction.objects.current().filter(patient=patient).exists():
        row = Restriction(patient=patient, practice_id=patient.practice_id, granted_by_id=by.user_id)
        row.save(force_insert=True)


@action("restriction.ended", Permission.RESTRICT_USE, exclusive=True)
def end_restriction(patient: Patient, *, by: Actor) -> bool:
    """Let the record be used again, as the patient wants. False where it was not restricted."""
    current = Restriction.objects.select_for_update(of=("self",)).current().filter(patient=patient).first()
    if current is None:
        return False
    current.ended_at = timezone.now()
    current.save(update_fields=["ended_at"], force_update=True)
    return True
