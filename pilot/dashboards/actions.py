"""Publishing a release: counted, protected, and only then stored."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _

from pilot.access import Actor, Permission, acting, action
from pilot.dashboards import counting, policies, selectors
from pilot.dashboards.disclosure import grown, protect
from pilot.dashboards.models import LOWEST_THRESHOLD, Measure, PracticeMonth, Release, SafetyTotal


@action("release.published", Permission.COMPUTE_RELEASES, about_patient=False)
def publish(release: Release, *, by: Actor) -> Release:
    """Publish every month since the last release, up to `release.until`, and the safety totals up to then.

    Afterwards these figures stand for ever, protected; no unprotected count is kept anywhere. Refused for a
    month that is published already or too recent to count, and before the first referral.
    """
    last = selectors.latest_release()
    policies.check_can_publish(release.until, last=last.until if last else None, today=timezone.localdate())
    since = last.until if last else counting.first_month()
    if since is None or since >= release.until:
        raise ValidationError(_("There is nothing to publish yet."))
    release.threshold = max(settings.MINIMUM_COUNT, LOWEST_THRESHOLD)
    release.published_at = timezone.now()
    for measure, count in counting.safety_totals(release.until).items():
        setattr(release, measure, grown(count, _published(last, measure), release.threshold))
    release.full_clean()
    release.save(force_insert=True)
    PracticeMonth.objects.bulk_create(_protected(release, since))
    return release


def publish_what_is_due(*, by: Actor) -> Release | None:
    """Publish the release that the calendar asks for. None where it is out already, or there is nothing to
    publish.
    """
    release = Release(until=policies.settled_until(timezone.localdate()))
    with acting(by, "release.published"):
        last, first = selectors.latest_release(), counting.first_month()
        begun = last.until if last else first
        return publish(release, by=by) if begun and begun < release.until else None


def _published(last: Release | None, measure: SafetyTotal) -> int | None:
    return getattr(last, measure) if last else None


def _protected(release: Release, since: dt.date) -> list[PracticeMonth]:
    """A row for each practice and month in which it was part of the pilot, or in which anything was counted
    there.
    """
    counts = counting.practice_months(since, release.until)
    there = {
        (practice.pk, month)
        for practice in selectors.practices()
        for month in policies.months(since, release.until)
        if practice.valid_from < policies.month_after(month)
        and (practice.valid_until is None or practice.valid_until > month)
    }
    return [
        PracticeMonth(
            release=release,
            practice_id=practice,
            month=month,
            threshold=release.threshold,
            **{
                measure.value: count
                for measure, count in protect(
                    _all(counts.get((practice, month), {})), release.threshold
                ).items()
            },
        )
        for practice, month in sorted(there | set(counts))
    ]


def _all(counts: dict[Measure, int]) -> dict[Measure, int]:
    return {measure: counts.get(measure, 0) for measure in Measure}
