"""The base of every form: a summary of errors that links to the fields, and what makes sending it safe."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from django import forms
from django.core import signing
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.middleware.csrf import get_token
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext

from pilot.web.fields.base import DesignField
from pilot.web.fields.foreign import field_group
from pilot.web.jinja import design_system_macro

if TYPE_CHECKING:
    from django.http import HttpRequest

FORM_KEY, VERSION = "form_key", "version"
_SALT = "pilot.web.forms.key"
# Longer than any session: an old page is refused by its session first.
KEY_LIFETIME = dt.timedelta(days=1)


class Form(forms.Form):
    """A form in the design system. Without fields it is a question that one button answers."""

    use_required_attribute = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)

    def error_summary(self) -> SafeString:
        """What is wrong, at the top of the page, each line a link to its field. Empty when nothing is."""
        return error_summary(self)

    def as_field_groups(self) -> SafeString:
        """Every field in order."""
        return SafeString("\n".join(field_group(field) for field in self.visible_fields()))

    def shown_on(self, page: Any) -> None:
        """Called before anything is asked of the form: who fills it in, and where, stands in the page."""

    def acted(self, page: Any) -> None:
        """Called once the page has done its deed, in the same transaction: a form may leave something behind."""

    def refuse(self, refusal: ValidationError) -> None:
        """Put what an action refused beside the field that it names, or at the top."""
        by_field = (
            refusal.error_dict if hasattr(refusal, "error_dict") else {NON_FIELD_ERRORS: refusal.error_list}
        )
        for name, errors in by_field.items():
            for error in errors:
                self.add_error(name if name in self.fields else None, error)

    def differences(self, saved: dict[str, Any]) -> list[tuple[str, str]]:
        """For each field of a cleaned form that differs from `saved`: its label, and what is saved."""
        found = []
        for name, field in self.fields.items():
            if name not in saved:
                continue
            now = self._in_words(name, field.prepare_value(saved[name]))
            if name not in self.cleaned_data or now != self._in_words(name, self.cleaned_data[name]):
                found.append((str(self[name].label), now or gettext("Nothing")))
        return found

    def _in_words(self, name: str, value: Any) -> str:
        shown_value = getattr(self.fields[name], "shown_value", str)
        return str(shown_value(value))


def error_summary(form: forms.BaseForm) -> SafeString:
    """The design system's error summary for any form; empty when there is nothing to say."""
    lines = [{"text": message} for message in form.non_field_errors()]
    for name in form.errors:
        if name == NON_FIELD_ERRORS:
            continue
        bound = form[name]
        anchor = bound.anchor if isinstance(bound, DesignField) else bound.auto_id
        lines.append({"text": form.errors[name][0], "href": f"#{anchor}"})
    if not lines:
        return mark_safe("")
    return mark_safe(  # noqa: S308 (the macro escapes what it is given)
        design_system_macro("errorSummary")({"heading": gettext("There is a problem"), "errorList": lines})
    )


def read_form_key(request: HttpRequest) -> UUID | None:
    """The key of the form that was sent; None if missing, forged, too old, or of another page or person."""
    try:
        key, *bound_to = signing.loads(request.POST.get(FORM_KEY, ""), salt=_SALT, max_age=KEY_LIFETIME)
    except signing.BadSignature:
        return None
    return UUID(key) if bound_to == _bound_to(request, request.path) else None


def hidden_fields(request: HttpRequest, version: int | None = None, address: str = "") -> SafeString:
    """The hidden inputs of a form: against forgery, acting twice and overwriting somebody's change."""
    key = signing.dumps([uuid4().hex, *_bound_to(request, address or request.path)], salt=_SALT)
    fields = {"csrfmiddlewaretoken": get_token(request), FORM_KEY: key}
    if version is not None:
        fields[VERSION] = str(version)
    return format_html_join("", '<input type="hidden" name="{}" value="{}">', fields.items())


def _bound_to(request: HttpRequest, path: str) -> list[str]:
    # A key is for one person and one address.
    return [str(request.user.pk or ""), path]
