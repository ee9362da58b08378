"""Fields that people choose from. Nothing is chosen beforehand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from pilot.web.fields.base import DesignedField, DesignField, Params

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise


class Choices(DesignedField):
    """Shared by the fields one chooses from. `choice_hints` explain single choices, by value."""

    default_missing = _("Choose %(label)s")
    default_missing_answer = _("Choose an answer")

    def __init__(
        self, *args: Any, choice_hints: Mapping[Any, _StrOrPromise] | None = None, **kwargs: Any
    ) -> None:
        if kwargs.get("initial"):
            raise ImproperlyConfigured(
                "Nothing is chosen beforehand. A saved answer comes from the form's `initial`."
            )
        super().__init__(*args, **kwargs)
        self.choice_hints = {str(key): hint for key, hint in (choice_hints or {}).items()}
        self.error_messages["invalid_choice"] = _("Choose one of the answers on the list")

    def items(self, bound: DesignField, conditional: Mapping[str, str] | None = None) -> list[Params]:
        """Every choice; `conditional` is what appears under a choice once it is made, by value."""
        chosen = _as_list(bound.value())
        items: list[Params] = []
        for value, text in _flat(self.choices):  # type: ignore[attr-defined]
            if value == "":
                continue
            item: Params = {"value": value, "text": str(text), "checked": value in chosen}
            if value in self.choice_hints:
                item["hint"] = {"text": str(self.choice_hints[value])}
            if conditional and value in conditional:
                item["conditional"] = {"html": conditional[value]}
            items.append(item)
        return items

    def grouped(self, bound: DesignField, **options: Any) -> Params:
        """The parameters of a group of controls: a legend for a label, and an id for the first of them."""
        params = super().parameters(bound, **options)
        legend = params.pop("label")
        return {**params, "idPrefix": bound.auto_id, "id": None, "fieldset": {"legend": legend}}

    def shown_value(self, value: Any) -> str:
        names = {str(key): str(text) for key, text in _flat(self.choices)}  # type: ignore[attr-defined]
        return ", ".join(names.get(key, key) for key in _as_list(value))


class RadioField(Choices, forms.ChoiceField):
    """One of a few. `inline` for two or three short answers."""

    component = "radios"
    widget = forms.RadioSelect

    def __init__(self, *args: Any, inline: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.inline = inline

    def parameters(
        self, bound: DesignField, *, conditional: Mapping[str, str] | None = None, **options: Any
    ) -> Params:
        items = self.items(bound, conditional)
        return {"items": items, "inline": self.inline, **self.grouped(bound, **options)}


class YesNoField(RadioField):
    """Yes or no, neither chosen beforehand. Cleaned to True, False, or None where it may be left out."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, choices=[("yes", _("Yes")), ("no", _("No"))], inline=True, **kwargs)

    def clean(self, value: Any) -> Any:
        return {"yes": True, "no": False}.get(super().clean(value))

    def prepare_value(self, value: Any) -> Any:
        return {True: "yes", False: "no"}.get(value, value)

    def shown_value(self, value: Any) -> str:
        return super().shown_value(self.prepare_value(value))


class SelectField(Choices, forms.ChoiceField):
    """One of many, from a list that opens. Prefer radios up to ten."""

    component = "select"

    def parameters(self, bound: DesignField, **options: Any) -> Params:
        items = [{"value": "", "text": gettext("Choose")}, *self.items(bound)]
        for item in items:
            item["selected"] = item.pop("checked", False)
        return {"items": items, **super().parameters(bound, **options)}


class CheckboxesField(Choices, forms.MultipleChoiceField):
    """Any of several. Cleaned to a list of values. `none` is the value that excludes the others."""

    component = "checkboxes"
    widget = forms.CheckboxSelectMultiple

    def __init__(self, *args: Any, none: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.none = none

    def clean(self, value: Any) -> Any:
        chosen = super().clean(value)
        if self.none in chosen and len(chosen) > 1:
            none = self.shown_value([self.none])
            raise ValidationError(
                _("Choose either “%(none)s” or the other answers"), code="none", params={"none": none}
            )
        return chosen

    def parameters(
        self, bound: DesignField, *, conditional: Mapping[str, str] | None = None, **options: Any
    ) -> Params:
        items = self.items(bound, conditional)
        if self.none:
            alone = next(item for item in items if item["value"] == self.none)
            alone["behaviour"] = "exclusive"
            items.insert(items.index(alone), {"divider": gettext("or")})
        return {"items": items, **self.grouped(bound, **options)}


class TimeSlotsField(CheckboxesField):
    """The times of the week that suit somebody, or any time. Cleaned to codes like "mon-am"."""

    days = [("mon", _("Monday")), ("tue", _("Tuesday")), ("wed", _("Wednesday"))]
    days += [("thu", _("Thursday")), ("fri", _("Friday"))]
    halves = (("am", _("morning")), ("pm", _("afternoon")))
    any_time = "any"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        slots = [(f"{day}-{half}", f"{name} {part}") for day, name in self.days for half, part in self.halves]
        super().__init__(
            *args, choices=[*slots, (self.any_time, _("Any time"))], none=self.any_time, **kwargs
        )

    def parameters(self, bound: DesignField, **options: Any) -> Params:
        return {"classes": "pilot-slots", "small": True, **super().parameters(bound, **options)}


class TickField(Choices, forms.BooleanField):
    """One box to tick, for something the person says or confirms."""

    component = "checkboxes"
    default_missing = _("Tick the box if you agree: %(label)s")

    @property
    def choices(self) -> list[tuple[str, str]]:
        return [("on", str(self.label))]

    def parameters(self, bound: DesignField, **options: Any) -> Params:
        params = {"items": self.items(bound), **self.grouped(bound, **options)}
        # The box's own label says it all.
        del params["fieldset"]
        return params

    def shown_value(self, value: Any) -> str:
        return gettext("Yes") if value else gettext("No")


class RowRadioField(Choices, forms.ModelChoiceField):
    """One of a few rows. The form's `__init__` gives them: `self.fields["coach"].queryset = coaches`."""

    component = "radios"
    widget = forms.RadioSelect

    def __init__(self, *args: Any, queryset: Any = None, **kwargs: Any) -> None:
        super().__init__(queryset, *args, empty_label=None, **kwargs)

    def parameters(
        self, bound: DesignField, *, conditional: Mapping[str, str] | None = None, **options: Any
    ) -> Params:
        return {"items": self.items(bound, conditional), **self.grouped(bound, **options)}


def _flat(choices: Iterable[Any]) -> Iterable[tuple[str, Any]]:
    for value, text in choices:
        if isinstance(text, list | tuple):
            yield from _flat(text)
        else:
            yield "" if value is None else str(value), text


def _as_list(value: Any) -> list[str]:
    if value is None or value is False or value == "":
        return []
    if value is True:
        return ["on"]
    if isinstance(value, list | tuple | set):
        return [str(getattr(one, "pk", one)) for one in value]
    return [str(getattr(value, "pk", value))]
