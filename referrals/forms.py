"""What the practice says about a referral: why it might help, how the patient is invited, how it ends."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from pilot.people.models import Need
from pilot.web import fields
from pilot.web.forms import Form
from referrals.models import BestTime, Reason
from referrals.policies import SAID_BY_HAND
from referrals.screening.forms import ScreenedForm


class LogForm(ScreenedForm):
    """One page, under a minute. Nothing on it is clinical."""

    screened = {"own_words": "referrals.Referral.own_words", "needs_note": "people.Patient.needs_note"}

    patient_asked = fields.TickField(
        label=_("They asked for it themselves"), missing=_("Tick this if they asked for it themselves")
    )
    reasons = fields.CheckboxesField(
        label=_("Why might coaching help?"),
        choices=Reason.choices,
        missing=_("Choose at least one reason"),
    )
    own_words = fields.TextAreaField(
        label=_("What they would like, in their own words"),
        help_text=_("The coach reads this. Leave out anything about health."),
        required=False,
        rows=3,
    )
    best_times = fields.CheckboxesField(
        label=_("When suits them best?"), choices=BestTime.choices, required=False
    )
    needs = fields.CheckboxesField(
        label=_("Do they need any of these?"),
        help_text=_("Ask them. Everybody who helps them is shown it."),
        choices=Need.choices,
        required=False,
    )
    needs_note = fields.TextField(label=_("About these needs"), required=False, max_length=300)

    def __init__(self, *args: Any, may_be_raised: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if may_be_raised:
            del self.fields["patient_asked"]


class InviteForm(Form):
    """How the invitation reaches the patient: only ways that do."""

    channel = fields.RadioField(
        label=_("How do you want to give it to them?"), missing=_("Choose how to give it to them")
    )

    def __init__(
        self, *args: Any, channels: list[tuple[str, Any]], hints: dict[str, Any], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        channel: Any = self.fields["channel"]
        channel.choices, channel.choice_hints = channels, hints


class EndForm(Form):
    ending = fields.RadioField(
        label=_("How does it end?"),
        choices=[(each.value, each.label) for each in SAID_BY_HAND],
        missing=_("Choose how it ends"),
    )
