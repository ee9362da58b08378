"""What changed in a row, old → new, in words: field by field, by the labels that people know instead of codes.

For the past of a record as its readers see it, and for what the guardian opens with a reason. Nothing here decides who may
read it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from audit.privacy import Impersonal

# What says nothing to anybody: keys, and what counts or dates the row itself.
_UNSAID = {"id", "version", "created_at"}
PAGE = 50


@dataclass(frozen=True)
class Difference:
    """One field: its label, what stood there before and after; '' where nothing did."""

    label: str
    before: str
    after: str


@dataclass
class State:
    """One state of a row: when it came about, by whom in which role, and what became different."""

    at: dt.datetime
    who: str
    role: str
    kind: str  # "+", "~" or "-", as the history has it
    differences: list[Difference] = field(default_factory=list)


@dataclass(frozen=True)
class Past:
    """Some states of a row, the newest first, and the number from which older ones follow (None at the end)."""

    states: list[State]
    older: int | None


def past_of(row: models.Model, *, before: int | None = None, leave_out: Collection[str] = ()) -> Past:
    """What happened to this row, as far as the database shows its history to whoever acts: two queries and one for each
    kind of row that it points to. Nothing is said of the fields that are left out, nor that they changed. The look is
    recorded like a look at the row."""
    model = type(row)
    found = row.history.order_by("-history_id")  # type: ignore[attr-defined]
    if before is not None:
        found = found.filter(history_id__lt=before)
    # One more than is shown: the state that the oldest one shown is compared with.
    rows = list(found[: PAGE + 1])
    values = [
        {
            each.attname: past.__dict__[each.attname]
            for each in _kept(model, past)
            if each.name not in leave_out
        }
        for past in rows
    ]
    people = _people(model, {each.history_user_id for each in rows if each.history_user_id})
    names = Names.of(model, values)
    states = []
    for number, each in enumerate(rows[:PAGE]):
        before_that = values[number + 1] if number + 1 < len(values) else {}
        earlier, later = {
            "+": ({}, values[number]),
            "~": (before_that, values[number]),
            "-": (values[number], {}),
        }[each.history_type]
        state = State(
            at=each.history_date,
            who=people.get(each.history_user_id, ""),
            role=each.history_role or "",
            kind=each.history_type,
            differences=differences(model, earlier, later, names),
        )
        if state.differences or state.kind != "~":
            states.append(state)
    return Past(states, rows[PAGE - 1].history_id if len(rows) > PAGE else None)


def differences(
    model: type[models.Model], before: Mapping[str, Any], after: Mapping[str, Any], names: Names
) -> list[Difference]:
    """Field by field what is different between two states, in the model's own order; {} stands for no row."""
    found = []
    for each in model._meta.concrete_fields:
        if each.name in _UNSAID or not {each.attname, each.column} & {*before, *after}:
            continue
        was, now = (_value(each, state) for state in (before, after))
        # Whose row it is says nothing, unless it became somebody else's.
        is_key = each.is_relation and not _is_named(each.related_model)
        if was != now and not (is_key and (was is None or now is None)):
            found.append(
                Difference(capfirst(str(each.verbose_name)), names.word(each, was), names.word(each, now))
            )
    return [each for each in found if each.before or each.after]


@dataclass(frozen=True)
class Names:
    """What the rows are called to which others point: staff and organisations by name, anything else by its key."""

    by_model: Mapping[type[models.Model], Mapping[Any, str]]

    @classmethod
    def of(cls, model: type[models.Model], states: Iterable[Mapping[str, Any]]) -> Names:
        """Fetched at once for all the states: one query for each kind of row."""
        states = list(states)
        keys: dict[type[models.Model], set[Any]] = {}
        for each in model._meta.concrete_fields:
            target = each.related_model
            if target is not None and target != "self" and _is_named(target):
                found = {_value(each, state) for state in states} - {None}
                keys.setdefault(target, set()).update(found)
        return cls(
            {target: _names(target, found) for target, found in keys.items() if found},
        )

    def word(self, each: models.Field[Any, Any], value: Any) -> str:
        """The value as people would say it; '' for nothing."""
        if value in (None, "", []):
            return ""
        if each.is_relation:
            named: Mapping[Any, str] = self.by_model.get(each.related_model, {})  # type: ignore[arg-type]
            return named.get(value) or str(value)[:8]
        return word(each, value)


def word(each: models.Field[Any, Any], value: Any) -> str:
    """A value of a field that points to no other row, in words."""
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if isinstance(each, ArrayField):
        return ", ".join(word(each.base_field, item) for item in value)
    if each.choices:
        return str(dict(each.flatchoices).get(value, value))
    if isinstance(value, dt.datetime):
        local = timezone.localtime(value) if timezone.is_aware(value) else value
        return f"{date_format(local, 'j F Y')}, {local:%H:%M}"
    if isinstance(value, dt.date):
        return str(date_format(value, "j F Y"))
    return str(value)


def _value(each: models.Field[Any, Any], state: Mapping[str, Any]) -> Any:
    value = state.get(each.attname, state.get(each.column))
    # From JSON come dates and keys as text.
    return each.to_python(value) if isinstance(value, str) else value


def _kept(model: type[models.Model], past: models.Model) -> Iterator[models.Field[Any, Any]]:
    """The fields that this model's history keeps, and that were fetched."""
    return (each for each in model._meta.concrete_fields if each.attname in past.__dict__)


def _is_named(target: Any) -> bool:
    """Whether rows of this kind are called by a name: staff and organisations, never rows about a patient."""
    return isinstance(getattr(target, "privacy", None), Impersonal)


def _names(target: Any, keys: Collection[Any]) -> dict[Any, str]:
    return {row.pk: str(row) for row in target._default_manager.filter(pk__in=keys)}


def _people(model: type[models.Model], keys: Collection[Any]) -> dict[Any, str]:
    """The names of those who made the changes."""
    from django.contrib.auth import get_user_model

    return _names(get_user_model(), keys) if keys else {}
