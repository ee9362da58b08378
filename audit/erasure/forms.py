"""What the guardian confirms before a record is erased."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from pilot.web import fields
from pilot.web.forms import Form


class EraseForm(Form):
    """Nothing is ticked beforehand."""

    reviewed = fields.TickField(
        label=_("I have reviewed this record. Nobody needs it any longer"),
        missing=_("Tick to say that you have reviewed this record"),
    )
