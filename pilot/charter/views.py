"""Public pages: what the pilot is, and the charter in every version."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from pilot.charter import selectors
from pilot.charter.models import Charter
from pilot.web.views import PublicPage


class About(PublicPage):
    """The first page of a visitor: what this is, that it is a choice, and where to go next."""

    why = "Whoever hears of the pilot can read what it is."
    template_name = "charter/about.jinja"
    title = _("Help with work, if you want it")


class CharterPage(PublicPage):
    """The charter in force, or the version named in the address: a consent points at one for ever."""

    why = "What the pilot is for is answered in public."
    about = {"version": Charter}
    template_name = "charter/charter.jinja"
    title = _("The charter of this pilot")

    def get_row(self) -> Charter | None:
        version = self.kwargs.get("version")
        return selectors.charter(version) if version else selectors.charter_in_force()

    def context(self) -> dict[str, Any]:
        versions = selectors.published_versions()
        return {"versions": versions, "in_force": versions[0] if versions else None}
