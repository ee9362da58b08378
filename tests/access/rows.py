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
from coaching.models import DistressCall, Goal, Reply, Session, SessionStatus
from consent.models import NEEDED_TO_BEGIN, Decision, Purpose, Receipt, Reminder, Representative
from pilot.access import Actor, Role, acting
from pilot.outbox import wording
from pilot.outbox.models import Message, ReceivedText
from pilot.people.models import Patient
from pilot.people.restrictions.models import Restriction
from pilot.record.copies.models import Copy
from pilot.record.copies.models import Status as CopyStatus
from pilot.record.models import Detail, Request
from pilot.record.models import Kind as RequestKind
from pilot.record.models import Status as RequestStatus
from referrals.models import Allocation, ClinicalNote, Invitation, Reason, Referral, Status, Withholding
from referrals.notes.actions import disclose_note, withhold_note
from referrals.notes.models import NoteCorrection, NoteReply
from referrals.notes.policies import Grounds
from referrals.patients.models import DetailReply
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
            begins_at=self.birds.past(Decision, "begins_at"),
            recorded_by_id=self.staff["receptionist"].user_id,
            **self.birds.texts(Decision, **columns),
        )

    def representative(self, patient: Patient) -> None:
        """Somebody who speaks for them, one who no longer does; and that the patient was told when a yes ends."""
        for ended_at in (None, self.birds.past(Representative, "ended_at")):
            factories.RepresentativeFactory(
                patient=patient,
                recorded_by_id=self.staff["receptionist"].user_id,
                ended_at=ended_at,
                **self.birds.texts(Representative),
            )
        agreed = self.decision(patient, Purpose.CONTACT_EMPLOYERS)
        factories.ReminderFactory(decision=agreed, ends_on=self.birds.future(Reminder, "ends_on").date())

    def received_text(self, patient: Patient) -> None:
        """One to call about, and one that somebody called about."""
        factories.ReceivedTextFactory(patient=patient, **self.birds.texts(ReceivedText))
        factories.ReceivedTextFactory(
            patient=patient,
            called_by_id=self.staff["receptionist"].user_id,
            called_at=self.birds.past(ReceivedText, "called_at"),
            wanted_again_at=self.birds.past(ReceivedText, "wanted_again_at"),
            **self.birds.texts(ReceivedText),
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

    def requests(self, name: str) -> None:
        """What waits for the guardian: a question about a line of the log, a complaint that was confirmed and given more
        time, and one that was not; one that has its answer; and what the practice and the coach are to correct.
        """
        patient, birds = self.patients[name], self.birds
        guardian = self.staff["Caldicott Guardian"].user_id
        none = {"answer": "", "extended_because": ""}
        complaint = {**none, "kind": RequestKind.COMPLAINT}
        for columns in (
            {**none, "about_event": _latest_event(patient)},
            {
                "status": RequestStatus.ANSWERED,
                "answered_by_id": guardian,
                "answered_at": birds.past(Request, "answered_at"),
                "extended_because": "",
            },
            {
                **complaint,
                "acknowledge_by": birds.soon(Request, "acknowledge_by").date(),
                "acknowledged_by_id": guardian,
                "acknowledged_at": birds.past(Request, "acknowledged_at"),
                "extended_by_id": guardian,
                "extended_at": birds.past(Request, "extended_at"),
                "extended_because": birds.token(Request, "extended_because"),
            },
            {**complaint, "acknowledge_by": birds.soon(Request, "acknowledge_by").date()},
            {
                **none,
                "kind": RequestKind.CORRECTION,
                "practice_id": patient.practice_id,
                "about_relation": Patient._meta.db_table,
                "about_row": str(patient.pk),
                "about_detail": Detail.REACH,
            },
            {
                **none,
                "kind": RequestKind.CORRECTION,
                "referral_id": self.referrals[name].pk,
                "about_relation": Session._meta.db_table,
                "about_row": str(_session_of(patient)),
            },
        ):
            self._as_patient(
                Request(
                    patient=patient,
                    # Lately: a page says by when it would be due, and that is no day of anybody's.
                    opened_at=birds.lately(Request, "opened_at", next(self._lately)),
                    due_on=birds.soon(Request, "due_on").date(),
                    **{"kind": RequestKind.ACCESS_QUERY, **birds.texts(Request, **columns)},
                )
            )

    def restriction(self, patient: Patient) -> None:
        """One that the patient has ended."""
        ended_at = self.birds.future(Restriction, "ended_at")
        self._as_patient(Restriction(patient=patient, practice=patient.practice, ended_at=ended_at))

    def copies(self, patient: Patient) -> None:
        """One that was taken, and one that waits to be made."""
        birds = self.birds
        for columns in (
            {
                "status": CopyStatus.TAKEN,
                "ready_at": birds.past(Copy, "ready_at"),
                "pdf_taken_at": birds.past(Copy, "pdf_taken_at"),
                "json_taken_at": birds.past(Copy, "json_taken_at"),
                "claimed_at": birds.past(Copy, "claimed_at"),
            },
            {
                "status": CopyStatus.READY,
                "ready_at": birds.past(Copy, "ready_at"),
                "pdf_taken_at": birds.past(Copy, "pdf_taken_at"),
                "pdf": None,
            },
        ):
            expires_at = birds.soon(Copy, "expires_at")
            factories.make_copy(patient, **{"pdf": None, "json": None, "expires_at": expires_at, **columns})

    def own_words(self, name: str) -> None:
        """The patient's words beside what others wrote, wherever they can stand."""
        patient, referral = self.patients[name], self.referrals[name]
        session = _session_of(patient)
        self._as_patient(
            Reply(
                patient=patient, referral=referral, session_id=session, words=self.birds.token(Reply, "words")
            )
        )
        self._as_patient(
            DetailReply(
                patient=patient, practice=patient.practice, words=self.birds.token(DetailReply, "words")
            )
        )

    def about_note(self, name: str, clinician: str) -> None:
        """The patient's words beside a note, and what they asked to correct in it, answered and not."""
        patient, birds = self.patients[name], self.birds
        with acting(self.staff[clinician], "test.made", patients=[patient.pk]):
            note = ClinicalNote.objects.filter(patient=patient).order_by("created_at").first()
        same = {"patient": patient, "practice": patient.practice, "note": note}
        self._as_patient(NoteReply(**same, words=birds.token(NoteReply, "words")))
        answered = {
            "status": NoteCorrection.Status.CORRECTED,
            "answered_by_id": self.staff[clinician].user_id,
            "answered_at": birds.past(NoteCorrection, "answered_at"),
        }
        for columns in (answered, {"answer": "", "before": ""}):
            self._as_patient(
                NoteCorrection(
                    **same,
                    opened_at=birds.past(NoteCorrection, "opened_at"),
                    due_on=birds.soon(NoteCorrection, "due_on").date(),
                    **birds.texts(NoteCorrection, **columns),
                )
            )

    def _as_patient(self, row: Any) -> None:
        """Nobody else may write one."""
        patient = row.patient
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


def _session_of(patient: Patient) -> Any:
    """The key of a session that took place. Asked as the owner, who sees every one."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT id FROM coaching_session WHERE patient_id = %s AND status = 'held' LIMIT 1", [patient.pk]
        )
        return cursor.fetchone()[0]


def _latest_event(patient: Patient) -> int:
    """Asked as the owner, who sees every one."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT max(id) FROM audit_event WHERE patient_id = %s", [patient.pk])
        return int(cursor.fetchone()[0])
