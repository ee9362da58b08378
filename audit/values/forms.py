"""Why a guardian opens something, and of whom they look for the key."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from pilot.web import fields
from pilot.web.forms import Form

# Letters and digits that a reason has at least.
FEWEST = 3


def check_says_something(reason: str) -> None:
    """Refuse what nobody could read in a year: full stops, or characters that cannot be seen."""
    if sum(map(str.isalnum, reason)) < FEWEST:
        raise ValidationError(_("Say why in words, like: the patient asked me who changed this"))


class ReasonForm(Form):
    """Why. There is no opening without it."""

    reason = fields.TextAreaField(
        label=_("Why do you need to see this?"),
        help_text=_(
            "A sentence that others will understand in a year. It stays in the log. Do not name the patient."
        ),
        max_length=500,
        validators=[check_says_something],
        rows=3,
    )


class FindPatientForm(Form):
    """Somebody who asked the guardian to look: described exactly, so that nobody can be browsed for."""

    nhs_number = fields.NHSNumberField(required=False)
    given_name = fields.TextField(label=_("First name"), required=False, max_length=80, autocomplete="off")
    family_name = fields.TextField(label=_("Last name"), required=False, max_length=80, autocomplete="off")
    born = fields.DateField(label=_("Date of birth"), required=False, past=True)
    reason = fields.TextAreaField(
        label=_("Why do you look for this person?"),
        help_text=_("For example: they asked me who looked at their record. Do not name them here."),
        max_length=500,
        validators=[check_says_something],
        rows=3,
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors and not cleaned.get("nhs_number"):
            for name in ("given_name", "family_name", "born"):
                if not cleaned.get(name):
                    self.add_error(name, _("Enter the NHS number, or both names and the date of birth"))
        return cleaned
