"""A pilot for tests of access: two practices, two providers, a patient for every way to be related to one, somebody for
every role, and a canary in every field.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from django.test import Client

from audit.models import Event
from audit.questions.models import Answer, Question
from consent.actions import record_withdrawal
from consent.models import Decision
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
from referrals.models import ImportBatch, Invitation, Reason, Referral, Status
from referrals.screening.actions import confirm_own_words
from tests import factories
from tests.access.canaries import Aviary, Person
from tests.access.rows import Rows

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
        member, pilot = factories.make_staff, world.pilot
        self.staff: dict[str, Actor] = {
            "receptionist": member(Role.RECEPTIONIST, pilot.practice),
            "clinician": member(Role.CLINICIAN, pilot.practice, is_named_clinician=True),
            "coach": member(Role.COACH, pilot.provider),
            "colleague": member(Role.COACH, pilot.provider),
            "supervisor": member(Role.SUPERVISOR, pilot.provider),
            "receptionist elsewhere": member(Role.RECEPTIONIST, pilot.other_practice),
            "clinician elsewhere": member(Role.CLINICIAN, pilot.other_practice),
            "coach elsewhere": member(Role.COACH, pilot.other_provider),
            "supervisor elsewhere": member(Role.SUPERVISOR, pilot.other_provider),
            "commissioner": member(Role.COMMISSIONER, pilot.commissioner),
            "pilot manager": member(Role.PILOT_MANAGER, pilot.office),
            "Caldicott Guardian": member(Role.CALDICOTT_GUARDIAN, pilot.office),
            "Speak Up guardian": member(Role.SPEAK_UP_GUARDIAN, pilot.office),
        }
        self.rows = Rows(world.aviary, self.staff, world.patients)

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
        self.rows.referral("waiting", Status.WAITING)
        self.rows.messages(waiting, is_full=False)
        self._undecided("undecided elsewhere", at=self.pilot.other_practice)
        self._ended("ended")
        self._not_now("not to be raised")
        for name in ("waiting", "undecided", "ended", "not to be raised"):
            self.rows.note(name, "clinician")

    def everybody(self) -> None:
        """Lists that wait, the people themselves, and where every value stands in the end."""
        for practice, who in (
            (self.pilot.practice, "receptionist"),
            (self.pilot.other_practice, "receptionist elsewhere"),
        ):
            self._list(practice, self.staff[who])
        self._people()
        self._answers()
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
        referral = self.rows.referral(name, Status.WAITING)
        factories.allocate_to(referral, self.staff[coach])
        self.rows.allocation_begun(referral)
        is_full = name in ("mine", "elsewhere")
        self.rows.coaching(referral, coach, is_full=is_full)
        if self.has_notes:
            self.rows.note(name, "clinician elsewhere" if at else "clinician", withheld=withheld)
        if name == "a colleague's":
            pause(referral, by=self.staff[coach])
        self.rows.messages(patient, is_full=is_full)
        self.rows.receipt(patient)
        if is_full:
            self.rows.representative(patient)
            self.rows.received_text(patient)
            self.rows.requests(name)
            self.rows.own_words(name)
            self.rows.copies(patient)
            self.rows.restriction(patient)
            if self.has_notes:
                self.rows.about_note(name, "clinician elsewhere" if at else "clinician")
            self.rows.disclosure(patient)
        self.rows.invitation(referral, used_at=self.birds.past(Invitation, "used_at"))

    def _stop(self, name: str) -> None:
        patient = self.world.patients[name]
        record_withdrawal(patient, method=Decision.Method.PHONE, by=self.staff["receptionist"])

    def _undecided(self, name: str, *, at: Organisation | None = None) -> None:
        self._patient(name, at=at)
        referral = self.rows.referral(name, Status.AWAITING_DECISION)
        code = codes.new_code()
        message = self.rows.message(
            referral.patient, Message.Channel.LETTER, Message.Status.DUE, secret=wording.seal(code)
        )
        self.rows.invitation(referral, code_digest=codes.digest_of(code), message=message)
        if not at:
            self.world.code = code

    def _ended(self, name: str) -> None:
        self._patient(name)
        self.rows.referral(
            name,
            Status.ENDED,
            ending=Referral.Ending.HEALTH_FIRST,
            ended_at=self.birds.past(Referral, "ended_at"),
        )

    def _not_now(self, name: str) -> None:
        patient = self._patient(name)
        self.rows.referral(name, Status.SET_ASIDE, ended_at=self.birds.past(Referral, "ended_at"))
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

    def _answers(self) -> None:
        """What the guardian was told about somebody here and somebody elsewhere."""
        guardian = self.staff["Caldicott Guardian"]
        for practice, who in (
            (self.pilot.practice, "receptionist"),
            (self.pilot.other_practice, "receptionist elsewhere"),
        ):
            with acting(guardian, "test.made"):
                Answer.objects.create(
                    question=Question.HOURS,
                    actor=self.staff[who].label,
                    organisation_id=practice.pk,
                    day=self.birds.past(Answer, "day").date(),
                    text=self.birds.token(Answer, "text"),
                    answered_by=guardian.user_id,
                )

    # --- People ----------------------------------------------------------------------------------------

    def _people(self) -> None:
        """Everybody who asks for pages, and to whom they are related by the way in which the world was made."""
        world, patients, referrals = self.world, self.world.patients, self.rows.referrals
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
