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

from consent.models import NEEDED_TO_BEGIN, Decision, DecisionQuerySet, InformationSheet, Purpose
from pilot.people.models import Patient
from pilot.people.policies import check_age
from pilot.people.restrictions.policies import check_not_restricted, of_the_same_patient
from pilot.web.formats import age, date, date_and_time

# A yes lapses after this many months, unless it is refreshed. To be counted reaches to the last planned follow-up, a year
# after coaching that may last as long as the agreement to it.
LAPSES_AFTER_MONTHS = 12
LAST_FOLLOW_UP_MONTHS = 24
# Who agrees is told so many days before it ends, and may say yes again from then on.
TOLD_BEFORE = dt.timedelta(days=30)
# Nothing is booked for so long after somebody joins, unless they would rather not wait.
COOLING_OFF = dt.timedelta(hours=24)
ADULT = 18
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
    """Whether the patient's agreement to this stands today, and their record is not restricted. One query; nothing of it
    is shown to anybody.
    """
    return _standing(patient_id, purpose).exclude(of_the_same_patient()).exists()


def relied_on(patient_id: UUID, purpose: Purpose, at: dt.datetime | None = None) -> UUID | None:
    """The key of the decision by which the patient agrees to this today, or agreed to it at that moment; None where
    there is none. One query.
    """
    return _standing(patient_id, purpose, at).values_list("pk", flat=True).first()


def _standing(patient_id: UUID, purpose: Purpose, at: dt.datetime | None = None) -> DecisionQuerySet:
    decisions = Decision.objects.filter(patient_id=patient_id, purpose=purpose)
    # Now is whatever stands: the clock of another machine may be ahead of ours.
    latest = (decisions.filter(created_at__lte=at) if at else decisions).latest_per_purpose()
    return Decision.objects.filter(pk__in=latest.values("pk")).holding(timezone.localdate(at))


def ended_by_the_calendar(patient: Patient, purposes: Collection[Purpose]) -> bool:
    """Whether what has just ended for the patient ended by itself: nobody stopped it."""
    latest = Decision.objects.of(patient).filter(purpose__in=purposes).newest_first().first()
    return latest is not None and latest.answer == Decision.Answer.LAPSED


def check_consent(patient: Patient, *purposes: Purpose) -> None:
    """Pass if the patient's agreement to each of these stands today, or raise `ConsentMissing` (a
    `ValidationError`); `Restricted` while nothing new is done with their record.
    """
    check_not_restricted(patient)
    missing = [purpose for purpose in purposes if not holds(patient.pk, purpose)]
    if missing:
        raise ConsentMissing(missing)


def standing(patient: Patient) -> dict[Purpose, Decision | None]:
    """The latest decision on each purpose, or None where there is none; whether it `holds` is another
    question.
    """
    latest = {
        Purpose(each.purpose): each for each in Decision.objects.of(patient).with_end().latest_per_purpose()
    }
    return {purpose: latest.get(purpose) for purpose in Purpose}


def has_joined(stood: Standing) -> bool:
    """Whether everything that is needed to begin holds today."""
    return all(is_yes(stood[purpose]) for purpose in NEEDED_TO_BEGIN)


def is_yes(decision: Decision | None) -> bool:
    return decision is not None and decision.holds_on(timezone.localdate())


def may_be_renewed(decision: Decision | None) -> bool:
    """Whether to say yes to this again is something new: it holds, and ends soon or rests on information that has
    materially changed since."""
    if decision is None or not is_yes(decision):
        return False
    soon: dt.date = timezone.localdate() + TOLD_BEFORE
    return bool(decision.changed_at) or decision.ends_on <= soon  # type: ignore[attr-defined]


def check_may_be_booked(patient: Patient) -> None:
    """Pass once the time to think it over has passed since the patient joined, or they did not want it."""
    begins_at = [
        each.begins_at
        for each in Decision.objects.of(patient).filter(purpose__in=NEEDED_TO_BEGIN).latest_per_purpose()
        if each.begins_at
    ]
    if begins_at and max(begins_at) > timezone.now():
        raise ValidationError(
            _("Nothing is booked before %(time)s: they have time to think it over.")
            % {"time": date_and_time(max(begins_at))},
            code="cooling_off",
        )


def what_has_ended(stood: Standing) -> list[Purpose]:
    """What the calendar has ended and nobody has written down as ended: a yes that does not hold any more, and with what
    is needed to begin whatever rests on it. To be counted does not: it reaches to the last follow-up."""
    given = [p for p in Purpose if (decision := stood[p]) and decision.answer == Decision.Answer.GIVEN]
    ended = [purpose for purpose in given if not is_yes(stood[purpose])]
    if set(ended) & set(NEEDED_TO_BEGIN):
        return [purpose for purpose in given if purpose in ended or purpose != Purpose.EVALUATION]
    return ended


def what_would_stop(stood: Standing, purposes: Collection[Purpose] | None = None) -> list[Purpose]:
    """What ends when the patient withdraws from these (from everything, unless told): without what is needed
    to begin, nothing goes on. A yes that has lapsed by the calendar is ended as well.
    """
    given = [p for p in Purpose if (decision := stood[p]) and decision.answer == Decision.Answer.GIVEN]
    if purposes is None or set(purposes) & set(NEEDED_TO_BEGIN):
        return given
    return [purpose for purpose in given if purpose in purposes]


def noes(stood: Standing) -> list[Purpose]:
    """What the patient said no to or stopped, and that stands. What the calendar ended, or was a mistake, is no answer."""
    answers = (Decision.Answer.REFUSED, Decision.Answer.WITHDRAWN)
    return [purpose for purpose in Purpose if (decision := stood[purpose]) and decision.answer in answers]


def check_may_be_raised(patient: Patient) -> None:
    """Pass, or refuse while nobody is to bring the pilot up with this patient. Staff cannot override it."""
    check_not_restricted(patient)
    until = patient.do_not_raise_until
    if until and until > timezone.localdate():
        raise ValidationError(
            _("Nobody brings this up before %(day)s. The patient can, at any time.") % {"day": date(until)},
            code="not_to_be_raised",
        )


def readers_like(patient: Patient) -> InformationSheet.Readers:
    """For whom a sheet has to be written to be this patient's, by their age today."""
    is_adult = (age(patient.date_of_birth) or 0) >= ADULT
    return InformationSheet.Readers.ADULTS if is_adult else InformationSheet.Readers.YOUNG


def check_sheet(sheet: InformationSheet, patient: Patient) -> None:
    """Pass if this patient's decision may rest on this sheet: it is published, written for somebody of their age, and
    nothing material was changed since."""
    check_age(patient.date_of_birth)
    if sheet.readers != readers_like(patient):
        raise ValidationError(
            _(
                "This information is written for somebody of another age. Read the other one first, then answer."
            ),
            code="sheet_for_others",
        )
    if sheet.published_at is None:
        raise ValidationError(_("This information sheet is not published yet."), code="sheet_not_published")
    if InformationSheet.objects.replaces(sheet).exists():
        raise ValidationError(
            _("The information sheet has changed since. Read the new one first, then answer."),
            code="sheet_replaced",
        )


def lapses_on(purpose: Purpose, decided_on: dt.date) -> dt.date:
    """The first day on which a yes given that day no longer holds."""
    is_counted = purpose == Purpose.EVALUATION
    return months_after(decided_on, LAST_FOLLOW_UP_MONTHS if is_counted else LAPSES_AFTER_MONTHS)


def months_after(day: dt.date, months: int) -> dt.date:
    """The same day of the month so many months later, or that month's last day where it has none."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
