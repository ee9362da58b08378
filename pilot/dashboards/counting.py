"""Counting what a release is made of, in the database: one statement per measure, and no row about anybody is
fetched.

What these functions return is not protected. It goes through `disclosure` before anything keeps or shows it.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Count, DateField, Exists, Min, Model, OuterRef, QuerySet, Subquery
from django.db.models.functions import TruncMonth
from django.utils import timezone

from coaching.models import DistressCall, Session, SessionStatus
from consent.models import Decision, NotNow, Purpose
from pilot.dashboards.models import Measure, SafetyTotal
from pilot.people.restrictions.policies import of_the_same_patient
from referrals.models import Referral

M = TypeVar("M", bound=Model)
Counts = dict[tuple[UUID, dt.date], dict[Measure, int]]


def first_month() -> dt.date | None:
    """The month of the first referral of all; None before there is one."""
    first = Referral.objects.aggregate(first=Min("logged_at"))["first"]
    return timezone.localdate(first).replace(day=1) if first else None


def practice_months(since: dt.date, until: dt.date) -> Counts:
    """For each practice and month the count of each measure, where there is any.

    Only patients are counted whose consent to `evaluation` stands now and whose record is not restricted.
    """
    found: Counts = defaultdict(dict)
    for measure, rows, practice, when in (
        (Measure.REFERRALS, Referral.objects.all(), "practice_id", "logged_at"),
        (Measure.AGREED, _first_agreements(), "practice_id", "created_at"),
        (Measure.FIRST_SESSIONS, _first_sessions(), "referral__practice_id", "starts_at"),
        (Measure.SESSIONS, _held(), "referral__practice_id", "starts_at"),
    ):
        of_people = measure in (Measure.AGREED, Measure.FIRST_SESSIONS)
        what = Count("patient_id", distinct=True) if of_people else Count("pk")
        counted = (
            _agreed_to_be_counted(_between(rows, when, since, until))
            .annotate(month=TruncMonth(when, output_field=DateField()))
            .values(practice, "month")
            .order_by()
            .annotate(number=what)
        )
        for each in counted:
            found[each[practice], each["month"]][measure] = each["number"]
    return found


def safety_totals(until: dt.date) -> dict[SafetyTotal, int]:
    """Since the pilot began, about everyone, without any breakdown. "Not now" is counted up to today: it has
    no date.
    """
    before = _midnight(until)
    withdrawn = _not_corrected(Decision.objects.filter(answer=Decision.Answer.WITHDRAWN))
    withdrawals = withdrawn.filter(created_at__lt=before).aggregate(n=Count("patient_id", distinct=True))["n"]
    return {
        SafetyTotal.DISTRESS_CALLS: DistressCall.objects.filter(raised_at__lt=before).count(),
        SafetyTotal.WITHDRAWALS: withdrawals,
        SafetyTotal.NOT_NOW: NotNow.objects.values_list("count", flat=True).first() or 0,
    }


def _first_agreements() -> QuerySet[Decision]:
    given = _not_corrected(Decision.objects.filter(purpose=Purpose.TAKE_PART, answer=Decision.Answer.GIVEN))
    earlier = given.filter(patient_id=OuterRef("patient_id"), created_at__lt=OuterRef("created_at"))
    return given.filter(~Exists(earlier))


def _first_sessions() -> QuerySet[Session]:
    earlier = _held().filter(patient_id=OuterRef("patient_id"), starts_at__lt=OuterRef("starts_at"))
    return _held().filter(~Exists(earlier))


def _held() -> QuerySet[Session]:
    return Session.objects.filter(status=SessionStatus.HELD)


def _not_corrected(decisions: QuerySet[Decision]) -> QuerySet[Decision]:
    """Without what was recorded by mistake."""
    return decisions.filter(~Exists(Decision.objects.filter(corrects=OuterRef("pk"))))


def _agreed_to_be_counted(rows: QuerySet[M]) -> QuerySet[M]:
    latest = Decision.objects.filter(
        patient_id=OuterRef(OuterRef("patient_id")), purpose=Purpose.EVALUATION
    ).order_by("-created_at", "-id")
    standing = Decision.objects.filter(pk=Subquery(latest.values("pk")[:1]))
    # What is restricted is not used, figures included.
    return rows.filter(Exists(standing.holding(timezone.localdate()))).exclude(of_the_same_patient())


def _between(rows: QuerySet[M], when: str, since: dt.date, until: dt.date) -> QuerySet[M]:
    limits: dict[str, Any] = {f"{when}__gte": _midnight(since), f"{when}__lt": _midnight(until)}
    return rows.filter(**limits)


def _midnight(day: dt.date) -> dt.datetime:
    return timezone.make_aware(dt.datetime.combine(day, dt.time()))
