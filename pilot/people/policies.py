"""Who may be registered at all."""

from __future__ import annotations

import datetime as dt

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _

YOUNGEST, OLDEST = 16, 120


def check_age(born: dt.date) -> None:
    """Pass for somebody of 16 or over who may be alive, or refuse with what to check."""
    today = timezone.localdate()
    age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    if born > today:
        problem = _("Date of birth must be in the past.")
    elif age < YOUNGEST:
        problem = _("This service is for people aged 16 and over.")
    elif age > OLDEST:
        problem = _("Check the year of birth.")
    else:
        return
    raise ValidationError({"date_of_birth": problem})
