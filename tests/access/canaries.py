"""Canaries: every field of every personal row holds a value of its own, so that wherever one turns up it is known
whose it is, which field it stood in, and who may be shown it.

Who may is derived from the privacy declarations, from `ROLES`, and from `NARROWER`, where a page deliberately shows less.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import count
from typing import Any
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from audit.models import Event
from audit.privacy import personal_models, privacy_of
from pilot.access import Actor, Permission, Reach, Role, reach_of
from pilot.people.models import Patient, User
from tests import factories

KEY = "key"
# Fields that a role is shown less of than its permissions and the field's class would allow, and why.
NARROWER: dict[tuple[Role, str], str] = {
    (Role.PATIENT, "outbox.Message.secret"): "the page shows stars; the code stands in the letter itself",
}
# What stands in one row and is written, on purpose, into another that more people may be shown, and why.
QUOTED: dict[tuple[str, str], str] = {
    (
        "coaching.Session.starts_at",
        "consent.Receipt.lines",
    ): "a receipt says which sessions are cancelled, and the practice reads it out to whoever has no account",
    (
        "coaching.Session.starts_at",
        "outbox.Message.text",
    ): "a letter about a session is printed by the practice",
    ("coaching.Session.where", "outbox.Message.text"): "a letter about a session is printed by the practice",
}
# Text and dates that hold no canary, and why. Everything else that can hold one must.
CANNOT_HOLD: dict[str, str] = {
    "outbox.Message.purpose": "the name of a purpose of consent, or nothing",
    "people.Patient.died_on": "nobody has died here; to whom what is shown then, tests/referrals/test_deaths.py asks",
    "people.Patient.moved_on": "nobody has moved here; to whom what is shown then, tests/referrals/test_moving.py asks",
    "referrals.OwnWords.box": "the name of a column",
    "referrals.Withholding.review_on": "the day that stands in the note as well",
    "audit.Event.actor": "a user's key, or the name of a task",
    "audit.Event.role": "the name of a role",
    "audit.Event.action": "the name of an action or page",
    "audit.Event.kind": "one of six words",
    "audit.Event.request": "a random key of the request",
    "audit.Event.relation": "the name of a table",
    "audit.Event.row_id": "the key of a row, which is a canary of its own",
    "audit.Event.columns": "names of columns and of classes of field",
    "audit.Event.at": "the database's clock sets it",
    "audit.Event.shape": "the name of a list of columns",
    "audit.Disclosure.at": "the database's clock sets it",
    "audit.Disclosure.purpose": "the name of a purpose",
    "audit.Disclosure.classes": "names of classes of field",
    "audit.Disclosure.fields": "names of fields",
    "audit.Disclosure.relation": "the name of a table",
    "audit.Disclosure.row_id": "the key of a row, which is a canary of its own",
    "record.Request.about_relation": "the name of a table",
    "record.Request.about_row": "the key of a row, which is a canary of its own",
    "audit.Answer.actor": "a user's key",
    "audit.Answer.at": "the database's clock sets it",
    "audit.Erasure.at": "the database's clock sets it",
    "audit.Erasure.retained_until": "worked out when a record is erased, and nobody's is here",
    "audit.Erasure.rows": "counts by table",
    "referrals.ImportBatch.decided_at": "a list that was decided on is gone",
}
# Set by the clock whenever a row is saved.
BY_THE_CLOCK = "created_at"

_TOKEN = r"zq[0-9a-z]{5}x"
# In small letters. What a match may begin with stands first, since few places of a page are any of these.
_SPELLINGS = re.compile(
    rf"(?=[0-9a-fzv])(?:(?P<token>{_TOKEN})"
    r"|(?P<uuid>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
    r"|(?P<nhs>\b999[ -]?\d{3}[ -]?\d{4}\b)"
    r"|(?P<phone>\b07700[ ]?900[ ]?\d{3}\b)"
    r"|(?P<iso>\b[12]\d{3}-\d\d-\d\d)"
    r"|(?P<slashes>\b\d{1,2}/\d{1,2}/[12]\d{3}\b)"
    r"|(?P<words>\b\d{1,2} [a-z]{3,9} [12]\d{3}\b)"
    r'|value="(?P<year>19[0-9]{2})")'
)


def keys_in(text: str) -> set[str]:
    """Every value in the text that could be a canary, each spelt in one way."""
    text = text.lower().replace("&nbsp;", " ").replace("\xa0", " ")
    return {
        key
        for found in _SPELLINGS.finditer(text)
        if (key := _key(found.lastgroup or "", found[found.lastgroup or 0]))
    }


@cache
def _key(kind: str, text: str) -> str:
    if kind in ("nhs", "phone"):
        return re.sub(r"\D", "", text)
    if kind in ("token", "uuid", "year"):
        return text
    patterns = {"iso": ("%Y-%m-%d",), "slashes": ("%d/%m/%Y",), "words": ("%d %B %Y", "%d %b %Y")}
    for pattern in patterns[kind]:
        try:
            return dt.datetime.strptime(text, pattern).replace(tzinfo=dt.UTC).date().isoformat()
        except ValueError:
            continue
    return ""


@dataclass(frozen=True)
class Canary:
    """A value that stands in one field of one row, with what relates people to that row."""

    model: type[models.Model]
    field: str
    kind: str  # the field's class
    patient: UUID | None
    practice: UUID | None
    provider: UUID | None
    referral: UUID | None
    is_hidden_from_patient: bool = False
    # Where else it stands, on purpose.
    quotes: tuple[Canary, ...] = ()

    @property
    def where(self) -> str:
        return _where(self.model, self.field)

    @property
    def is_sign_in(self) -> bool:
        return self.model is User


@dataclass(frozen=True)
class Person:
    """Somebody who asks for pages: in which role, if any, and to whom they are related, as the world was made.

    `signs_as` is how the log names them, where that is not the account in that role.
    """

    name: str
    actor: Actor | None = None
    organisations: frozenset[UUID] = frozenset()
    referrals: frozenset[UUID] = frozenset()
    patients: frozenset[UUID] = frozenset()
    stands_for: Role | None = None
    signs_as: tuple[str, str] = ("", "")

    @property
    def role(self) -> Role | None:
        return self.actor.role if self.actor else self.stands_for

    @property
    def signature(self) -> tuple[str, str]:
        return (self.actor.label, self.actor.role.value) if self.actor else self.signs_as


def may_see(person: Person, canary: Canary) -> bool:
    """Whether the field may be shown to this person: field × role × relation."""
    if any(may_see(person, quote) for quote in canary.quotes):
        return True
    if (person.role, canary.where) in NARROWER:
        return False
    if canary.is_sign_in:
        # A patient's account bears their name, and is theirs as their name is.
        return _reaches(person, canary, Patient)
    # The log names rows by their keys.
    return _reaches(person, canary, canary.model) or (canary.field == KEY and _reaches(person, canary, Event))


def _reaches(person: Person, canary: Canary, model: type[models.Model]) -> bool:
    privacy = privacy_of(model)
    is_about_theirs = bool(privacy.patient) and canary.patient in person.patients
    # Where a row names no referral, nobody is allocated it.
    is_allocated = canary.referral in person.referrals if privacy.referral else is_about_theirs
    means = {
        Reach.EVERYWHERE: True,
        Reach.PRACTICE: bool(privacy.practice) and canary.practice in person.organisations,
        Reach.PROVIDER: bool(privacy.provider)
        and canary.provider in person.organisations
        and canary.field not in privacy.unless_provider,
        Reach.REFERRAL: is_allocated,
        Reach.SELF: is_about_theirs and not canary.is_hidden_from_patient,
    }
    reach = reach_of(person.role, Permission(privacy.see)) if person.role else None
    return reach is not None and means[reach]


# --- Planting --------------------------------------------------------------------------------------


@dataclass
class Aviary:
    """Hands out values and remembers where each was put."""

    canaries: dict[str, Canary] = field(default_factory=dict)
    names: dict[UUID, str] = field(default_factory=dict)  # of patients, for telling
    _meant_for: dict[str, str] = field(default_factory=dict)
    _quotes: list[tuple[str, Canary]] = field(default_factory=list)
    _numbers: Any = field(default_factory=lambda: count(1))
    _soon: Any = field(default_factory=count)
    _phones: Any = field(default_factory=lambda: count(100))  # 07700 900000 is an example on forms
    _years: Any = field(default_factory=lambda: count(1931))
    _nhs: Any = field(default_factory=lambda: factories.nhs_numbers(500_000))

    def token(self, model: type[models.Model], name: str) -> str:
        return self._meant(model, name, f"zq{_base36(next(self._numbers) * 7919):0>5}x")

    def nhs_number(self, model: type[models.Model] = Patient, name: str = "nhs_number") -> str:
        return self._meant(model, name, next(self._nhs))

    def phone(self, model: type[models.Model] = Patient, name: str = "phone") -> str:
        return self._meant(model, name, f"07700900{next(self._phones):03}")

    def birthday(self, model: type[models.Model] = Patient, name: str = "date_of_birth") -> dt.date:
        """In a year of its own, which is how a form with three boxes spells it."""
        number = next(self._numbers)
        day = dt.date(next(self._years), 1 + number % 12, 1 + number % 28)
        self._meant(model, name, day.isoformat())
        return day

    def past(self, model: type[models.Model], name: str) -> dt.datetime:
        """Noon of a day long ago that stands nowhere else."""
        return self._day(model, name, dt.date(2003, 1, 1) + dt.timedelta(days=next(self._numbers)))

    def lately(self, model: type[models.Model], name: str, days: int) -> dt.datetime:
        """Noon of a day some days ago, for what pages show for a while only. Give each another number."""
        return self._day(model, name, timezone.localdate() - dt.timedelta(days=days))

    def future(self, model: type[models.Model], name: str) -> dt.datetime:
        """Noon of a day far ahead that stands nowhere else."""
        return self._day(model, name, dt.date(2103, 1, 1) + dt.timedelta(days=next(self._numbers)))

    def soon(self, model: type[models.Model], name: str) -> dt.datetime:
        """Noon of a day within the year that stands nowhere else."""
        return self._day(model, name, timezone.localdate() + dt.timedelta(days=100 + next(self._soon)))

    def texts(self, model: type[models.Model], **fixed: Any) -> dict[str, Any]:
        """A value of its own for each field of this model that can hold any text; `fixed` wins."""
        found = {}
        for each in holding_text(model):
            if (
                each.name in fixed
                or _where(model, each.name) in CANNOT_HOLD
                or isinstance(each, models.JSONField)
            ):
                continue
            token = self.token(model, each.name)
            if isinstance(each, models.EmailField):
                found[each.name] = f"{token}@example.org"
            elif isinstance(each, models.TextField):
                # At both ends: what is cut short shows the first.
                found[each.name] = f"{token} stands here and so does {token}"
            else:
                found[each.name] = token
        return {**found, **fixed}

    def settle(self) -> None:
        """Find where everything stands, now that every row is as it stays: as the owner of the tables sees it."""
        for model in personal_models():
            for row in model._default_manager.using("owner").all():
                self._keep(row)
        for key, quote in self._quotes:
            self.canaries[key] = replace(self.canaries[key], quotes=(*self.canaries[key].quotes, quote))

    def _keep(self, row: Any) -> None:
        privacy = privacy_of(type(row))
        for each in row._meta.concrete_fields:
            if each.is_relation:
                continue
            for key in keys_in(_spelt(row.__dict__[each.attname])):
                # What was written from another row's fields, like a letter, stays that row's.
                here, meant_for = _where(type(row), each.name), self._meant_for.get(key)
                canary = _canary(row, each.name, *privacy.classes_of((each.attname,)))
                if here == meant_for:
                    self.canaries[key] = canary
                elif (meant_for, here) in QUOTED:
                    self._quotes.append((key, canary))
        if isinstance(row.pk, UUID):
            self.canaries[str(row.pk)] = _canary(row, KEY, privacy.default)
        if isinstance(row, Patient):
            self.canaries[str(row.date_of_birth.year)] = self.canaries[row.date_of_birth.isoformat()]

    def keep_account(self, patient: Patient, **values: str) -> None:
        """The same for the account with which a patient signs in."""
        for name, value in values.items():
            self.canaries[value] = Canary(User, name, "identity", patient.pk, patient.practice_id, None, None)

    def keep_history(self, row: Any, name: str, value: str) -> None:
        """Remember what stood in a field before: it is in the row's history only."""
        self.canaries[value] = _canary(row, name, *privacy_of(type(row)).classes_of((name,)))

    def _day(self, model: type[models.Model], name: str, day: dt.date) -> dt.datetime:
        self._meant(model, name, day.isoformat())
        return timezone.make_aware(dt.datetime.combine(day, dt.time(12)))

    def _meant(self, model: type[models.Model], name: str, value: str) -> str:
        assert value not in self._meant_for, f"{value} stands somewhere else already"
        self._meant_for[value] = _where(model, name)
        return value


def holding_text(model: type[models.Model]) -> Iterator[models.Field[Any, Any]]:
    """The fields in which somebody could write something of their own."""
    for each in model._meta.concrete_fields:
        inner = each.base_field if isinstance(each, ArrayField) else each
        if isinstance(inner, models.CharField | models.TextField | models.JSONField) and not inner.choices:
            yield each


def holding_days(model: type[models.Model]) -> Iterator[models.Field[Any, Any]]:
    """The fields with a day, but for those that the clock sets."""
    for each in model._meta.concrete_fields:
        if isinstance(each, models.DateField) and each.name != BY_THE_CLOCK:
            yield each


def without_canary(aviary: Aviary) -> list[str]:
    """Every field of a personal model that could hold a canary and holds none, unless a reason is given."""
    held = {canary.where for canary in aviary.canaries.values()}
    return [
        where
        for model in personal_models()
        for each in (*holding_text(model), *holding_days(model))
        if (where := _where(model, each.name)) not in held and where not in CANNOT_HOLD
    ]


# Why fields that hold neither text nor a day hold no canary: one value is like another.
CANNOT_BE_TOLD_APART: dict[type[models.Field[Any, Any]], str] = {
    models.ForeignKey: "the key of another row, which is a canary of its own",
    models.BooleanField: "yes or no",
    models.IntegerField: "a small number, or one that counts up",
    models.UUIDField: "a random key; the row's own is a canary",
    models.BinaryField: "a digest",
    models.CharField: "one of a few words",
    ArrayField: "some of a few words",
    models.DateTimeField: "when it was made: the clock sets it",
}


def unexplained(model: type[models.Model]) -> list[str]:
    """The fields of this model that hold no canary and for which there is no reason why not."""
    able = {each.name for each in (*holding_text(model), *holding_days(model))}
    kinds = tuple(CANNOT_BE_TOLD_APART)
    rest = [each for each in model._meta.concrete_fields if each.name not in able]
    return [_where(model, each.name) for each in rest if not isinstance(each, kinds)]


def _where(model: type[models.Model], name: str) -> str:
    return f"{model._meta.label}.{name}"


def _spelt(value: Any) -> str:
    if isinstance(value, dt.datetime):
        return timezone.localdate(value).isoformat()
    if isinstance(value, dt.date):
        return value.isoformat()
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _canary(row: Any, name: str, kind: str) -> Canary:
    privacy = privacy_of(type(row))
    hidden = privacy.hidden_from_patient
    over = privacy.provider_until and getattr(row, privacy.provider_until) is not None

    def related(column: str | None) -> UUID | None:
        return getattr(row, column) if column else None

    return Canary(
        type(row),
        name,
        kind,
        related(privacy.patient),
        related(privacy.practice),
        None if over else related(privacy.provider),
        related(privacy.referral),
        bool(hidden and getattr(row, hidden) is not None),
    )


def _base36(number: int) -> str:
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    return (_base36(number // 36) if number >= 36 else "") + digits[number % 36]
