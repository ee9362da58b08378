"""A pilot for tests of access: two practices, two providers, a patient for every way to be related to one, somebody for
every role, and a canary in every field.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.test import Client

from audit.models import Event
from coaching.actions import book
from coaching.models import DistressCall, Goal, Session, SessionStatus
from consent.models import NEEDED_TO_BEGIN, Decision, Purpose, Receipt
from pilot.access import Actor, Role, acting
from pilot.outbox import wording
from pilot.outbox.models import Message
from pilot.people import actions as people
from pilot.people.models import Membership, Organisation, Patient, User
from referrals import codes
from referrals.actions import pause
from referrals.clinical_terms import Kind
from referrals.importing.actions import stage
from referrals.importing.reading import Candidate, Problem, Reading
from referrals.models import (
    Allocation,
    ClinicalNote,
    ImportBatch,
    Invitation,
    Reason,
    Referral,
    Status,
    Withholding,
)
from referrals.notes.actions import disclose_note, withhold_note
from referrals.notes.policies import Grounds
from referrals.screening.actions import confirm_own_words
from tests import factories
from tests.access.canaries import Aviary, Person

# A Django superuser, a receptionist whose membership has ended, and one who has not passed the second step.
WITHOUT_ROLE = ("superuser", "former", "halfway")


@dataclass
class World:
    """Who is who, and which value stands where."""

    pilot: factories.Pilot
    aviary: Aviary
    people: dict[str, Person] = field(default_factory=dict)
    patients: dict[str, Patient] = field(default_factory=dict)
    code: str = ""  # of an invitation that nobody has used

    def client(self, name: str) -> Client:
        """A browser in which this person has signed in, or none where they cannot."""
        person = self.people[name]
        client = Client(raise_request_exception=False)
        if person.actor:
            factories.sign_in(client, person.actor)
        elif name in WITHOUT_ROLE:
            with acting(factories.TESTS, "test.signed_in"):
                client.force_login(User.objects.get(display_name=f"The {name}"))
        elif name == "invited":
            patient = self.patients["undecided"]
            born = f"{patient.date_of_birth:%d/%m/%Y}"
            client.post("/invitation/", {"code": self.code, "date_of_birth": born})
        return client


def make_world(*, small: bool = False) -> World:
    """Everybody; a `small` one has fewer patients and no clinical note in it."""
    maker = _Maker(World(factories.make_pilot(), Aviary()), has_notes=not small)
    maker.coached()
    if not small:
        maker.others()
    maker.everybody()
    return maker.world


class _Maker:
    """Makes the world, row by row."""

    def __init__(self, world: World, *, has_notes: bool) -> None:
        self.world, self.pilot, self.birds, self.has_notes = world, world.pilot, world.aviary, has_notes
        here, there = world.pilot, world.pilot
        self.staff: dict[str, Actor] = {
            "receptionist": self._member(Role.RECEPTIONIST, here.practice),
            "clinician": self._member(Role.CLINICIAN, here.practice, is_named_clinician=True),
            "coach": self._member(Role.COACH, here.provider),
            "colleague": self._member(Role.COACH, here.provider),
            "supervisor": self._member(Role.SUPERVISOR, here.provider),
            "receptionist elsewhere": self._member(Role.RECEPTIONIST, there.other_practice),
            "clinician elsewhere": self._member(Role.CLINICIAN, there.other_practice),
            "coach elsewhere": self._member(Role.COACH, there.other_provider),
            "supervisor elsewhere": self._member(Role.SUPERVISOR, there.other_provider),
            "commissioner": self._member(Role.COMMISSIONER, here.commissioner),
            "pilot manager": self._member(Role.PILOT_MANAGER, here.office),
            "Caldicott Guardian": self._member(Role.CALDICOTT_GUARDIAN, here.office),
            "Speak Up guardian": self._member(Role.SPEAK_UP_GUARDIAN, here.office),
        }
        self.referrals: dict[str, Referral] = {}
        self.lately = iter(range(2, 29))

    def coached(self) -> None:
        """Whoever has a coach or had one, and whoever was asked to decide."""
        self._coached("mine", "coach", account=True)
        self._coached("kept from", "coach", account=True, withheld=True)
        self._coached("elsewhere", "coach elsewhere", account=True, at=self.pilot.other_practice)
        self._undecided("undecided")

    def others(self) -> None:
        self._coached("a colleague's", "colleague")
        self._coached("stopped", "coach", account=True)
        self._stop("stopped")
        waiting = self._patient("waiting")
        self._referral("waiting", Status.WAITING)
        self._messages(waiting, is_full=False)
        self._undecided("undecided elsewhere", at=self.pilot.other_practice)
        self._ended("ended")
        self._not_now("not to be raised")
        for name in ("waiting", "undecided", "ended", "not to be raised"):
            self._note(name, "clinician")

    def everybody(self) -> None:
        """Lists that wait, the people themselves, and where every value stands in the end."""
        for practice, who in (
            (self.pilot.practice, "receptionist"),
            (self.pilot.other_practice, "receptionist elsewhere"),
        ):
            self._list(practice, self.staff[who])
        self._people()
        self.birds.settle()

    # --- Patients --------------------------------------------------------------------------------------

    def _coached(
        self,
        name: str,
        coach: str,
        *,
        account: bool = False,
        withheld: bool = False,
        at: Organisation | None = None,
    ) -> None:
        """Somebody with a coach and everything that there can be about one."""
        patient = self._patient(name, account=account, at=at)
        referral = self._referral(name, Status.WAITING)
        factories.allocate_to(referral, self.staff[coach])
        self._allocation_begun(referral)
        is_full = name in ("mine", "elsewhere")
        self._coaching(referral, coach, is_full=is_full)
        if self.has_notes:
            self._note(name, "clinician elsewhere" if at else "clinician", withheld=withheld)
        if name == "a colleague's":
            pause(referral, by=self.staff[coach])
        self._messages(patient, is_full=is_full)
        self._receipt(patient)
        self._invitation(referral, used_at=self.birds.past(Invitation, "used_at"))

    def _stop(self, name: str) -> None:
        from consent.actions import record_withdrawal

        patient = self.world.patients[name]
        record_withdrawal(patient, method=Decision.Method.PHONE, by=self.staff["receptionist"])

    def _undecided(self, name: str, *, at: Organisation | None = None) -> None:
        self._patient(name, at=at)
        referral = self._referral(name, Status.AWAITING_DECISION)
        code = codes.new_code()
        message = self._message(
            referral.patient, Message.Channel.LETTER, Message.Status.DUE, secret=wording.seal(code)
        )
        self._invitation(referral, code_digest=codes.digest_of(code), message=message)
        if not at:
            self.world.code = code

    def _ended(self, name: str) -> None:
        self._patient(name)
        self._referral(
            name,
            Status.ENDED,
            ending=Referral.Ending.HEALTH_FIRST,
            ended_at=self.birds.past(Referral, "ended_at"),
        )

    def _not_now(self, name: str) -> None:
        patient = self._patient(name)
        self._referral(name, Status.SET_ASIDE, ended_at=self.birds.past(Referral, "ended_at"))
        with acting(factories.TESTS, "test.made", patients=[patient.pk]):
            patient.do_not_raise_until = self.birds.future(Patient, "do_not_raise_until").date()
            patient.save(update_fields=["do_not_raise_until"])

    def _patient(self, name: str, *, account: bool = False, at: Organisation | None = None) -> Patient:
        columns = self.birds.texts(
            Patient,
            nhs_number=self.birds.nhs_number(),
            phone=self.birds.phone(),
            date_of_birth=self.birds.birthday(),
            needs=["step_free"],
            message_is_safe=True,
            preferred_contact="1" if name == "mine" else "4",
        )
        columns["preferred_name"] = columns["preferred_name"] if name == "mine" else ""
        before = columns["needs_note"]
        patient = factories.make_patient(
            at or self.pilot.practice, **{**columns, "needs_note": f"{before} before"}
        )
        with acting(
            factories.TESTS, "test.made", patients=[patient.pk], reason=self.birds.token(Event, "reason")
        ):
            patient.needs_note = self.birds.token(Patient, "needs_note")
            patient.save(update_fields=["needs_note"])
        self.world.patients[name] = patient
        self.birds.keep_history(patient, "needs_note", before)
        confirm_own_words(
            patient,
            box="people.Patient.needs_note",
            kinds=[Kind.DIAGNOSIS],
            by=self.staff["receptionist elsewhere" if at else "receptionist"],
        )
        self.birds.names[patient.pk] = name
        if account:
            self._account(patient)
        return patient

    def _account(self, patient: Patient) -> None:
        email = self.birds.token(User, "email")
        display_name = self.birds.token(User, "display_name")
        patient.account = people.open_account(
            patient, f"{email}@example.org", factories.PASSWORD, by=factories.TESTS
        )
        with acting(factories.TESTS, "test.made"):
            User.objects.filter(pk=patient.account.pk).update(display_name=display_name)
        patient.account.display_name = display_name
        self.birds.keep_account(patient, email=email, display_name=display_name)

    # --- Their rows ------------------------------------------------------------------------------------

    def _referral(self, name: str, status: Status, **columns: Any) -> Referral:
        patient = self.world.patients[name]
        if status is Status.WAITING:
            for purpose in (*NEEDED_TO_BEGIN, Purpose.REMINDERS):
                self._decision(patient, purpose)
            columns |= {
                "provider": patient.practice.served_by,
                "ready_at": self.birds.past(Referral, "ready_at"),
            }
        elif status is Status.ENDED:
            mistaken = self._decision(patient, Purpose.EVALUATION)
            self._decision(
                patient,
                Purpose.EVALUATION,
                answer=Decision.Answer.CORRECTED,
                corrects=mistaken,
                correction_reason=self.birds.token(Decision, "correction_reason"),
            )
        referral = factories.ReferralFactory(
            patient=patient,
            status=status,
            logged_at=self.birds.past(Referral, "logged_at"),
            logged_by_id=self.staff["receptionist"].user_id,
            reasons=[Reason.FIND_WORK],
            **self.birds.texts(Referral, **columns),
        )
        self.referrals[name] = referral
        return referral

    def _allocation_begun(self, referral: Referral) -> None:
        """At days of their own; also for a supervisor who reads along."""
        with acting(factories.TESTS, "test.made", patients=[referral.patient_id]):
            referral.refresh_from_db()
            referral.allocated_at = self.birds.past(Referral, "allocated_at")
            referral.save(update_fields=["allocated_at"])
            current = Allocation.objects.get(referral=referral, ended_at=None)
            current.begun_at = self.birds.past(Allocation, "begun_at")
            current.save(update_fields=["begun_at"])
            begun_at = self.birds.past(Allocation, "begun_at")
            earlier = Allocation(
                referral=referral,
                patient_id=referral.patient_id,
                practice_id=referral.practice_id,
                provider_id=current.provider_id,
                person_id=current.person_id,
                role=Role.COACH.value,
                slot=9,
                begun_at=begun_at,
                ended_at=self.birds.past(Allocation, "ended_at"),
            )
            earlier.save(force_insert=True)

    def _coaching(self, referral: Referral, coach: str, *, is_full: bool) -> None:
        birds = self.birds
        sessions = [(SessionStatus.HELD, birds.past)]
        if is_full:
            sessions += [
                (SessionStatus.BOOKED, birds.future),
                (SessionStatus.BOOKED, birds.past),
                (SessionStatus.DID_NOT_HAPPEN, birds.past),
                (SessionStatus.CANCELLED, birds.future),
            ]
        for status, when in sessions:
            was_recorded = status in (SessionStatus.HELD, SessionStatus.DID_NOT_HAPPEN)
            factories.make_session(
                referral,
                self.staff[coach],
                status=status,
                starts_at=when(Session, "starts_at"),
                recorded_at=birds.past(Session, "recorded_at") if was_recorded else None,
                **birds.texts(Session),
            )
        book(
            referral,
            starts_at=birds.future(Session, "starts_at"),
            place=Session.Place.PRACTICE,
            where=birds.token(Session, "where"),
            by=self.staff[coach],
        )
        for name in ("", "reached_at", "dropped_at") if is_full else ("",):
            at = {name: birds.past(Goal, name)} if name else {}
            factories.GoalFactory(referral=referral, **at, **birds.texts(Goal))
        accepted = {
            "accepted_by_id": self.staff["clinician"].user_id,
            "accepted_at": birds.past(DistressCall, "accepted_at"),
        }
        factories.DistressCallFactory(
            referral=referral,
            raised_by_id=self.staff[coach].user_id,
            raised_at=birds.lately(DistressCall, "raised_at", next(self.lately)),
            emailed_at=birds.past(DistressCall, "emailed_at") if not is_full else None,
            **({} if is_full else accepted),
            **birds.texts(DistressCall),
        )

    def _note(self, name: str, clinician: str, *, withheld: bool = False) -> None:
        patient, writer = self.world.patients[name], self.staff[clinician]
        note = factories.make_note(patient, writer, **self.birds.texts(ClinicalNote))
        if withheld:
            self._withhold(note, writer)
        if name == "mine":
            # Shown again: why it was withheld stays with the clinicians.
            again = factories.make_note(patient, writer, **self.birds.texts(ClinicalNote))
            self._withhold(again, writer)
            disclose_note(again, by=writer)

    def _withhold(self, note: ClinicalNote, writer: Actor) -> None:
        """As the action does, on days that stand nowhere else."""
        review_on = self.birds.soon(ClinicalNote, "review_on").date()
        because = self.birds.texts(Withholding)["because"]
        withhold_note(note, Grounds("serious_harm", because, review_on), by=writer)
        with acting(writer, "test.made", patients=[note.patient_id]):
            ClinicalNote.objects.filter(pk=note.pk).update(
                withheld_at=self.birds.past(ClinicalNote, "withheld_at")
            )

    def _messages(self, patient: Patient, *, is_full: bool) -> None:
        """By every way, in every state that a page shows; or those that are to be sent."""
        channel, status = Message.Channel, Message.Status
        kinds = [(channel.EMAIL, status.DUE), (channel.SMS, status.DUE)]
        if is_full:
            kinds += [
                (channel.EMAIL, status.SENT),
                (channel.EMAIL, status.UNKNOWN),
                (channel.SMS, status.NOT_SENT),
                (channel.LETTER, status.DUE),
            ]
        for way, standing in kinds:
            secret = "" if standing in (status.SENT, status.STOPPED) else self.birds.token(Message, "secret")
            self._message(patient, way, standing, secret=secret)

    def _message(self, patient: Patient, way: str, standing: str, *, secret: str) -> Message:
        birds = self.birds
        columns = birds.texts(Message, secret="")
        columns["text"] = f"{columns['text']} {wording.SECRET_PLACE}"
        if way == Message.Channel.EMAIL:
            columns["address"] = f"{birds.token(Message, 'address')}@example.org"
        if way == Message.Channel.SMS:
            columns |= {"address": birds.phone(Message, "address"), "subject": ""}
        sealed = wording.seal(secret) if secret.startswith("zq") else secret
        message = factories.MessageFactory(
            patient=patient,
            channel=way,
            status=standing,
            due_at=birds.past(Message, "due_at"),
            sent_at=birds.past(Message, "sent_at") if standing == Message.Status.SENT else None,
            claimed_at=birds.past(Message, "claimed_at"),
            called_off_at=birds.past(Message, "called_off_at")
            if standing == Message.Status.NOT_SENT
            else None,
            **{**columns, "secret": sealed},
        )
        if secret.startswith("zq"):
            birds.keep_history(message, "secret", secret)
        return message

    def _decision(self, patient: Patient, purpose: Purpose, **columns: Any) -> Decision:
        columns.setdefault("correction_reason", "")
        lapses = self.birds.future(Decision, "lapses_on").date()
        return factories.DecisionFactory(
            patient=patient,
            purpose=purpose,
            lapses_on=lapses,
            recorded_by_id=self.staff["receptionist"].user_id,
            **self.birds.texts(Decision, **columns),
        )

    def _receipt(self, patient: Patient) -> None:
        title, text = self.birds.token(Receipt, "lines"), self.birds.token(Receipt, "lines")
        factories.ReceiptFactory(patient=patient, lines=[{"title": title, "text": text}])

    def _invitation(self, referral: Referral, **columns: Any) -> Invitation:
        expires_at = self.birds.future(Invitation, "expires_at")
        cancelled_at = self.birds.past(Invitation, "cancelled_at") if "used_at" in columns else None
        texts = self.birds.texts(Invitation, **columns)
        return factories.InvitationFactory(
            referral=referral, expires_at=expires_at, cancelled_at=cancelled_at, **texts
        )

    def _list(self, practice: Organisation, by: Actor) -> None:
        """A list that somebody uploaded and nobody decided on yet."""
        birds, rows = self.birds, (ImportBatch, "rows")
        details = people.PatientDetails(
            given_name=birds.token(*rows),
            family_name=birds.token(*rows),
            date_of_birth=birds.birthday(*rows),
            nhs_number=birds.nhs_number(*rows),
            phone=birds.phone(*rows),
            address=birds.token(*rows),
            email=f"{birds.token(*rows)}@example.org",
        )
        reading = Reading(
            candidates=[Candidate(2, details, [Reason.FIND_WORK], birds.token(*rows), [])],
            refused=[Problem(3, birds.token(ImportBatch, "report"), birds.token(ImportBatch, "report"))],
            ignored_columns=[birds.token(ImportBatch, "report")],
        )
        stage(practice, birds.token(ImportBatch, "file_name"), reading, by=by)

    # --- People ----------------------------------------------------------------------------------------

    def _member(self, role: Role, organisation: Organisation, **columns: Any) -> Actor:
        return factories.make_staff(role, organisation, **columns)

    def _people(self) -> None:
        """Everybody who asks for pages, and to whom they are related by the way in which the world was made."""
        world, patients, referrals = self.world, self.world.patients, self.referrals
        mine = {
            "coach": ("mine", "kept from"),
            "colleague": ("a colleague's",),
            "coach elsewhere": ("elsewhere",),
        }
        for name, actor in self.staff.items():
            found = Membership.objects.filter(user_id=actor.user_id)
            world.people[name] = Person(
                name,
                actor,
                organisations=frozenset(found.values_list("organisation_id", flat=True)),
                referrals=frozenset(referrals[each].pk for each in mine.get(name, ()) if each in referrals),
                patients=frozenset(patients[each].pk for each in mine.get(name, ()) if each in patients),
            )
        for name in (each for each, patient in patients.items() if patient.account_id):
            own = frozenset({patients[name].pk})
            world.people[f"patient {name}"] = Person(
                f"patient {name}", factories.patient_actor(patients[name]), patients=own
            )
        world.people["visitor"] = Person("visitor")
        world.people["invited"] = Person(
            "invited",
            patients=frozenset({patients["undecided"].pk}),
            stands_for=Role.PATIENT,
            signs_as=("system:invitation", "system"),
        )
        with acting(factories.TESTS, "test.made"):
            User.objects.create_superuser(
                "super@example.org", factories.PASSWORD, display_name="The superuser"
            )
        former = factories.make_staff(Role.RECEPTIONIST, self.pilot.practice, name="The former")
        people.end_membership(factories.membership_of(former), by=factories.TESTS)
        factories.make_staff(Role.RECEPTIONIST, self.pilot.practice, name="The halfway")
        world.people |= {name: Person(name) for name in WITHOUT_ROLE}
