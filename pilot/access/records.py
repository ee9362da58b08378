"""The base of every model with personal data: random keys, `visible_to`, and a look recorded whenever a row is fetched."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Self, TypeVar
from uuid import uuid4

from django.db import IntegrityError, models

from audit.looks import notice
from audit.privacy import Personal
from pilot.access import policies
from pilot.access.context import Actor
from pilot.access.roles import Permission

M_co = TypeVar("M_co", bound=models.Model, covariant=True)


class RecordQuerySet(models.QuerySet[M_co]):
    def visible_to(self, actor: Actor, permission: Permission | None = None) -> Self:
        """The rows that this actor may see (or over which they hold `permission`)."""
        return policies.visible_to(self, actor, permission)  # type: ignore[return-value]


class Record(models.Model):
    """A row about a patient. Fetching one is a look, and is recorded with the page that fetched it.

    Each concrete model names its manager, made of a `RecordQuerySet`.
    """

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any]) -> Self:
        instance = super().from_db(db, field_names, values)
        privacy: Personal = cls.privacy  # type: ignore[attr-defined]
        policies.check_fields(privacy, field_names)
        notice(privacy, instance, field_names)
        return instance


class Versioned(models.Model):
    """A row that people edit on forms: `version` moves on with every save, so that a stale form is noticed."""

    version = models.PositiveIntegerField(default=1, editable=False)

    class Meta:
        abstract = True

    def move_on(self) -> None:
        """Call in the action that changes the row, before saving."""
        self.version += 1


def broken_rule(error: IntegrityError) -> str | None:
    """The name of the database's rule that a write broke."""
    name: str | None = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)
    return name
