"""Writing down who may speak for a patient, and that they no longer do."""

from __future__ import annotations

from django.utils import timezone

from consent.models import Representative
from pilot.access import Actor, Permission, action
from pilot.people.models import Patient
from pilot.people.policies import check_is_not_double


@action("representative.recorded", Permission.RECORD_CONSENT)
def record_representative(
    patient: Patient, *, name: str, authority: str, seen: str, by: Actor
) -> Representative:
    """Write down who may speak for the patient, and which paper says so. They can stop things, and never agree to any."""
    check_is_not_double(Patient.objects.get(pk=patient.pk))
    representative = Representative(
        patient=patient,
        practice_id=patient.practice_id,
        name=name,
        authority=authority,
        seen=seen,
        recorded_by_id=by.user_id,
    )
    representative.save(force_insert=True)
    return representative


@action("representative.ended", Permission.RECORD_CONSENT)
def end_representative(representative: Representative, *, by: Actor) -> Representative:
    """Write down that they no longer speak for the patient. Safe to repeat."""
    current = Representative.objects.select_for_update(of=("self",)).get(pk=representative.pk)
    if current.ended_at is None:
        current.ended_at = timezone.now()
        current.move_on()
        current.save(force_update=True)
    return current
