"""Keeping a receipt, giving it to whoever did not see it being written, and handing it over as a file."""

from __future__ import annotations

from audit.actions import record_disclosure
from audit.models import Disclosure
from consent import consequences
from consent.models import Decision, Receipt
from consent.receipts.words import Line
from pilot.access import Actor, Permission, action
from pilot.people.models import Patient

# What the ledger says that it was for: a receipt is owed to the patient anyhow.
PURPOSE = "notice"


def keep_receipt(patient: Patient, kind: Receipt.Kind, lines: list[Line], *, by: Actor) -> Receipt:
    """Write down what the patient is told of what was done, as part of an action."""
    receipt = Receipt(patient=patient, practice_id=patient.practice_id, kind=kind, lines=lines)
    receipt.save(force_insert=True)
    return receipt


def give_receipt(
    patient: Patient, kind: Receipt.Kind, lines: list[Line], *, method: Decision.Method, by: Actor
) -> Receipt:
    """As `keep_receipt`, and whoever tells patients is told of it, with the way in which it was said."""
    receipt = keep_receipt(patient, kind, lines, by=by)
    consequences.receipt_kept(patient, receipt, method=method, by=by)
    return receipt


@action("consent.receipt_taken", Permission.SEE_CONSENT)
def take_receipt(receipt: Receipt, *, by: Actor) -> Receipt:
    """Note in the ledger that the patient was given this receipt as a file, by themselves or by the practice."""
    record_disclosure(
        receipt.patient_id,
        recipient_kind=Disclosure.RecipientKind.PATIENT,
        recipient="The patient, as a file of their receipt",
        purpose=PURPOSE,
        classes=["consent", "identity"],
        fields=["people.Patient.name", "consent.Receipt.lines"],
        relation=Receipt._meta.db_table,
        row_id=str(receipt.pk),
    )
    return receipt
