"""Whom visitors of the demo may be, where each of them works or is a patient, and what to try as them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse

from pilot.access import Actor, Role
from pilot.demo.places import BRIDGEWORK, COMMISSIONER, OFFICE, PRACTICES, STEPWISE, place, staff
from pilot.demo.stories import ANGEL_BROOK, JOY, LEYLA, MARCUS, PIOTR, Person
from pilot.web.navigation import home_of

HIGHFOLD_PARK = PRACTICES[4].code


@dataclass(frozen=True)
class Persona:
    """Somebody to sign in as with one button. With `also`, they have a second role and choose one of them."""

    slug: str
    name: str
    role: Role
    place: str
    account_id: UUID
    what_to_try: str
    also: Role | None = None

    @property
    def organisation(self) -> str:
        return place(self.place).name

    @property
    def role_name(self) -> str:
        return f"{self.role.label} and {self.also.label.lower()}" if self.also else self.role.label

    @property
    def home(self) -> str:
        """Where they start: the first page of their role, or the choice between two."""
        if self.also:
            return reverse("web:choose-role")
        request = HttpRequest()
        request.actor = Actor(self.role, self.account_id, self.name)  # type: ignore[attr-defined]
        return home_of(request) or reverse("sign_in:account")


def _works(
    slug: str, role: Role, code: str, what_to_try: str, *, number: int = 0, also: Role | None = None
) -> Persona:
    worker = staff(role, code)[number]
    return Persona(slug, worker.name, role, code, worker.id, what_to_try, also)


def _patient(slug: str, person: Person, what_to_try: str) -> Persona:
    return Persona(slug, person.name, Role.PATIENT, person.practice, person.account_id, what_to_try)


# Those with one role first, for whoever looks for the first of a role.
PERSONAS = (
    _works(
        "receptionist",
        Role.RECEPTIONIST,
        ANGEL_BROOK,
        "Find or add a patient and log a referral. Then write down what they decide, or send an invitation.",
    ),
    _works(
        "clinician",
        Role.CLINICIAN,
        ANGEL_BROOK,
        "Open Leyla Demirci and write a clinical note. Then be her coach and look for it. "
        "When a coach calls for help, accept responsibility here. Marcus Bright was added twice: make his records one.",
    ),
    _patient(
        "patient-being-coached",
        LEYLA,
        "Read what is held about you and who looked at it. Then stop taking part, in two clicks.",
    ),
    _patient(
        "patient-deciding",
        JOY,
        "You were invited and have not decided. Read the sheet, plain or easy read. You may say no.",
    ),
    _patient(
        "patient-waiting",
        MARCUS,
        "You said yes and have waited longest. Be the supervisor, give the first in the list a coach.",
    ),
    _patient(
        "patient-who-stopped",
        PIOTR,
        "You said yes and stopped later. Read the receipt: what stopped, what is kept, and why.",
    ),
    _works(
        "receptionist-elsewhere",
        Role.RECEPTIONIST,
        HIGHFOLD_PARK,
        "Search for Leyla Demirci. She is a patient of another practice, so nothing is found here.",
    ),
    _works(
        "supervisor",
        Role.SUPERVISOR,
        BRIDGEWORK,
        "See who waits longest and how many people each coach has, and give somebody a coach. No names here.",
    ),
    _works(
        "coach",
        Role.COACH,
        BRIDGEWORK,
        "Record the last session with Tunde Obi. Book another with Leyla Demirci. "
        "Press “Someone is in distress” and see what happens.",
    ),
    _works(
        "coach-and-supervisor",
        Role.SUPERVISOR,
        BRIDGEWORK,
        "One person, two roles. Choose which one to act in: each sees only what that role may.",
        number=1,
        also=Role.COACH,
    ),
    _works(
        "supervisor-elsewhere",
        Role.SUPERVISOR,
        STEPWISE,
        "The other provider’s queue: nobody of Bridgework’s is in it.",
    ),
    _works(
        "coach-elsewhere",
        Role.COACH,
        STEPWISE,
        "A caseload of the other provider. The address of a page of Leyla Demirci’s does not exist here.",
    ),
    _works(
        "commissioner",
        Role.COMMISSIONER,
        COMMISSIONER.code,
        "Look at the figures and download them. Small numbers are hidden, and totals that give them away.",
    ),
    _works(
        "pilot-manager",
        Role.PILOT_MANAGER,
        OFFICE.code,
        "See which organisations and people take part. No patient anywhere.",
    ),
    _works(
        "caldicott-guardian",
        Role.CALDICOTT_GUARDIAN,
        OFFICE.code,
        "Read who did and saw what, in which role, and when: everything that you just tried is there.",
    ),
    _works(
        "speak-up-guardian",
        Role.SPEAK_UP_GUARDIAN,
        OFFICE.code,
        "Hears concerns of staff, and sees no case.",
    ),
)


def persona(slug: str) -> Persona | None:
    return next((each for each in PERSONAS if each.slug == slug), None)
