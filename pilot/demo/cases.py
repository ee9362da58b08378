"""What happens to one invented patient, day by day, as the rows that it leaves behind."""

from __future__ import annotations

import datetime as dt
import random
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Model
from django.utils import timezone

from coaching.models import DistressCall, Goal, Session, SessionStatus
from consent.models import NEEDED_TO_BEGIN, Decision, InformationSheet, Purpose, Receipt
from consent.policies import lapses_on
from consent.receipts.words import of_decision, of_withdrawal
from pilot.access import Role
from pilot.access.records import Record
from pilot.demo import words
from pilot.demo.days import HOURS, TODAY, Calendar
from pilot.demo.people import Inventor, pick
from pilot.demo.places import Worker, key, place, staff
from pilot.outbox.models import Message
from pilot.outbox.policies import address_for, preferred_channel
from pilot.outbox.wording import seal, words_for
from pilot.people.models import Organisation, Patient, User
from referrals import codes
from referrals.models import (
    Allocation,
    BestTime,
    ClinicalNote,
    Invitation,
    Reason,
    Referral,
    Status,
    Withholding,
)

_HOW_DECIDED = {Decision.Method.IN_PERSON: 60, Decision.Method.PHONE: 33, Decision.Method.POST: 7}
# What is asked beside what is needed to begin, and how many in a hundred say yes.
_ASKED_BESIDE = {Purpose.REMINDERS: 82, Purpose.CONTACT_EMPLOYERS: 40, Purpose.EVALUATION: 88}
_PLACES = {
    Session.Place.PRACTICE: 60,
    Session.Place.PHONE: 22,
    Session.Place.VIDEO: 10,
    Session.Place.ELSEWHERE: 8,
}
_WHERE = {Session.Place.PRACTICE: words.ROOMS, Session.Place.ELSEWHERE: words.MEETING_POINTS}
_STOPPED = (
    "Your coaching has stopped.",
    "Your coach can no longer see anything about you.",
)


@dataclass
class Invention:
    """Everything invented so far, in the order in which it may be saved."""

    calendar: Calendar
    sheet: InformationSheet
    inventor: Inventor
    chance: random.Random
    organisations: dict[str, Organisation]
    staff: dict[UUID, User]
    patients: list[Patient] = field(default_factory=list)
    rows: dict[type[Model], list[Any]] = field(default_factory=lambda: defaultdict(list))
    accounts: list[User] = field(default_factory=list)

    def add(self, row: Record, at: dt.datetime) -> None:
        row.created_at = at
        row.pk = key(row._meta.label, len(self.rows[type(row)]))
        self.rows[type(row)].append(row)


class Case:
    """One patient's story. Each method lets one thing happen on a day, and leaves the rows that it leaves."""

    def __init__(self, invention: Invention, code: str, joined: int, **details: Any) -> None:
        self.all, self.chance, self.calendar = invention, invention.chance, invention.calendar
        self.code = code
        self.patient = invention.inventor.patient(place(code), **details)
        self.patient.practice = invention.organisations[code]
        self.patient.created_at = self.calendar.at(joined, 9)
        invention.patients.append(self.patient)
        self.decisions: dict[Purpose, bool] = {}
        self.referral: Referral

    def opens_account(self) -> None:
        patient = self.patient
        account = User(id=key("user", patient.email), email=patient.email, display_name=patient.name)
        account.set_unusable_password()
        patient.account = account
        self.all.accounts.append(account)

    # --- At the practice ---

    def is_referred(self, day: int, **columns: Any) -> Referral:
        chance = self.chance
        at = self.calendar.at(day, chance.choice(HOURS), chance.randrange(60))
        by = chance.choice(staff(Role.CLINICIAN if chance.random() < 0.3 else Role.RECEPTIONIST, self.code))
        reasons = chance.sample(list(Reason), chance.choice((1, 1, 2)))
        times = chance.sample(list(BestTime), chance.choice((0, 1, 2)))
        self.referral = Referral(
            **{
                "patient": self.patient,
                "practice_id": self.patient.practice_id,
                "reference": self._reference(),
                "reasons": [reason.value for reason in reasons],
                "own_words": chance.choice(words.OWN_WORDS) if chance.random() < 0.8 else "",
                "best_times": [time.value for time in times],
                "source": Referral.Source.IMPORT if chance.random() < 0.2 else Referral.Source.DESK,
                "logged_by_id": by.id,
                "logged_at": at,
                **columns,
            }
        )
        self.all.add(self.referral, at)
        return self.referral

    def is_invited(
        self, day: int, channel: Invitation.Channel, *, code: str, used_on: int | None = None
    ) -> None:
        at = self.calendar.at(day, 15)
        invitation = Invitation(
            patient=self.patient,
            practice_id=self.patient.practice_id,
            referral=self.referral,
            channel=channel,
            code_digest=codes.digest_of(code),
            expires_at=at + dt.timedelta(days=settings.INVITATION_DAYS),
            used_at=self.calendar.at(used_on, 18) if used_on else None,
        )
        self.all.add(invitation, at)
        is_to_be_printed = channel is Invitation.Channel.LETTER and not used_on and day > TODAY - 3
        invitation.message = self._is_sent(
            "invitation",
            at,
            Message.Channel(channel),
            context={"expires_at": invitation.expires_at},
            about=invitation,
            waiting_with=code if is_to_be_printed else "",
        )

    def is_left_in_peace(self, day: int, until: int) -> None:
        self.referral.status, self.referral.ended_at = Status.SET_ASIDE, self.calendar.at(day, 16)
        self.patient.do_not_raise_until = self.calendar.date(until)

    def has_note(self, day: int, text: str, by: Worker | None = None, **columns: Any) -> ClinicalNote:
        by = by or self.chance.choice(staff(Role.CLINICIAN, self.code))
        note = ClinicalNote(
            patient=self.patient, practice_id=self.patient.practice_id, author_id=by.id, text=text, **columns
        )
        self.all.add(note, self.calendar.at(day, self.chance.choice(HOURS), self.chance.randrange(60)))
        return note

    def is_kept_from(self, note: ClinicalNote, day: int, *, because: str, again_on: int) -> None:
        """A clinician withholds the note from the patient, or looked at it again and goes on, for a reason."""
        is_first = note.withheld_at is None
        at, review_on = self.calendar.at(day, 17), self.calendar.date(again_on)
        note.withheld_at, note.review_on = note.withheld_at or at, review_on
        note.withheld_on = ClinicalNote.Ground.THIRD_PARTY.value
        outcome = Withholding.Outcome.WITHHELD if is_first else Withholding.Outcome.STILL_WITHHELD
        decided = Withholding(
            patient=self.patient, practice_id=self.patient.practice_id, note=note, outcome=outcome.value,
            ground=note.withheld_on, because=because, review_on=review_on, decided_by_id=note.author_id,
        )  # fmt: skip
        self.all.add(decided, at)

    # --- Consent ---

    def agrees(self, day: int, **answers: bool) -> None:
        """Yes to what is needed to begin; `answers` or chance say what to the rest. The referral waits."""
        at = self.calendar.at(day, self.chance.choice(HOURS), self.chance.randrange(60))
        beside = {
            p: answers.get(p.value, self.chance.random() * 100 < share) for p, share in _ASKED_BESIDE.items()
        }
        self.decisions = {**dict.fromkeys(NEEDED_TO_BEGIN, True), **beside}
        self.agreed_on, method = day, pick(self.chance, _HOW_DECIDED)
        for purpose in Purpose:
            if self.decisions[purpose]:
                self._says_yes(purpose, at, method)
            else:
                self._decides(purpose, Decision.Answer.REFUSED, at, method)
        receipt = self._gets_receipt(Receipt.Kind.DECIDED, of_decision(self.decisions), at)
        if method in (Decision.Method.PHONE, Decision.Method.POST):
            self._is_sent("decided", at, Message.Channel.LETTER, context={"receipt": receipt})
        self.referral.status, self.referral.ready_at = Status.WAITING, at
        self.referral.provider = self.patient.practice.served_by

    def withdraws(self, day: int) -> None:
        at = self.calendar.at(day, 17, self.chance.randrange(60))
        ended = [purpose for purpose, yes in self.decisions.items() if yes]
        method = pick(self.chance, _HOW_DECIDED)
        for purpose in ended:
            self._decides(purpose, Decision.Answer.WITHDRAWN, at, method)
        receipt = self._gets_receipt(Receipt.Kind.WITHDRAWN, of_withdrawal(ended, _STOPPED), at)
        self._is_sent("withdrawn", at, context={"receipt": receipt})
        self.decisions = {}

    def is_asked_again(self) -> None:
        """Most who agreed to be counted, and stopped nothing, say yes again before it lapses."""
        again = self.agreed_on + 345
        if self.decisions.get(Purpose.EVALUATION) and again < TODAY and self.chance.random() < 0.9:
            self._says_yes(Purpose.EVALUATION, self.calendar.at(again, 11), Decision.Method.PHONE)

    def _says_yes(self, purpose: Purpose, at: dt.datetime, method: Decision.Method) -> None:
        self._decides(
            purpose,
            Decision.Answer.GIVEN,
            at,
            method,
            capacity_not_in_doubt=True,
            freely_given=True,
            lapses_on=lapses_on(purpose, timezone.localdate(at)),
        )

    def _decides(
        self,
        purpose: Purpose,
        answer: Decision.Answer,
        at: dt.datetime,
        method: Decision.Method,
        **columns: Any,
    ) -> None:
        is_online = self.patient.account is not None
        by = (
            self.patient.account_id
            if is_online
            else self.chance.choice(staff(Role.RECEPTIONIST, self.code)).id
        )
        decision = Decision(
            patient=self.patient,
            practice_id=self.patient.practice_id,
            purpose=purpose,
            answer=answer,
            sheet=self.all.sheet,
            method=Decision.Method.ONLINE if is_online else method,
            recorded_by_id=by,
            **columns,
        )
        # Never two at the same moment: which one stands is told by the time.
        self.all.add(decision, at + dt.timedelta(milliseconds=list(Purpose).index(purpose)))

    def _gets_receipt(
        self, kind: Receipt.Kind, lines: Collection[dict[str, str]], at: dt.datetime
    ) -> Receipt:
        receipt = Receipt(
            patient=self.patient, practice_id=self.patient.practice_id, kind=kind, lines=list(lines)
        )
        self.all.add(receipt, at)
        return receipt

    # --- With a coach ---

    def is_allocated(self, day: int, coach: Worker, slot: int) -> None:
        at = self.calendar.at(day, 12, self.chance.randrange(60))
        self.coach, self.with_coach_from = coach, day
        self.allocation = Allocation(
            referral=self.referral,
            patient=self.patient,
            practice_id=self.patient.practice_id,
            provider=self.patient.practice.served_by,
            person_id=coach.id,
            role=Role.COACH.value,
            slot=slot,
            begun_at=at,
        )
        self.all.add(self.allocation, at)
        self.referral.status, self.referral.allocated_at = Status.WITH_COACH, at

    def is_coached(self, until: int) -> None:
        """Goals and sessions from the day of allocation up to that day."""
        for number in range(self.chance.choice((1, 1, 2, 2, 3))):
            self.has_goal(
                self.with_coach_from + 5 + 21 * number, self.chance.choice(words.GOALS), until=until
            )
        day = self.with_coach_from + self.chance.randrange(3, 15)
        while day < until:
            self.meets(day)
            day += self.chance.randrange(13, 31)

    def has_goal(self, day: int, text: str, *, until: int) -> None:
        at = self.calendar.at(min(day, TODAY - 1), 13)
        goal = Goal(patient=self.patient, referral=self.referral, words=text)
        what, later = self.chance.random(), self.calendar.at(min(until, TODAY - 1), 15)
        if what < 0.35 and later > at:
            goal.reached_at = later
        elif what < 0.45 and later > at:
            goal.dropped_at = later
        self.all.add(goal, at)

    def meets(self, day: int) -> None:
        """A session in the past: held, as a rule."""
        session = self._session(day)
        what = self.chance.random()
        if what < 0.85:
            session.status, session.agreed = SessionStatus.HELD, self._agreed()
        elif what < 0.94:
            session.status = SessionStatus.DID_NOT_HAPPEN
            session.rearranged_by = self.chance.choice(list(Session.Rearranger)).value
        else:
            session.status = SessionStatus.CANCELLED
            return
        session.recorded_at = session.starts_at + dt.timedelta(minutes=session.minutes + 5)
        self._is_reminded(session, day)

    def will_meet(self, day: int, **columns: Any) -> None:
        self._is_reminded(self._session(day, **columns), day)

    def is_called_off(self, day: int) -> None:
        self._session(day).status = SessionStatus.CANCELLED

    def is_in_distress(self, day: int) -> None:
        at = self.calendar.at(day, self.chance.choice(HOURS), 25)
        named = next(worker for worker in staff(Role.CLINICIAN, self.code) if worker.is_named_clinician)
        call = DistressCall(
            patient=self.patient,
            referral=self.referral,
            practice_id=self.patient.practice_id,
            raised_by_id=self.coach.id,
            raised_at=at,
            immediate_danger=self.chance.random() < 0.2,
            safe_place=self.chance.choice(words.SAFE_PLACES),
            told_id=named.id,
            emailed_at=at + dt.timedelta(seconds=20),
            accepted_by_id=named.id,
            accepted_at=at + dt.timedelta(minutes=self.chance.randrange(2, 25)),
        )
        self.all.add(call, at)

    def rests(self) -> None:
        self.referral.status = Status.PAUSED

    def ends(self, day: int, ending: Referral.Ending) -> None:
        at = self.calendar.at(day, 17, 59)
        self.referral.status, self.referral.ended_at, self.referral.ending = Status.ENDED, at, ending
        self.referral.provider = None
        if self.referral.allocated_at:
            self.allocation.ended_at = at

    def _session(self, day: int, **columns: Any) -> Session:
        starts_at = self.calendar.hour_of(self.coach, day, self.chance.choice(HOURS))
        place_kind = pick(self.chance, _PLACES)
        session = Session(
            **{
                "referral": self.referral,
                "patient": self.patient,
                "coach": self.all.staff[self.coach.id],
                "starts_at": starts_at,
                "minutes": self.chance.choice((30, 45, 45, 50)),
                "place": place_kind,
                "where": self.chance.choice(_WHERE.get(place_kind, ("",))),
                **columns,
            }
        )
        week_before = starts_at - dt.timedelta(days=7)
        self.all.add(session, week_before if day <= TODAY else self.calendar.at(TODAY - 1, 17))
        return session

    def _agreed(self) -> str:
        parts = (words.TALKED, words.YOU_WILL, words.I_WILL)
        return "\n\n".join(self.chance.choice(part) for part in parts)

    # --- Messages ---

    def _is_reminded(self, session: Session, day: int) -> None:
        # Of the last weeks only: older ones would fill the lists and say nothing new.
        if self.decisions[Purpose.REMINDERS] and day > TODAY - 45:
            told: dict[str, Any] = {
                "purpose": Purpose.REMINDERS,
                "context": {"session": session},
                "about": session,
            }
            # Nothing is sent before they had said yes to it.
            at = max(session.created_at, self.calendar.at(self.agreed_on, 18))
            self._is_sent("session_booked", at, **told)

    def _is_sent(
        self,
        template: str,
        at: dt.datetime,
        channel: Message.Channel | None = None,
        *,
        context: dict[str, Any],
        purpose: str = "",
        about: Record | None = None,
        waiting_with: str = "",
    ) -> Message:
        """A message that went at once, or a letter that still waits to be printed with this code in it."""
        channel = channel or preferred_channel(self.patient)
        wording = words_for(self.patient, channel, template, context)
        message = Message(
            patient=self.patient,
            practice_id=self.patient.practice_id,
            channel=channel,
            purpose=purpose,
            template=template,
            about=about.pk if about else None,
            address=address_for(self.patient, channel),
            subject=wording.subject,
            text=wording.text,
            secret=seal(waiting_with),
            status=Message.Status.DUE if waiting_with else Message.Status.SENT,
            due_at=at,
            sent_at=None if waiting_with else at + dt.timedelta(minutes=1),
            attempts=0 if waiting_with else 1,
        )
        self.all.add(message, at)
        message.reference = key("message", message.pk)
        return message

    def _reference(self) -> str:
        letters = "".join(self.chance.choice(codes.ALPHABET) for _ in range(6))
        return f"{letters[:3]}-{letters[3:]}"
