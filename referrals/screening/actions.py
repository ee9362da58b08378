"""Keeping an answer to the screening: that words are the patient's own, and that the patient wants a coach to read them."""

from __future__ import annotations

from collections.abc import Collection
from typing import cast
from uuid import UUID

from pilot.access import Actor, Permission, acting, action
from pilot.people.models import Patient
from referrals.clinical_terms import Kind
from referrals.screening.models import OwnWords

CONFIRMED = "own_words.confirmed"


@action(CONFIRMED, Permission.SEE_REFERRALS)
def confirm_own_words(patient: Patient, *, box: str, kinds: Collection[Kind], by: Actor) -> OwnWords:
    """Record who said so of which box, and of which kinds of clinical content; never the words themselves.

    The patient reads it in their own record, the guardian in the log.
    """
    said = OwnWords(
        patient=patient,
        practice_id=patient.practice_id,
        box=box,
        kinds=[kind.value for kind in kinds],
        # The system fills in no form: whoever comes this far is a person.
        confirmed_by_id=cast(UUID, by.user_id),
    )
    said.clean_fields(exclude=["patient", "practice", "confirmed_by"])
    reason = f"{box}: {', '.join(said.kinds)}"
    with acting(by, CONFIRMED, patients=[patient.pk], reason=reason):
        said.save(force_insert=True)
    return said
