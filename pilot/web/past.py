"""The page that says what happened to a record: who changed what, old → new, in words.

Every such page is found where the record is, and by nobody who may not open the record.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _

from audit.differences import Past, past_of
from pilot.access import Role
from pilot.web.views import PageParts


class PastParts(PageParts):
    """What happened to `self.row`. Draw it with `components/past.jinja`."""

    title = _("What changed")
    # Fields of which only what holds now is anybody's business.
    leaves_out: ClassVar[Sequence[str]] = ()

    def context(self) -> dict[str, Any]:
        before = self.request.GET.get("before", "")
        number = int(before) if before.isascii() and before.isdecimal() and len(before) < 19 else None
        past = past_of(self.row, before=number, leave_out=self.leaves_out)
        return {**super().context(), "past": past, "roles": _roles(past)}


def _roles(past: Past) -> dict[str, str]:
    """Each role that somebody acted in, as people call it."""
    found = {state.role for state in past.states} & set(Role.values)
    return {role: str(Role(role).label) for role in found}
