"""Who looked at a record or changed it, and what was sent out about it, in words that the patient needs nobody to explain.

The patient's own pages use it, and the guardian's about a patient's question. That a clinical note is withheld does not
show here either.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import models
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from audit.models import Disclosure, Event, Kind, Subject
from coaching.models import Reply
from pilot.access import Actor, NotVisible, Permission, Role, visible_to
from pilot.access.context import SYSTEM_PREFIX
from pilot.outbox.models import Message
from pilot.people.models import Membership, Patient, User
from pilot.people.restrictions.models import Restriction
from pilot.record import reasons
from pilot.record.copies.models import Copy
from pilot.record.models import Request
from referrals.models import ClinicalNote, Withholding
from referrals.notes.models import NoteCorrection, NoteReply
from referrals.patients.models import DetailReply
from referrals.screening.models import OwnWords

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

PAGE = 50
CLINICAL_NOTES = ClinicalNote._meta.db_table
BEHIND_WALL = (CLINICAL_NOTES, NoteReply._meta.db_table, NoteCorrection._meta.db_table)
# That a clinician decided to withhold something is never said, not even once it is shown.
UNSAID = Withholding._meta.db_table

# What was shown, by class of field, in the order in which a person would say it.
SHOWN: dict[str, _StrOrPromise] = {
    "identity": _("your name and contact details"),
    "case": _("how things stand: referral, sessions, goals, messages or requests"),
    "consent": _("what you agreed to"),
    "clinical": _("notes by your clinicians"),
    "log": _("who looked at your record and changed it"),
}
# What was written, by table.
WRITTEN: dict[str, _StrOrPromise] = {
    "people_patient": _("your details"),
    "referrals_referral": _("your referral"),
    "referrals_allocation": _("who helps you"),
    "referrals_invitation": _("your invitation"),
    CLINICAL_NOTES: _("a note by your clinician"),
    OwnWords._meta.db_table: _("that words are your own"),
    "consent_decision": _("what you agreed to"),
    "consent_receipt": _("a receipt"),
    "coaching_session": _("a session"),
    "coaching_goal": _("a goal"),
    "coaching_distresscall": _("a call for help for you"),
    "outbox_message": _("a message to you"),
    Request._meta.db_table: _("something you asked for"),
    NoteCorrection._meta.db_table: _("something you asked for about a note"),
    NoteReply._meta.db_table: _("your words beside a note"),
    Reply._meta.db_table: _("your words beside what was written"),
    DetailReply._meta.db_table: _("your words beside your details"),
    Copy._meta.db_table: _("a copy of your record"),
    Restriction._meta.db_table: _("that your record is restricted"),
}
DID: dict[str, _StrOrPromise] = {
    Kind.READ: _("Looked at"),
    Kind.CREATED: _("Added"),
    Kind.CHANGED: _("Changed"),
    Kind.DELETED: _("Removed"),
    Kind.ERASED: _("Erased, because the time for keeping it was over"),
}


class Show(models.TextChoices):
    """Which lines somebody wants to see."""

    ALL = "", _("Everything")
    LOOKS = "looks", _("Looked at")
    CHANGES = "changes", _("Changed")
    SENT = "sent", _("Sent out")


KINDS: dict[Show, tuple[Kind, ...]] = {
    Show.LOOKS: (Kind.READ,),
    Show.CHANGES: (Kind.CREATED, Kind.CHANGED, Kind.DELETED, Kind.ERASED),
    Show.SENT: (Kind.DISCLOSED,),
}


@dataclass(frozen=True)
class Sent:
    """One line of the ledger of disclosures: to whom, what, what for."""

    whom: _StrOrPromise
    what: list[_StrOrPromise]
    why: _StrOrPromise
    # The message itself, where it was one.
    message: UUID | None


@dataclass
class Entry:
    """What somebody did at one moment: one line of the page. `key` is the event that a question about it names."""

    key: int
    at: dt.datetime
    who: str
    role: str
    where: str
    is_own: bool
    why: _StrOrPromise = ""
    did: dict[str, list[_StrOrPromise]] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)

    @property
    def parts(self) -> list[tuple[_StrOrPromise, list[_StrOrPromise]]]:
        """("Looked at", ["your name and contact details", …]), writing before looking."""
        order = [Kind.CREATED, Kind.CHANGED, Kind.DELETED, Kind.ERASED, Kind.READ]
        return [(DID[kind], self.did[kind]) for kind in order if kind in self.did]


@dataclass(frozen=True)
class Page:
    """One page of the log, newest first, and the key from which older entries follow (None at the end)."""

    entries: list[Entry]
    older: int | None


def page(
    actor: Actor,
    patient: Patient,
    *,
    before: int | None = None,
    include_own: bool = False,
    show: Show = Show.ALL,
    size: int = 0,
) -> Page:
    """Who looked at this patient's record, who changed it and what was sent, in a constant number of queries.

    The patient's own visits are left out unless asked for.
    """
    readable = _readable(actor, patient.pk)
    has_notes, size = bool(readable), size or PAGE
    keys = _keys(actor, patient, before, show, include_own=include_own, has_notes=has_notes, size=size)
    events = list(Event.objects.filter(pk__in=keys[:size]).newest_first())
    return Page(_entries(events, actor, readable), keys[size - 1] if len(keys) > size else None)


def own_line(actor: Actor, patient: Patient, key: int) -> tuple[Event, Entry]:
    """One event about the acting patient, and how their page says it. Raises `NotVisible` for any other."""
    own = visible_to(Event.objects.all(), actor, Permission.SEE_EVENTS).filter(pk=key, patient_id=patient.pk)
    among = visible_to(Subject.objects.all(), actor, Permission.SEE_EVENTS)
    event = own.first()
    if event is None and among.filter(event_id=key, patient_id=patient.pk).exists():
        event = Event.objects.filter(pk=key).first()
    entry = line(actor, patient.pk, event) if event else None
    if event is None or entry is None:
        raise NotVisible("No such line found.")
    return event, entry


def line(actor: Actor, patient: UUID, event: Event) -> Entry | None:
    """How the patient's page says this event; None where it says nothing of it."""
    return next(iter(_entries([event], actor, _readable(actor, patient))), None)


def _readable(actor: Actor, patient: UUID) -> set[UUID]:
    """The keys of the notes that this actor may read, and of what was said about those: all of it goes with the note."""
    behind_wall = (model.objects.visible_to(actor) for model in (ClinicalNote, NoteReply, NoteCorrection))
    keys = [rows.filter(patient_id=patient).order_by().values_list("pk") for rows in behind_wall]
    return {key for (key,) in keys[0].union(*keys[1:], all=True)}


def _keys(
    actor: Actor,
    patient: Patient,
    before: int | None,
    show: Show,
    *,
    include_own: bool,
    has_notes: bool,
    size: int,
) -> list[int]:
    """The newest keys of a page and one more. Events about several people name them elsewhere."""
    about_one = Event.objects.filter(patient_id=patient.pk)
    among_several = Subject.objects.filter(patient_id=patient.pk)
    if show is not Show.ALL:
        about_one = about_one.filter(kind__in=KINDS[show])
    if show not in (Show.ALL, Show.LOOKS):
        # Only looks are at several people at once.
        among_several = among_several.none()
    if before is not None:
        about_one, among_several = about_one.filter(pk__lt=before), among_several.filter(event_id__lt=before)
    if not include_own:
        # No page of the patient's own shows somebody else, so what is among several is never their own.
        about_one = about_one.exclude(actor=actor.label)
    if not has_notes:
        # A look at withheld notes and nothing else is no line, and must not be a missing one either.
        about_one = about_one.exclude(columns=["clinical"])
    newest = _newest(about_one, "pk", size) + _newest(among_several, "event_id", size)
    return sorted(newest, reverse=True)[: size + 1]


def _newest(rows: QuerySet[Event] | QuerySet[Subject], key: str, size: int) -> list[int]:
    return list(rows.order_by(f"-{key}").values_list(key, flat=True)[: size + 1])


def _entries(events: Sequence[Event], actor: Actor, readable: set[UUID]) -> list[Entry]:
    people, sent = _People.of(events), _sent(events)
    entries: list[Entry] = []
    previous: tuple[int, str, str] | None = None
    for event in events:
        what = _what(event, readable)
        if not what:
            continue
        # What one person did in one go is one line.
        this = (event.transaction, event.actor, event.role)
        if this != previous:
            entries.append(people.entry(event, actor))
        previous = this
        entry = entries[-1]
        # What somebody was doing says more than what they are there for.
        entry.why = reasons.doing(event) or entry.why
        if event.kind == Kind.DISCLOSED:
            entry.sent += sent.get(event.pk, [])
            continue
        said = entry.did.setdefault(event.kind, [])
        said.extend(each for each in what if each not in said)
    return entries


def _what(event: Event, readable: set[UUID]) -> list[_StrOrPromise]:
    """What the event was about; nothing where saying so would tell of a note that is withheld."""
    if event.kind in (Kind.READ, Kind.DISCLOSED):
        return _classes(event.columns, has_notes=bool(readable))
    if event.relation == UNSAID:
        return []
    if event.relation in BEHIND_WALL and UUID(event.row_id or "") not in readable:
        return []
    return [WRITTEN[event.relation]] if event.relation in WRITTEN else [_("your record")]


def _classes(named: Iterable[str], *, has_notes: bool) -> list[_StrOrPromise]:
    named = set(named)
    return [words for name, words in SHOWN.items() if name in named and (name != "clinical" or has_notes)]


def _sent(events: Iterable[Event]) -> dict[int, list[Sent]]:
    """What the ledger says of these events, by event. One query, and none where nothing was sent."""
    keys = [event.pk for event in events if event.kind == Kind.DISCLOSED]
    if not keys:
        return {}
    found: dict[int, list[Sent]] = {}
    for each in Disclosure.objects.filter(event_id__in=keys):
        is_message = each.relation == Message._meta.db_table and each.row_id
        found.setdefault(each.event_id, []).append(
            Sent(
                whom=_whom(each),
                what=_classes(each.classes, has_notes=True),
                why=reasons.sent_for(each.purpose),
                message=UUID(each.row_id) if is_message and each.row_id else None,
            )
        )
    return found


def _whom(line: Disclosure) -> _StrOrPromise:
    if line.recipient_kind != Disclosure.RecipientKind.PATIENT:
        return line.recipient
    _patient, comma, how = line.recipient.partition(",")
    return f"{_('you')}{comma}{how}"


@dataclass(frozen=True)
class _People:
    """The names behind the actors of a page, and where they worked."""

    names: dict[str, str]
    places: dict[tuple[str, str], str]

    @classmethod
    def of(cls, events: Iterable[Event]) -> _People:
        ids = {event.actor for event in events if not event.actor.startswith(SYSTEM_PREFIX)}
        names = {str(user.pk): user.display_name for user in User.objects.filter(pk__in=ids)}
        # Oldest first: of two memberships in the same role the latest is the one named.
        memberships = (
            Membership.objects.filter(user__in=ids).select_related("organisation").order_by("valid_from")
        )
        places = {(str(each.user_id), each.role): each.organisation.name for each in memberships}
        return cls(names, places)

    def entry(self, event: Event, actor: Actor) -> Entry:
        is_own = event.actor == actor.label
        role = Role(event.role)
        return Entry(
            key=event.pk,
            at=event.at,
            who=str(_("You")) if is_own else self._who(event, role),
            role="" if is_own or role in (Role.SYSTEM, Role.PATIENT) else str(role.label),
            where=self.places.get((event.actor, event.role), ""),
            is_own=is_own,
            why="" if is_own else reasons.there_for(role),
        )

    def _who(self, event: Event, role: Role) -> str:
        if role is Role.SYSTEM:
            return str(_("The service itself"))
        if role is Role.PATIENT:
            # Their account bears their name, which is not for whoever answers a question of theirs.
            return str(_("The patient"))
        return self.names.get(event.actor, str(_("Somebody who has left")))
