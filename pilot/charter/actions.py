"""Writing a version of the charter and publishing it. Afterwards nobody can alter it."""

from __future__ import annotations

from django.utils import timezone

from pilot.access import Actor, Permission, action
from pilot.charter.drafts import hold_draft
from pilot.charter.models import Charter


@action("charter.drafted", Permission.MANAGE_PILOT, about_patient=False)
def write_charter(charter: Charter, *, seen: int = 0, by: Actor) -> Charter:
    """Keep a draft, new or changed. Refused once it is published, and if it changed since `seen` was shown."""
    if not charter._state.adding:
        hold_draft(charter, seen)
    charter.published_at = None
    charter.full_clean()
    charter.save()
    return charter


@action("charter.published", Permission.MANAGE_PILOT, about_patient=False)
def publish_charter(charter: Charter, *, seen: int | None = None, by: Actor) -> Charter:
    """Make this draft the version in force, for everybody to read and for consent to point at.

    Refused if it was published before, and if it changed since `seen` was shown to whoever decides.
    """
    if not charter._state.adding:
        hold_draft(charter, seen)
    charter.published_at = timezone.now()
    charter.full_clean()
    charter.save(force_insert=charter._state.adding)
    return charter


@action("charter.discarded", Permission.MANAGE_PILOT, about_patient=False)
def discard_charter(charter: Charter, *, by: Actor) -> None:
    """Throw a draft away. Refused once it is published."""
    hold_draft(charter, None)
    charter.delete()
