"""What coaching pages read: one's own people, their sessions and goals, and calls for help."""

from __future__ import annotations

import datetime as dt
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import (
    DateTimeField,
    DurationField,
    ExpressionWrapper,
    F,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
)
from django.db.models.functions import Coalesce
from django.utils import timezone

from coaching.models import DistressCall, DistressCallQuerySet, Goal, Reply, Session, SessionStatus
from pilot.access import Actor, NotVisible, Permission, Role, current
from pilot.access.records import Record
from pilot.people.models import Membership, Patient, User
from referrals.models import Referral, Status

R = TypeVar("R", bound=Record)

# Later than anything, for those with nothing booked.
_NEVER = dt.datetime(9000, 1, 1, tzinfo=dt.UTC)
# Calls that were accepted stay on the clinicians' page this long.
CALLS_SHOWN_FOR = dt.timedelta(days=30)


def caseload(actor: Actor) -> QuerySet[Referral]:
    """The coach's people, each with `next_at`, `last_at`, and `to_record_at`: what began and is still booked.

    `sort_at` is when something is to be done next; the far future where nothing is booked.
    """
    now = timezone.now()
    sessions = Session.objects.filter(referral=OuterRef("pk")).order_by().values("referral")
    booked = Q(status=SessionStatus.BOOKED)
    return (
        Referral.objects.visible_to(actor, Permission.RECORD_SESSIONS)
        .filter(status__in=(Status.WITH_COACH, Status.PAUSED))
        .select_related("patient")
        .annotate(
            next_at=_at(sessions, Min("starts_at", filter=booked & Q(starts_at__gt=now))),
            last_at=_at(sessions, Max("starts_at", filter=Q(status=SessionStatus.HELD))),
            to_record_at=_at(sessions, Min("starts_at", filter=booked & Q(starts_at__lte=now))),
        )
        .annotate(sort_at=Coalesce("to_record_at", "next_at", Value(_NEVER, DateTimeField())))
    )


def _at(sessions: QuerySet[Session, Any], aggregate: Min | Max) -> Subquery:
    return Subquery(sessions.annotate(_at=aggregate).values("_at"), output_field=DateTimeField())


def person(actor: Actor, pk: UUID) -> Referral:
    """Somebody allocated to this coach, with their details. Anybody else is not there."""
    return _one(
        Referral.objects.visible_to(actor, Permission.RECORD_SESSIONS).select_related("patient", "practice"),
        pk,
    )


def session(actor: Actor, pk: UUID) -> Session:
    """A session with somebody allocated to this coach."""
    return _one(
        Session.objects.visible_to(actor, Permission.RECORD_SESSIONS).select_related(
            "patient", "referral", "coach"
        ),
        pk,
    )


def goal(actor: Actor, pk: UUID) -> Goal:
    """A goal of somebody allocated to this coach."""
    return _one(Goal.objects.visible_to(actor, Permission.RECORD_SESSIONS).select_related("patient"), pk)


def sessions_of(actor: Actor, referral: Referral) -> list[Session]:
    """Every session with this person, newest first."""
    return list(
        Session.objects.visible_to(actor).filter(referral=referral).select_related("coach").newest_first()
    )


def goals_of(actor: Actor, referral: Referral) -> list[Goal]:
    """This person's goals, in the order they were named."""
    return list(Goal.objects.visible_to(actor).filter(referral=referral).order_by("created_at", "id"))


def replies_of(actor: Actor, referral_id: UUID) -> dict[UUID, list[Reply]]:
    """The patient's own words beside sessions and goals of this referral, by what they stand beside, oldest first."""
    return replies_by_thing(Reply.objects.visible_to(actor).filter(referral_id=referral_id))


def replies_by_thing(replies: QuerySet[Reply]) -> dict[UUID, list[Reply]]:
    """Such words by the key of the session or goal that they stand beside, oldest first."""
    found: dict[UUID, list[Reply]] = {}
    for each in replies.order_by("created_at", "id"):
        beside = each.session_id or each.goal_id
        if beside:
            found.setdefault(beside, []).append(each)
    return found


def booked_with(patient: Patient) -> list[Session]:
    """What is booked with the patient, soonest first, as far as the acting person may see it."""
    return list(Session.objects.visible_to(current().actor).filter(patient=patient).upcoming())


def clashing(session: Session) -> Session | None:
    """A booked session of the same coach that overlaps, among those the acting person may see."""
    lasts = ExpressionWrapper(F("minutes") * Value(dt.timedelta(minutes=1)), DurationField())
    return (
        Session.objects.visible_to(current().actor)
        .filter(coach_id=session.coach_id, status=SessionStatus.BOOKED, starts_at__lt=session.ends_at)
        .annotate(_ends=ExpressionWrapper(F("starts_at") + lasts, DateTimeField()))
        .filter(_ends__gt=session.starts_at)
        .exclude(pk=session.pk)
        .first()
    )


def call(actor: Actor, pk: UUID) -> DistressCall:
    """A call for help that this person may see."""
    return _one(_calls(actor), pk)


def latest_call(actor: Actor, referral: Referral) -> DistressCall | None:
    """The latest call for help for this person."""
    return _calls(actor).filter(referral=referral).order_by("-raised_at").first()


def open_calls(actor: Actor) -> list[DistressCall]:
    """Calls that nobody has accepted, longest waiting first."""
    return list(_calls(actor).open())


def accepted_calls(actor: Actor) -> list[DistressCall]:
    """Calls that somebody accepted, of the last weeks, newest first."""
    since = timezone.now() - CALLS_SHOWN_FOR
    return list(_calls(actor).accepted().filter(raised_at__gte=since).order_by("-raised_at"))


def count_open_calls(actor: Actor) -> int:
    """How many calls wait for somebody to accept them. Counting shows nobody's row."""
    return DistressCall.objects.visible_to(actor).open().count()


def calls_to_email(actor: Actor) -> list[DistressCall]:
    """Open calls after which no e-mail has gone yet."""
    return list(DistressCall.objects.visible_to(actor).open().filter(emailed_at__isnull=True))


def named_clinicians(practice_id: UUID) -> list[User]:
    """Who is told first when somebody is in distress, by name. Empty where the practice has named nobody."""
    return [member.user for member in _clinicians(practice_id).filter(is_named_clinician=True)]


def clinicians_to_tell(practice_id: UUID) -> list[User]:
    """The named clinicians or, where nobody is named, every clinician of the practice."""
    return named_clinicians(practice_id) or [member.user for member in _clinicians(practice_id)]


def _clinicians(practice_id: UUID) -> QuerySet[Membership]:
    return (
        Membership.objects.in_force()
        .filter(organisation_id=practice_id, role=Role.CLINICIAN.value, user__is_active=True)
        .select_related("user")
        .order_by("user__display_name", "user_id")
    )


def _calls(actor: Actor) -> DistressCallQuerySet:
    return DistressCall.objects.visible_to(actor).select_related(
        "patient", "practice", "raised_by", "told", "accepted_by"
    )


def _one(rows: QuerySet[R], pk: UUID) -> R:
    found = rows.filter(pk=pk).first()
    if found is None:
        raise NotVisible("There is nothing here that you can see.")
    return found
