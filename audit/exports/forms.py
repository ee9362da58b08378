"""For whom a part of the log is taken away, and what for."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from pilot.web import fields
from pilot.web.forms import Form


class ExportForm(Form):
    """Both go into the ledger of disclosures, where every patient concerned can read them."""

    recipient = fields.TextField(
        label=_("Who is it for?"),
        help_text=_("A person or an office, like: Information Commissioner’s Office"),
        max_length=120,
        autocomplete="off",
    )
    purpose = fields.TextField(
        label=_("What is it for?"),
        help_text=_("In a few words. Do not name a patient"),
        max_length=80,
        autocomplete="off",
    )
