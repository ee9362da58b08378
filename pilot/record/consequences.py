"""What others have to know of what a patient asked: a record is not closed while its practice owes them an answer."""

from __future__ import annotations

from pilot.people.models import Patient
from pilot.record.models import Kind, Request
from referrals.consequences import tells_who_waits


@tells_who_waits
def asked_to_correct(patient: Patient) -> bool:
    """Whether a correction waits that whoever acts may answer. They are shown nothing else that was asked."""
    return Request.objects.open().filter(patient=patient, kind=Kind.CORRECTION).exists()
