"""Giving, refusing, withdrawing and correcting consent. Each is one transaction with everything that follows
from it.

`decide`, `not_now` and `withdraw` are the patient's own; the `record_…` ones write down what a patient says
to the practice.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from consent import consequences, receipts
from consent.models import NEEDED_TO_BEGIN, Decision, InformationSheet, NotNow, Purpose, Receipt
from consent.policies import (
    DO_NOT_RAISE_MONTHS,
    AlreadyRecorded,
    NothingToStop,
    Standing,
    check_may_be_raised,
    check_sheet,
    has_joined,
    is_yes,
    lapses_on,
    months_after,
    standing,
    what_would_stop,
)
from pilot.access import Actor, Permission, acting, action
from pilot.charter.drafts import hold_draft
from pilot.charter.models import Charter
from pilot.people.actions import StaleVersion
from pilot.people.models import Patient

Answers = Mapping[Purpose, bool]


@dataclass(frozen=True)
class How:
    """How answers were given, by which route and in whose presence, and that the person was capable and free.

    `patient_asked`: they brought it up themselves, at a time when nobody was to raise it with them.
    """

    method: Decision.Method
    capacity_not_in_doubt: bool = False
    freely_given: bool = False
    witness: str = ""
    patient_asked: bool = False


@action("consent.decided", Permission.DECIDE)
def decide(
    patient: Patient,
    answers: Answers,
    *,
    sheet: InformationSheet,
    how: How,
    version: int | None = None,
    by: Actor,
) -> Receipt | None:
    """Record the patient's own answers, purpose by purpose, and set in motion what they agreed to.

    Before joining, both purposes of `NEEDED_TO_BEGIN` are answered; a no to either is "not now": no decision
    and no receipt is kept, and None is returned. Afterwards any purpose that does not hold may be answered;
    what holds is stopped by `withdraw`, never here. Refused with `StaleVersion` if anything was decided since
    `version` was shown, and with `AlreadyRecorded` if the answers say what stands.
    """
    return _decide(patient, answers, sheet=sheet, how=how, version=version, no_is="consent.not_now", by=by)


@action("consent.recorded", Permission.RECORD_CONSENT)
def record_decisions(
    patient: Patient,
    answers: Answers,
    *,
    sheet: InformationSheet,
    how: How,
    version: int | None = None,
    by: Actor,
) -> Receipt | None:
    """Write down the answers that a patient gives to the practice. As `decide`, and refused while nobody is
    to raise the pilot with them, unless they brought it up themselves.
    """
    if how.method in (Decision.Method.ONLINE, Decision.Method.SYSTEM):
        raise ValidationError({"method": _("Say how the patient gave these answers.")})
    if not how.patient_asked:
        check_may_be_raised(Patient.objects.get(pk=patient.pk))
    return _decide(
        patient, answers, sheet=sheet, how=how, version=version, no_is="consent.not_now_recorded", by=by
    )


@action("consent.not_now", Permission.DECIDE)
def not_now(patient: Patient, *, until: dt.date | None = None, by: Actor) -> dt.date:
    """Nobody brings the pilot up before `until` (six months unless told). Returns that day.

    Kept the same way whatever the reason. Refused for somebody who takes part: they can withdraw.
    """
    return _not_now(_locked(patient), until, by=by)


@action("consent.not_now_recorded", Permission.RECORD_CONSENT)
def record_not_now(patient: Patient, *, until: dt.date | None = None, by: Actor) -> dt.date:
    """As `not_now`, for the practice, whatever the reason for not asking. Never earlier than the day that
    stands.
    """
    locked = _locked(patient)
    day = until or months_after(timezone.localdate(), DO_NOT_RAISE_MONTHS)
    return _not_now(locked, max(day, locked.do_not_raise_until or day), by=by)


@action("consent.withdrawn", Permission.DECIDE, exclusive=True)
def withdraw(patient: Patient, purposes: Collection[Purpose] | None = None, *, by: Actor) -> Receipt:
    """End these agreements (all of them, unless told) and everything that rests on them, now and in one
    transaction.

    Ending what is needed to begin ends everything. Afterwards no coach sees the patient, nothing lies ahead,
    and the receipt says what stopped and what is kept. Nobody is asked why. Refused with `NothingToStop` if
    it ended before.
    """
    return _withdraw(patient, purposes, method=Decision.Method.ONLINE, by=by)


@action("consent.withdrawal_recorded", Permission.RECORD_CONSENT, exclusive=True)
def record_withdrawal(
    patient: Patient,
    purposes: Collection[Purpose] | None = None,
    *,
    method: Decision.Method,
    by: Actor,
) -> Receipt:
    """As `withdraw`, for a patient who phones, writes or says so at the desk."""
    return _withdraw(patient, purposes, method=method, by=by)


@action("consent.corrected", Permission.RECORD_CONSENT, exclusive=True)
def correct(decision: Decision, answer: Decision.Answer, reason: str, *, by: Actor) -> Decision:
    """Put right an answer that was recorded by mistake; both stay visible, with the reason.

    Only what stands can be corrected, and only a yes or a no: what was stopped begins again by asking again.
    A yes that never was takes with it everything that rested on it, exactly as a withdrawal does.
    """
    patient = Patient.objects.get(pk=decision.patient_id)
    stood = standing(patient)
    purpose = Purpose(decision.purpose)
    if stood[purpose] != decision:
        raise StaleVersion
    if not reason.strip():
        raise ValidationError({"reason": _("Say what was recorded by mistake.")})
    _check_correction(decision, answer, joined=has_joined(stood))
    ending = what_would_stop(stood, [purpose]) if decision.answer == Decision.Answer.GIVEN else []
    corrections = [
        _correction(each, answer if each == decision else Decision.Answer.CORRECTED, reason.strip(), by=by)
        for each in (stood[ended] for ended in ending or [purpose])
        if each is not None
    ]
    Decision.objects.bulk_create(corrections)
    if ending:
        stopped = consequences.stop(patient, ending, by=by)
        _write_receipt(patient, Receipt.Kind.CORRECTED, receipts.of_correction(ending, stopped))
    return next(each for each in corrections if each.corrects_id == decision.pk)


@action("sheet.drafted", Permission.MANAGE_PILOT, about_patient=False)
def write_sheet(sheet: InformationSheet, *, seen: int = 0, by: Actor) -> InformationSheet:
    """Keep a draft, new or changed. Refused once it is published, and if it changed since `seen` was shown."""
    if not sheet._state.adding:
        hold_draft(sheet, seen)
    sheet.charter, sheet.published_at = _charter_in_force(), None
    sheet.full_clean()
    sheet.save()
    return sheet


@action("sheet.published", Permission.MANAGE_PILOT, about_patient=False)
def publish_sheet(sheet: InformationSheet, *, seen: int | None = None, by: Actor) -> InformationSheet:
    """Make this draft what patients are shown from now on, under the charter in force. It can never be
    altered.

    Refused while there is no charter: an agreement points at what the pilot is for. Refused if it was published before,
    and if it changed since `seen` was shown to whoever decides.
    """
    if not sheet._state.adding:
        hold_draft(sheet, seen)
    sheet.charter = _charter_in_force()
    sheet.published_at = timezone.now()
    sheet.full_clean()
    sheet.save(force_insert=sheet._state.adding)
    return sheet


@action("sheet.discarded", Permission.MANAGE_PILOT, about_patient=False)
def discard_sheet(sheet: InformationSheet, *, by: Actor) -> None:
    """Throw a draft away. Refused once it is published."""
    hold_draft(sheet, None)
    sheet.delete()


def _charter_in_force() -> Charter:
    charter = Charter.objects.in_force()
    if charter is None:
        raise ValidationError(_("Publish a charter first: an agreement points at what the pilot is for."))
    return charter


def _decide(
    patient: Patient,
    answers: Answers,
    *,
    sheet: InformationSheet,
    how: How,
    version: int | None,
    no_is: str,
    by: Actor,
) -> Receipt | None:
    locked = _locked(patient)
    stood = standing(locked)
    if version is not None and version != Decision.objects.of(locked).count():
        raise StaleVersion
    joins = not has_joined(stood)
    if joins and any(answers.get(purpose) is False for purpose in NEEDED_TO_BEGIN):
        # Under the name of "not now", for whatever reason: nothing tells that this was a no.
        with acting(by, no_is, patients=[locked.pk]):
            _not_now(locked, None, by=by)
        return None
    new = _new_answers(stood, answers, sheet, joins=joins)
    check_sheet(sheet)
    if any(new.values()):
        _check_capable_and_free(how)
    Decision.objects.bulk_create(
        _decision(locked, p, yes, sheet=sheet, how=how, by=by) for p, yes in new.items()
    )
    if joins:
        locked.do_not_raise_until = None
        locked.save(update_fields=["do_not_raise_until"], force_update=True)
        consequences.agreed(locked, by=by)
    return _write_receipt(locked, Receipt.Kind.DECIDED, receipts.of_decision(new))


def _locked(patient: Patient) -> Patient:
    # Two people may record at once: the second waits here, and then reads what the first wrote.
    return Patient.objects.select_for_update(of=("self",)).get(pk=patient.pk)


def _new_answers(
    stood: Standing, answers: Answers, sheet: InformationSheet, *, joins: bool
) -> dict[Purpose, bool]:
    """The answers that say something new, in the order of the purposes."""
    if joins and (unanswered := [purpose for purpose in NEEDED_TO_BEGIN if purpose not in answers]):
        raise ValidationError({purpose.value: _("Choose yes or no.") for purpose in unanswered})
    new = {}
    for purpose in Purpose:
        if purpose not in answers:
            continue
        stands, yes = stood[purpose], answers[purpose]
        if is_yes(stands) and not yes:
            raise ValidationError(
                {purpose.value: _("The answer that stands is yes. To stop it, choose “Stop”.")}
            )
        if joins or not _says_the_same(stands, sheet, yes=yes):
            new[purpose] = yes
    if not new:
        raise AlreadyRecorded
    return new


def _says_the_same(stands: Decision | None, sheet: InformationSheet, *, yes: bool) -> bool:
    # A yes to a newer sheet is a new yes.
    if yes:
        return stands is not None and is_yes(stands) and stands.sheet_id == sheet.pk
    return stands is not None and stands.answer == Decision.Answer.REFUSED


def _check_capable_and_free(how: How) -> None:
    missing = {}
    if not how.capacity_not_in_doubt:
        missing["capacity_not_in_doubt"] = _(
            "If there is any doubt that the person can decide this now, record nothing. Talk to a clinician."
        )
    if not how.freely_given:
        missing["freely_given"] = _("A yes counts only if it is the person’s own free choice.")
    if missing:
        raise ValidationError(missing)


def _decision(
    patient: Patient, purpose: Purpose, yes: bool, *, sheet: InformationSheet, how: How, by: Actor
) -> Decision:
    return Decision(
        patient=patient,
        practice_id=patient.practice_id,
        purpose=purpose,
        answer=Decision.Answer.GIVEN if yes else Decision.Answer.REFUSED,
        sheet=sheet,
        method=how.method,
        recorded_by_id=by.user_id,
        witness=how.witness,
        capacity_not_in_doubt=how.capacity_not_in_doubt,
        freely_given=how.freely_given,
        patient_asked=how.patient_asked,
        lapses_on=lapses_on(purpose, timezone.localdate()) if yes else None,
    )


def _not_now(patient: Patient, until: dt.date | None, *, by: Actor) -> dt.date:
    today = timezone.localdate()
    until = until or months_after(today, DO_NOT_RAISE_MONTHS)
    if until <= today:
        raise ValidationError({"until": _("Choose a day in the future.")})
    if has_joined(standing(patient)):
        raise ValidationError(_("There is an agreement that stands. To stop, choose “Stop”."))
    already = patient.do_not_raise_until
    patient.do_not_raise_until = until
    patient.save(update_fields=["do_not_raise_until"], force_update=True)
    if not (already and already > today):
        _count_one_more()
    consequences.not_now_said(patient, until, by=by)
    return until


def _count_one_more() -> None:
    NotNow.objects.get_or_create(pk=1)
    NotNow.objects.filter(pk=1).update(count=F("count") + 1)


def _withdraw(
    patient: Patient, purposes: Collection[Purpose] | None, *, method: Decision.Method, by: Actor
) -> Receipt:
    stood = standing(patient)
    ending = what_would_stop(stood, purposes)
    if not ending:
        raise NothingToStop
    Decision.objects.bulk_create(
        Decision(
            patient=patient,
            practice_id=patient.practice_id,
            purpose=purpose,
            answer=Decision.Answer.WITHDRAWN,
            sheet_id=agreed.sheet_id,
            method=method,
            recorded_by_id=by.user_id,
        )
        for purpose in ending
        if (agreed := stood[purpose])
    )
    stopped = consequences.stop(patient, ending, by=by)
    return _write_receipt(patient, Receipt.Kind.WITHDRAWN, receipts.of_withdrawal(ending, stopped))


def _write_receipt(patient: Patient, kind: Receipt.Kind, lines: list[receipts.Line]) -> Receipt:
    receipt = Receipt(patient=patient, practice_id=patient.practice_id, kind=kind, lines=lines)
    receipt.save(force_insert=True)
    return receipt


def _check_correction(decision: Decision, answer: Decision.Answer, *, joined: bool) -> None:
    correctable = (Decision.Answer.GIVEN, Decision.Answer.REFUSED)
    if decision.answer not in correctable or answer not in (*correctable, Decision.Answer.CORRECTED):
        raise ValidationError(_("Only a yes or a no can be corrected. Ask the patient again instead."))
    if answer == decision.answer:
        raise ValidationError({"answer": _("This is the answer that was recorded.")})
    if answer == Decision.Answer.REFUSED and decision.purpose in NEEDED_TO_BEGIN:
        # A no to taking part is never stored; that there was no yes is.
        raise ValidationError(
            {"answer": _("Record it as “recorded by mistake”: a no before joining is not kept.")}
        )
    if answer == Decision.Answer.GIVEN and not joined:
        raise ValidationError({"answer": _("The patient does not take part now. Ask them again instead.")})


def _correction(decision: Decision, answer: Decision.Answer, reason: str, *, by: Actor) -> Decision:
    is_given = answer == Decision.Answer.GIVEN
    decided_on = timezone.localdate(decision.created_at)
    return Decision(
        patient_id=decision.patient_id,
        practice_id=decision.practice_id,
        purpose=decision.purpose,
        answer=answer,
        sheet_id=decision.sheet_id,
        method=decision.method,
        recorded_by_id=by.user_id,
        witness=decision.witness,
        capacity_not_in_doubt=decision.capacity_not_in_doubt,
        freely_given=decision.freely_given,
        patient_asked=decision.patient_asked,
        lapses_on=lapses_on(Purpose(decision.purpose), decided_on) if is_given else None,
        corrects=decision,
        correction_reason=reason,
    )
