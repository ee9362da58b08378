"""Reading consent for a page: what stands for one patient, and the sheets that answers rest on."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from django.conf.locale import LANG_INFO
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from consent.models import (
    Decision,
    DecisionQuerySet,
    InformationSheet,
    Purpose,
    Receipt,
    Reminder,
    Representative,
)
from consent.policies import (
    TOLD_BEFORE,
    has_joined,
    is_yes,
    may_be_renewed,
    readers_like,
    standing,
    what_would_stop,
)
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
        """What there is to answer: every purpose before joining, afterwards those that do not hold or may be renewed."""
        return [
            purpose
            for purpose in Purpose
            if self.joins or not is_yes(self.standing[purpose]) or purpose in self.to_renew
        ]

    @property
    def to_renew(self) -> list[Purpose]:
        """What the patient said yes to and can say yes to again: it ends soon, or the information has changed."""
        return [purpose for purpose in Purpose if may_be_renewed(self.standing[purpose])]

    @property
    def begins_at(self) -> dt.datetime | None:
        """Until when nothing is booked, where the patient still has time to think it over."""
        ahead = [each.begins_at for each in self.agreed if each.begins_at and each.begins_at > timezone.now()]
        return max(ahead, default=None)

    @property
    def sheets(self) -> list[InformationSheet]:
        """The sheets in force that are written for somebody of the patient's age, plain English first. One query."""
        return sheets_in_force(readers=readers_like(self.patient))

    @property
    def change(self) -> tuple[InformationSheet, InformationSheet] | None:
        """The sheet that a yes rests on and the one of its format in force, where something was materially changed."""
        changed = next((each for each in self.agreed if each.changed_at), None)  # type: ignore[attr-defined]
        if changed is None or changed.sheet is None:
            return None
        now = later(changed.sheet)
        return (changed.sheet, now) if now else None

    @property
    def ends_on(self) -> dt.date | None:
        """The first day on which something that may be renewed does not hold any more."""
        days = [self.standing[purpose].ends_on for purpose in self.to_renew]  # type: ignore[union-attr]
        return min(days, default=None)

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
    return list(decisions.select_related("sheet", "recorded_by", "representative").defer("sheet__text"))


def decision(actor: Actor, patient: Patient, key: UUID) -> Decision:
    """One decision of this patient. Raises `NotVisible` where the actor may not see it."""
    found = Decision.objects.of(patient).visible_to(actor).select_related("sheet").filter(pk=key).first()
    if found is None:
        raise NotVisible("No decision found.")
    return found


def can_be_put_right(record: ConsentRecord, decision: Decision) -> bool:
    """Whether it is a yes or a no, and the latest answer to its purpose."""
    return (
        decision.answer in (Decision.Answer.GIVEN, Decision.Answer.REFUSED)
        and record.standing[Purpose(decision.purpose)] == decision
    )


def receipts_of(actor: Actor, patient: Patient) -> list[Receipt]:
    """Every receipt of this patient that the actor may see, newest first."""
    return list(Receipt.objects.filter(patient=patient).visible_to(actor).order_by("-created_at", "-id"))


def receipt(actor: Actor, patient_id: UUID, receipt_id: UUID) -> Receipt:
    """One receipt of this patient. Raises `NotVisible` where the actor may not see it."""
    found = Receipt.objects.visible_to(actor).filter(pk=receipt_id, patient_id=patient_id).first()
    if found is None:
        raise NotVisible("No receipt found.")
    return found


def representatives_of(actor: Actor, patient: Patient) -> list[Representative]:
    """Who speaks for this patient now, by name."""
    there = Representative.objects.visible_to(actor).filter(patient=patient, ended_at__isnull=True)
    return list(there.order_by("name", "id"))


def representative(actor: Actor, patient: Patient, key: UUID) -> Representative:
    """One of this patient's representatives. Raises `NotVisible` where there is none."""
    found = Representative.objects.visible_to(actor).filter(patient=patient, pk=key).first()
    if found is None:
        raise NotVisible("No representative found.")
    return found


def patients_to_tell(actor: Actor, most: int | None = None) -> list[UUID]:
    """Whose yes ends soon, for the keys of those who have not been told of that day yet; so many at most."""
    soon = timezone.localdate() + TOLD_BEFORE
    ending = _latest_yes(actor).filter(  # type: ignore[misc]
        Q(lapses_on__lte=soon) | Q(sheet__in=_materially_changed()), ends_on__gt=timezone.localdate()
    )
    told = Reminder.objects.filter(decision=OuterRef("pk"), ends_on=OuterRef("ends_on"))
    return _patients(ending.exclude(Exists(told)), most)


def patients_with_lapsed(actor: Actor, most: int | None = None) -> list[UUID]:
    """Whose yes has ended by the calendar with nobody having written it down; so many at most."""
    today = timezone.localdate()
    return _patients(
        _latest_yes(actor).filter(  # type: ignore[misc]
            Q(lapses_on__lte=today) | Q(sheet__in=_materially_changed()), ends_on__lte=today
        ),
        most,
    )


def _latest_yes(actor: Actor) -> DecisionQuerySet:
    given = Decision.objects.visible_to(actor).filter(answer=Decision.Answer.GIVEN).with_end()
    newer = Decision.objects.filter(patient=OuterRef("patient"), purpose=OuterRef("purpose")).filter(
        Q(created_at__gt=OuterRef("created_at")) | Q(created_at=OuterRef("created_at"), pk__gt=OuterRef("pk"))
    )
    return given.exclude(Exists(newer))


def _materially_changed() -> list[int]:
    """The sheets that a later one of their kind says something materially different from: few, so named to the index."""
    later = InformationSheet.objects.published().filter(
        language=OuterRef("language"),
        readers=OuterRef("readers"),
        version__gt=OuterRef("version"),
        change=InformationSheet.Change.MATERIAL,
    )
    return list(InformationSheet.objects.published().filter(Exists(later)).values_list("pk", flat=True))


def _patients(decisions: DecisionQuerySet, most: int | None) -> list[UUID]:
    return list(decisions.order_by("patient_id").values_list("patient_id", flat=True).distinct()[:most])


def sheets_in_force(language: str = "en", readers: str = "adults") -> list[InformationSheet]:
    """The latest published sheet of each format, plain English first."""
    latest = (
        InformationSheet.objects.published()
        .filter(language=language, readers=readers)
        .order_by("format", "-version")
        .distinct("format")
    )
    order = list(InformationSheet.Format)
    return sorted(latest, key=lambda sheet: order.index(InformationSheet.Format(sheet.format)))


def languages_in_force() -> list[tuple[str, str]]:
    """Every language that there is a published sheet in, with its own name, English first."""
    there = set(InformationSheet.objects.published().values_list("language", flat=True))
    return [
        (code, str(LANG_INFO.get(code, {}).get("name_local", code)))
        for code in sorted(there, key=lambda code: (code != "en", code))
    ]


def sheet_in_force(format: str = "plain", language: str = "en", readers: str = "adults") -> InformationSheet:
    """The latest published sheet of that kind. Raises `NotVisible` before the first."""
    found = InformationSheet.objects.in_force(format, language, readers)
    if found is None:
        raise NotVisible("No information sheet found.")
    return found


def sheet(format: str, version: int, language: str = "en", readers: str = "adults") -> InformationSheet:
    """One published version, in force or not: what somebody was shown can be read for ever."""
    found = (
        InformationSheet.objects.published()
        .filter(format=format, version=version, language=language, readers=readers)
        .first()
    )
    if found is None:
        raise NotVisible("No information sheet found.")
    return found


def earlier(sheet: InformationSheet) -> InformationSheet | None:
    """The published version of its kind just before."""
    return (
        InformationSheet.objects.of_the_kind(sheet)
        .filter(version__lt=sheet.version)
        .order_by("-version")
        .first()
    )


def later(sheet: InformationSheet) -> InformationSheet | None:
    """The version of its kind in force, where this one is not."""
    return (
        InformationSheet.objects.of_the_kind(sheet)
        .filter(version__gt=sheet.version)
        .order_by("-version")
        .first()
    )


def what_changed(before: InformationSheet, now: InformationSheet) -> list[InformationSheet]:
    """The versions that came after one, up to another, that say what is different, the latest first."""
    since = InformationSheet.objects.of_the_kind(now).filter(
        version__gt=before.version, version__lte=now.version
    )
    return list(since.exclude(what_changed="").order_by("-version"))


def first_for_others(sheet: InformationSheet) -> InformationSheet | None:
    """The sheet that readers of another age would begin with."""
    there = (
        InformationSheet.objects.published().filter(language=sheet.language).exclude(readers=sheet.readers)
    )
    return there.order_by("-format", "-version").first()


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
