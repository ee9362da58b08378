"""What was recorded by mistake, and what it should say."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from consent.models import NEEDED_TO_BEGIN, Decision
from pilot.web.fields import RadioField, TextField
from pilot.web.forms import Form


class CorrectionForm(Form):
    answer = RadioField(label=_("What should it say?"), missing=_("Choose what it should say"))
    reason = TextField(
        label=_("What went wrong?"),
        help_text=_("For example: I ticked the wrong patient. The patient can read this."),
        max_length=300,
        missing=_("Write what went wrong"),
    )

    def __init__(self, *args: Any, decision: Decision, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(Decision.Answer.CORRECTED.value, _("They were not asked, or gave no answer"))]
        if decision.answer == Decision.Answer.GIVEN and decision.purpose not in NEEDED_TO_BEGIN:
            choices.insert(0, (Decision.Answer.REFUSED.value, _("They said no")))
        self.fields["answer"].choices = choices  # type: ignore[attr-defined]
