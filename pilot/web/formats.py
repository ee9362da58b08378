"""How dates, times and numbers are written on a page, as the NHS content guide has them."""

from __future__ import annotations

import datetime as dt
import re

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, ngettext


def date(value: dt.date | dt.datetime | None) -> str:
    """3 October 2026. Empty for no date."""
    return date_format(_local(value), "j F Y") if value else ""


def day(value: dt.date | dt.datetime | None) -> str:
    """Saturday 3 October 2026."""
    return date_format(_local(value), "l j F Y") if value else ""


def short_date(value: dt.date | dt.datetime | None) -> str:
    """3 Oct 2026, for narrow columns."""
    return date_format(_local(value), "j M Y") if value else ""


def time(value: dt.time | dt.datetime | None) -> str:
    """2:30pm, 9am, midday, midnight."""
    if value is None:
        return ""
    if isinstance(value, dt.datetime) and timezone.is_aware(value):
        value = timezone.localtime(value)
    if (value.hour, value.minute) == (0, 0):
        return gettext("midnight")
    if (value.hour, value.minute) == (12, 0):
        return gettext("midday")
    minutes = f":{value.minute:02}" if value.minute else ""
    return f"{value.hour % 12 or 12}{minutes}{'am' if value.hour < 12 else 'pm'}"


def date_and_time(value: dt.datetime | None) -> str:
    """3 October 2026 at 2:30pm."""
    if not value:
        return ""
    return gettext("%(date)s at %(time)s") % {"date": date(value), "time": time(value)}


def ago(value: dt.date | dt.datetime | None) -> str:
    """Today, yesterday, 3 days ago; tomorrow, in 3 days. In whole calendar days, here."""
    if not value:
        return ""
    days = days_since(value)
    if days == 0:
        return gettext("today")
    if days == 1:
        return gettext("yesterday")
    if days == -1:
        return gettext("tomorrow")
    if days < 0:
        return ngettext("in %(days)d day", "in %(days)d days", -days) % {"days": -days}
    return ngettext("%(days)d day ago", "%(days)d days ago", days) % {"days": days}


def days_since(value: dt.date | dt.datetime) -> int:
    """Calendar days from the date until today; negative for what is still to come."""
    then = _local(value)
    return (timezone.localdate() - (then.date() if isinstance(then, dt.datetime) else then)).days


def age(born_on: dt.date | None) -> int | None:
    """Whole years today. Born on 29 February: a year older on 1 March."""
    if born_on is None:
        return None
    today = timezone.localdate()
    return today.year - born_on.year - ((today.month, today.day) < (born_on.month, born_on.day))


def nhs_number(value: str | None) -> str:
    """999 000 0018; "Not known" for none. Never breaks a value that is not ten digits."""
    if not value:
        return gettext("Not known")
    digits = re.sub(r"\s", "", value)
    return f"{digits[:3]} {digits[3:6]} {digits[6:]}" if re.fullmatch(r"[0-9]{10}", digits) else value


def phone(value: str | None) -> str:
    """07700 900 018, 020 7946 0018. Other countries' numbers stay as they were given."""
    digits = re.sub(r"[^0-9+]", "", value or "")
    if re.fullmatch(r"02[0-9]{9}", digits):
        return f"{digits[:3]} {digits[3:7]} {digits[7:]}"
    if re.fullmatch(r"0[0-9]{10}", digits):
        return f"{digits[:5]} {digits[5:8]} {digits[8:]}"
    return value or ""


def _local(value: dt.date) -> dt.date:
    return timezone.localtime(value) if isinstance(value, dt.datetime) and timezone.is_aware(value) else value
