"""What somebody at the practice says about a message whose fate nobody knew."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from pilot.web.fields import RadioField
from pilot.web.forms import Form

ARRIVED, AGAIN = "arrived", "again"


class SettleForm(Form):
    answer = RadioField(
        label=_("What would you like to do?"),
        choices=[(ARRIVED, _("It reached them: nothing more to send")), (AGAIN, _("Send it again"))],
        missing=_("Choose what to do with this message"),
    )
