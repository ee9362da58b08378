"""What tests are made of: organisations, staff, patients and their cases, made by the system, by real actions
where it can. Call these outside any `acting(…)`: each opens its own, since one transaction has one actor."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import uuid4

import factory
import nhs_number
from django.test import Client
from django.utils import timezone
from factory.django import DjangoModelFactory

from audit.models import Event
from coaching.models import DistressCall, Goal, Session, SessionStatus
from consent.models import (
    NEEDED_TO_BEGIN,
    Decision,
    InformationSheet,
    Purpose,
    Receipt,
    Reminder,
    Representative,
)
from pilot.access import Actor, Role, acting, patient_of
from pilot.access.grants import grant
from pilot.charter.models import QUESTIONS, Charter
from pilot.outbox.models import Message, ReceivedText
from pilot.people import actions as people
from pilot.people.models import ROLE_BELONGS_TO, Membership, Organisation, Patient, User
from pilot.record.copies.models import Copy
from pilot.record.copies.models import Status as CopyStatus
from pilot.record.models import Kind as RequestKind
from pilot.record.models import Request
from pilot.record.requests.actions import open_request
from referrals import codes
from referrals.actions import allocate
from referrals.models import Allocation, ClinicalNote, Invitation, Reason, Referral, Status

TESTS = Actor.system("tests")
PASSWORD = "a quiet room with a kettle"
LONG_AGO = dt.date(2020, 1, 1)
Kind = Organisation.Kind


def nhs_numbers(start: int = 0) -> Iterator[str]:
    """Valid NHS numbers that are never issued (999…), in order and each once."""
    for body in range(999_000_000 + start, 1_000_000_000):
        check = nhs_number.calculate_checksum(str(body))
        if check != 10:
            yield f"{body}{check}"


# The lower ones are left to tests that write one out.
_numbers = nhs_numbers(100_000)
_counter = count(1)


# --- Organisations and staff ----------------------------------------------------------------------


def make_organisation(
    kind: Kind = Kind.PRACTICE, *, name: str = "", served_by: Organisation | None = None, **columns: Any
) -> Organisation:
    """An organisation that has existed for years."""
    organisation = _organisation(kind, name=name, served_by=served_by, **columns)
    with acting(TESTS, "test.made"):
        organisation.save(force_insert=True)
    return organisation


def _organisation(
    kind: Kind = Kind.PRACTICE, *, name: str = "", served_by: Organisation | None = None, **columns: Any
) -> Organisation:
    n = next(_counter)
    return Organisation(
        kind=kind,
        **{
            "name": name or f"{kind.label} {n}",
            "ods_code": f"{'T' if kind == Kind.PRACTICE else 'X'}{n:05}",
            "served_by": served_by,
            "valid_from": LONG_AGO,
            **columns,
        },
    )


@dataclass(frozen=True)
class Pilot:
    """Two practices, each served by a provider of its own, a commissioner and the pilot's office."""

    practice: Organisation
    other_practice: Organisation
    provider: Organisation
    other_provider: Organisation
    commissioner: Organisation
    office: Organisation


def make_pilot() -> Pilot:
    provider, other_provider = _organisation(Kind.PROVIDER), _organisation(Kind.PROVIDER)
    pilot = Pilot(
        practice=_organisation(served_by=provider),
        other_practice=_organisation(served_by=other_provider),
        provider=provider,
        other_provider=other_provider,
        commissioner=_organisation(Kind.COMMISSIONER),
        office=_organisation(Kind.PILOT_OFFICE),
    )
    with acting(TESTS, "test.made"):
        # All at once: nearly every test has them.
        Organisation.objects.bulk_create(
            [provider, other_provider, pilot.practice, pilot.other_practice, pilot.commissioner, pilot.office]
        )
    return pilot


def make_user(name: str = "", *, email: str = "") -> User:
    """Somebody who can sign in with `PASSWORD` and has no role yet."""
    n = next(_counter)
    with acting(TESTS, "test.made"):
        return User.objects.create_user(
            email or f"person{n}@example.org", PASSWORD, display_name=name or f"Person {n}"
        )


def make_staff(
    role: Role, organisation: Organisation, *, user: User | None = None, name: str = "", **membership: Any
) -> Actor:
    """A member of staff in this role, with the membership and the grant behind it, as `appoint` leaves them.

    Coaches have ten places unless told. Give `user` for a second role of the same person.
    """
    user = user or make_user(name or f"{role.label} {next(_counter)}")
    if role is Role.COACH:
        membership.setdefault("caseload_limit", 10)
    columns = {"valid_from": LONG_AGO, **membership}
    with acting(TESTS, "membership.begun"):
        # Not by `appoint`: it asks the database about each constraint beforehand, half of what a test’s people cost.
        Membership(user=user, organisation=organisation, role=role.value, **columns).save(force_insert=True)
        grant(user, role, organisation)
    return Actor(role, user.pk, user.display_name)


def make_staff_of_every_role(pilot: Pilot) -> dict[Role, Actor]:
    """One member of staff for each role, at the practice, the provider and the rest of this pilot."""
    places = {
        Kind.PRACTICE: pilot.practice,
        Kind.PROVIDER: pilot.provider,
        Kind.COMMISSIONER: pilot.commissioner,
        Kind.PILOT_OFFICE: pilot.office,
    }
    return {role: make_staff(role, places[kind]) for role, kind in ROLE_BELONGS_TO.items()}


def user_of(actor: Actor) -> User:
    """The account behind an actor."""
    return User.objects.get(pk=actor.user_id)


def sign_in(client: Client, actor: Actor) -> Client:
    """Sign the actor in, acting in this role, the second step passed."""
    from pilot.web.middleware import ACTING_AS, SECOND_STEP
    from pilot.web.selectors import AS_PATIENT

    user = user_of(actor)
    with acting(TESTS, "test.signed_in"):
        client.force_login(user)
    session = client.session
    session[SECOND_STEP] = str(user.pk)
    is_patient = actor.role is Role.PATIENT
    session[ACTING_AS] = AS_PATIENT if is_patient else str(membership_of(actor).pk)
    session.save()
    return client


# --- Patients -------------------------------------------------------------------------------------


class PatientDetailsFactory(factory.Factory):
    """What a receptionist types in."""

    class Meta:
        model = people.PatientDetails

    given_name = factory.Iterator(["Amina", "Ben", "Chloe", "Dev", "Esme", "Femi", "Grace", "Hari"])
    family_name = factory.Sequence(lambda n: f"Tester{n}")
    date_of_birth = factory.Sequence(lambda n: dt.date(1960, 1, 1) + dt.timedelta(days=37 * (n % 400)))
    nhs_number = factory.LazyFunction(lambda: next(_numbers))
    address = "1 Invented Road, London N1 0ZZ"
    phone = "020 7946 0000"
    email = factory.LazyAttribute(lambda o: f"{o.given_name}.{o.family_name}@example.org".lower())


def make_patient(practice: Organisation, *, account: bool = False, **details: Any) -> Patient:
    """A patient of the practice; with `account`, one who can sign in with `PASSWORD`."""
    patient = people.register_patient(practice, PatientDetailsFactory(**details), by=TESTS)
    if account:
        email = f"patient{next(_counter)}@example.org"
        patient.account = people.open_account(patient, email, PASSWORD, by=TESTS)
    return patient


def patient_actor(patient: Patient) -> Actor:
    """The patient themselves. An account is opened if there is none."""
    if patient.account is None:
        email = f"patient{next(_counter)}@example.org"
        patient.account = people.open_account(patient, email, PASSWORD, by=TESTS)
    return Actor(Role.PATIENT, patient.account.pk, patient.account.display_name)


# --- Consent --------------------------------------------------------------------------------------


def make_sheet(**columns: Any) -> InformationSheet:
    """The information sheet in force, published if there is none yet; with columns, a new version."""
    found = InformationSheet.objects.in_force()
    if found and not columns:
        return found
    n = (InformationSheet.objects.order_by("-version").values_list("version", flat=True).first() or 0) + 1
    with acting(TESTS, "test.made"):
        charter = Charter.objects.in_force() or Charter.objects.create(
            version=1, consulted="Nobody.", changed="Nothing.", published_at=timezone.now(),
            **dict.fromkeys(QUESTIONS, "An answer."),
        )  # fmt: skip
        return InformationSheet.objects.create(
            **{
                "version": n,
                "title": "About coaching",
                "text": "It is up to you.",
                "charter": charter,
                "published_at": timezone.now(),
                **columns,
            }
        )


def give_consent(patient: Patient, *purposes: Purpose, **columns: Any) -> list[Decision]:
    """The patient's yes to each of these; unless told, to what is needed to begin. Sets nothing in motion."""
    return [
        DecisionFactory(patient=patient, purpose=purpose, **columns)
        for purpose in purposes or NEEDED_TO_BEGIN
    ]


# --- Referrals and coaching -----------------------------------------------------------------------

LIVE = (Status.WAITING, Status.WITH_COACH, Status.PAUSED)


def make_referral(patient: Patient, *, status: Status = Status.AWAITING_DECISION, **columns: Any) -> Referral:
    """A referral that stands at `status`. Where that needs consent, the consent is given too.

    With a coach or paused, it still has none allocated: use `allocate_to` for that.
    """
    if status in LIVE:
        give_consent(patient)
        columns = {"provider": patient.practice.served_by, "ready_at": timezone.now(), **columns}
    if status in (Status.ENDED, Status.SET_ASIDE):
        columns.setdefault("ended_at", timezone.now())
    if status is Status.ENDED:
        columns.setdefault("ending", Referral.Ending.SUPPORT_COMPLETE)
    return ReferralFactory(patient=patient, status=status, **columns)


def allocate_to(referral: Referral, coach: Actor) -> Allocation:
    """The coach's from now on, in the lowest free place. Refused as in life: consent stands, and it waits."""
    allocation = allocate(referral, membership_of(coach), by=TESTS)
    with acting(TESTS, "test.made", patients=[referral.patient_id]):
        referral.refresh_from_db(fields=["status", "allocated_at", "version"])
    return allocation


def make_case(pilot: Pilot, coach: Actor, *, account: bool = False, **details: Any) -> Referral:
    """A patient of the practice who agreed and is with this coach."""
    patient = make_patient(pilot.practice, account=account, **details)
    referral = make_referral(patient, status=Status.WAITING)
    allocate_to(referral, coach)
    return referral


def make_session(referral: Referral, coach: Actor, **columns: Any) -> Session:
    """A session booked for tomorrow unless told."""
    return SessionFactory(referral=referral, coach_id=coach.user_id, **columns)


def make_note(patient: Patient, clinician: Actor, **columns: Any) -> ClinicalNote:
    """A clinical note, written by a clinician of the practice: nobody else can."""
    note = ClinicalNote(
        **{
            "patient": patient,
            "practice_id": patient.practice_id,
            "author_id": clinician.user_id,
            "text": "An invented note.",
            **columns,
        }
    )
    with acting(clinician, "test.made", patients=[patient.pk]):
        note.save(force_insert=True)
    return note


# --- One factory per record -----------------------------------------------------------------------


class RecordFactory(DjangoModelFactory):
    """Makes a row about a patient, as the system, in an action about that patient."""

    class Meta:
        abstract = True

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **columns: Any) -> Any:
        row = model_class(*args, **columns)
        with acting(TESTS, "test.made", patients=[patient_of(row)]):
            row.save(force_insert=True)
        return row


class DecisionFactory(RecordFactory):
    class Meta:
        model = Decision

    practice = factory.LazyAttribute(lambda o: o.patient.practice)
    purpose = Purpose.TAKE_PART
    answer = Decision.Answer.GIVEN
    sheet = factory.LazyFunction(make_sheet)
    method = Decision.Method.IN_PERSON
    capacity_not_in_doubt = True
    freely_given = True
    lapses_on = factory.LazyFunction(lambda: timezone.localdate() + dt.timedelta(days=365))


class RepresentativeFactory(RecordFactory):
    class Meta:
        model = Representative

    practice = factory.LazyAttribute(lambda o: o.patient.practice)
    name = "Ada Speaker"
    authority = Representative.Authority.ATTORNEY
    seen = "The registered paper, of 3 May 2025"


class ReminderFactory(RecordFactory):
    class Meta:
        model = Reminder

    patient_id = factory.LazyAttribute(lambda o: o.decision.patient_id)
    practice_id = factory.LazyAttribute(lambda o: o.decision.practice_id)
    why = Reminder.Why.LAPSES
    ends_on = factory.LazyAttribute(lambda o: o.decision.lapses_on)


class ReceiptFactory(RecordFactory):
    class Meta:
        model = Receipt

    practice = factory.LazyAttribute(lambda o: o.patient.practice)
    kind = Receipt.Kind.DECIDED
    lines = factory.LazyFunction(lambda: [{"title": "You said yes to", "text": "Something"}])


class ReceivedTextFactory(RecordFactory):
    """STOP, from the patient's number, that nobody has called about yet."""

    class Meta:
        model = ReceivedText

    practice = factory.LazyAttribute(lambda o: o.patient.practice)
    number = "02079460000"
    text = "STOP"
    is_stop = True
    reference = factory.LazyFunction(lambda: str(uuid4()))


class InvitationFactory(RecordFactory):
    """With a code that nobody knows, unless told: `code_digest=digest_of(code)`."""

    class Meta:
        model = Invitation

    patient_id = factory.LazyAttribute(lambda o: o.referral.patient_id)
    practice_id = factory.LazyAttribute(lambda o: o.referral.practice_id)
    channel = Invitation.Channel.LETTER
    code_digest = factory.LazyFunction(lambda: codes.digest_of(codes.new_code()))
    expires_at = factory.LazyFunction(lambda: timezone.now() + dt.timedelta(days=28))


class ReferralFactory(RecordFactory):
    class Meta:
        model = Referral

    practice = factory.LazyAttribute(lambda o: o.patient.practice)
    reference = factory.LazyFunction(lambda: f"T{next(_counter):06}")
    reasons = factory.LazyFunction(lambda: [Reason.FIND_WORK])
    own_words = "I would like a job near home."
    logged_at = factory.LazyFunction(timezone.now)


class SessionFactory(RecordFactory):
    class Meta:
        model = Session

    patient_id = factory.LazyAttribute(lambda o: o.referral.patient_id)
    # Each at a time of its own: a coach is in one place at a time.
    starts_at = factory.LazyFunction(lambda: timezone.now() + dt.timedelta(days=1, hours=next(_counter)))
    place = Session.Place.PRACTICE
    where = "Room 2"
    status = SessionStatus.BOOKED
    recorded_at = factory.LazyAttribute(
        lambda o: timezone.now() if o.status in (SessionStatus.HELD, SessionStatus.DID_NOT_HAPPEN) else None
    )
    rearranged_by = factory.LazyAttribute(
        lambda o: Session.Rearranger.COACH if o.status == SessionStatus.DID_NOT_HAPPEN else ""
    )


class GoalFactory(RecordFactory):
    class Meta:
        model = Goal

    patient_id = factory.LazyAttribute(lambda o: o.referral.patient_id)
    words = "Two mornings a week, near home."


class DistressCallFactory(RecordFactory):
    """Give `referral` and `raised_by_id`."""

    class Meta:
        model = DistressCall

    patient_id = factory.LazyAttribute(lambda o: o.referral.patient_id)
    practice_id = factory.LazyAttribute(lambda o: o.referral.practice_id)
    raised_at = factory.LazyFunction(timezone.now)


class MessageFactory(RecordFactory):
    class Meta:
        model = Message

    practice = factory.LazyAttribute(lambda o: o.patient.practice)
    channel = Message.Channel.EMAIL
    template = "test"
    address = factory.LazyAttribute(lambda o: o.patient.email)
    subject = "A message"
    text = "Hello."
    status = Message.Status.DUE
    due_at = factory.LazyFunction(timezone.now)
    claimed_at = factory.LazyAttribute(
        lambda o: timezone.now() if o.status == Message.Status.SENDING else None
    )
    sent_at = factory.LazyAttribute(lambda o: timezone.now() if o.status == Message.Status.SENT else None)
    reference = factory.LazyFunction(uuid4)


def ask_guardian(patient: Patient, words: str = "Why?", *, about: Event | None = None) -> Request:
    """A question of this patient's to the guardian, asked by themselves."""
    return open_request(patient, RequestKind.ACCESS_QUERY, words, about=about, by=patient_actor(patient))


def make_copy(patient: Patient, **columns: Any) -> Copy:
    """A copy of this patient's that is ready, with nothing of anybody in it."""
    columns = {"status": CopyStatus.READY, "ready_at": timezone.now(), "pdf": b"", "json": b"", **columns}
    copy = Copy(patient=patient, **{"expires_at": timezone.now() + dt.timedelta(days=1), **columns})
    with acting(patient_actor(patient), "test.made", patients=[patient.pk]):
        copy.save(force_insert=True)
    return copy


def membership_of(actor: Actor) -> Membership:
    """The actor's membership in their role."""
    return Membership.objects.get(user_id=actor.user_id, role=actor.role.value)
