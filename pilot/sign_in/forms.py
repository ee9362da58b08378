"""What people choose on the pages about their own sign-in, and why the office takes a second step away."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import ResetPasswordForm
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from pilot.sign_in import actions
from pilot.sign_in.accounts import acting_now
from pilot.web.fields import RadioField
from pilot.web.forms import Form

OTHERS = "others"


class AskForPasswordForm(ResetPasswordForm):
    """Where a link to a new password goes. Whether somebody has that address makes no difference here."""

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        actions.ask_for_password(self.users[0] if self.users else None, by=acting_now())
        return str(self.cleaned_data["email"])


class EndSessionForm(Form):
    session = RadioField(label=_("What do you want to end?"), missing=_("Choose what you want to end"))

    def __init__(self, *args: Any, choices: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["session"].choices = choices  # type: ignore[attr-defined]


class ResetForm(Form):
    """How it is known that the person asking is that person. It goes into the log."""

    reason = RadioField(
        label=_("How do you know that it is them?"),
        help_text=_("An e-mail or a phone call alone is not enough: anybody can write or call."),
        choices=[
            ("seen in person", _("I saw them in person and know them, or saw their staff card")),
            ("seen by video", _("I saw them by video and know them")),
            ("manager confirmed", _("Their manager, whom I called on a number that I had, confirmed it")),
        ],
    )
