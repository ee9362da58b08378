"""What came of calling somebody who sent a text."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from pilot.web.fields import TickField
from pilot.web.forms import Form


class CalledForm(Form):
    texts_again = TickField(label=_("They said that we may send texts to this number again"), required=False)


class CalledAboutForm(Form):
    """Where nothing was stopped there is nothing to begin again."""
