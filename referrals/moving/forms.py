"""On which day somebody moved."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from pilot.web.fields import DateField
from pilot.web.forms import Form


class MoveForm(Form):
    moved_on = DateField(
        label=_("Since when do they belong to another practice?"),
        help_text=_("Today, if you do not know."),
        missing=_("Write the day on which they moved"),
        past=True,
    )
