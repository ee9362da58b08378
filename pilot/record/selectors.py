"""What a patient reads about themselves. Everything is filtered to what the acting account may see: its own
record.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from django.db.models import QuerySet

from coaching.models import DistressCall, Goal, Reply, Session, SessionQuerySet, SessionStatus
from coaching.selectors import replies_by_thing
from consent.models import InformationSheet
from consent.policies import readers_like
from consent.selectors import sheet_in_force, sheets_in_force
from pilot.access import Actor, NotVisible, Permission, Role
from pilot.outbox.models import Message, MessageQuerySet
from pilot.people.models import Need, Patient, User
from referrals.models import Allocation, ClinicalNote, Invitation, Referral, Status
from referrals.policies import is_open

# In which format somebody is shown the sheet first, by the needs that they told us of.
FORMAT_BY_NEED = {
    Need.EASY_READ: InformationSheet.Format.EASY_READ,
    Need.LARGE_PRINT: InformationSheet.Format.LARGE_PRINT,
}


def open_invitation(actor: Actor, key: UUID) -> Invitation | None:
    """An invitation that somebody has opened with code and date of birth, with its patient; None once it is
    closed.
    """
    found = Invitation.objects.visible_to(actor).filter(pk=key).select_related("patient__practice").first()
    return found if found and is_open(found) else None


def own_patient(actor: Actor) -> Patient:
    """The acting patient's own details, with their practice. Raises `NotVisible` where there is no record."""
    mine = Patient.objects.visible_to(actor, Permission.SEE_OWN_RECORD).not_doubles()
    own = mine.select_related("practice").first()
    if own is None:
        raise NotVisible("No record found.")
    return own


def own_double(actor: Actor, key: UUID) -> Patient:
    """A record of the acting patient's that was closed because they had two. Raises `NotVisible` for anything else."""
    mine = Patient.objects.visible_to(actor, Permission.SEE_OWN_RECORD).select_related("practice")
    return _there(mine.filter(pk=key, merged_into__isnull=False).first(), "record")


@dataclass(frozen=True)
class Overview:
    """What the first page says: how things stand, what is next, and who helps."""

    referral: Referral | None
    coach: User | None
    provider_name: str
    next_session: Session | None

    @property
    def stands(self) -> str:
        """Where things stand, in a word that the template puts in a sentence."""
        if self.next_session:
            return "booked"
        return Status(self.referral.status).value if self.referral else "nothing"


def overview(actor: Actor, patient: Patient) -> Overview:
    """Three queries, however long the story."""
    referral = (
        Referral.objects.visible_to(actor).filter(patient=patient).order_by("-logged_at", "-id").first()
    )
    helper = (
        Allocation.objects.visible_to(actor)
        .filter(patient=patient, role=Role.COACH.value, ended_at__isnull=True)
        .select_related("person", "provider")
        .first()
    )
    return Overview(
        referral=referral,
        coach=helper.person if helper else None,
        provider_name=helper.provider.name if helper else "",
        next_session=sessions(actor, patient).upcoming().select_related("coach").first(),
    )


def referrals(actor: Actor, patient: Patient) -> list[Referral]:
    """Every referral, newest first."""
    own = Referral.objects.visible_to(actor).filter(patient=patient)
    return list(own.select_related("logged_by").order_by("-logged_at", "-id"))


def sessions(actor: Actor, patient: Patient) -> SessionQuerySet:
    """Every session, in no order."""
    return Session.objects.visible_to(actor).filter(patient=patient)


def past_sessions(actor: Actor, patient: Patient) -> QuerySet[Session]:
    """What took place or did not, with what was agreed."""
    return sessions(actor, patient).exclude(status=SessionStatus.BOOKED).select_related("coach")


def session(actor: Actor, key: UUID) -> Session:
    """One session of the acting patient's. Raises `NotVisible` for anybody else's."""
    found = Session.objects.visible_to(actor, Permission.MAKE_REQUESTS).select_related("coach").filter(pk=key)
    return _there(found.first(), "session")


def own_goal(actor: Actor, key: UUID) -> Goal:
    """One goal of the acting patient's, under way or not. Raises `NotVisible` for anybody else's."""
    return _there(Goal.objects.visible_to(actor, Permission.MAKE_REQUESTS).filter(pk=key).first(), "goal")


def note(actor: Actor, key: UUID) -> ClinicalNote:
    """One clinical note that the acting patient can read. Raises `NotVisible` for any other, withheld ones among them."""
    found = ClinicalNote.objects.visible_to(actor, Permission.MAKE_REQUESTS).select_related(
        "author", "patient"
    )
    return _there(found.filter(pk=key).first(), "note")


def upcoming_sessions(actor: Actor, patient: Patient) -> list[Session]:
    """What is booked, soonest first."""
    return list(sessions(actor, patient).upcoming().select_related("coach"))


def replies(actor: Actor, patient: Patient) -> dict[UUID, list[Reply]]:
    """The patient's own words beside sessions and goals, by what they stand beside."""
    return replies_by_thing(Reply.objects.visible_to(actor).filter(patient=patient))


def clinical_notes(actor: Actor, patient: Patient) -> list[ClinicalNote]:
    """What clinicians wrote, newest first; those withheld on a ground are not among them, nor counted."""
    own = ClinicalNote.objects.visible_to(actor).filter(patient=patient)
    return list(own.select_related("author").order_by("-created_at", "-id"))


def distress_calls(actor: Actor, patient: Patient) -> list[DistressCall]:
    """When a coach called the practice for help, newest first."""
    own = DistressCall.objects.visible_to(actor).filter(patient=patient)
    return list(own.select_related("raised_by", "accepted_by").order_by("-raised_at", "-id"))


def goals(actor: Actor, patient: Patient) -> list[Goal]:
    """The patient's goals, newest first."""
    return list(Goal.objects.visible_to(actor).filter(patient=patient).order_by("-created_at", "-id"))


def goal(actor: Actor, key: UUID) -> Goal:
    """One goal that the patient may change. Raises `NotVisible` for anybody else's."""
    own = Goal.objects.visible_to(actor, Permission.KEEP_GOALS).select_related("patient")
    found = own.filter(pk=key).first()
    if found is None:
        raise NotVisible("No goal found.")
    return found


R = TypeVar("R")


def _there(found: R | None, what: str) -> R:
    if found is None:
        raise NotVisible(f"No {what} found.")
    return found


def referral_under_way(actor: Actor) -> Referral | None:
    """The referral that a new goal belongs to: the one that was agreed to and has not ended."""
    own = Referral.objects.visible_to(actor, Permission.KEEP_GOALS).select_related("patient")
    return own.filter(status__in=(Status.WAITING, Status.WITH_COACH, Status.PAUSED)).first()


def messages(actor: Actor, patient: Patient) -> MessageQuerySet:
    """Everything that was written to the patient, in no order."""
    return Message.objects.visible_to(actor).filter(patient=patient)


def message(actor: Actor, patient: Patient, key: UUID) -> Message:
    """One message to the patient. Raises `NotVisible` for anybody else's."""
    found = messages(actor, patient).filter(pk=key).first()
    if found is None:
        raise NotVisible("No message found.")
    return found


def sheet_for(patient: Patient, wanted: str = "") -> InformationSheet:
    """The sheet in force in the format asked for, or else in the one that suits the patient's needs best."""
    in_force = {sheet.format: sheet for sheet in sheets_in_force(readers=readers_like(patient))}
    suits = [FORMAT_BY_NEED[Need(need)] for need in patient.needs if Need(need) in FORMAT_BY_NEED]
    for format in (wanted, *suits):
        if format in in_force:
            return in_force[format]
    return sheet_in_force(readers=readers_like(patient))


def sheet_shown(key: int) -> InformationSheet:
    """The sheet that somebody had before them when they went on to answer. Raises `NotVisible` for none of
    ours.
    """
    found = InformationSheet.objects.published().filter(pk=key).first()
    if found is None:
        raise NotVisible("No information sheet found.")
    return found
