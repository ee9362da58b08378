"""How long a record is kept and what goes with it, as apps register it; the database's functions are made from it.

Tables with personal data, their history and the grants over them need no registering: their privacy says whose they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import models

from audit.models import Disclosure
from audit.privacy import Impersonal, Personal, declared, personal_models, privacy_of

# Counted from the day on which support ended or, if later, on which somebody last wrote in the record.
YEARS = 8
# In the counts of what went: reasons that people gave for looking at the record.
REASONS = "reasons"


@dataclass
class Retention:
    """What apps say of records, in SQL in which `whom` is the patient and `account` the account that goes with the record.

    `under_way`: conditions under each of which support goes on, or begins again. `ended`: times at which it ended.
    `account`: SELECTs of the account. `goes`: tables besides, and the condition under which a row of theirs goes.
    """

    under_way: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    account: list[str] = field(default_factory=list)
    goes: list[tuple[str, str]] = field(default_factory=list)


_registered = Retention()


def register_support(*, under_way: str, ended: str) -> None:
    """Say when support goes on and when it ended."""
    _registered.under_way.append(under_way)
    _registered.ended.append(ended)


def register_account(select: str, *goes: tuple[str, str]) -> None:
    """Say which account goes with a record, and which rows go with the account."""
    _registered.account.append(select)
    _registered.goes += goes


def erasable_models() -> Iterator[type[models.Model]]:
    """Every model whose rows go with a patient's record, the log's own left out."""
    for model in personal_models():
        privacy = privacy_of(model)
        if privacy.is_audited and privacy.erased_by:
            yield model


def functions_sql() -> str:
    """The functions that say how long a record is kept, whose time is over, what would go, and that erase it."""
    rows = [*_going(), *_registered.goes]
    counts = ", ".join(f"('{table}', ({_all_of('SELECT count(*)', table, which)}))" for table, which in rows)
    patients = _patients()
    parts = {
        "{years}": str(YEARS),
        "{time_zone}": settings.TIME_ZONE,
        "{patients}": _name(patients._meta.db_table),
        "{practice}": str(privacy_of(patients).practice),
        "{under_way}": " OR ".join(f"({each})" for each in _registered.under_way) or "false",
        "{ended}": ", ".join(f"({each})" for each in _registered.ended) or "NULL",
        "{account}": f"coalesce({', '.join(f'({each})' for each in _registered.account) or 'NULL'})",
        "{counts}": counts,
        "{deletions}": "\n    ".join(f"{_all_of('DELETE', table, which)};" for table, which in rows),
        "{relation}": patients._meta.db_table,
        "{reasons}": REASONS,
    }
    text = (Path(__file__).parent / "functions.sql").read_text()
    for name, value in parts.items():
        text = text.replace(name, value)
    return text


def _going() -> Iterator[tuple[str, str]]:
    """(table, condition) of all that goes by its privacy: first what points at it, and history last, since a row that
    goes leaves one more line there."""
    erasable = list(erasable_models())
    for model in declared():
        if isinstance(privacy_of(model), Impersonal):
            yield from _pointing_at(model, erasable)
    yield from ((model._meta.db_table, _about(model)) for model in erasable)
    for model in erasable:
        history: Any = model.history  # type: ignore[attr-defined]
        yield history.model._meta.db_table, _about(model)
    yield Disclosure._meta.db_table, _about(Disclosure)


def _pointing_at(model: type[models.Model], erasable: list[type[models.Model]]) -> Iterator[tuple[str, str]]:
    for each in model._meta.concrete_fields:
        over = each.related_model
        if isinstance(over, type) and over in erasable:
            keys = _all_of(f'SELECT "{over._meta.pk.column}"', over._meta.db_table, _about(over))
            yield model._meta.db_table, f'"{each.column}" IN ({keys})'


def _about(model: type[models.Model]) -> str:
    return f'"{privacy_of(model).erased_by}" = whom'


def _patients() -> type[models.Model]:
    """The model whose row is the patient: its key is what every other's patient column holds."""
    return next(
        model
        for model in personal_models()
        if isinstance(privacy := privacy_of(model), Personal) and privacy.patient == model._meta.pk.attname
    )


def _all_of(do: str, table: str, which: str) -> str:
    return f"{do} FROM {_name(table)} WHERE {which}"


def _name(table: str) -> str:
    return f'public."{table}"'
