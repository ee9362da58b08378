"""Correcting what was recorded. What was recorded by mistake is not a withdrawal, and never looks like one."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from consent import consequences
from consent.models import NEEDED_TO_BEGIN, Decision, Purpose, Receipt
from consent.policies import standing, what_would_stop
from consent.receipts import words
from consent.receipts.actions import give_receipt
from pilot.access import Actor, Permission, action
from pilot.people.actions import StaleVersion
from pilot.people.models import Patient
from pilot.people.policies import check_is_not_double


@action("consent.corrected", Permission.RECORD_CONSENT, exclusive=True)
def correct(decision: Decision, answer: Decision.Answer, reason: str, *, by: Actor) -> Decision:
    """Put right an answer that was recorded by mistake; both stay visible, with the reason.

    Only what stands can be corrected, only a yes or a no, and never into a yes: what was stopped, or was a yes all along,
    begins by asking again, since a yes is nobody's but the patient's.
    A yes that never was takes with it everything that rested on it, exactly as a withdrawal does.
    """
    patient = Patient.objects.get(pk=decision.patient_id)
    check_is_not_double(patient)
    stood = standing(patient)
    purpose = Purpose(decision.purpose)
    if stood[purpose] != decision:
        raise StaleVersion
    if not reason.strip():
        raise ValidationError({"reason": _("Say what was recorded by mistake.")})
    _check_correction(decision, answer)
    ending = what_would_stop(stood, [purpose]) if decision.answer == Decision.Answer.GIVEN else []
    corrections = [
        _correction(each, answer if each == decision else Decision.Answer.CORRECTED, reason.strip(), by=by)
        for each in (stood[ended] for ended in ending or [purpose])
        if each is not None
    ]
    Decision.objects.bulk_create(corrections)
    if ending:
        stopped = consequences.stop(patient, ending, by=by)
        lines = words.of_correction(ending, stopped)
        method = Decision.Method(decision.method)
        give_receipt(patient, Receipt.Kind.CORRECTED, lines, method=method, by=by)
    return next(each for each in corrections if each.corrects_id == decision.pk)


def _check_correction(decision: Decision, answer: Decision.Answer) -> None:
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
    if answer == Decision.Answer.GIVEN:
        # With the sheet, the statement and the receipt that every yes has.
        raise ValidationError(
            {
                "answer": _(
                    "A yes is never put in afterwards. Record that this was a mistake, and ask them again."
                )
            }
        )


def _correction(decision: Decision, answer: Decision.Answer, reason: str, *, by: Actor) -> Decision:
    return Decision(
        patient_id=decision.patient_id,
        practice_id=decision.practice_id,
        purpose=decision.purpose,
        answer=answer,
        sheet_id=decision.sheet_id,
        method=decision.method,
        recorded_by_id=by.user_id,
        helped_by=decision.helped_by,
        witness=decision.witness,
        capacity_not_in_doubt=decision.capacity_not_in_doubt,
        freely_given=decision.freely_given,
        patient_asked=decision.patient_asked,
        corrects=decision,
        correction_reason=reason,
    )
