"""Which coach."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from pilot.web import fields
from pilot.web.forms import Form
from referrals.selectors import Load


class AllocateForm(Form):
    """One of the coaches who have a place free, each with how many are left."""

    coach = fields.RadioField(label=_("Which coach?"), missing=_("Choose a coach"))

    def __init__(self, *args: Any, loads: list[Load], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.loads = {str(load.coach.pk): load for load in loads}
        coach: Any = self.fields["coach"]
        coach.choices = [(key, load.coach.user.display_name) for key, load in self.loads.items() if load.free]
        coach.choice_hints = {key: places(load) for key, load in self.loads.items()}


def places(load: Load) -> str:
    """3 of 10 places free."""
    return gettext("%(free)s free of %(places)s") % {
        "free": load.free,
        "places": ngettext("%(n)d place", "%(n)d places", load.places) % {"n": load.places},
    }
