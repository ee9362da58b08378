"""Publishing a version of the charter. Afterwards nobody can alter it."""

from __future__ import annotations

from django.utils import timezone

from pilot.access import Actor, Permission, action
from pilot.charter.models import Charter


@action("charter.published", Permission.MANAGE_PILOT, about_patient=False)
def publish_charter(charter: Charter, *, by: Actor) -> Charter:
    """Make this draft the version in force, for everybody to read and for consent to point at."""
    charter.published_at = timezone.now()
    charter.full_clean()
    charter.save(force_insert=charter._state.adding)
    return charter
