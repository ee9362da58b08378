"""Reading the log for the guardian: who, in which role, what sort of thing, when; never what was in a record."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection
from django.db.models import Count, Max, Q, QuerySet
from django.utils import timezone

from audit import words
from audit.models import Disclosure, Event, EventQuerySet, Kind, Subject
from pilot.access import Actor, NotVisible, Permission, Role, check, visible_to
from pilot.people.models import Membership, Organisation, User

PAGE = 50
STORY = 200
# A patient's key, or at least its first eight characters.
KEY = r"[0-9a-f]{8}[0-9a-f-]{0,28}"
# What no index narrows is looked for in so many events at a time, so that a page costs the same in a log of any length.
STRETCH = 250_000
# Events of one request lie this close together.
NEARBY = 2000
SHOWN_TOGETHER = 25
# In place of a role: everybody but the system.
PEOPLE = "people"
SHOWN_PATIENTS = 50
# So many people called alike are looked for by name.
NAMESAKES = 20
# Numbers follow time but for transactions that ran side by side: these were never further apart.
APART = 5000


@dataclass(frozen=True)
class Filters:
    """Which events somebody asked for. `patient` is a patient's key, or at least its first eight characters; `practice`
    the key of an organisation: its records, and what its people did."""

    person: str = ""
    role: str = ""
    kind: str = ""
    action: str = ""
    patient: str = ""
    practice: str = ""
    since: dt.date | None = None
    until: dt.date | None = None


@dataclass(frozen=True)
class Found:
    """A page of the log, the newest first, and the numbers from which older and newer events follow (None at the end).

    `looked_back_to` is set where no more than a stretch of the log was looked through: older ones may fit as well.
    """

    events: list[Event]
    older: int | None = None
    newer: int | None = None
    looked_back_to: dt.datetime | None = None


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


def page(
    actor: Actor,
    filters: Filters,
    *,
    called: str = "",
    before: int | None = None,
    after: int | None = None,
    size: int = PAGE,
) -> Found:
    """The newest events that fit, older than `before` or newer than `after`. Only for whoever reviews the log.

    The same number of queries whatever there is, each an index scan of a page, or of a stretch where no index helps.
    """
    check(actor, Permission.REVIEW_AUDIT)
    people = staff_called(called) if called else [filters.person] if filters.person else []
    if called and not people:
        return Found([])
    low, high = _edges(filters)
    newest = Event.objects.aggregate(newest=Max("id"))["newest"] or 0
    high = min(high, newest + 1, before or newest + 1)
    low = max(low, (after or 0) + 1)
    whole, backwards = (low, high), after is not None
    is_narrowed = bool(filters.role or filters.kind or filters.action or filters.practice)
    if is_narrowed and not filters.patient and not people:
        # No index knows these: look through a stretch, and say how far it reached.
        low, high = (low, min(high, low + STRETCH)) if backwards else (max(low, high - STRETCH), high)
    keys = _keys(filters, people, low, high, backwards=backwards, size=size)
    events = list(Event.objects.filter(pk__in=keys).defer("digest", "reason").newest_first())
    there_is_more = len(events) > size
    if there_is_more:
        events = events[1:] if backwards else events[:-1]
    ended_early = not there_is_more and (low, high) != whole
    if backwards:
        newer = events[0].pk if there_is_more else high - 1 if ended_early else None
        return Found(events, older=events[-1].pk if events else low, newer=newer)
    newer = (events[0].pk if events else before - 1) if before is not None else None
    if ended_early:
        return Found(events, older=low, newer=newer, looked_back_to=_time_of(low))
    return Found(events, older=events[-1].pk if there_is_more else None, newer=newer)


@dataclass(frozen=True)
class Moment:
    """What one person did around a patient in one go."""

    line: Line
    said: list[str]
    events: list[Event]
    # To whom something went, and what for.
    sent: list[tuple[str, str]]


@dataclass(frozen=True)
class Story:
    """What happened around one patient, by day, the newest first."""

    key: str
    patients: list[UUID]
    days: list[tuple[dt.date, list[Moment]]]
    older: int | None


def story(actor: Actor, key: str, *, before: int | None = None) -> Story:
    """Everything around the patient with this key, two hundred events at a time. Only for whoever reviews the log; raises
    `NotVisible` for a key of which the log knows nothing."""
    visible_to(Event.objects.all(), actor, Permission.REVIEW_AUDIT)
    if not re.fullmatch(KEY, key.lower()):
        raise NotVisible("No patient found.")
    first, last = _range(key)
    found = page(actor, Filters(patient=str(first) if first == last else key), before=before, size=STORY)
    if not found.events and before is None:
        raise NotVisible("No patient found.")
    sent: dict[int, tuple[str, str]] = {}
    for each in Disclosure.objects.filter(event_id__in=[event.pk for event in found.events]):
        sent[each.event_id] = (each.recipient, each.purpose)
    days: dict[dt.date, list[Moment]] = {}
    previous: tuple[object, ...] = ()
    for line in lines(found.events):
        event = line.event
        this = (event.transaction, event.epoch, event.actor, event.role)
        moments = days.setdefault(timezone.localdate(event.at), [])
        if this != previous or not moments:
            moments.append(Moment(line, [], [], []))
        previous = this
        moment = moments[-1]
        moment.events.append(event)
        if line.what not in moment.said:
            moment.said.append(line.what)
        if event.pk in sent:
            moment.sent.append(sent[event.pk])
    return Story(words.key(key), [first] if first == last else [], list(days.items()), found.older)


def staff_called(text: str) -> list[str]:
    """The keys of staff with this in their name or e-mail address. Patients cannot be found by name here."""
    staff = User.objects.filter(Q(display_name__icontains=text) | Q(email__iexact=text))
    keys = staff.filter(memberships__isnull=False).order_by("display_name", "pk").values_list("pk", flat=True)
    return [str(key) for key in keys.distinct()[:NAMESAKES]]


def organisations() -> list[tuple[str, str]]:
    """(key, name) of every practice, provider and office there is or was, to choose from."""
    return [(str(key), name) for key, name in Organisation.objects.order_by("name").values_list("pk", "name")]


def between(since: dt.date | None, until: dt.date | None) -> tuple[int, int]:
    """The numbers between which the events of these days lie: from the first, below the second."""
    return _edges(Filters(since=since, until=until))


def _keys(
    filters: Filters, people: Sequence[str], low: int, high: int, *, backwards: bool, size: int
) -> QuerySet[Event, int]:
    """The numbers of a page of events and one more, from the side on which the page begins."""
    order = "pk" if backwards else "-pk"
    parts = [
        each.filter(pk__gte=low, pk__lt=high).order_by(order).values_list("pk", flat=True)[: size + 1]
        for each in _branches(filters, people)
    ]
    first, *others = parts
    return first.union(*others).order_by(order)[: size + 1] if others else first


def _branches(filters: Filters, people: Sequence[str]) -> Iterator[EventQuerySet]:
    """The events that fit, in parts that are each in order by an index: an OR of them would be in none."""
    fits = Event.objects.filter(_fits(filters))
    if filters.patient:
        first, last = _range(filters.patient)
        if people:
            fits = fits.filter(Q(actor__in=people) | Q(kind=Kind.SIGN_IN, row_id__in=people))
        among = Subject.objects.filter(patient_id__range=(first, last)).values("event_id")
        yield fits.filter(patient_id=first) if first == last else fits.filter(patient_id__range=(first, last))
        yield fits.filter(pk__in=among)
    elif people:
        yield from (fits.filter(actor=person) for person in people)
        # What the system noted at their signing in.
        yield fits.filter(kind=Kind.SIGN_IN, row_id__in=people)
    else:
        yield fits


def _fits(filters: Filters) -> Q:
    fits = Q()
    if filters.role == PEOPLE:
        fits &= ~Q(role=Role.SYSTEM)
    elif filters.role:
        fits &= Q(role=filters.role)
    if filters.kind:
        fits &= Q(kind=filters.kind)
    if filters.action:
        fits &= Q(action__startswith=filters.action)
    if filters.since:
        fits &= Q(at__gte=_midnight(filters.since))
    if filters.until and filters.until < dt.date.max:
        fits &= Q(at__lt=_midnight(filters.until + dt.timedelta(days=1)))
    if filters.practice:
        members = Membership.objects.filter(organisation=UUID(filters.practice)).values_list("user", "role")
        by_role: dict[str, list[str]] = {}
        for user, role in members:
            by_role.setdefault(role, []).append(str(user))
        did = Q()
        for role, users in by_role.items():
            did |= Q(role=role, actor__in=users)
        fits &= Q(practice_id=filters.practice) | did
    return fits


# Numbers grow with time, so the edge of a period is found by halving the numbers, and no index on the time is kept.
_EDGE = """
    WITH RECURSIVE half(low, high) AS (
        SELECT coalesce(min(id), 1), coalesce(max(id), 0) + 1 FROM audit_event
        UNION ALL
        SELECT CASE WHEN middle.at < %s THEN middle.id + 1 ELSE half.low END,
            CASE WHEN middle.at < %s THEN half.high ELSE (half.low + half.high) / 2 END
        FROM half LEFT JOIN LATERAL (
            SELECT id, at FROM audit_event WHERE id >= (half.low + half.high) / 2 AND id < half.high ORDER BY id LIMIT 1
        ) AS middle ON true
        WHERE half.low < half.high
    )
    SELECT min(high) FROM half
"""


def _edges(filters: Filters) -> tuple[int, int]:
    """The numbers between which the events of the period lie, with some to spare on either side."""
    low, high = 1, 2**63 - 1
    if filters.since:
        low = max(low, _first_since(_midnight(filters.since)) - APART)
    if filters.until and filters.until < dt.date.max:
        high = _first_since(_midnight(filters.until + dt.timedelta(days=1))) + APART
    return low, high


def _first_since(moment: dt.datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_EDGE, [moment, moment])
        return int(cursor.fetchone()[0])


def _time_of(number: int) -> dt.datetime | None:
    return Event.objects.filter(pk__gte=number).order_by("pk").values_list("at", flat=True).first()


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


def _range(key: str) -> tuple[UUID, UUID]:
    """The keys that begin like this: the same one twice where the log knows only one of them."""
    digits = re.sub(r"[^0-9a-f]", "", key.lower())[:32]
    first, last = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    if first == last:
        return first, last
    ends = [
        rows.filter(patient_id__range=(first, last)).order_by(order).values_list("patient_id", flat=True)[:1]
        for rows in (Event.objects, Subject.objects)
        for order in ("patient_id", "-patient_id")
    ]
    there = list(ends[0].union(*ends[1:]))
    return (min(there), max(there)) if there else (first, first)


def _places(staff: set[str]) -> dict[tuple[str, str], str]:
    memberships = Membership.objects.filter(user__in=staff).select_related("organisation")
    # Oldest first: of two in the same role the latest is named.
    return {
        (str(each.user_id), each.role): each.organisation.name for each in memberships.order_by("valid_from")
    }


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
