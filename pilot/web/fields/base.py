"""What every field of the design system shares: its label, hint, message and component."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.forms.boundfield import BoundField
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from pilot.web.jinja import design_system_macro

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

Params = dict[str, Any]


class DesignField(BoundField):
    """A field on a form, ready to be drawn."""

    field: DesignedField

    def as_field_group(self, **options: Any) -> SafeString:
        """The whole component: label, hint, message and control. Options as in `DesignedField.parameters`."""
        return self.field.draw(self.field.parameters(self, **options))

    @property
    def message(self) -> str:
        """The first thing that is wrong, or ''."""
        return str(self.errors[0]) if self.errors else ""

    @property
    def anchor(self) -> str:
        """The id of the control that the error summary links to."""
        return self.field.anchor(self)


class DesignedField(forms.Field):
    """The base of the project's fields; use the ones below.

    `help_text` is the hint. `missing` is the message when a required answer is not there.
    """

    component: ClassVar[str]
    default_missing: ClassVar[_StrOrPromise] = _("Enter %(label)s")
    default_missing_answer: ClassVar[_StrOrPromise] = _("Enter an answer")

    def __init__(
        self,
        *args: Any,
        missing: _StrOrPromise = "",
        autocomplete: str = "",
        inputmode: str = "",
        spellcheck: bool | None = None,
        input_width: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.missing = missing
        self.autocomplete = autocomplete
        self.inputmode = inputmode
        self.spellcheck = spellcheck
        self.input_width = input_width

    def get_bound_field(self, form: forms.BaseForm, field_name: str) -> DesignField:
        return DesignField(form, self, field_name)

    def validate(self, value: Any) -> None:
        if self.required and (value in self.empty_values or value is False):
            raise ValidationError(self._required_message(), code="required")
        super().validate(value)

    def parameters(
        self,
        bound: DesignField,
        *,
        page_heading: bool = False,
        size: str = "",
        caption: str = "",
        hint: str = "",
        **more: Any,
    ) -> Params:
        """What the component's macro is called with.

        `page_heading` makes the label the page's h1; `size` is the label's (s, m, l, xl); `hint` replaces
        `help_text`; anything else goes to the macro as it is.
        """
        params: Params = {
            "id": bound.auto_id,
            "name": bound.html_name,
            "label": self._label(bound, page_heading=page_heading, size=size, caption=caption),
            "autocomplete": self.autocomplete or None,
            "inputmode": self.inputmode or None,
            "spellcheck": self.spellcheck,
            "width": self.input_width,
            **more,
        }
        if hint or bound.help_text:
            params["hint"] = {"text": str(hint or bound.help_text)}
        if bound.errors:
            params["errorMessage"] = {"text": bound.message}
        return params

    def draw(self, params: Params) -> SafeString:
        """The component as HTML."""
        return SafeString(design_system_macro(self.component)(params))

    def anchor(self, bound: DesignField) -> str:
        return bound.auto_id

    def shown_value(self, value: Any) -> str:
        """A value of this field in words, for "what is saved now" and review pages."""
        return "" if value is None else str(value)

    def _label(self, bound: DesignField, *, page_heading: bool, size: str, caption: str) -> Params:
        label: Params = {"text": labelled(bound), "size": size or ("l" if page_heading else "s")}
        if page_heading:
            label["isPageHeading"] = True
        if caption:
            label["caption"] = caption
        return label

    def _required_message(self) -> str:
        if self.missing:
            return str(self.missing)
        if not self.label or str(self.label).endswith("?"):
            return str(self.default_missing_answer)
        return str(self.default_missing) % {"label": in_mid_sentence(str(self.label))}


def labelled(bound: BoundField) -> str:
    """The label, saying so where the answer is optional."""
    return (
        str(bound.label) if bound.field.required else gettext("%(label)s (optional)") % {"label": bound.label}
    )


def in_mid_sentence(label: str) -> str:
    """ "First name" → "first name", but "NHS number" stays."""
    return label if label[1:2].isupper() else label[:1].lower() + label[1:]


def as_text(value: Any) -> str:
    return "" if value is None else str(value)
