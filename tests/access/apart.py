"""The world in which each wall is tried without the other: four patients with everything that there can be about one,
each row with a word of its own; everybody who might look; and what `visible_to` allows, asked where no policy narrows it.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from django.db import connections, models
from django.db.models import TextChoices
from django.test import Client
from django.utils import timezone

from audit.models import Event, Subject
from audit.privacy import Personal, declared, personal_models, privacy_of
from audit.questions.models import Answer, Question
from coaching.models import Reply, Session
from consent.actions import withdraw
from consent.models import InformationSheet, Purpose
from pilot.access import Actor, Permission, Reach, Role, acting, current, policies, reach_of
from pilot.access.policies import lookup_for, visible_to
from pilot.people.models import Patient
from pilot.people.restrictions.models import Restriction
from pilot.record.copies.models import Copy
from pilot.record.models import Kind as RequestKind
from pilot.record.models import Request
from pilot.web.expectations import Address, addresses
from pilot.web.views import BaseView, PilotView
from referrals.clinical_terms import Kind
from referrals.importing.actions import stage
from referrals.importing.reading import read
from referrals.models import ClinicalNote, Referral, Withholding
from referrals.notes.actions import write_note
from referrals.notes.models import NoteCorrection, NoteReply
from referrals.notes.policies import Grounds
from referrals.patients.models import DetailReply
from referrals.screening.actions import confirm_own_words
from tests import factories

# Whose patient it is, as the coach of this world and the coach's practice see it.
SCOPES = ("own", "not mine", "elsewhere", "withdrawn")

Model = type[models.Model]


@dataclass
class World:
    """Who there is, the rows by scope, and by which word a row is recognised wherever it appears."""

    pilot: factories.Pilot
    actors: dict[str, Actor] = field(default_factory=dict)
    patients: dict[str, Patient] = field(default_factory=dict)
    rows: dict[str, list[models.Model]] = field(default_factory=dict)
    words: dict[str, tuple[Model, UUID]] = field(default_factory=dict)

    def of(self, scope: str, model: Model) -> list[models.Model]:
        return [row for row in self.rows[scope] if type(row) is model]

    def client(self, name: str) -> Client:
        return factories.sign_in(Client(raise_request_exception=False), self.actors[name])

    def words_in(self, text: str) -> set[tuple[Model, UUID]]:
        """Which rows something of is in this text."""
        small = text.lower()
        return {row for word, row in self.words.items() if word in small}


def make_world() -> World:
    world = World(factories.make_pilot())
    pilot = world.pilot
    staff = factories.make_staff_of_every_role(pilot)
    world.actors = {role.value: actor for role, actor in staff.items()}
    for name, role, place in (
        ("a colleague", Role.COACH, pilot.provider),
        ("a coach elsewhere", Role.COACH, pilot.other_provider),
        ("a clinician elsewhere", Role.CLINICIAN, pilot.other_practice),
        ("a receptionist elsewhere", Role.RECEPTIONIST, pilot.other_practice),
        ("a supervisor elsewhere", Role.SUPERVISOR, pilot.other_provider),
    ):
        world.actors[name] = factories.make_staff(role, place)
    for scope, coach in (
        ("own", "coach"), ("not mine", "a colleague"), ("elsewhere", "a coach elsewhere"), ("withdrawn", "coach"),
    ):  # fmt: skip
        _fill(world, scope, world.actors[coach])
    stopped = factories.patient_actor(world.patients["withdrawn"])
    withdraw(world.patients["withdrawn"], by=stopped)
    world.actors |= {"patient": factories.patient_actor(world.patients["own"]), "who withdrew": stopped}
    return world


def _fill(world: World, scope: str, coach: Actor) -> None:
    """A patient with a row of every kind."""
    place, of_place = (
        (world.pilot.other_practice, " elsewhere") if scope == "elsewhere" else (world.pilot.practice, "")
    )
    desk, doctor = (
        world.actors[f"a {r}{of_place}" if of_place else r] for r in ("receptionist", "clinician")
    )

    def word(kind: str) -> str:
        return f"q{kind}{scope.replace(' ', '')}q"

    patient = factories.make_patient(place, account=True, family_name=word("patient"))
    referral = factories.make_referral(patient, status="waiting", own_words=word("referral"))
    factories.give_consent(patient, Purpose.REMINDERS)
    about: dict[str, Any] = {"patient": patient}
    now, by = timezone.now(), factories.user_of(coach)
    reading = read(f"given_name,family_name,date_of_birth\r\nAnn,{word('list')},27/03/1984\r\n".encode())
    grounds = Grounds("serious_harm", word("because"), timezone.localdate() + dt.timedelta(days=30))
    withheld = write_note(patient, word("withheld"), withheld=grounds, by=doctor)
    with acting(doctor, "test.read"):
        because = Withholding.objects.get(note=withheld)
    rows: dict[str, models.Model] = {
        "patient": patient,
        "referral": referral,
        "decision": factories.DecisionFactory(**about, purpose=Purpose.EVALUATION, witness=word("decision")),
        "receipt": factories.ReceiptFactory(**about, lines=[{"title": "Said", "text": word("receipt")}]),
        "representative": factories.RepresentativeFactory(**about, seen=word("representative")),
        "text": factories.ReceivedTextFactory(**about, text=word("text")),
        "reminder": factories.ReminderFactory(
            decision=factories.DecisionFactory(**about, purpose=Purpose.CONTACT_EMPLOYERS)
        ),
        "invitation": factories.InvitationFactory(referral=referral, used_at=now),
        "message": factories.MessageFactory(**about, purpose=Purpose.REMINDERS, text=word("message")),
        "letter": factories.MessageFactory(**about, channel="letter", text=word("letter")),
        "unsure": factories.MessageFactory(**about, status="unknown", text=word("unsure")),
        "session": factories.make_session(referral, coach, where=word("session")),
        "held": factories.make_session(
            referral, coach, status="held", starts_at=now - dt.timedelta(days=3), agreed=word("held")
        ),
        "goal": factories.GoalFactory(referral=referral, words=word("goal")),
        "call": factories.DistressCallFactory(referral=referral, raised_by=by, safe_place=word("call")),
        "note": factories.make_note(patient, doctor, text=word("note")),
        "withheld": withheld,
        "because": because,
        "own words": confirm_own_words(
            patient, box="referrals.Referral.own_words", kinds=[Kind.MEDICINE], by=desk
        ),
        "list": stage(place, "list.csv", reading, by=desk),
        "question": _asked(Request, patient, kind=RequestKind.ACCESS_QUERY, words=word("question")),
        "complaint": _asked(
            Request,
            patient,
            kind=RequestKind.COMPLAINT,
            words=word("complaint"),
            acknowledge_by=timezone.localdate(),
        ),
        **_about_what_is_written(patient, referral, word),
        "answer": _answer(world, patient, word("answer")),
        "allocation": factories.allocate_to(referral, coach),
    }
    world.patients[scope] = patient
    world.rows[scope] = list(rows.values())
    world.words |= {word(kind): (type(row), row.pk) for kind, row in rows.items()}


def _about_what_is_written(
    patient: Patient, referral: Referral, word: Callable[[str], str]
) -> dict[str, models.Model]:
    """What the patient asks to correct, and says beside it."""
    with acting(factories.patient_actor(patient), "test.read"):
        note = ClinicalNote.objects.get(patient=patient)
        session = Session.objects.filter(patient=patient).order_by("pk").first()
    at: dict[str, Any] = {"practice": patient.practice}
    fix: dict[str, Any] = {"kind": RequestKind.CORRECTION}
    coachs: dict[str, Any] = {"referral": referral, "about_row": "1"}
    return {
        "desksfix": _asked(Request, patient, **fix, **at, words=word("desksfix")),
        "coachsfix": _asked(Request, patient, **fix, **coachs, words=word("coachsfix")),
        "doctorsfix": _asked(NoteCorrection, patient, **at, note=note, words=word("doctorsfix")),
        "besidenote": _asked(NoteReply, patient, **at, note=note, words=word("besidenote")),
        "besidedetails": _asked(DetailReply, patient, **at, words=word("besidedetails")),
        "besidesession": _asked(
            Reply, patient, referral=referral, session=session, words=word("besidesession")
        ),
        # One that is over: what is restricted is closed to much of what is tried here.
        "restriction": _asked(Restriction, patient, **at, ended_at=timezone.now() + dt.timedelta(seconds=5)),
        "copy": _asked(Copy, patient, expires_at=timezone.now() + dt.timedelta(days=1)),
    }


def _asked(model: Any, patient: Patient, **columns: Any) -> Any:
    """What the patient asks, says or takes away; nobody else may write one."""
    if model in (Request, NoteCorrection):
        columns |= {"due_on": timezone.localdate(), "opened_at": timezone.now()}
    row = model(patient=patient, **columns)
    with acting(factories.patient_actor(patient), "test.made", patients=[patient.pk]):
        row.save(force_insert=True)
    return row


def _answer(world: World, patient: Patient, text: str) -> Answer:
    """What the guardian noted on a question about somebody who works there."""
    guardian = world.actors[Role.CALDICOTT_GUARDIAN.value]
    with acting(guardian, "test.made"):
        return Answer.objects.create(
            question=Question.HOURS, actor=world.actors["receptionist"].label, organisation_id=patient.practice_id,
            about_patient=patient.pk, text=text, answered_by=guardian.user_id,
        )  # fmt: skip


# --- What the application allows ---------------------------------------------------------------------


def allowed(actor: Actor, model: Model) -> set[Any]:
    """The keys of the rows that the actor may see, by `visible_to` alone: the owner, whom it asks, is shown all rows."""
    found = set(_keys(visible_to(model._default_manager.using("owner"), actor)))
    reach = reach_of(actor.role, Permission(privacy_of(model).see))
    if model is Event and reach is Reach.SELF:
        # Two things that no column of the event can say: a look at several patients names each in a row of its own, and
        # what happened to a note that is withheld is withheld with it.
        found |= set(visible_to(Subject.objects.using("owner"), actor).values_list("event_id", flat=True))
        for hiding in personal_models():
            if column := privacy_of(hiding).hidden_from_patient:
                hidden = hiding._default_manager.using("owner").filter(**{f"{column}__isnull": False})
                about = {"relation": hiding._meta.db_table, "row_id__in": [str(key) for key in _keys(hidden)]}
                found -= set(_keys(Event.objects.using("owner").filter(**about)))
    return found


def allowed_past(actor: Actor, model: Model) -> set[Any]:
    """The same for the history of a model: a past row is shown to whoever is related to it as to a present one.

    Two relations show no past, since it would say what has changed: a provider's, and the patient's to what can be
    withheld from them.
    """
    privacy = privacy_of(model)
    past = model.history.model.objects.using("owner")  # type: ignore[attr-defined]
    if not isinstance(privacy, Personal):
        return set(_keys(past))
    reach = reach_of(actor.role, Permission(privacy.see))
    if reach is Reach.EVERYWHERE:
        return set(_keys(past))
    if reach in (None, Reach.PROVIDER) or (reach is Reach.SELF and privacy.hidden_from_patient):
        return set()
    lookup = lookup_for(privacy, reach, current())
    return set(_keys(past.filter(**lookup))) if lookup else set()


def _keys(rows: Any) -> list[Any]:
    return list(rows.values_list("pk", flat=True))


def shown(table: str, key: str | None) -> list[Any]:
    """What raw SQL shows of a table in the surrounding context: the keys, or whole rows where `key` is None."""
    with connections["default"].cursor() as cursor:
        cursor.execute(f'SELECT * FROM public."{table}"')
        rows = cursor.fetchall()
        if key is None:
            return rows
        at = [column.name for column in cursor.description].index(key)
        return [row[at] for row in rows]


def rows_allowed(world: World) -> dict[str, set[tuple[Model, UUID]]]:
    """For everybody, the rows with a word that they may see."""
    found: dict[str, set[tuple[Model, UUID]]] = {}
    for name, actor in world.actors.items():
        with acting(actor, "test.asked"):
            seen = {model: allowed(actor, model) for model in {model for model, _ in world.words.values()}}
        found[name] = {(model, key) for model, key in world.words.values() if key in seen[model]}
    return found


# --- Addresses ---------------------------------------------------------------------------------------


def paths(world: World, address: Address, scope: str) -> Iterator[str]:
    """The address with the rows of that scope in its parts. Fails for a part that names what this world has none of."""
    choices = [_values(world, address, part, scope) for part in address.parts]
    for values in product(*choices):
        path = address.pattern
        for value in values:
            start, end = path.index("<"), path.index(">")
            path = f"{path[:start]}{value}{path[end + 1 :]}"
        yield "/" + path


def _values(world: World, address: Address, part: str, scope: str) -> list[Any]:
    about: Any = address.about.get(part)
    if about is None:
        return ["1"]
    if isinstance(about, type) and issubclass(about, TextChoices):
        return about.values[-1:]
    found: list[Any] = {
        Event: list(
            Event.objects.using("owner").filter(patient_id=world.patients[scope].pk).order_by("pk")[:1]
        ),
        InformationSheet: list(InformationSheet.objects.all()[:1]),
    }.get(about) or world.of(scope, about)
    assert found, f"{address.name}: make a row of {about.__name__} in apart.py"
    return [getattr(row, part if hasattr(row, part) else "pk") for row in found]


# --- Walls off ---------------------------------------------------------------------------------------


@contextmanager
def no_policies() -> Iterator[None]:
    """No row security anywhere in this database."""
    tables = [model._meta.db_table for model in declared()]
    tables += [m.history.model._meta.db_table for m in declared() if privacy_of(m).is_audited]  # type: ignore[attr-defined]
    _alter(tables, "DISABLE", "NO FORCE")
    try:
        yield
    finally:
        _alter(tables, "ENABLE", "FORCE")


def _alter(tables: list[str], switch: str, force: str) -> None:
    with connections["owner"].cursor() as cursor:
        for table in tables:
            cursor.execute(
                f'ALTER TABLE public."{table}" {switch} ROW LEVEL SECURITY, {force} ROW LEVEL SECURITY'
            )


def forget_checks(patch: pytest.MonkeyPatch) -> None:
    """Every question to pilot.access is answered yes and narrows nothing, wherever it was imported to."""
    addresses()  # Loads every view: one that was loaded later would keep these answers.
    yes: dict[Any, Any] = {
        policies.check: lambda *asked: None,
        policies.can: lambda *asked: True,
        policies.may: lambda *asked: True,
        policies.visible_to: lambda rows, *asked: rows,
    }
    for module in list(sys.modules.values()):
        for name, value in list(vars(module).items()):
            for asked, answer in yes.items():
                if value is asked:
                    patch.setattr(module, name, answer)
    patch.setattr(PilotView, "authorise", lambda view: None)
    patch.setattr(BaseView, "require_decision", lambda view, context: None)
