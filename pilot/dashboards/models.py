"""Published figures: releases computed once and protected before they are stored. Nothing unprotected is ever
kept here.
"""

from __future__ import annotations

import datetime as dt

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from audit.privacy import Impersonal
from audit.triggers import AppendOnlyTrigger
from pilot.access.roles import Permission
from pilot.people.models import Organisation

LOWEST_THRESHOLD = 5


class Measure(models.TextChoices):
    """What is counted for each practice and month. Each value names the column that holds it."""

    REFERRALS = "referrals", _("Referrals logged")
    AGREED = "agreed", _("People who agreed")
    FIRST_SESSIONS = "first_sessions", _("People with a first session")
    SESSIONS = "sessions", _("Sessions held")


class SafetyTotal(models.TextChoices):
    """What is counted for the whole pilot, about everyone, without any breakdown. Each value names its
    column.
    """

    DISTRESS_CALLS = "distress_calls", _("Times help was called for someone in distress")
    WITHDRAWALS = "withdrawals", _("People who withdrew something they had agreed to")
    NOT_NOW = "not_now", _("Times someone said “not now” before joining")


def _is_small(column: str) -> Q:
    """A number that is there and must not be."""
    return Q(**{f"{column}__lt": F("threshold")})


class ReleaseQuerySet(models.QuerySet["Release"]):
    def newest_first(self) -> ReleaseQuerySet:
        return self.order_by("-until")


class Release(models.Model):
    """One publication: the months since the release before it, and the safety totals up to its end. Never
    altered.
    """

    until = models.DateField(
        unique=True, help_text="Counts what happened before this day, the first of a month."
    )
    threshold = models.PositiveSmallIntegerField(help_text="Counts under this are hidden.")
    published_at = models.DateTimeField()
    distress_calls = models.PositiveIntegerField(null=True, blank=True)
    withdrawals = models.PositiveIntegerField(null=True, blank=True)
    not_now = models.PositiveIntegerField(null=True, blank=True)

    objects = ReleaseQuerySet.as_manager()

    privacy = Impersonal("protected figures", audited=True, write=Permission.COMPUTE_RELEASES)

    class Meta:
        default_permissions = ()
        triggers = [AppendOnlyTrigger()]
        constraints = [
            models.CheckConstraint(
                condition=Q(threshold__gte=LOWEST_THRESHOLD), name="the_threshold_of_a_release_is_high_enough"
            ),
            models.CheckConstraint(condition=Q(until__day=1), name="a_release_ends_with_a_month"),
            models.CheckConstraint(
                condition=~(_is_small("distress_calls") | _is_small("withdrawals") | _is_small("not_now")),
                name="no_small_safety_total_is_stored",
            ),
        ]


class PracticeMonthQuerySet(models.QuerySet["PracticeMonth"]):
    def in_months(self, since: dt.date, until: dt.date) -> PracticeMonthQuerySet:
        return self.filter(month__gte=since, month__lt=until)

    def in_order(self) -> PracticeMonthQuerySet:
        return self.select_related("practice").order_by("practice__name", "practice_id", "month")


class PracticeMonth(models.Model):
    """What one month of one practice came to, published once and for ever. An empty count is a hidden one:
    the number itself is not stored, and the database refuses to store one under the threshold.
    """

    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="months")
    practice = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    month = models.DateField(help_text="Its first day.")
    threshold = models.PositiveSmallIntegerField(
        help_text="The release's, here too so that the database can check."
    )
    referrals = models.PositiveIntegerField(null=True)
    agreed = models.PositiveIntegerField(null=True)
    first_sessions = models.PositiveIntegerField(null=True)
    sessions = models.PositiveIntegerField(null=True)

    objects = PracticeMonthQuerySet.as_manager()

    privacy = Impersonal("protected figures", audited=True, write=Permission.COMPUTE_RELEASES)

    class Meta:
        verbose_name = _("published month")
        default_permissions = ()
        triggers = [AppendOnlyTrigger()]
        constraints = [
            # Two versions of a number, subtracted, are a number about the few people in between.
            models.UniqueConstraint(fields=["practice", "month"], name="a_month_is_published_once"),
            models.CheckConstraint(
                condition=Q(threshold__gte=LOWEST_THRESHOLD), name="the_threshold_of_a_month_is_high_enough"
            ),
            models.CheckConstraint(condition=Q(month__day=1), name="a_month_begins_on_its_first_day"),
            models.CheckConstraint(
                condition=~(
                    _is_small("referrals")
                    | _is_small("agreed")
                    | _is_small("first_sessions")
                    | _is_small("sessions")
                ),
                name="no_small_figure_is_stored",
            ),
            models.CheckConstraint(
                condition=Q(referrals__isnull=True, agreed__isnull=True, first_sessions__isnull=True)
                | Q(referrals__isnull=False, agreed__isnull=False, first_sessions__isnull=False),
                name="counts_of_people_are_hidden_together",
            ),
        ]
