"""Everything that a patient may see of what is held about them, read part by part as the patient, for their copy.

Made from the privacy declarations: a model that the patient may see is in the copy without anybody remembering to put it
there. What is left out of a row is said here, and why.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import models
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from audit.differences import Names, differences
from audit.models import Disclosure
from audit.privacy import Impersonal, Personal, personal_models, privacy_of
from coaching.models import DistressCall, Goal, Reply, Session
from consent.models import Decision, Receipt
from pilot.access import Actor, Permission, Reach, Role, reach_of, visible_to
from pilot.outbox.models import Message
from pilot.people.models import Patient, User
from pilot.record import looks
from pilot.record.copies.models import Copy
from pilot.record.models import Request
from referrals.models import Allocation, ClinicalNote, Referral
from referrals.notes.models import NoteCorrection, NoteReply
from referrals.patients.models import DetailReply
from referrals.screening.models import OwnWords

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

Model = type[models.Model]

# The parts in the order in which a person would tell them; any other model follows under its own name.
TITLES: dict[Model, _StrOrPromise] = {
    Patient: _("What we hold about you"),
    DetailReply: _("Your words beside your details"),
    Referral: _("Why coaching was suggested, and how it stands"),
    Allocation: _("Who helped you"),
    Decision: _("What you agreed to and stopped"),
    Receipt: _("Receipts"),
    Session: _("Sessions, and what was written about them"),
    Goal: _("Your goals"),
    Reply: _("Your words beside sessions and goals"),
    ClinicalNote: _("Notes by your practice"),
    NoteReply: _("Your words beside notes by your practice"),
    NoteCorrection: _("What you asked to correct in notes by your practice"),
    DistressCall: _("When someone called for help for you"),
    Message: _("Messages to you"),
    Request: _("What you asked for, and the answers"),
    OwnWords: _("Words passed on as your own"),
    Copy: _("Copies of your record"),
}
# Columns that say nothing about anybody, by model or for all. Two of them are secrets: a code, and the copies themselves.
TECHNICAL: dict[str, str] = {
    "version": "counts changes",
    "account": "the number of your account",
    "secret": "a code for one letter, encrypted",
    "pdf": "a copy itself",
    "json": "a copy itself",
    "claimed_at": "for the worker",
    "attempts": "for the worker",
    "called_off_at": "for the worker",
    "emailed_at": "for the worker",
    "template": "the name of a file",
    "about_row": "a key",
    "about_relation": "the name of a table",
    "about": "a key",
    "outbox.Message.reference": "what the sending service calls it",
}
# Whose words stand beside which row, and by which column.
BESIDE: dict[Model, tuple[Model, str]] = {
    Patient: (DetailReply, "patient_id"),
    Session: (Reply, "session_id"),
    Goal: (Reply, "goal_id"),
    ClinicalNote: (NoteReply, "note_id"),
}
# How often somebody was asked and said “not now” must never add up to anything, least of all on paper.
NOT_IN_THE_PAST: dict[Model, tuple[str, ...]] = {Patient: ("do_not_raise_until",)}
LINES_AT_ONCE = 500


@dataclass(frozen=True)
class Part:
    """One kind of row: its name in the file, its title, and the rows themselves, oldest first."""

    model: Model
    name: str
    title: _StrOrPromise
    rows: Iterator[dict[str, Any]]


def in_the_copy() -> list[Model]:
    """Every model of which the patient may see rows, the log left out: that is read as their page has it."""
    mine = [
        model
        for model in personal_models()
        if privacy_of(model).keeps_history and reach_of(Role.PATIENT, _see(model)) is Reach.SELF
    ]
    return [*(each for each in TITLES if each in mine), *(each for each in mine if each not in TITLES)]


def parts(actor: Actor, *patients: Patient) -> Iterator[Part]:
    """Part by part, each read as it is asked for: what was written is read when its turn comes, and let go after.

    Of all of these records: one that was closed because they had two is theirs as well.
    """
    for model in in_the_copy():
        title = TITLES.get(model) or capfirst(str(model._meta.verbose_name_plural))
        yield Part(model, model._meta.label_lower.replace(".", "_"), title, _rows(actor, patients, model))


def changes(actor: Actor, *patients: Patient) -> Iterator[dict[str, Any]]:
    """What was changed in any of them: field by field old → new, when and by whom, as far as the database shows it."""
    for model in in_the_copy():
        yield from _changes(patients, model)


def log(actor: Actor, *patients: Patient) -> Iterator[dict[str, Any]]:
    """Who looked, who changed what and what was sent out, as the patient's page says it, newest first; own visits too."""
    for patient in patients:
        yield from _log(actor, patient)


def _log(actor: Actor, patient: Patient) -> Iterator[dict[str, Any]]:
    before: int | None = None
    while True:
        page = looks.page(actor, patient, before=before, include_own=True, size=LINES_AT_ONCE)
        for entry in page.entries:
            yield {
                "at": entry.at.isoformat(),
                "who": entry.who,
                "role": entry.role,
                "where": str(entry.where),
                "is_you": entry.is_own,
                "did": [{"did": str(did), "what": [str(each) for each in what]} for did, what in entry.parts],
                "sent": [
                    {
                        "to": str(sent.whom),
                        "what": [str(each) for each in sent.what],
                        "what_for": str(sent.why),
                    }
                    for sent in entry.sent
                ],
                "why": str(entry.why),
            }
        if page.older is None:
            return
        before = page.older


def disclosures(actor: Actor, *patients: Patient) -> Iterator[dict[str, Any]]:
    """The ledger of what left the pilot, oldest first."""
    ledger = visible_to(Disclosure.objects.filter(patient_id__in=_keys(patients)), actor)
    for line in ledger.order_by("pk").iterator():
        yield {
            "at": line.at.isoformat(),
            "to": line.recipient,
            "kind_of_recipient": line.recipient_kind,
            "what_for": line.purpose,
            "kinds": list(line.classes),
            "fields": list(line.fields),
            "consent": str(line.decision_id) if line.decision_id else None,
        }


def _keys(patients: Collection[Patient]) -> list[UUID]:
    return [patient.pk for patient in patients]


def _see(model: Model) -> Permission:
    privacy: Personal = privacy_of(model)
    return Permission(privacy.see)


def _rows(actor: Actor, patients: Collection[Patient], model: Model) -> Iterator[dict[str, Any]]:
    privacy: Personal = privacy_of(model)
    binary = [each.name for each in model._meta.concrete_fields if isinstance(each, models.BinaryField)]
    rows: Any = visible_to(model._default_manager.all(), actor)
    found = list(
        rows.filter(**{f"{privacy.patient}__in": _keys(patients)}).defer(*binary).order_by("created_at", "pk")
    )
    fields = _said(model)
    names = Names.of(model, [{each.attname: row.__dict__[each.attname] for each in fields} for row in found])
    words = _words_beside(actor, patients, model)
    for row in found:
        yield {
            "key": str(row.pk),
            "written_at": row.created_at.isoformat(),
            "fields": [_field(each, row.__dict__[each.attname], names) for each in fields],
            "your_words": words.get(row.pk, []),
        }


def _said(model: Model) -> list[models.Field[Any, Any]]:
    """The fields that are in the copy: no technical ones, nor that it is about this patient."""
    left_out = {"id", "created_at", "patient", *TECHNICAL}
    return [
        each
        for each in model._meta.concrete_fields
        if each.name not in left_out and f"{model._meta.label}.{each.name}" not in TECHNICAL
    ]


def _field(each: models.Field[Any, Any], value: Any, names: Names) -> dict[str, Any]:
    # Another row of the patient's is named by its key, for programs; a person finds it by its words.
    is_key = each.is_relation and not isinstance(
        getattr(each.related_model, "privacy", None),
        Impersonal,
    )
    return {
        "name": each.name,
        "label": capfirst(str(each.verbose_name)),
        "value": _plain(value),
        "text": ""
        if is_key
        else _lines(value)
        if isinstance(each, models.JSONField)
        else names.word(each, value),
    }


def _lines(lines: list[dict[str, str]]) -> str:
    """A receipt as it is read."""
    return "\n".join(f"{line['title']}: {line['text']}" for line in lines)


def _plain(value: Any) -> Any:
    if isinstance(value, (dt.datetime, dt.date)):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def _words_beside(
    actor: Actor, patients: Collection[Patient], model: Model
) -> dict[UUID, list[dict[str, str]]]:
    if model not in BESIDE:
        return {}
    of, column = BESIDE[model]
    replies: Any = visible_to(of._default_manager.all(), actor)
    found: dict[UUID, list[dict[str, str]]] = {}
    for each in replies.filter(patient__in=_keys(patients)).order_by("created_at", "pk"):
        beside = getattr(each, column)
        if beside:
            written = {"written_at": each.created_at.isoformat(), "words": each.words}
            found.setdefault(beside, []).append(written)
    return found


def _changes(patients: Collection[Patient], model: Model) -> Iterator[dict[str, Any]]:
    privacy: Personal = privacy_of(model)
    left_out = {"patient", "created_at", *TECHNICAL, *NOT_IN_THE_PAST.get(model, ())}
    history: Any = model.history  # type: ignore[attr-defined]
    past = list(history.filter(**{f"{privacy.patient}__in": _keys(patients)}).order_by("id", "history_id"))
    kept = {name for each in past[:1] for name in each.__dict__}
    fields = [
        each for each in model._meta.concrete_fields if each.name not in left_out and each.attname in kept
    ]
    states = [{each.attname: row.__dict__[each.attname] for each in fields} for row in past]
    names = Names.of(model, states)
    people = User.objects.in_bulk({row.history_user_id for row in past if row.history_user_id})
    for _key, numbered in groupby(enumerate(past), key=lambda pair: pair[1].id):
        before: dict[str, Any] = {}
        for number, row in numbered:
            now = {} if row.history_type == "-" else states[number]
            was, before = before, states[number]
            found = differences(model, was, now, names) if row.history_type != "+" else []
            if row.history_type == "~" and not found:
                continue
            who = people.get(row.history_user_id)
            yield {
                "part": model._meta.label_lower.replace(".", "_"),
                "key": str(row.id),
                "at": timezone.localtime(row.history_date).isoformat(),
                "what": {"+": "added", "~": "changed", "-": "removed"}[row.history_type],
                "who": who.display_name if who else "",
                "role": row.history_role or "",
                "fields": [
                    {"label": each.label, "before": each.before, "after": each.after} for each in found
                ],
            }
