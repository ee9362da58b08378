"""Reading the charter for a page. It is public: nobody is asked who they are."""

from __future__ import annotations

from django.http import Http404

from pilot.charter.models import Charter


def charter_in_force() -> Charter | None:
    """The latest published version, or None before the first."""
    return Charter.objects.in_force()


def charter(version: int) -> Charter:
    """One published version, in force or not. Raises `Http404` for one that was never published."""
    found = Charter.objects.published().filter(version=version).first()
    if found is None:
        raise Http404
    return found


def published_versions() -> list[Charter]:
    """Every published version, newest first, without its answers."""
    return list(Charter.objects.published().only("version", "published_at"))
