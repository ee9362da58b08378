"""Notices every personal row that is fetched, so that one look can be recorded for all of them before anything is shown."""

from __future__ import annotations

from collections.abc import Collection
from contextvars import ContextVar
from dataclasses import dataclass, field
from uuid import UUID

from django.db import models

from audit import actions
from audit.privacy import Personal


@dataclass
class Looks:
    """Whose rows were fetched since this was opened, and which classes of field."""

    # None stands for people who are not registered anywhere yet: the rows of an uploaded list.
    seen: dict[UUID | None, set[str]] = field(default_factory=dict)

    def record(self) -> None:
        """Write the one event that covers them; nothing where nothing was fetched."""
        if self.seen:
            patients = [patient for patient in self.seen if patient is not None]
            actions.record_look(patients, set().union(*self.seen.values()))


noticing: ContextVar[Looks | None] = ContextVar("pilot_looks", default=None)


def notice(privacy: Personal, instance: models.Model, field_names: Collection[str]) -> None:
    """Remember that this row was fetched. Rows of the log itself are not looks."""
    looks = noticing.get()
    if looks is not None and privacy.keeps_history:
        patient = _whose(instance, privacy.patient) if privacy.patient else None
        looks.seen.setdefault(patient, set()).update(privacy.classes_of(tuple(field_names)))


def _whose(instance: models.Model, column: str) -> UUID | None:
    """The patient of this row. Where it was fetched without that column, the database is asked: no look is at nobody."""
    if column in instance.__dict__:
        patient: UUID | None = instance.__dict__[column]
        return patient
    rows = type(instance)._base_manager.filter(pk=instance.pk)
    return rows.values_list(column, flat=True).first()
