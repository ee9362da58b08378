"""Which patients a page shows, and whether somebody manages the pilot yet."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from django.db.models import Q
from django.shortcuts import get_object_or_404
from django.utils import timezone

from pilot.access import Actor, Permission, Role
from pilot.people.models import Membership, Organisation, Patient, PatientQuerySet


def practices_by_phone() -> list[tuple[str, str]]:
    """Name and phone number of every practice that takes part: public, for whoever cannot sign in."""
    found = Organisation.objects.in_force().filter(kind=Organisation.Kind.PRACTICE).exclude(phone="")
    return list(found.order_by("name").values_list("name", "phone"))


# What a list of patients shows of each.
ON_A_LIST = (
    "given_name",
    "family_name",
    "preferred_name",
    "nhs_number",
    "date_of_birth",
    "do_not_raise_until",
    "died_on",
    "moved_on",
)


def patients_at(actor: Actor, practice: Organisation) -> PatientQuerySet:
    """The practice's patients, in no order. Nothing of them that a list does not show."""
    return Patient.objects.visible_to(actor).not_doubles().filter(practice=practice).only(*ON_A_LIST)


def patient(actor: Actor, key: UUID, permission: Permission | None = None) -> Patient:
    """One patient that the actor may see (or over whom they hold `permission`), with the practice, or 404."""
    return get_object_or_404(Patient.objects.visible_to(actor, permission).select_related("practice"), pk=key)


def kept_instead_of(actor: Actor, patient: Patient) -> Patient | None:
    """The record that is kept of the same person, where this one is closed; None as well once that one is erased."""
    if patient.merged_into_id is None:
        return None
    return Patient.objects.visible_to(actor).filter(pk=patient.merged_into_id).first()


def doubles_of(actor: Actor, patient: Patient) -> list[Patient]:
    """The records of the same person that were closed, latest first. One query."""
    return list(Patient.objects.visible_to(actor).filter(merged_into=patient).order_by("-created_at", "-id"))


def likely_same(
    actor: Actor, practice: Organisation, *, nhs_number: str, family_name: str, date_of_birth: dt.date
) -> list[Patient]:
    """Who at this practice may well be the person described. Other practices' patients are left out."""
    found = patients_at(actor, practice).likely_same(
        nhs_number=nhs_number or None, family_name=family_name, date_of_birth=date_of_birth
    )
    return list(found.order_by("family_name", "given_name", "id")[:10])


def office_with_manager() -> tuple[Organisation | None, bool]:
    """The pilot's office, if there is one, and whether somebody manages the pilot now or will."""
    offices = Organisation.objects.filter(kind=Organisation.Kind.PILOT_OFFICE).order_by("valid_from", "id")
    today = timezone.localdate()
    ahead = Q(valid_until__isnull=True) | Q(valid_until__gt=today)
    managers = Membership.objects.filter(ahead, role=Role.PILOT_MANAGER.value, user__is_active=True)
    return offices.filter(ahead).first(), managers.exists()
