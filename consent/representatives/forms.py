"""Who speaks for the patient, and which paper says so."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from consent.models import Representative
from pilot.web.fields import RadioField, TextField
from pilot.web.forms import Form


class RepresentativeForm(Form):
    name = TextField(label=_("Name"), max_length=120, missing=_("Write their name"))
    authority = RadioField(
        label=_("What gives them the authority?"),
        choices=Representative.Authority.choices,
        missing=_("Choose what gives them the authority"),
    )
    seen = TextField(
        label=_("Which paper did you see, and what is its date?"),
        help_text=_("Do not keep a copy here. The patient can read this."),
        max_length=300,
        missing=_("Write which paper you saw, and its date"),
    )
