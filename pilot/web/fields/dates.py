"""Fields for a date and for a time of day."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from pilot.web import formats
from pilot.web.fields.base import DesignedField, DesignField, Params, as_text
from pilot.web.fields.text import TextField


class DateInput(forms.MultiWidget):
    """Three boxes. Also understands a date sent whole under the field's own name."""

    parts = ("day", "month", "year")

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(dict.fromkeys(self.parts, forms.TextInput), attrs)

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> list[str]:
        boxes = [str(data.get(f"{name}_{part}") or "").strip() for part in self.parts]
        whole = boxes[0] if boxes[0] and not any(boxes[1:]) else str(data.get(name) or "").strip()
        return _split_date(whole) if whole and not any(boxes[1:]) else boxes

    def value_omitted_from_data(self, data: Mapping[str, Any], files: Any, name: str) -> bool:
        return name not in data and all(f"{name}_{part}" not in data for part in self.parts)

    def decompress(self, value: Any) -> list[str]:
        return [str(value.day), str(value.month), str(value.year)] if value else ["", "", ""]


class DateField(DesignedField):
    """A real date, in three boxes or typed whole (3/10/2026, 2026-10-03, 3 October 2026), as a `date`.

    `earliest` and `latest` are dates or functions that give one; `past` and `future` are the usual two,
    today included.
    """

    component = "dateInput"
    widget = DateInput

    def __init__(
        self,
        *args: Any,
        earliest: dt.date | Callable[[], dt.date] | None = None,
        latest: dt.date | Callable[[], dt.date] | None = None,
        past: bool = False,
        future: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.earliest = timezone.localdate if future else earliest
        self.latest = timezone.localdate if past else latest
        self.past, self.future = past, future

    def clean(self, value: Any) -> dt.date | None:
        boxes = _boxes(value)
        if not any(boxes):
            return super().clean(None)
        found = self._real_date(boxes)
        self._check_range(found)
        self.run_validators(found)
        return found

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.clean(data) != initial)
        except ValidationError:
            return True

    def parameters(self, bound: DesignField, **options: Any) -> Params:
        params = super().parameters(bound, **options)
        values = _boxes(bound.value())
        wrong = _parts_in_error(bound)
        params["fieldset"] = {"legend": params.pop("label")}
        labels = {"day": gettext("Day"), "month": gettext("Month"), "year": gettext("Year")}
        params["items"] = [
            {
                "id": f"{bound.auto_id}_{part}",
                "name": f"{bound.html_name}_{part}",
                "label": labels[part],
                "value": value,
                "width": 4 if part == "year" else 2,
                "error": part in wrong,
                "autocomplete": f"bday-{part}" if self.autocomplete == "bday" else None,
            }
            for part, value in zip(DateInput.parts, values, strict=True)
        ]
        return params

    def anchor(self, bound: DesignField) -> str:
        wrong = _parts_in_error(bound)
        return f"{bound.auto_id}_{wrong[0] if wrong else 'day'}"

    def shown_value(self, value: Any) -> str:
        return formats.date(value)

    def _real_date(self, boxes: Sequence[str]) -> dt.date:
        name = self._name()
        absent = [part for part, value in zip(DateInput.parts, boxes, strict=True) if not value]
        if absent:
            words = {"day": gettext("a day"), "month": gettext("a month"), "year": gettext("a year")}
            missing = gettext(" and ").join(words[part] for part in absent)
            raise _date_error(
                gettext("%(name)s must include %(missing)s"), absent, name=name, missing=missing
            )
        day, month, year = _number(boxes[0]), _month(boxes[1]), _number(boxes[2])
        if year is None or not re.fullmatch(r"[0-9]{4}", boxes[2]):
            raise _date_error(
                gettext("%(name)s must have a year of 4 digits, like 1984"), ["year"], name=name
            )
        try:
            return dt.date(year, month or 0, day or 0)
        except ValueError:
            wrong = ["month"] if not month or month > 12 else ["day"]
            text = gettext("%(name)s must be a real date, like 27 3 1984")
            raise _date_error(text, wrong, name=name) from None

    def _check_range(self, found: dt.date) -> None:
        earliest, latest = _called(self.earliest), _called(self.latest)
        name, parts = self._name(), list(DateInput.parts)
        if self.past and latest and found > latest:
            raise _date_error(gettext("%(name)s must be today or in the past"), parts, name=name)
        if self.future and earliest and found < earliest:
            raise _date_error(gettext("%(name)s must be today or in the future"), parts, name=name)
        if earliest and found < earliest:
            text = gettext("%(name)s must be %(date)s or later")
            raise _date_error(text, parts, name=name, date=formats.date(earliest))
        if latest and found > latest:
            text = gettext("%(name)s must be %(date)s or earlier")
            raise _date_error(text, parts, name=name, date=formats.date(latest))

    def _name(self) -> str:
        label = str(self.label or "")
        return gettext("The date") if not label or label.endswith("?") else label


def _boxes(value: Any) -> list[str]:
    if isinstance(value, dt.date):
        return [str(value.day), str(value.month), str(value.year)]
    if isinstance(value, str):
        return _split_date(value)
    return [str(part or "").strip() for part in value] if value else ["", "", ""]


def _split_date(text: str) -> list[str]:
    """The three boxes of a date typed whole; an unfamiliar text stays in the first box, to be shown again."""
    text = text.strip()
    iso = re.fullmatch(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})", text)
    if iso:
        return [iso[3], iso[2], iso[1]]
    british = re.fullmatch(
        r"([0-9]{1,2})(?:st|nd|rd|th)?[\s/.\-]+([0-9]{1,2}|[A-Za-z]{3,9})[\s/.,\-]+([0-9]{1,4})", text
    )
    return [british[1], british[2], british[3]] if british else [text, "", ""]


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def _month(text: str) -> int | None:
    if text[:3].lower() in _MONTHS and text.isalpha():
        return _MONTHS.index(text[:3].lower()) + 1
    return _number(text)


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,4}", text) else None


def _date_error(text: str, parts: Sequence[str], **params: str) -> ValidationError:
    # The parts ride along in the code, so that the boxes concerned can be marked.
    return ValidationError(text, code="date:" + ",".join(parts), params=params)


def _parts_in_error(bound: DesignField) -> list[str]:
    for error in bound.errors.as_data():
        code = error.code or ""
        return code.removeprefix("date:").split(",") if code.startswith("date:") else list(DateInput.parts)
    return []


def _called(limit: dt.date | Callable[[], dt.date] | None) -> dt.date | None:
    return limit() if callable(limit) else limit


class TimeField(TextField):
    """A time of day: 2:30pm, 2pm, 14:30, midday. Cleaned to `datetime.time`.

    From 1 to 7 o'clock the person is asked whether they mean morning or afternoon.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("help_text", _("For example, 9:30am or 2pm"))
        super().__init__(*args, input_width=5, spellcheck=False, max_length=20, **kwargs)

    def to_python(self, value: Any) -> Any:
        if isinstance(value, dt.time):
            return value
        text = re.sub(r"[\s.]", "", (super().to_python(value) or "").lower().replace(".", ":"))
        if not text:
            return None
        if text in ("midday", "noon", "12noon"):
            return dt.time(12)
        if text == "midnight":
            return dt.time(0)
        found = re.fullmatch(r"([0-9]{1,2}):?([0-9]{2})?(?::?([ap]):?m:?)?", text)
        hour, minute = (int(found[1]), int(found[2] or 0)) if found else (99, 0)
        half = found[3] if found else None
        if minute > 59 or hour > 23 or (half and not 1 <= hour <= 12):
            raise ValidationError(_("Enter a time, like 9:30am or 2pm"), code="invalid")
        if half:
            return dt.time(hour % 12 + (12 if half == "p" else 0), minute)
        if 1 <= hour <= 7 and not text.startswith("0"):
            raise ValidationError(_("Say if you mean am or pm, like 9:30am or 2pm"), code="ambiguous")
        return dt.time(hour, minute)

    def run_validators(self, value: Any) -> None:
        """Nothing further: the validators of text do not fit a time."""

    def parameters(self, bound: DesignField, **options: Any) -> Params:
        params = super().parameters(bound, **options)
        value = bound.value()
        return {**params, "value": self.shown_value(value) if isinstance(value, dt.time) else as_text(value)}

    def shown_value(self, value: Any) -> str:
        return formats.time(value)
