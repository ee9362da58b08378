"""Every kind of row that there can be about a patient, with a canary in each of its fields. Who the patients are, and
which rows each has, stands in `world`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import connections

from audit.actions import record_disclosure
from audit.models import Disclosure
from coaching.actions import book
from coaching.models import DistressCall, Goal, Session, SessionStatus
from consent.models import NEEDED_TO_BEGIN, Decision, Purpose, Receipt
from pilot.access import Actor, Role, acting
from pilot.outbox import wording
from pilot.outbox.models import Message
from pilot.people.models import Patient
from pilot.record.models import Kind as RequestKind
from pilot.record.models import Request
from pilot.record.models import Status as RequestStatus
from referrals.models import Allocation, ClinicalNote, Invitation, Reason, Referral, Status, Withholding
from referrals.notes.actions import disclose_note, withhold_note
from referrals.notes.policies import Grounds
from tests import factories
from tests.access.canaries import Aviary


@dataclass
class Rows:
    """Writes them, by these members of staff, about the patient of that name."""

    birds: Aviary
    staff: dict[str, Actor]
    patients: dict[str, Patient]
    referrals: dict[str, Referral] = field(default_factory=dict)
    _lately: Iterator[int] = field(default_factory=lambda: iter(range(2, 29)))

    def referral(self, name: str, status: Status, **columns: Any) -> Referral:
        patient = self.patients[name]
        if status is Status.WAITING:
            for purpose in (*NEEDED_TO_BEGIN, Purpose.REMINDERS):
                self.decision(patient, purpose)
            columns |= {
                "provider": patient.practice.served_by,
                "ready_at": self.birds.past(Referral, "ready_at"),
            }
        elif status is Status.ENDED:
            mistaken = self.decision(patient, Purpose.EVALUATION)
            self.decision(
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

    def allocation_begun(self, referral: Referral) -> None:
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

    def coaching(self, referral: Referral, coach: str, *, is_full: bool) -> None:
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
            raised_at=birds.lately(DistressCall, "raised_at", next(self._lately)),
            emailed_at=birds.past(DistressCall, "emailed_at") if not is_full else None,
            **({} if is_full else accepted),
            **birds.texts(DistressCall),
        )

    def note(self, name: str, clinician: str, *, withheld: bool = False) -> None:
        patient, writer = self.patients[name], self.staff[clinician]
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

    def messages(self, patient: Patient, *, is_full: bool) -> None:
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
            self.message(patient, way, standing, secret=secret)

    def message(self, patient: Patient, way: str, standing: str, *, secret: str) -> Message:
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

    def decision(self, patient: Patient, purpose: Purpose, **columns: Any) -> Decision:
        columns.setdefault("correction_reason", "")
        lapses = self.birds.future(Decision, "lapses_on").date()
        return factories.DecisionFactory(
            patient=patient,
            purpose=purpose,
            lapses_on=lapses,
            recorded_by_id=self.staff["receptionist"].user_id,
            **self.birds.texts(Decision, **columns),
        )

    def receipt(self, patient: Patient) -> None:
        title, text = self.birds.token(Receipt, "lines"), self.birds.token(Receipt, "lines")
        factories.ReceiptFactory(patient=patient, lines=[{"title": title, "text": text}])

    def invitation(self, referral: Referral, **columns: Any) -> Invitation:
        expires_at = self.birds.future(Invitation, "expires_at")
        cancelled_at = self.birds.past(Invitation, "cancelled_at") if "used_at" in columns else None
        texts = self.birds.texts(Invitation, **columns)
        return factories.InvitationFactory(
            referral=referral, expires_at=expires_at, cancelled_at=cancelled_at, **texts
        )

    def questions(self, patient: Patient) -> None:
        """One that waits for the guardian, about a line of the log, and one that has its answer."""
        answered = {
            "status": RequestStatus.ANSWERED,
            "answered_by_id": self.staff["Caldicott Guardian"].user_id,
            "answered_at": self.birds.past(Request, "answered_at"),
        }
        for columns in ({"answer": "", "about_event": _latest_event(patient)}, answered):
            row = Request(
                patient=patient,
                kind=RequestKind.ACCESS_QUERY,
                opened_at=self.birds.past(Request, "opened_at"),
                due_on=self.birds.soon(Request, "due_on").date(),
                **self.birds.texts(Request, **columns),
            )
            # Nobody else may write one.
            with acting(factories.patient_actor(patient), "test.made", patients=[patient.pk]):
                row.save(force_insert=True)

    def disclosure(self, patient: Patient) -> None:
        """A line of the ledger about somebody whom the patient named."""
        with acting(factories.TESTS, "test.made", patients=[patient.pk]):
            record_disclosure(
                patient.pk,
                recipient_kind=Disclosure.RecipientKind.SUPPORTER,
                recipient=self.birds.token(Disclosure, "recipient"),
                purpose="notice",
                classes=["case"],
            )


def _latest_event(patient: Patient) -> int:
    """Asked as the owner, who sees every one."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT max(id) FROM audit_event WHERE patient_id = %s", [patient.pk])
        return int(cursor.fetchone()[0])
