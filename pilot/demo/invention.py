"""Invents the whole pilot: a year and a half of it, with the same people and the same distances in time."""

from __future__ import annotations

import random
from collections.abc import Collection

from consent.models import InformationSheet
from pilot.access import Role
from pilot.demo import stories, words
from pilot.demo.cases import Case, Invention
from pilot.demo.days import TODAY, Calendar
from pilot.demo.people import Inventor, pick
from pilot.demo.places import PRACTICES, Worker, workers
from pilot.people.models import Organisation, User
from referrals import codes
from referrals.models import Allocation, ClinicalNote, Invitation, Referral

SEED = "Working Better"
PATIENTS = 2000
_WAITING, _UNDECIDED, _LEFT_IN_PEACE, _ENDED_EARLY, _BACK_AGAIN = 90, 200, 280, 70, 40
_ENDINGS = {
    Referral.Ending.SUPPORT_COMPLETE: 60,
    Referral.Ending.HEALTH_FIRST: 13,
    Referral.Ending.PATIENTS_CHOICE: 18,
    Referral.Ending.MOVED: 9,
}
_CHANNELS = {Invitation.Channel.LETTER: 45, Invitation.Channel.SMS: 30, Invitation.Channel.EMAIL: 25}


def invent(
    calendar: Calendar,
    *,
    organisations: Collection[Organisation],
    staff: Collection[User],
    sheet: InformationSheet,
) -> Invention:
    """Everything that the demo holds, not yet saved. On another day it is the same but for its dates."""
    invention = Invention(
        calendar,
        sheet,
        Inventor(SEED),
        random.Random(SEED),
        organisations={organisation.ods_code: organisation for organisation in organisations},
        staff={user.pk: user for user in staff},
    )
    stories.tell(invention)
    world = _World(invention)
    for worker in workers():
        if worker.role is Role.COACH:
            world.has_supported(worker)
    world.fills_the_queue()
    return invention


class _World:
    """Everybody whose story is not told by hand."""

    def __init__(self, invention: Invention) -> None:
        self.all, self.chance = invention, invention.chance

    def has_supported(self, coach: Worker) -> None:
        """One person after the other in each of the coach's places, from the coach's first day to today."""
        told = {
            each.slot
            for each in self.all.rows[Allocation]
            if each.person_id == coach.id and not each.ended_at
        }
        for slot in range(1, (coach.places or 0) + 1):
            if slot in told:
                continue
            # Not every place is taken today: supervisors have some to give.
            keeps_free_from = TODAY - 30 if self.chance.random() < 0.22 else TODAY
            day = coach.joined + self.chance.randrange(18, 90)
            while day < keeps_free_from - 5:
                lasts = int(self.chance.triangular(35, 200, 100))
                self._is_coached(coach, slot, day, min(day + lasts, keeps_free_from))
                day += lasts + self.chance.randrange(3, 25)

    def fills_the_queue(self) -> None:
        """Those who wait, have yet to decide, were left in peace, ended early, or are only registered."""
        for _ in range(_WAITING):
            agreed = TODAY - int(self.chance.triangular(1, 60, 10))
            case = self._referred(agreed - self.chance.randrange(0, 15))
            case.agrees(agreed)
        for _ in range(_UNDECIDED):
            day = TODAY - 1 - int(self.chance.triangular(0, 170, 5))
            case = self._referred(day)
            if self.chance.random() < 0.6:
                case.is_invited(day, pick(self.chance, _CHANNELS), code=self._code())
        for _ in range(_LEFT_IN_PEACE):
            day = self.chance.randrange(20, TODAY - 15)
            case = self._referred(day)
            ended = min(day + self.chance.randrange(0, 22), TODAY - 1)
            case.is_left_in_peace(ended, ended + self.chance.choice((90, 182, 182, 365)))
        for _ in range(_ENDED_EARLY):
            day = self.chance.randrange(20, TODAY - 60)
            case = self._referred(day)
            case.agrees(day + self.chance.randrange(0, 12))
            self._ends(case, day + self.chance.randrange(14, 45), pick(self.chance, _ENDINGS))
            case.is_asked_again()
        while len(self.all.patients) < PATIENTS:
            Case(self.all, self._practice(TODAY), self.chance.randrange(0, TODAY))

    def _is_coached(self, coach: Worker, slot: int, begins: int, ends: int) -> None:
        agreed = max(begins - self.chance.randrange(2, 40), 4)
        case = self._referred(max(agreed - self.chance.randrange(0, 14), 2), served_by=coach.place)
        if self.chance.random() < 0.07:
            case.opens_account()
        elif self.chance.random() < 0.2:
            case.is_invited(agreed - 1, pick(self.chance, _CHANNELS), code=self._code(), used_on=agreed)
        case.agrees(agreed)
        case.is_allocated(begins, coach, slot)
        case.is_coached(min(ends, TODAY))
        self._has_notes(case, begins)
        if self.chance.random() < 0.03:
            case.is_in_distress(min(begins + 20, ends, TODAY - 1))
        if ends < TODAY:
            self._ends(case, ends, pick(self.chance, _ENDINGS))
        elif self.chance.random() < 0.1:
            case.rests()
        elif self.chance.random() < 0.85:
            case.will_meet(TODAY + self.chance.randrange(1, 15))
        case.is_asked_again()

    def _ends(self, case: Case, day: int, ending: Referral.Ending) -> None:
        case.ends(day, ending)
        if ending is Referral.Ending.PATIENTS_CHOICE and self.chance.random() < 0.7:
            case.withdraws(day)
        elif ending is Referral.Ending.SUPPORT_COMPLETE and self._some_come_back(day):
            again = min(day + 90, TODAY - 4)
            case.is_referred(again)
            case.is_left_in_peace(again + 2, again + 182)

    def _some_come_back(self, day: int) -> bool:
        return day < TODAY - 100 and self.chance.random() < _BACK_AGAIN / 500

    def _has_notes(self, case: Case, day: int) -> None:
        if self.chance.random() > 0.3:
            return
        case.has_note(day - 1, self.chance.choice(words.CLINICAL_NOTES))
        if self.chance.random() < 0.08:
            case.has_note(day - 1, words.CAPACITY_NOTE, kind=ClinicalNote.Kind.CAPACITY)

    def _referred(self, day: int, *, served_by: str = "") -> Case:
        """Somebody whom a practice that took part by then has known for a while and refers on that day."""
        case = Case(self.all, self._practice(day, served_by), max(day - self.chance.randrange(1, 300), 0))
        case.is_referred(day)
        return case

    def _practice(self, day: int, served_by: str = "") -> str:
        found = [p for p in PRACTICES if p.joined <= day and served_by in ("", p.served_by)]
        return self.chance.choices(found, [p.size for p in found])[0].code

    def _code(self) -> str:
        return "".join(self.chance.choice(codes.ALPHABET) for _ in range(10))
