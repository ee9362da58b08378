"""Keeping waiting referrals with the provider that works at their practice, when that changes."""

from __future__ import annotations

from pilot.access import Actor, Permission, action
from referrals.models import Referral, Status
from referrals.policies import provider_for


@action("referral.provider_changed", Permission.ALLOCATE)
def follow_practice(referral: Referral, *, by: Actor) -> Referral:
    """Let a waiting referral wait with the provider that works at its practice today, or with none where there is none.

    Its place in the queue stays. One that does not wait is left as it is: whoever has a coach keeps the coach.
    """
    current = Referral.objects.select_for_update(of=("self",), no_key=True).get(pk=referral.pk)
    provider = provider_for(current.practice)
    if current.status == Status.WAITING and current.provider_id != provider:
        current.provider_id = provider
        current.move_on()
        current.save(force_update=True)
    return current
