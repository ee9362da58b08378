"""What the guardian was told."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from pilot.web import fields
from pilot.web.forms import Form


class AnswerForm(Form):
    """“Asked, and it was …”"""

    text = fields.TextAreaField(
        label=_("Asked, and it was …"),
        help_text=_(
            "What you were told, in a sentence or two. Do not name a patient. The note stays as it is."
        ),
        max_length=1000,
        rows=3,
    )
