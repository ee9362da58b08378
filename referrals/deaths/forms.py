"""On which day somebody died."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from pilot.web.fields import DateField
from pilot.web.forms import Form


class DeathForm(Form):
    died_on = DateField(
        label=_("When did they die?"), missing=_("Write the day on which they died"), past=True
    )
