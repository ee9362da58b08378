"""When consent holds: for whom, for what, until which day. Whatever needs it asks here, and asks again in
every task.
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Collection, Mapping
from uuid import UUID

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _

from consent.models import NEEDED_TO_BEGIN, Decision, InformationSheet, Purpose
from pilot.people.models import Patient
from pilot.web.formats import date

# A yes lapses after this many months, unless it is refreshed.
LAPSES_AFTER_MONTHS = 12
# After "not now" nobody brings the pilot up for this many months.
DO_NOT_RAISE_MONTHS = 6

Standing = Mapping[Purpose, Decision | None]


class ConsentMissing(ValidationError):  # noqa: N818 (what is the matter, as a page says it)
    """Something needs an agreement that does not stand. Says nothing about why it does not."""

    def __init__(self, purposes: Collection[Purpose]) -> None:
        self.purposes = tuple(purposes)
        super().__init__(
            _("This cannot be done: the patient’s agreement to it does not stand."), code="consent_missing"
        )


class NothingToStop(ValidationError):  # noqa: N818 (what is the matter, as a page says it)
    """What somebody wants to stop has stopped already, or never began."""

    def __init__(self) -> None:
        super().__init__(
            _("This has stopped already, or never began. Nothing was changed."), code="nothing_to_stop"
        )


class AlreadyRecorded(ValidationError):  # noqa: N818 (what is the matter, as a page says it)
    """The answers say what stands already."""

    def __init__(self) -> None:
        super().__init__(
            _("These answers are recorded already. Nothing was changed."), code="already_recorded"
        )


def holds(patient_id: UUID, purpose: Purpose) -> bool:
    """Whether the patient's agreement to this stands today. One query; nothing of it is shown to anybody."""
    return relied_on(patient_id, purpose) is not None


def relied_on(patient_id: UUID, purpose: Purpose, at: dt.datetime | None = None) -> UUID | None:
    """The key of the decision by which the patient agrees to this today, or agreed to it at that moment; None where
    there is none. One query.
    """
    decisions = Decision.objects.filter(patient_id=patient_id, purpose=purpose)
    # Now is whatever stands: the clock of another machine may be ahead of ours.
    latest = (decisions.filter(created_at__lte=at) if at else decisions).latest_per_purpose()
    standing = Decision.objects.filter(pk__in=latest.values("pk")).holding(timezone.localdate(at))
    return standing.values_list("pk", flat=True).first()


def check_consent(patient: Patient, *purposes: Purpose) -> None:
    """Pass if the patient's agreement to each of these stands today, or raise `ConsentMissing` (a
    `ValidationError`).
    """
    missing = [purpose for purpose in purposes if not holds(patient.pk, purpose)]
    if missing:
        raise ConsentMissing(missing)


def standing(patient: Patient) -> dict[Purpose, Decision | None]:
    """The latest decision on each purpose, or None where there is none; whether it `holds` is another
    question.
    """
    latest = {Purpose(each.purpose): each for each in Decision.objects.of(patient).latest_per_purpose()}
    return {purpose: latest.get(purpose) for purpose in Purpose}


def has_joined(stood: Standing) -> bool:
    """Whether everything that is needed to begin holds today."""
    return all(is_yes(stood[purpose]) for purpose in NEEDED_TO_BEGIN)


def is_yes(decision: Decision | None) -> bool:
    return decision is not None and decision.holds_on(timezone.localdate())


def what_would_stop(stood: Standing, purposes: Collection[Purpose] | None = None) -> list[Purpose]:
    """What ends when the patient withdraws from these (from everything, unless told): without what is needed
    to begin, nothing goes on. A yes that has lapsed by the calendar is ended as well.
    """
    given = [p for p in Purpose if (decision := stood[p]) and decision.answer == Decision.Answer.GIVEN]
    if purposes is None or set(purposes) & set(NEEDED_TO_BEGIN):
        return given
    return [purpose for purpose in given if purpose in purposes]


def check_may_be_raised(patient: Patient) -> None:
    """Pass, or refuse while nobody is to bring the pilot up with this patient. Staff cannot override it."""
    until = patient.do_not_raise_until
    if until and until > timezone.localdate():
        raise ValidationError(
            _("Nobody brings this up before %(day)s. The patient can, at any time.") % {"day": date(until)},
            code="not_to_be_raised",
        )


def check_sheet(sheet: InformationSheet) -> None:
    """Pass if a decision may rest on this sheet: it is published, and nothing material was changed since."""
    if sheet.published_at is None:
        raise ValidationError(_("This information sheet is not published yet."), code="sheet_not_published")
    if InformationSheet.objects.replaces(sheet).exists():
        raise ValidationError(
            _("The information sheet has changed since. Read the new one first, then answer."),
            code="sheet_replaced",
        )


def lapses_on(purpose: Purpose, decided_on: dt.date) -> dt.date:
    """The first day on which a yes given that day no longer holds."""
    return months_after(decided_on, LAPSES_AFTER_MONTHS)


def months_after(day: dt.date, months: int) -> dt.date:
    """The same day of the month so many months later, or that month's last day where it has none."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
