"""Reading the log for the guardian: who, in which role, what sort of thing, when; never what was in a record."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from audit import words
from audit.models import Event, EventQuerySet, Kind, Subject
from pilot.access import Actor, NotVisible, Permission, Role, check, visible_to
from pilot.people.models import Membership, Organisation, User

# Events of one request lie this close together.
NEARBY = 2000
SHOWN_TOGETHER = 25
# In place of a role: everybody but the system.
PEOPLE = "people"
SHOWN_PATIENTS = 50

AnyEvents = TypeVar("AnyEvents", bound=QuerySet[Event])


@dataclass(frozen=True)
class Filters:
    """Which events somebody asked for. `patient` is a patient's key, or at least its first eight characters."""

    person: str = ""
    role: str = ""
    kind: str = ""
    action: str = ""
    patient: str = ""
    since: dt.date | None = None
    until: dt.date | None = None


@dataclass(frozen=True)
class Line:
    """One event as the log shows it."""

    event: Event
    who: str
    role: str
    where: str
    what: str
    doing: str
    patients: list[str]
    more_patients: int
    # Whose account it was, for what the system did at signing in; '' where it was no member of staff's.
    account: str = ""

    @property
    def person(self) -> str:
        """The key by which to find everything else that this person did; '' where it is no member of staff."""
        if self.account:
            return self.account
        return "" if self.event.role in (Role.PATIENT, Role.SYSTEM) else self.event.actor


def events(actor: Actor, filters: Filters) -> EventQuerySet:
    """Every event that fits, in no order. Only for whoever reviews the log."""
    check(actor, Permission.REVIEW_AUDIT)
    found = Event.objects.defer("digest", "reason")
    if filters.role == PEOPLE:
        found = found.exclude(role=Role.SYSTEM)
    role = filters.role if filters.role != PEOPLE else ""
    exact = {"role": role, "kind": filters.kind}
    found = found.filter(**{name: value for name, value in exact.items() if value})
    if filters.person:
        found = _by([filters.person], found)
    if filters.action:
        found = found.filter(action__istartswith=filters.action)
    if filters.since:
        found = found.filter(at__gte=_midnight(filters.since))
    if filters.until and filters.until < dt.date.max:
        found = found.filter(at__lt=_midnight(filters.until + dt.timedelta(days=1)))
    return _about(found, filters.patient) if filters.patient else found


def by_staff_called(found: QuerySet[Event], text: str) -> QuerySet[Event]:
    """Those by a member of staff with this in their name or e-mail address. Patients cannot be found by name."""
    staff = User.objects.filter(Q(display_name__icontains=text) | Q(email__iexact=text))
    keys = staff.filter(memberships__isnull=False).values_list("pk", flat=True).distinct()
    return _by([str(key) for key in keys], found).exclude(role=Role.PATIENT)


def lines(found: Iterable[Event]) -> list[Line]:
    """The events in words: three queries, however many there are."""
    found = list(found)
    staff = {event.actor for event in found if event.role not in (Role.PATIENT, Role.SYSTEM)}
    signing_in = {event.row_id for event in found if event.row_id and _is_sign_in(event)}
    # Of an account that signs in only staff's is called by its name: a patient's would be content.
    named = User.objects.filter(Q(pk__in=staff) | Q(pk__in=signing_in, memberships__isnull=False)).distinct()
    names = {str(user.pk): user.display_name for user in named}
    places = _places(staff)
    several = [event.pk for event in found if event.patient_id is None]
    counts = Subject.objects.filter(event_id__in=several).values("event_id").annotate(n=Count("pk"))
    patients = {each["event_id"]: each["n"] for each in counts}
    return [
        Line(
            event=event,
            who=_who(event, names),
            role=_role(event.role),
            where=places.get((event.actor, event.role), ""),
            what=words.what(event),
            doing=words.doing(event),
            account=str(event.row_id) if _is_sign_in(event) and event.row_id in names else "",
            patients=[words.key(event.patient_id)] if event.patient_id else [],
            more_patients=patients.get(event.pk, 0),
        )
        for event in found
    ]


def event(actor: Actor, key: int) -> Event:
    """One event. Raises `NotVisible` for a number that none has."""
    found = visible_to(Event.objects.all(), actor, Permission.REVIEW_AUDIT).filter(pk=key).first()
    if found is None:
        raise NotVisible("No event found.")
    return found


def patients_of(shown: Event) -> list[UUID]:
    """The patients that an event was about, the first fifty of them."""
    if shown.patient_id:
        return [shown.patient_id]
    several = Subject.objects.filter(event_id=shown.pk).order_by("pk")
    return list(several.values_list("patient_id", flat=True)[:SHOWN_PATIENTS])


def practice_name(shown: Event) -> str:
    """The practice whose patient's record was changed; '' where it was no practice's."""
    if shown.practice_id is None:
        return ""
    return Organisation.objects.filter(pk=shown.practice_id).values_list("name", flat=True).first() or ""


def together_with(shown: Event) -> list[Event]:
    """What else the same person did by the same page or action, in order."""
    if not shown.request:
        return []
    near = Event.objects.filter(pk__range=(shown.pk - NEARBY, shown.pk + NEARBY), request=shown.request)
    return list(near.exclude(pk=shown.pk).defer("digest", "reason").order_by("pk")[:SHOWN_TOGETHER])


def _about(found: EventQuerySet, key: str) -> EventQuerySet:
    """Events about the patients whose key begins like this. Both halves are index scans; an OR would be
    neither.
    """
    first, last = _range(key)
    alone = Event.objects.filter(patient_id__range=(first, last)).values("pk")
    among = Subject.objects.filter(patient_id__range=(first, last)).values("event_id")
    return found.filter(pk__in=alone.union(among))


def _range(key: str) -> tuple[UUID, UUID]:
    digits = re.sub(r"[^0-9a-f]", "", key.lower())[:32]
    return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))


def _places(staff: set[str]) -> dict[tuple[str, str], str]:
    memberships = Membership.objects.filter(user__in=staff).select_related("organisation")
    # Oldest first: of two in the same role the latest is named.
    return {
        (str(each.user_id), each.role): each.organisation.name for each in memberships.order_by("valid_from")
    }


def _by(keys: list[str], found: AnyEvents) -> AnyEvents:
    """Events by these people, and what the system noted at their signing in. Both halves are index scans."""
    did = Event.objects.filter(actor__in=keys).values("pk")
    signed_in = Event.objects.filter(kind=Kind.SIGN_IN, row_id__in=keys).values("pk")
    return found.filter(pk__in=did.union(signed_in))


def _is_sign_in(event: Event) -> bool:
    return event.kind == Kind.SIGN_IN and event.role == Role.SYSTEM


def _who(event: Event, names: dict[str, str]) -> str:
    if _is_sign_in(event):
        return names.get(event.row_id or "", "")
    if event.role == Role.SYSTEM:
        return words.task(event.actor)
    if event.role == Role.PATIENT:
        # A patient's account bears the patient's name, which is content.
        return ""
    return names.get(event.actor, words.key(event.actor))


def _role(role: str) -> str:
    return str(Role(role).label) if role in Role.values else role


def _midnight(day: dt.date) -> dt.datetime:
    return timezone.make_aware(dt.datetime.combine(day, dt.time()))
