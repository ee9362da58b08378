"""Which referrals, invitations and coaches a page shows, in a constant number of queries."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, QuerySet
from django.db.models.functions import Coalesce
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from consent.models import NEEDED_TO_BEGIN, Purpose
from pilot.access import Actor, Permission, Role
from pilot.people.models import InForce, Membership, Organisation, Patient
from referrals import codes
from referrals.models import Allocation, Invitation, Referral, ReferralQuerySet, Status
from referrals.patients.models import DetailReply
from referrals.policies import is_open, places_of

# --- For the practice ------------------------------------------------------------------------------


def newest_at(actor: Actor, practice: Organisation) -> ReferralQuerySet:
    """The practice's referrals with whose they are, in no order. Nothing of them that a list does not show."""
    rows = Referral.objects.visible_to(actor).filter(practice=practice, patient__merged_into__isnull=True)
    rows = rows.select_related("patient")
    whose = [f"patient__{name}" for name in ("given_name", "family_name", "preferred_name", "nhs_number")]
    return rows.only("reference", "status", "logged_at", "patient", *whose)


def referral(actor: Actor, key: UUID) -> Referral:
    """One referral that the actor may see, with its patient and practice, or 404."""
    return get_object_or_404(
        Referral.objects.visible_to(actor).select_related("patient", "practice", "logged_by"), pk=key
    )


def words_beside_details(actor: Actor, patient: Patient) -> list[DetailReply]:
    """The patient's own words beside their details, oldest first."""
    return list(DetailReply.objects.visible_to(actor).filter(patient=patient).order_by("created_at", "id"))


def referrals_of(actor: Actor, patient: Patient) -> list[Referral]:
    """The patient's referrals, newest first."""
    return list(Referral.objects.visible_to(actor).of(patient).newest_first())


def open_referral(actor: Actor, patient: Patient) -> Referral | None:
    """The patient's open referral, if there is one."""
    return Referral.objects.visible_to(actor).of(patient).open().first()


def latest_of(actor: Actor, patients: Iterable[Patient]) -> dict[UUID, Referral]:
    """For each of these patients who has one, the newest referral. One query."""
    rows = Referral.objects.visible_to(actor).filter(patient__in=[patient.pk for patient in patients])
    newest = rows.order_by("patient_id", "-logged_at", "-id").distinct("patient_id")
    return {row.patient_id: row for row in newest.only("patient_id", "status", "logged_at")}


def patients_with_reference(actor: Actor, text: str) -> list[UUID]:
    """The keys of the patients whose referral has this reference, however typed; none for other texts. Where the record was
    closed, of the one that is kept."""
    reference = codes.reference_in(text)
    if not reference:
        return []
    found = Referral.objects.visible_to(actor).filter(reference=reference)
    return list(found.values_list(Coalesce("patient__merged_into", "patient"), flat=True))


def coach_of(actor: Actor, referral: Referral) -> Allocation | None:
    """The referral's current allocation to a coach, with the coach."""
    current = Allocation.objects.visible_to(actor).current().filter(referral=referral, role=Role.COACH.value)
    return current.select_related("person", "provider").first()


# --- Invitations -----------------------------------------------------------------------------------


def latest_invitation(actor: Actor, referral: Referral) -> Invitation | None:
    """The referral's newest invitation, with its message."""
    rows = Invitation.objects.visible_to(actor).filter(referral=referral).select_related("message")
    return rows.order_by("-created_at").first()


def find_invitation(actor: Actor, code: str) -> Invitation | None:
    """The open invitation with this code, however it was typed. None for a wrong code as for a closed one."""
    found = Invitation.objects.visible_to(actor).filter(code_digest=codes.digest_of(code)).first()
    return found if found and is_open(found) else None


# --- For supervisors -------------------------------------------------------------------------------

# A supervisor learns neither who it is nor what they wrote.
_WITHOUT_NAMES = (
    "id",
    "version",
    "patient_id",
    "practice",
    "provider_id",
    "reference",
    "reasons",
    "best_times",
    "status",
    "ready_at",
    "allocated_at",
)


def waiting(actor: Actor, provider: Organisation) -> ReferralQuerySet:
    """Who waits for a coach at the provider: no names, in no order."""
    rows = Referral.objects.visible_to(actor, Permission.SEE_WAITING)
    rows = rows.filter(provider=provider, status=Status.WAITING)
    return rows.select_related("practice").only(*_WITHOUT_NAMES, "practice__name")


def with_coaches(actor: Actor, provider: Organisation) -> QuerySet[Allocation]:
    """Who is with which coach at the provider: no names of patients, in no order."""
    rows = Allocation.objects.visible_to(actor, Permission.SEE_WAITING).current()
    rows = rows.filter(provider=provider, role=Role.COACH.value)
    related = ("referral", "referral__practice", "person")
    shown = [f"referral__{name}" for name in (*_WITHOUT_NAMES, "practice__name")]
    return rows.select_related(*related).only(
        "id", "patient_id", "begun_at", "slot", "person__display_name", *shown
    )


def referral_without_name(actor: Actor, key: UUID) -> Referral:
    """One referral of the actor's provider, as a supervisor sees it, or 404."""
    rows = Referral.objects.visible_to(actor, Permission.ALLOCATE).select_related("practice")
    return get_object_or_404(rows.only(*_WITHOUT_NAMES, "practice__name"), pk=key)


@dataclass(frozen=True)
class Load:
    """A coach and how many of their places are taken."""

    coach: Membership
    taken: int

    @property
    def places(self) -> int:
        return places_of(self.coach)

    @property
    def free(self) -> int:
        return max(self.places - self.taken, 0)


def coaches_today(provider_id: UUID | None) -> InForce:
    """Who coaches for the provider today."""
    return Membership.objects.in_force().filter(
        organisation_id=provider_id, role=Role.COACH.value, user__is_active=True
    )


def loads(actor: Actor, provider_id: UUID | None) -> list[Load]:
    """Every coach at the provider today with their load, most free places first. Two queries."""
    current = Allocation.objects.visible_to(actor, Permission.SEE_WAITING).current()
    counted = current.filter(provider_id=provider_id, role=Role.COACH.value).values_list("person_id")
    taken = dict(counted.annotate(taken=Count("pk")).order_by())
    found = [
        Load(coach, taken.get(coach.user_id, 0))
        for coach in coaches_today(provider_id).select_related("user").order_by("user__display_name", "id")
    ]
    return sorted(found, key=lambda load: -load.free)


# --- What a patient reads before withdrawing -------------------------------------------------------


def ending_preview(patient: Patient, purposes: Collection[Purpose]) -> str | None:
    """What `actions.end_for_withdrawal` would do."""
    if not set(purposes) & set(NEEDED_TO_BEGIN):
        return None
    open_referral = Referral.objects.of(patient).open().first()
    if open_referral is None:
        return None
    if open_referral.status == Status.AWAITING_DECISION:
        return _("Nobody asks you about coaching any more.")
    if open_referral.status == Status.WAITING:
        return _("You will no longer be waiting for a coach.")
    return _("Your coaching stops.")


def access_preview(patient: Patient, purposes: Collection[Purpose]) -> str | None:
    """What `actions.revoke_grants` would do."""
    if not set(purposes) & set(NEEDED_TO_BEGIN):
        return None
    return (
        _("Your coach can no longer see anything about you.")
        if Allocation.objects.current().filter(patient=patient).exists()
        else None
    )
