"""What was confirmed in a patient's name."""

from __future__ import annotations

from pilot.access import Actor
from pilot.people.models import Patient
from referrals.screening.models import OwnWords


def own_words_of(actor: Actor, patient: Patient) -> list[OwnWords]:
    """When somebody said that words in a box were the patient's own, newest first."""
    rows = OwnWords.objects.visible_to(actor).filter(patient=patient).select_related("confirmed_by")
    return list(rows.order_by("-created_at", "-id"))
