"""Reading consent for a page: what stands for one patient, and the sheets that answers rest on."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.utils import timezone

from consent.models import Decision, InformationSheet, Purpose, Receipt
from consent.policies import has_joined, is_yes, standing, what_would_stop
from pilot.access import Actor, NotVisible
from pilot.people.models import Organisation, Patient


@dataclass(frozen=True)
class ConsentRecord:
    """How one patient's consent stands, for a page about it. `version` moves on with every decision."""

    patient: Patient
    standing: dict[Purpose, Decision | None]
    version: int

    @property
    def joins(self) -> bool:
        """Whether answering now would be joining: something that is needed to begin does not hold."""
        return not has_joined(self.standing)

    @property
    def asked(self) -> list[Purpose]:
        """What there is to answer: every purpose before joining, afterwards those that do not hold."""
        return [purpose for purpose in Purpose if self.joins or not is_yes(self.standing[purpose])]

    @property
    def agreed(self) -> list[Decision]:
        """Every yes that holds today, in the order of the purposes."""
        return [each for each in self.standing.values() if each is not None and is_yes(each)]

    @property
    def stoppable(self) -> list[Purpose]:
        """What withdrawing from everything would end."""
        return what_would_stop(self.standing)

    @property
    def not_to_be_raised(self) -> bool:
        """Whether nobody may bring the pilot up with this patient today."""
        until = self.patient.do_not_raise_until
        return until is not None and until > timezone.localdate()

    def answers(self) -> dict[str, bool]:
        """What stands as answers, by the name of the purpose; what was never answered, or has ended, is left
        out.
        """
        return {
            purpose.value: each.answer == Decision.Answer.GIVEN
            for purpose, each in self.standing.items()
            if each and (is_yes(each) or each.answer == Decision.Answer.REFUSED)
        }


def consent_of(actor: Actor, patient_id: UUID) -> ConsentRecord:
    """How this patient's consent stands. Raises `NotVisible` where the actor may not see the patient. Three
    queries.
    """
    patient = (
        Patient.objects.visible_to(actor).select_related("practice__served_by").filter(pk=patient_id).first()
    )
    if patient is None:
        raise NotVisible("No patient found.")
    return ConsentRecord(patient, standing(patient), Decision.objects.of(patient).count())


def history_of(actor: Actor, patient: Patient) -> list[Decision]:
    """Every decision of this patient that the actor may see, newest first, with its sheet and who recorded
    it.
    """
    decisions = Decision.objects.of(patient).visible_to(actor).newest_first()
    return list(decisions.select_related("sheet", "recorded_by").defer("sheet__text"))


def receipts_of(actor: Actor, patient: Patient) -> list[Receipt]:
    """Every receipt of this patient that the actor may see, newest first."""
    return list(Receipt.objects.filter(patient=patient).visible_to(actor).order_by("-created_at", "-id"))


def receipt(actor: Actor, patient_id: UUID, receipt_id: UUID) -> Receipt:
    """One receipt of this patient. Raises `NotVisible` where the actor may not see it."""
    found = Receipt.objects.visible_to(actor).filter(pk=receipt_id, patient_id=patient_id).first()
    if found is None:
        raise NotVisible("No receipt found.")
    return found


def sheets_in_force(language: str = "en") -> list[InformationSheet]:
    """The latest published sheet of each format, plain English first."""
    latest = (
        InformationSheet.objects.published()
        .filter(language=language)
        .order_by("format", "-version")
        .distinct("format")
    )
    order = list(InformationSheet.Format)
    return sorted(latest, key=lambda sheet: order.index(InformationSheet.Format(sheet.format)))


def sheet_in_force(format: str = "plain", language: str = "en") -> InformationSheet:
    """The latest published sheet of that format. Raises `NotVisible` before the first."""
    found = InformationSheet.objects.in_force(format, language)
    if found is None:
        raise NotVisible("No information sheet found.")
    return found


def sheet(format: str, version: int, language: str = "en") -> InformationSheet:
    """One published version, in force or not: what somebody was shown can be read for ever."""
    found = (
        InformationSheet.objects.published().filter(format=format, version=version, language=language).first()
    )
    if found is None:
        raise NotVisible("No information sheet found.")
    return found


@dataclass(frozen=True)
class WhoIsWho:
    """The organisations behind the pilot for the patients of one practice, by name."""

    practice: Organisation
    provider: Organisation | None
    payers: list[Organisation]


def who_is_who(practice: Organisation) -> WhoIsWho:
    """Who asks, who employs the coaches, and who pays."""
    payers = Organisation.objects.in_force().filter(kind=Organisation.Kind.COMMISSIONER).order_by("name")
    return WhoIsWho(practice, practice.served_by, list(payers))
