"""What a clinician answers to a patient who asks for a note to be corrected."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from pilot.web.fields import RadioField, TextAreaField
from pilot.web.forms import Form

CORRECT, STAND = "correct", "stand"


class NoteAnswerForm(Form):
    outcome = RadioField(
        label=_("What do you do?"),
        choices=[
            (CORRECT, _("Correct the note, in the box below")),
            (STAND, _("Let it stand: the patient’s words stay beside it for ever")),
        ],
        missing=_("Choose what you do"),
    )
    text = TextAreaField(
        label=_("The note"),
        help_text=_("Change it here if you correct it. What it said before is kept."),
        required=False,
        max_length=10_000,
        rows=10,
    )
    answer = TextAreaField(
        label=_("Your answer"),
        help_text=_("The patient reads it. Say what you corrected, or why the note stays as it is."),
        missing=_("Write your answer"),
        max_length=4000,
        rows=5,
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("outcome") == CORRECT and not cleaned.get("text", "").strip():
            self.add_error("text", _("Write what the note should say"))
        return cleaned
