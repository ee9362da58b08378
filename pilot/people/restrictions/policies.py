"""What a restriction stops: asked where consent is asked for, and by whoever would begin something new."""

from __future__ import annotations

from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from pilot.people.models import Patient
from pilot.people.restrictions.models import Restriction


class Restricted(ValidationError):  # noqa: N818 (it is how the record stands)
    """The patient's record is kept and not used."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "This record is restricted: it is kept, and nothing new is done with it. The patient can end that at any"
                " time, on their own page."
            ),
            code="restricted",
        )


def is_restricted(patient_id: UUID) -> bool:
    """Whether nothing new may be done with this record, as far as it is shown to whoever acts. One query."""
    return Restriction.objects.current().filter(patient_id=patient_id).exists()


def check_not_restricted(patient: Patient) -> None:
    """Pass, or refuse while the record is restricted."""
    if is_restricted(patient.pk):
        raise Restricted


def of_the_same_patient() -> Exists:
    """The condition, on rows with a `patient_id`, that their patient's record is restricted now."""
    return Exists(Restriction.objects.current().filter(patient_id=OuterRef("patient_id")))
