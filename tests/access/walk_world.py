"""A pilot with one of everything that an address can name, for each way in which somebody may stand to it."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.webauthn.internal.auth import WebAuthn
from cryptography.hazmat.primitives.asymmetric import ec
from django.db import connections
from django.db.models import TextChoices
from django.urls import NoReverseMatch, resolve, reverse
from django.utils import timezone
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import AttestationObject, AttestedCredentialData, AuthenticatorData

from audit.models import Event
from coaching.models import DistressCall, Goal, Session
from consent.actions import withdraw
from consent.models import Decision, InformationSheet, Purpose, Receipt, Representative
from pilot.access import Actor, Role, acting
from pilot.charter.models import Charter
from pilot.dashboards.models import Measure
from pilot.demo.personas import PERSONAS
from pilot.outbox.models import Message, ReceivedText
from pilot.people.models import Membership, Organisation, Patient, User
from pilot.record.copies.models import Copy
from pilot.record.models import Detail, Request, Right
from pilot.record.notes.actions import ask_to_correct_note
from pilot.record.requests.actions import ask_for_correction
from pilot.web.expectations import Address, Asker, Scope
from referrals.importing.actions import stage
from referrals.importing.reading import Reading
from referrals.merging.actions import merge
from referrals.merging.policies import version_of
from referrals.models import ClinicalNote, ImportBatch, Referral, Status
from referrals.notes.models import NoteCorrection
from tests import factories
from tests.second_steps import app_of, recovery_codes_of


@dataclass
class Record:
    """One patient and one row of every kind about them."""

    patient: Patient
    rows: dict[type, Any] = field(default_factory=dict)
    # Where a page is only about rows that stand in a certain way.
    special: dict[str, Any] = field(default_factory=dict)


@dataclass
class World:
    """Everybody who asks, and whatever an address can name."""

    actors: dict[str, Actor]
    withdrawn_patient: Actor
    superuser: User
    records: dict[Scope, Record]
    impersonal: dict[type, Any]
    # Rows of which a page is only about those that stand in a certain way; each for one page, which may change it.
    special: dict[str, Any]
    parts: dict[tuple[str, str], Callable[[User | None], str]]

    def path(
        self, address: Address, scope: Scope, *, whose: User | None = None, elsewhere: Scope | None = None
    ) -> str:
        """The address with the keys of that scope in it, for whoever asks; with `elsewhere`, all but the first key are
        of that one.

        Raises `LookupError` for an address that we cannot build, and for one that another hides.
        """
        values: dict[str, Any] = {}
        for number, part in enumerate(address.parts):
            of_whom = elsewhere if elsewhere and number else scope
            values[part] = self._value(address, part, of_whom, whose)
        path = _reversed(address, values)
        if resolve(path).func is not address.view:
            raise LookupError(f"{address.name}: another address hides /{address.pattern}")
        return path

    def _value(self, address: Address, part: str, scope: Scope, whose: User | None) -> Any:
        if (address.name, part) in self.parts:
            return self.parts[address.name, part](whose)
        try:
            named = address.about[part]
            if issubclass(named, TextChoices):
                return WORDS.get(named, named.values[0])
            row = (
                self.special.get(address.name)
                or self.impersonal.get(named)
                or self._row(address, named, scope)
            )
        except KeyError as missing:
            raise LookupError(f"{address.name}: no object to stand for `{part}` ({missing})") from None
        columns = {column.name for column in row._meta.concrete_fields}
        return getattr(row, part) if part in columns else row.pk

    def _row(self, address: Address, model: type, scope: Scope) -> Any:
        record = self.records[Scope.OWN if scope is Scope.NOBODY else scope]
        return record.special.get(address.name) or record.rows[model]

    def actor(self, asker: Asker, scope: Scope) -> Actor | None:
        """Who asks; None for the visitor and the superuser. Only a patient can be the one who has withdrawn."""
        if asker.role is Role.PATIENT and scope is Scope.WITHDRAWN:
            return self.withdrawn_patient
        return self.actors.get(asker.name)


# Where the first word of a vocabulary will not do.
WORDS: dict[type, str] = {Purpose: Purpose.REMINDERS, Measure: Measure.REFERRALS, Right: Right.ERASURE}


def make_world() -> World:
    pilot = factories.make_pilot()
    staff = factories.make_staff_of_every_role(pilot)
    coach = staff[Role.COACH]
    colleague = factories.make_staff(Role.COACH, pilot.provider)
    elsewhere = factories.make_staff(Role.COACH, pilot.other_provider)
    clinicians = {
        pilot.practice: staff[Role.CLINICIAN],
        pilot.other_practice: factories.make_staff(Role.CLINICIAN, pilot.other_practice),
    }
    desks = {
        Scope.OWN: (pilot.practice, staff[Role.RECEPTIONIST]),
        Scope.SAME_PRACTICE: (pilot.practice, factories.make_staff(Role.RECEPTIONIST, pilot.practice)),
        Scope.OTHER_PRACTICE: (
            pilot.other_practice,
            factories.make_staff(Role.RECEPTIONIST, pilot.other_practice),
        ),
    }
    whose = {
        Scope.OWN: (pilot.practice, coach),
        Scope.SAME_PRACTICE: (pilot.practice, colleague),
        Scope.OTHER_PRACTICE: (pilot.other_practice, elsewhere),
        Scope.WITHDRAWN: (pilot.practice, coach),
    }
    records = {
        scope: _make_record(practice, helper, clinicians[practice])
        for scope, (practice, helper) in whose.items()
    }
    for scope, (practice, desk) in desks.items():
        records[scope].rows[ImportBatch] = stage(practice, "list.csv", Reading(), by=desk)
    withdrawn = factories.patient_actor(records[Scope.WITHDRAWN].patient)
    withdraw(records[Scope.WITHDRAWN].patient, by=withdrawn)
    for record in records.values():
        record.rows[Event] = _event_about(record.patient)
    superuser = _make_superuser()
    expired = factories.make_staff(Role.CLINICIAN, pilot.practice, valid_until=timezone.localdate())
    actors = {
        **{role.value: actor for role, actor in staff.items()},
        Role.PATIENT.value: factories.patient_actor(records[Scope.OWN].patient),
        "expired member": expired,
        "one step": factories.make_staff(Role.CLINICIAN, pilot.practice),
    }
    askers = (superuser, *map(factories.user_of, (*actors.values(), withdrawn)))
    keys = {user: give_second_steps(user) for user in askers}
    return World(
        actors=actors,
        withdrawn_patient=withdrawn,
        superuser=superuser,
        records=records,
        impersonal=_make_impersonal(pilot, staff),
        special={**_make_drafts(), "office:organisation-keep-open": _make_closing()},
        parts=_parts(factories.make_user("Somebody who forgot"), keys),
    )


def _make_record(practice: Organisation, coach: Actor, clinician: Actor) -> Record:
    patient = factories.make_patient(practice, account=True)
    referral = factories.make_referral(patient, status=Status.WAITING)
    factories.allocate_to(referral, coach)
    letter = factories.MessageFactory(patient=patient, channel=Message.Channel.LETTER)
    themselves, session = factories.patient_actor(patient), factories.make_session(referral, coach)
    note = factories.make_note(patient, clinician)
    double = factories.make_patient(
        practice,
        given_name=patient.given_name,
        family_name=patient.family_name,
        date_of_birth=patient.date_of_birth,
        nhs_number=None,
    )
    with acting(clinician, "test.looked"):
        compared = version_of(*Patient.objects.filter(pk__in=[double.pk, patient.pk]))
    merge(double, into=patient, version=compared, by=clinician)
    return Record(
        patient,
        rows={
            Patient: patient,
            Referral: referral,
            Session: session,
            Goal: factories.GoalFactory(referral=referral),
            DistressCall: factories.DistressCallFactory(referral=referral, raised_by_id=coach.user_id),
            ClinicalNote: note,
            Copy: factories.make_copy(patient),
            NoteCorrection: ask_to_correct_note(note, "Not so.", by=themselves),
            Message: letter,
            Receipt: factories.ReceiptFactory(patient=patient),
            ReceivedText: factories.ReceivedTextFactory(patient=patient),
            Decision: factories.DecisionFactory(patient=patient, purpose=Purpose.EVALUATION),
            Representative: factories.RepresentativeFactory(patient=patient),
            Request: factories.ask_guardian(patient),
        },
        special={
            "record:other": double,
            "outbox:settle": factories.MessageFactory(patient=patient, status=Message.Status.UNKNOWN),
            "record:correction": ask_for_correction(
                patient, "Another number.", detail=Detail.REACH, by=themselves
            ),
            "record:coach_correction": ask_for_correction(session, "At noon.", by=themselves),
        },
    )


def _make_impersonal(pilot: factories.Pilot, staff: dict[Role, Actor]) -> dict[type, Any]:
    sheet = factories.make_sheet()
    desk = factories.user_of(staff[Role.RECEPTIONIST])
    persona = PERSONAS[0]
    with acting(factories.TESTS, "test.made"):
        account = User.objects.create_user(
            "persona@example.org", id=persona.account_id, display_name="Persona"
        )
    factories.make_staff(Role.RECEPTIONIST, pilot.practice, user=account)
    return {
        Organisation: pilot.practice,
        User: desk,
        Membership: Membership.objects.get(user=desk),
        InformationSheet: sheet,
        Charter: Charter.objects.in_force(),
    }


def _make_drafts() -> dict[str, Any]:
    """One draft for each of the admin's pages about one."""
    verbs = ("change", "history", "publish", "discard")
    charter, sheet = Charter.objects.in_force(), factories.make_sheet()
    found: dict[str, Any] = {}
    with acting(factories.TESTS, "test.made"):
        for number, verb in enumerate(verbs, start=100):
            for row, name in ((charter, "charter_charter"), (sheet, "consent_informationsheet")):
                columns = {each.attname: getattr(row, each.attname) for each in row._meta.concrete_fields}
                draft = type(row)(**{**columns, "id": None, "version": number, "published_at": None})
                draft.save(force_insert=True)
                found[f"admin:{name}_{verb}"] = draft
    return found


def _make_closing() -> Organisation:
    """An organisation that is going to close, and may be kept open."""
    tomorrow = timezone.localdate() + dt.timedelta(days=1)
    return factories.make_organisation(valid_until=tomorrow)


def _make_superuser() -> User:
    user = factories.make_user("Django's own superuser")
    with acting(factories.TESTS, "test.made"):
        user.is_superuser = True
        user.save(update_fields=["is_superuser"])
    return user


def _parts(
    forgetful: User, keys: dict[User, tuple[int, int]]
) -> dict[tuple[str, str], Callable[[User | None], str]]:
    """What stands in addresses that are not ours, and of ours where it is no row."""
    code = default_token_generator.make_token(forgetful)
    return {
        ("account_reset_password_from_key", "uidb36"): lambda whose: user_pk_to_url_str(forgetful),
        ("account_reset_password_from_key", "key"): lambda whose: code,
        # One's own passkeys; a visitor, who has none, tries any number.
        ("mfa_edit_webauthn", "pk"): lambda whose: str(keys.get(whose, (1, 1))[0]),
        ("mfa_remove_webauthn", "pk"): lambda whose: str(keys.get(whose, (1, 1))[1]),
        # Compared with itself: what matters is who may read it.
        ("consent:changes", "before"): lambda whose: str(factories.make_sheet().version),
        ("demo:sign-in", "slug"): lambda whose: PERSONAS[0].slug,
    }


def give_second_steps(user: User) -> tuple[int, int]:
    """An app, two passkeys and recovery codes: whoever has them has pages about them. Returns the passkeys' numbers."""
    app_of(user)
    recovery_codes_of(user)
    with acting(factories.TESTS, "test.made"):
        one, other = (WebAuthn.add(user, name, _passkey()).instance.pk for name in ("A key", "Another"))
    return one, other


def _passkey() -> dict[str, Any]:
    """What a browser says of a new passkey."""
    public = ES256.from_cryptography_key(ec.generate_private_key(ec.SECP256R1()).public_key())
    own = uuid4().bytes
    flags = AuthenticatorData.FLAG.UP | AuthenticatorData.FLAG.UV | AuthenticatorData.FLAG.AT
    data = AuthenticatorData.create(
        hashlib.sha256(b"testserver").digest(),
        flags,
        0,
        AttestedCredentialData.create(bytes(16), own, public),
    )
    said = {"type": "webauthn.create", "challenge": "", "origin": "https://testserver"}
    return {
        "id": websafe_encode(own),
        "rawId": websafe_encode(own),
        "type": "public-key",
        "response": {
            "clientDataJSON": websafe_encode(json.dumps(said).encode()),
            "attestationObject": websafe_encode(bytes(AttestationObject.create("none", data, {}))),
        },
        "clientExtensionResults": {"credProps": {"rk": True}},
    }


def _event_about(patient: Patient) -> Any:
    """An event about the patient. Asked as the owner, who sees all of them."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT max(id) FROM audit_event WHERE patient_id = %s", [patient.pk])
        return Event(pk=cursor.fetchone()[0], patient_id=patient.pk)


def _reversed(address: Address, values: dict[str, Any]) -> str:
    values = {
        part: str(value).replace("_", "-") if part == "format" else value for part, value in values.items()
    }
    values |= address.defaults
    try:
        return reverse(address.name, kwargs=values)
    except NoReverseMatch as missing:
        raise LookupError(f"{address.name}: no address for {values} ({missing})") from None
