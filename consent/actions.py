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

from consent import consequences
from consent.models import (
    NEEDED_TO_BEGIN,
    Decision,
    InformationSheet,
    NotNow,
    Purpose,
    Receipt,
    Reminder,
    Representative,
)
from consent.policies import (
    COOLING_OFF,
    DO_NOT_RAISE_MONTHS,
    AlreadyRecorded,
    NothingToStop,
    Standing,
    check_may_be_raised,
    check_sheet,
    has_joined,
    is_yes,
    lapses_on,
    may_be_renewed,
    months_after,
    standing,
    what_has_ended,
    what_would_stop,
)
from consent.receipts import words
from consent.receipts.actions import give_receipt
from pilot.access import Actor, Permission, acting, action
from pilot.people.actions import StaleVersion
from pilot.people.models import Patient
from pilot.people.policies import check_is_in_use, check_is_not_double
from pilot.people.restrictions.policies import check_not_restricted

Answers = Mapping[Purpose, bool]


@dataclass(frozen=True)
class How:
    """How answers were given, by which route and in whose presence, and that the person was capable and free.

    `patient_asked`: they brought it up themselves, at a time when nobody was to raise it with them. `sooner`: they would
    rather begin at once than think it over first.
    """

    method: Decision.Method
    capacity_not_in_doubt: bool = False
    freely_given: bool = False
    helped_by: str = ""
    witness: str = ""
    patient_asked: bool = False
    sooner: bool = False


@action("consent.decided", Permission.DECIDE, exclusive=True)
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
    and no receipt is kept, and None is returned. Afterwards any purpose that does not hold may be answered, and
    what ends soon, or rests on information that has changed, may be given again;
    what holds is stopped by `withdraw`, never here. Nothing is booked within a day of joining, unless they wish it.
    Refused with `StaleVersion` if anything was decided since
    `version` was shown, and with `AlreadyRecorded` if the answers say what stands.
    """
    return _decide(patient, answers, sheet=sheet, how=how, version=version, no_is="consent.not_now", by=by)


@action("consent.recorded", Permission.RECORD_CONSENT, exclusive=True)
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
    if how.method in (Decision.Method.ONLINE, Decision.Method.SYSTEM, Decision.Method.RECORDS):
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
    representative: Representative | None = None,
    by: Actor,
) -> Receipt:
    """As `withdraw`, for a patient who phones, writes or says so at the desk, or for whoever speaks for them.

    Refused for a representative of somebody else, and for one whose authority has ended.
    """
    if representative is not None:
        current = Representative.objects.get(pk=representative.pk)
        if current.patient_id != patient.pk or current.ended_at is not None:
            raise ValidationError({"said_by": _("This person does not speak for the patient now.")})
    return _withdraw(patient, purposes, method=method, representative=representative, by=by)


@action("consent.lapsed", Permission.DECIDE, exclusive=True)
def lapse(patient: Patient, *, by: Actor) -> Receipt | None:
    """Write down what the calendar has ended, and end everything that rests on it, as a withdrawal does.

    Access has ended with the day already. Returns None where nothing has ended, or somebody said yes again meanwhile.
    """
    return _lapse(_locked(patient), by=by)


def _lapse(locked: Patient, *, by: Actor) -> Receipt | None:
    ended = what_has_ended(standing(locked))
    if not ended:
        return None
    stopped = _end(locked, ended, Decision.Answer.LAPSED, method=Decision.Method.SYSTEM, by=by)
    lines = words.of_lapse(ended, stopped)
    return give_receipt(locked, Receipt.Kind.LAPSED, lines, method=Decision.Method.SYSTEM, by=by)


def end_every_yes(
    patient: Patient, *, method: Decision.Method = Decision.Method.SYSTEM, by: Actor
) -> list[Purpose]:
    """Write down that every yes has ended, which nobody chose: as part of writing down a death, a move, or that the record
    is closed. Stops nothing by itself. Returns what has ended.
    """
    given = what_would_stop(standing(patient))
    write_ended(patient, given, Decision.Answer.LAPSED, method=method, by=by)
    return given


@action("consent.end_announced", Permission.DECIDE)
def announce_end(patient: Patient, *, by: Actor) -> list[Reminder]:
    """Tell the patient, once, which of their yeses end soon and from what day on. Nobody has to answer."""
    locked = _locked(patient)
    ending = [each for each in standing(locked).values() if each is not None and may_be_renewed(each)]
    told = set(Reminder.objects.filter(decision__in=ending).values_list("decision_id", "ends_on"))
    new = [
        Reminder(
            patient=locked,
            practice_id=locked.practice_id,
            decision=each,
            why=Reminder.Why.CHANGED if each.changed_at else Reminder.Why.LAPSES,  # type: ignore[attr-defined]
            ends_on=each.ends_on,  # type: ignore[attr-defined]
        )
        for each in ending
        if (each.pk, each.ends_on) not in told  # type: ignore[attr-defined]
    ]
    if new:
        Reminder.objects.bulk_create(new)
        consequences.end_announced(locked, new, by=by)
    return new


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
    check_is_in_use(locked)
    stood = standing(locked)
    if version is not None and version != Decision.objects.of(locked).count():
        raise StaleVersion
    joins = not has_joined(stood)
    if joins and any(answers.get(purpose) is False for purpose in NEEDED_TO_BEGIN):
        # Under the name of "not now", for whatever reason: nothing tells that this was a no.
        with acting(by, no_is, patients=[locked.pk]):
            _not_now(locked, None, by=by)
        return None
    if joins and _lapse(locked, by=by):
        # They are quicker than the calendar: nothing of before comes back with the new yes.
        stood = standing(locked)
    new = _new_answers(stood, answers, sheet, joins=joins)
    check_sheet(sheet, locked)
    if any(new.values()):
        if joins:
            # Joining sets coaching in motion, which could not begin, nor be agreed to again later.
            check_not_restricted(locked)
        _check_capable_and_free(how)
    begins_at = timezone.now() + COOLING_OFF if joins and not how.sooner else None
    Decision.objects.bulk_create(
        _decision(locked, p, yes, sheet=sheet, how=how, begins_at=begins_at, by=by) for p, yes in new.items()
    )
    if joins:
        locked.do_not_raise_until = None
        locked.save(update_fields=["do_not_raise_until"], force_update=True)
        consequences.agreed(locked, by=by)
    lines = words.of_decision(new, begins_at)
    return give_receipt(locked, Receipt.Kind.DECIDED, lines, method=how.method, by=by)


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
        if joins or may_be_renewed(stands) or not _says_the_same(stands, sheet, yes=yes):
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
    patient: Patient,
    purpose: Purpose,
    yes: bool,
    *,
    sheet: InformationSheet,
    how: How,
    begins_at: dt.datetime | None,
    by: Actor,
) -> Decision:
    return Decision(
        patient=patient,
        practice_id=patient.practice_id,
        purpose=purpose,
        answer=Decision.Answer.GIVEN if yes else Decision.Answer.REFUSED,
        sheet=sheet,
        method=how.method,
        recorded_by_id=by.user_id,
        helped_by=how.helped_by,
        witness=how.witness,
        capacity_not_in_doubt=how.capacity_not_in_doubt,
        freely_given=how.freely_given,
        patient_asked=how.patient_asked,
        lapses_on=lapses_on(purpose, timezone.localdate()) if yes else None,
        begins_at=begins_at if yes and purpose in NEEDED_TO_BEGIN else None,
    )


def _not_now(patient: Patient, until: dt.date | None, *, by: Actor) -> dt.date:
    today = timezone.localdate()
    until = until or months_after(today, DO_NOT_RAISE_MONTHS)
    check_is_not_double(patient)
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
    patient: Patient,
    purposes: Collection[Purpose] | None,
    *,
    method: Decision.Method,
    representative: Representative | None = None,
    by: Actor,
) -> Receipt:
    ending = what_would_stop(standing(patient), purposes)
    if not ending:
        # In a record that is closed nothing stands; in the one that is kept something may.
        check_is_not_double(_locked(patient))
        raise NothingToStop
    stopped = _end(
        patient, ending, Decision.Answer.WITHDRAWN, method=method, representative=representative, by=by
    )
    lines = words.of_withdrawal(ending, stopped)
    return give_receipt(patient, Receipt.Kind.WITHDRAWN, lines, method=method, by=by)


def _end(
    patient: Patient,
    ending: Collection[Purpose],
    answer: Decision.Answer,
    *,
    method: Decision.Method,
    representative: Representative | None = None,
    by: Actor,
) -> list[str]:
    """Write down that these have ended, and stop what rests on them. Returns the lines for the receipt."""
    write_ended(patient, ending, answer, method=method, representative=representative, by=by)
    return consequences.stop(patient, ending, by=by)


def write_ended(
    patient: Patient,
    ending: Collection[Purpose],
    answer: Decision.Answer,
    *,
    method: Decision.Method,
    representative: Representative | None = None,
    by: Actor,
) -> None:
    """Write down that these yeses have ended, as part of an action. Stops nothing by itself."""
    stood = standing(patient)
    Decision.objects.bulk_create(
        Decision(
            patient=patient,
            practice_id=patient.practice_id,
            purpose=purpose,
            answer=answer,
            sheet_id=agreed.sheet_id,
            method=method,
            representative=representative,
            recorded_by_id=by.user_id,
        )
        for purpose in ending
        if (agreed := stood[purpose])
    )
