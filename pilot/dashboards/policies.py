"""When a month may be counted."""

from __future__ import annotations

import datetime as dt

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _


def settled_until(today: dt.date) -> dt.date:
    """The day before which everything may be counted: a month is, once the whole month after it has gone by.

    Published numbers are never changed afterwards, so people get time to decide, and coaches to write up.
    """
    return month_before(today.replace(day=1))


def check_can_publish(until: dt.date, *, last: dt.date | None, today: dt.date) -> None:
    """Pass, or refuse a release that ends within a month, too early to count, or not after the last one."""
    if until.day != 1:
        raise ValidationError(_("A release ends with a month: give the first day of the month after it."))
    if until > settled_until(today):
        raise ValidationError(
            _("It is too early: a month is counted once the whole month after it has gone by.")
        )
    if last and until <= last:
        raise ValidationError(_("These months are published already, and are never published again."))


def month_before(month: dt.date) -> dt.date:
    return (month.replace(day=1) - dt.timedelta(days=1)).replace(day=1)


def month_after(month: dt.date) -> dt.date:
    return (month.replace(day=1) + dt.timedelta(days=31)).replace(day=1)


def months(since: dt.date, until: dt.date) -> list[dt.date]:
    """Every month from `since` up to `until`, that one left out."""
    found = []
    while since < until:
        found.append(since)
        since = month_after(since)
    return found
