"""What the worker does about copies: making one that was asked for, and by the clock wiping and making again."""

from __future__ import annotations

from uuid import UUID

from pilot.access import Actor, NotVisible, Role, acting
from pilot.celery import app
from pilot.record.copies import actions, making, selectors
from pilot.record.copies.models import Copy

KEEPER = Actor.system("record.copies")


@app.task(name="record.make_copy")
def make_copy(copy: str, patient: str, account: str) -> bool:
    """Make a copy, as the patient who asked for it: what they may not see, it does not hold. Safe to run twice, and twice
    at once. Whether it is ready.

    Nothing is locked while it is made: a patient who withdraws meanwhile waits for nothing, and keeps their copy.
    """
    themselves = Actor(Role.PATIENT, UUID(account))
    wanted = Copy(pk=UUID(copy), patient_id=UUID(patient))
    try:
        attempt = actions.claim(wanted, by=themselves)
    except NotVisible:
        return False  # The account is gone, or is not this patient's any more.
    if attempt is None:
        return False
    files = making.make(themselves)
    return actions.keep(wanted, files, attempt=attempt, by=themselves)


@app.task(name="record.keep_copies")
def keep_copies() -> int:
    """Wipe every copy whose time is over, and queue again those that nobody makes. How many were wiped."""
    with acting(KEEPER, "copy.looked_for"):
        over, left = selectors.to_wipe(KEEPER), selectors.to_make_again(KEEPER)
    wiped = sum(actions.wipe(copy, by=KEEPER) for copy in over)
    for keys in left:
        make_copy.delay(*map(str, keys))
    return wiped
