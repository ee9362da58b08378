"""The patients that the demo shows by name, told by hand, and the invitations that anybody may try."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from coaching.models import Session
from pilot.access import Role
from pilot.demo.cases import Case, Invention
from pilot.demo.days import TODAY
from pilot.demo.places import BRIDGEWORK, PRACTICES, Worker, key, staff
from pilot.people.models import Contact, Need
from referrals.models import BestTime, Invitation, Reason, Referral

ANGEL_BROOK = PRACTICES[0].code


@dataclass(frozen=True)
class Person:
    """Somebody whose name the demo may show, since nobody has it."""

    given_name: str
    family_name: str
    born: dt.date
    practice: str = ANGEL_BROOK

    @property
    def name(self) -> str:
        return f"{self.given_name} {self.family_name}"

    @property
    def email(self) -> str:
        return f"{self.given_name}.{self.family_name}@example.org".lower()

    @property
    def patient_id(self) -> UUID:
        return key("patient", self.email)

    @property
    def account_id(self) -> UUID:
        return key("user", self.email)


@dataclass(frozen=True)
class OpenInvitation:
    """An invitation whose code is public, because the person is invented."""

    person: Person
    code: str
    channel: Invitation.Channel
    days_ago: int


LEYLA = Person("Leyla", "Demirci", dt.date(1986, 4, 17))
MARCUS = Person("Marcus", "Bright", dt.date(1992, 11, 3))
JOY = Person("Joy", "Samuels", dt.date(1974, 6, 29))
PIOTR = Person("Piotr", "Nowicki", dt.date(1981, 1, 12))
TUNDE = Person("Tunde", "Obi", dt.date(1997, 8, 8))

_LETTER, _EMAIL = Invitation.Channel.LETTER, Invitation.Channel.EMAIL
INVITATIONS = (
    OpenInvitation(Person("Grace", "Asante", dt.date(1979, 3, 5)), "GRACE-TRY22", _LETTER, 1),
    OpenInvitation(Person("Declan", "Keane", dt.date(1988, 12, 19)), "DECAN-TRY33", _EMAIL, 2),
    OpenInvitation(Person("Hodan", "Farah", dt.date(1995, 7, 30)), "HADAN-TRY44", _EMAIL, 2),
    OpenInvitation(
        Person("Wendy", "Marsh", dt.date(1968, 9, 21), PRACTICES[4].code), "WENDY-TRY55", _LETTER, 1
    ),
)


def tell(invention: Invention) -> None:
    """Add the stories to what is invented, before anything that is left to chance."""
    maya, jerome = staff(Role.COACH, BRIDGEWORK)[:2]
    clinician = staff(Role.CLINICIAN, ANGEL_BROOK)[0]
    _leyla_is_being_coached(invention, maya, clinician)
    _tunde_met_his_coach_yesterday(invention, maya)
    _marcus_is_waiting(invention)
    _marcus_was_added_twice(invention)
    _joy_has_not_decided(invention, clinician)
    _piotr_stopped(invention, jerome)
    for invitation in INVITATIONS:
        case = _case(
            invention, invitation.person, message_is_safe=True, preferred_contact=Contact.EMAIL.value
        )
        case.is_referred(TODAY - invitation.days_ago - 1)
        case.is_invited(TODAY - invitation.days_ago, invitation.channel, code=invitation.code)


def _leyla_is_being_coached(invention: Invention, coach: Worker, clinician: Worker) -> None:
    case = _case(
        invention,
        LEYLA,
        needs=[Need.LARGE_PRINT.value, Need.QUIET_ROOM.value],
        needs_note="Needs 16-point print. Noise is hard: the quiet room, please.",
        pronouns="she/her",
        preferred_contact=Contact.EMAIL.value,
        message_is_safe=True,
    )
    case.is_referred(
        TODAY - 88,
        reasons=[Reason.RETURN_TO_WORK.value],
        own_words="I used to cook in a school kitchen and I miss it. I would like to see what there is now.",
        best_times=[BestTime.WEEKDAY_MORNING.value],
        source=Referral.Source.DESK,
    )
    case.is_invited(TODAY - 88, _LETTER, code="LEYLA-GANE2", used_on=TODAY - 84)
    case.opens_account()
    case.agrees(TODAY - 84, reminders=True, contact_employers=False, evaluation=True)
    case.has_note(
        TODAY - 89,
        "Talked about work, as she asked. Well enough for a few hours. Wants this note to stay here.",
        clinician,
    )
    case.is_allocated(TODAY - 70, coach, slot=1)
    case.has_goal(TODAY - 63, "Two mornings a week in a kitchen, near home.", until=TODAY)
    case.has_goal(TODAY - 63, "Be able to explain the gap without shaking.", until=TODAY)
    for days_ago in (63, 49, 35, 20, 8):
        case.meets(TODAY - days_ago)
    case.will_meet(TODAY + 3, place=Session.Place.PRACTICE, where="The quiet room")


def _tunde_met_his_coach_yesterday(invention: Invention, coach: Worker) -> None:
    case = _case(invention, TUNDE, needs=[], message_is_safe=True)
    case.is_referred(TODAY - 50)
    case.agrees(TODAY - 48, reminders=True)
    case.is_allocated(TODAY - 30, coach, slot=2)
    case.has_goal(TODAY - 20, "Mend bikes for money by the summer.", until=TODAY - 20)
    case.meets(TODAY - 20)
    # Still to be recorded: somebody who tries the coach's page finds something to do.
    case.will_meet(TODAY - 1)


def _marcus_is_waiting(invention: Invention) -> None:
    case = _case(invention, MARCUS, needs=[], preferred_contact=Contact.SMS.value, message_is_safe=True)
    # Longer than anybody else, so that he comes first in the list.
    case.is_referred(TODAY - 70, reasons=[Reason.FIND_WORK.value, Reason.TRAINING.value])
    case.opens_account()
    case.agrees(TODAY - 66, reminders=True, contact_employers=True, evaluation=False)


def _marcus_was_added_twice(invention: Invention) -> None:
    """The desk finds the other record and a clinician brings them together, which somebody may try."""
    _case(
        invention,
        MARCUS,
        id=key("patient", f"second record of {MARCUS.email}"),
        nhs_number=None,
        nhs_number_unknown=True,
        address="Flat 3, 20 Old Parade\nLondon\nN1 0ZZ",
        preferred_contact=Contact.LETTER.value,
        message_is_safe=False,
        needs=[],
    )


def _joy_has_not_decided(invention: Invention, clinician: Worker) -> None:
    case = _case(invention, JOY, needs=[Need.EASY_READ.value], preferred_contact=Contact.LETTER.value)
    case.is_referred(TODAY - 6, reasons=[Reason.TALK_IT_OVER.value])
    case.is_invited(TODAY - 6, _LETTER, code="JAYSA-GANE3", used_on=TODAY - 4)
    case.opens_account()
    case.has_note(
        TODAY - 6,
        "Asked what coaching is. Told that it is up to her, and that nothing else depends on it.",
        clinician,
    )
    kept = case.has_note(
        TODAY - 5, "Rung by a relative, who asked that the call not be mentioned.", clinician
    )
    # Looked at again once, and due again today: somebody who tries the clinician's page finds something to do.
    case.is_kept_from(kept, TODAY - 5, because="Names the relative, who asked not to be.", again_on=TODAY - 2)
    case.is_kept_from(kept, TODAY - 2, because="The relative was asked, and still says no.", again_on=TODAY)


def _piotr_stopped(invention: Invention, coach: Worker) -> None:
    case = _case(invention, PIOTR, needs=[], preferred_contact=Contact.LETTER.value)
    case.is_referred(TODAY - 150)
    case.opens_account()
    case.agrees(TODAY - 147, reminders=True, contact_employers=True, evaluation=True)
    case.is_allocated(TODAY - 120, coach, slot=1)
    for days_ago in (113, 92, 70, 44):
        case.meets(TODAY - days_ago)
    case.is_called_off(TODAY + 2)
    case.ends(TODAY - 9, Referral.Ending.PATIENTS_CHOICE)
    case.withdraws(TODAY - 9)


def _case(invention: Invention, person: Person, **details: Any) -> Case:
    return Case(
        invention,
        person.practice,
        joined=120,
        **{
            "id": person.patient_id,
            "name": (person.given_name, person.family_name),
            "date_of_birth": person.born,
            "email": person.email,
            **details,
        },
    )
