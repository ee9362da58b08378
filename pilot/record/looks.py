"""Who looked at a record or changed it, from the log, in words that the patient needs nobody to explain.

Only the patient's own pages use it. That a clinical note is withheld from them does not show here either.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from audit.models import Event, Kind, Subject
from pilot.access import Actor, Role
from pilot.access.context import SYSTEM_PREFIX
from pilot.people.models import Membership, Patient, User
from referrals.models import ClinicalNote, Withholding
from referrals.screening.models import OwnWords

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

PAGE = 50
CLINICAL_NOTES = ClinicalNote._meta.db_table
# That a clinician decided to withhold something is never said, not even once it is shown.
UNSAID = Withholding._meta.db_table

# What was shown, by class of field, in the order in which a person would say it.
SHOWN: dict[str, _StrOrPromise] = {
    "identity": _("your name and contact details"),
    "case": _("how things stand: referral, sessions, goals or messages"),
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
}
DID: dict[str, _StrOrPromise] = {
    Kind.READ: _("Looked at"),
    Kind.CREATED: _("Added"),
    Kind.CHANGED: _("Changed"),
    Kind.DELETED: _("Removed"),
    Kind.DISCLOSED: _("Sent outside the pilot"),
}


@dataclass
class Entry:
    """What somebody did at one moment: one line of the page."""

    at: dt.datetime
    who: str
    role: str
    where: str
    is_own: bool
    did: dict[str, list[_StrOrPromise]] = field(default_factory=dict)

    @property
    def parts(self) -> list[tuple[_StrOrPromise, list[_StrOrPromise]]]:
        """("Looked at", ["your name and contact details", …]), writing before looking."""
        order = [Kind.DISCLOSED, Kind.CREATED, Kind.CHANGED, Kind.DELETED, Kind.READ]
        return [(DID[kind], self.did[kind]) for kind in order if kind in self.did]


@dataclass(frozen=True)
class Page:
    """One page of the log, newest first, and the key from which older entries follow (None at the end)."""

    entries: list[Entry]
    older: int | None


def page(actor: Actor, patient: Patient, *, before: int | None = None, include_own: bool = False) -> Page:
    """Who looked at this patient's record and who changed it, in a constant number of queries.

    The patient's own visits are left out unless asked for.
    """
    readable = set(
        ClinicalNote.objects.visible_to(actor).filter(patient=patient).values_list("pk", flat=True)
    )
    keys = _keys(actor, patient, before, include_own=include_own, has_notes=bool(readable))
    events = list(Event.objects.filter(pk__in=keys[:PAGE]).newest_first())
    entries = _entries(events, _People.of(events), actor, readable)
    return Page(entries, keys[PAGE - 1] if len(keys) > PAGE else None)


def _keys(
    actor: Actor, patient: Patient, before: int | None, *, include_own: bool, has_notes: bool
) -> list[int]:
    """The newest keys of a page and one more. Events about several people name them elsewhere."""
    about_one = Event.objects.filter(patient_id=patient.pk)
    among_several = Subject.objects.filter(patient_id=patient.pk)
    if before is not None:
        about_one, among_several = about_one.filter(pk__lt=before), among_several.filter(event_id__lt=before)
    if not include_own:
        # No page of the patient's own shows somebody else, so what is among several is never their own.
        about_one = about_one.exclude(actor=actor.label)
    if not has_notes:
        # A look at withheld notes and nothing else is no line, and must not be a missing one either.
        about_one = about_one.exclude(columns=["clinical"])
    newest = _newest(about_one, "pk") + _newest(among_several, "event_id")
    return sorted(newest, reverse=True)[: PAGE + 1]


def _newest(rows: QuerySet[Event] | QuerySet[Subject], key: str) -> list[int]:
    return list(rows.order_by(f"-{key}").values_list(key, flat=True)[: PAGE + 1])


def _entries(events: Sequence[Event], people: _People, actor: Actor, readable: set[UUID]) -> list[Entry]:
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
        said = entries[-1].did.setdefault(event.kind, [])
        said.extend(each for each in what if each not in said)
    return entries


def _what(event: Event, readable: set[UUID]) -> list[_StrOrPromise]:
    """What the event was about; nothing where saying so would tell of a note that is withheld."""
    if event.kind in (Kind.READ, Kind.DISCLOSED):
        return [
            words
            for name, words in SHOWN.items()
            if name in event.columns and (name != "clinical" or readable)
        ]
    if event.relation == UNSAID:
        return []
    if event.relation == CLINICAL_NOTES and UUID(event.row_id or "") not in readable:
        return []
    return [WRITTEN[event.relation]] if event.relation in WRITTEN else [_("your record")]


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
        if role is Role.SYSTEM:
            return Entry(event.at, str(_("The service itself")), "", "", is_own)
        return Entry(
            at=event.at,
            who=str(_("You")) if is_own else self.names.get(event.actor, str(_("Somebody who has left"))),
            role="" if is_own else str(role.label),
            where=self.places.get((event.actor, event.role), ""),
            is_own=is_own,
        )
