"""Fields that people type into."""

from __future__ import annotations

import re
from typing import Any

import nhs_number
from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.utils.translation import gettext_lazy as _

from pilot.web import formats
from pilot.web.fields.base import DesignedField, DesignField, Params, as_text


class TextField(DesignedField, forms.CharField):
    """One line of text."""

    component = "input"

    def __init__(self, *args: Any, max_length: int | None = 200, **kwargs: Any) -> None:
        super().__init__(*args, max_length=max_length, **kwargs)
        self.error_messages["max_length"] = _(
            "Use %(limit_value)d characters or fewer. You have used %(show_value)d."
        )

    def parameters(self, bound: DesignField, **options: Any) -> Params:
        return {"type": "text", "value": as_text(bound.value()), **super().parameters(bound, **options)}


class EmailField(TextField):
    """An e-mail address."""

    def __init__(self, *args: Any, autocomplete: str = "email", **kwargs: Any) -> None:
        super().__init__(*args, autocomplete=autocomplete, spellcheck=False, max_length=254, **kwargs)
        self.validators.append(
            EmailValidator(_("Enter an email address in the right form, like name@example.com"))
        )

    def parameters(self, bound: DesignField, **options: Any) -> Params:
        return {**super().parameters(bound, **options), "type": "email", "autocapitalize": "none"}


class PhoneField(TextField):
    """A phone number. Cleaned to digits, with + in front of another country's code; +44 becomes 0."""

    def __init__(self, *args: Any, autocomplete: str = "tel", **kwargs: Any) -> None:
        super().__init__(*args, autocomplete=autocomplete, input_width=20, max_length=40, **kwargs)

    def to_python(self, value: Any) -> str:
        text = super().to_python(value)
        if not text:
            return ""
        digits = re.sub(r"[\s().\-]", "", text)
        digits = re.sub(r"^00", "+", digits)
        digits = re.sub(r"^\+440?", "0", digits)
        if not re.fullmatch(r"0[0-9]{9,10}|\+[1-9][0-9]{6,14}", digits):
            raise ValidationError(
                _("Enter a phone number, like 07700 900 018 or +44 20 7946 0018"), code="invalid"
            )
        return digits

    def parameters(self, bound: DesignField, **options: Any) -> Params:
        return {**super().parameters(bound, **options), "type": "tel"}

    def shown_value(self, value: Any) -> str:
        return formats.phone(value)


class TextAreaField(TextField):
    """Several lines of text. With `max_length`, the person sees how much is left."""

    component = "characterCount"
    widget = forms.Textarea

    def __init__(self, *args: Any, rows: int = 5, max_length: int = 2000, **kwargs: Any) -> None:
        super().__init__(*args, max_length=max_length, **kwargs)
        self.rows = rows

    def to_python(self, value: Any) -> str:
        # Browsers send CRLF but count a line's end as one character.
        text = super().to_python(value)
        return text.replace("\r\n", "\n") if text else ""

    def parameters(self, bound: DesignField, **options: Any) -> Params:
        limit = {"maxlength": self.max_length, "threshold": 75}
        return {"rows": self.rows, **limit, **super().parameters(bound, **options)}


class WholeNumberField(DesignedField, forms.IntegerField):
    """A whole number."""

    component = "input"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, inputmode="numeric", spellcheck=False, **{"input_width": 4, **kwargs})
        self.error_messages["invalid"] = _("Enter a whole number, like 12")

    def parameters(self, bound: DesignField, **options: Any) -> Params:
        return {"type": "text", "value": as_text(bound.value()), **super().parameters(bound, **options)}


class NHSNumberField(TextField):
    """An NHS number, with or without spaces. Cleaned to ten digits, or '' where it may be left out."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label", _("NHS number"))
        kwargs.setdefault("help_text", _("10 digits, like 999 000 0018"))
        super().__init__(
            *args, inputmode="numeric", spellcheck=False, input_width=10, max_length=40, **kwargs
        )

    def to_python(self, value: Any) -> str:
        text = super().to_python(value)
        digits = re.sub(r"[\s\-]", "", text or "")
        if not digits:
            return ""
        if not re.fullmatch(r"[0-9]{10}", digits):
            raise ValidationError(_("Enter an NHS number of 10 digits, like 999 000 0018"), code="invalid")
        if not nhs_number.is_valid(digits):
            raise ValidationError(_("Check the NHS number. The digits do not fit together"), code="checksum")
        return digits

    def parameters(self, bound: DesignField, **options: Any) -> Params:
        params = super().parameters(bound, **options)
        value = params["value"]
        return {**params, "value": formats.nhs_number(value) if value else "", "autocomplete": "off"}

    def shown_value(self, value: Any) -> str:
        return formats.nhs_number(value)
