"""Drawing the fields of forms that libraries bring."""

from __future__ import annotations

from django import forms
from django.forms.boundfield import BoundField
from django.utils.safestring import SafeString, mark_safe

from pilot.web.fields.base import DesignField, Params, as_text, labelled
from pilot.web.jinja import design_system_macro


def field_group(bound: BoundField) -> SafeString:
    """Draw any field of any form in the design system; for forms that libraries bring."""
    if isinstance(bound, DesignField):
        return bound.as_field_group()
    widget = bound.field.widget
    params: Params = {
        "id": bound.auto_id,
        "name": bound.html_name,
        "label": {"text": labelled(bound), "size": "s"},
    }
    if bound.help_text:
        params["hint"] = {"html": bound.help_text}
    if bound.errors:
        params["errorMessage"] = {"text": bound.errors[0]}
    if isinstance(widget, forms.CheckboxInput):
        item = {"value": "on", "text": str(bound.label), "checked": bool(bound.value())}
        return _draw("checkboxes", {**params, "idPrefix": bound.auto_id, "id": None, "items": [item]})
    if isinstance(widget, forms.PasswordInput):
        autocomplete = widget.attrs.get("autocomplete", "current-password")
        return _draw("passwordInput", {**params, "autocomplete": autocomplete})
    kind = getattr(widget, "input_type", "text")
    attributes = {key: widget.attrs[key] for key in ("autocomplete", "inputmode") if key in widget.attrs}
    return _draw(
        "input", {**params, **attributes, "type": kind, "value": as_text(bound.value()), "spellcheck": False}
    )


def _draw(component: str, params: Params) -> SafeString:
    return mark_safe(design_system_macro(component)(params))  # noqa: S308 (the macros escape what they are given)
