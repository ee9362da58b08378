"""What somebody types in to open their record: an invitation's code, a date of birth, an address and a
password.
"""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from coaching.models import Goal
from pilot.web.fields import DateField, EmailField, RadioField, TextAreaField, TextField
from pilot.web.fields.base import DesignField, Params
from pilot.web.forms import Form


class PasswordField(TextField):
    """A new password. Never written back to the page."""

    component = "passwordInput"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, autocomplete="new-password", strip=False, **kwargs)

    def parameters(self, bound: DesignField, **options: Any) -> Params:
        return {**super().parameters(bound, **options), "type": None, "value": None}


class InvitationForm(Form):
    code = TextField(
        label=_("Code from your message or letter"),
        help_text=_("10 letters and numbers, like K7M2Q-XP4RW. Capitals and dashes do not matter."),
        missing=_("Enter the code from your message or letter"),
        max_length=40,
        input_width=20,
        autocomplete="off",
        spellcheck=False,
    )
    date_of_birth = DateField(label=_("Your date of birth"), help_text=_("For example, 27 3 1984"), past=True)


class GoalForm(Form):
    words = TextAreaField(
        label=_("What would you like?"),
        help_text=_("In your own words. It does not have to be a job. Your coach can read it."),
        missing=_("Write down what you would like"),
        max_length=1000,
        rows=4,
    )


class ChangeGoalForm(GoalForm):
    standing = RadioField(
        label=_("How is it now?"),
        choices=[
            (Goal.Standing.WANTED.value, _("I still want this")),
            (Goal.Standing.REACHED.value, _("I have reached it")),
            (Goal.Standing.DROPPED.value, _("Something else matters more now")),
        ],
    )


class AccountForm(Form):
    email = EmailField(
        label=_("Your e-mail address"), help_text=_("You sign in with it. Choose one that only you can read.")
    )
    password = PasswordField(
        label=_("Choose a password"),
        help_text=_("At least 12 characters. Three words that do not belong together work well."),
        missing=_("Choose a password"),
        max_length=128,
    )
