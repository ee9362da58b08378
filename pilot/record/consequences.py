"""What others have to know of what a patient asked: a record is not closed while its practice owes them an answer."""

from __future__ import annotations

from pilot.people.models import Patient
from pilot.record.models import Kind, Request
from referrals.consequences import tells_who_waits


@tells_who_waits
def asked_the_practice(patient: Patient) -> bool:
    """Whether a correction of their details waits. What they asked the guardian is no business of whoever asks this."""
    asked = Request.objects.open().filter(patient=patient, kind=Kind.CORRECTION, practice__isnull=False)
    return asked.exists()
