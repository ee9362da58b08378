"""What a patient writes about a line that looks wrong, and what the guardian answers."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from pilot.web.fields import TextAreaField
from pilot.web.forms import Form


class QuestionForm(Form):
    words = TextAreaField(
        label=_("What looks wrong?"),
        help_text=_("In your own words. If you would just like to know why, leave it empty."),
        required=False,
        max_length=4000,
        rows=5,
    )


class AnswerForm(Form):
    answer = TextAreaField(
        label=_("Your answer"),
        help_text=_(
            "The patient reads it on their own pages. Say what you looked at, what you found, and what happens next."
        ),
        missing=_("Write your answer"),
        max_length=4000,
        rows=8,
    )
