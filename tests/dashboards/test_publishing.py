"""What a release counts, what it stores, and when it may be made."""

from __future__ import annotations

import datetime as dt
from io import StringIO

import pytest
import time_machine
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connections, transaction
from django.db.models import Model
from django.test.utils import CaptureQueriesContext

from audit.models import Event
from consent.models import Decision, NotNow, Purpose
from pilot.access import Actor, Role, acting
from pilot.dashboards import counting, policies
from pilot.dashboards.actions import publish, publish_what_is_due
from pilot.dashboards.models import Measure, PracticeMonth, Release, SafetyTotal
from pilot.dashboards.tasks import publish_release
from tests import factories
from tests.dashboards.quarter import APRIL, FEBRUARY, JANUARY, MARCH, Quarter, noon

MAY = dt.date(2026, 5, 1)
CLOCK = Actor.system("dashboards.publish")


@pytest.fixture(autouse=True)
def in_may() -> object:
    with time_machine.travel(noon(MAY, 20)):
        yield


def counted(since: dt.date = JANUARY, until: dt.date = APRIL) -> counting.Counts:
    with acting(CLOCK, "test"):
        return counting.practice_months(since, until)


@pytest.mark.usefixtures("undone")
class TestCounting:
    def test_people_are_counted_in_the_month_in_which_each_thing_happened(self, quarter: Quarter) -> None:
        found = counted()
        assert found[quarter.large.pk, JANUARY] == {Measure.REFERRALS: 6}
        assert found[quarter.large.pk, FEBRUARY] == {Measure.AGREED: 6}
        assert found[quarter.large.pk, MARCH] == {Measure.FIRST_SESSIONS: 6, Measure.SESSIONS: 12}
        assert found[quarter.small.pk, JANUARY] == {Measure.REFERRALS: 4}

    def test_who_withdrew_from_being_counted_is_not_counted(self, quarter: Quarter) -> None:
        with acting(CLOCK, "test"):
            decisions = Decision.objects.filter(purpose=Purpose.EVALUATION, practice=quarter.large)
            patient = decisions.select_related("patient").first().patient
        factories.DecisionFactory(
            patient=patient, purpose=Purpose.EVALUATION, answer=Decision.Answer.WITHDRAWN
        )
        assert counted()[quarter.large.pk, JANUARY] == {Measure.REFERRALS: 5}

    def test_whose_consent_has_lapsed_is_not_counted(self) -> None:
        with time_machine.travel(noon(dt.date(2027, 6, 1))):
            assert counted() == {}

    def test_an_agreement_recorded_by_mistake_is_not_counted(self, quarter: Quarter) -> None:
        with acting(CLOCK, "test"):
            agreed = Decision.objects.filter(purpose=Purpose.TAKE_PART, practice=quarter.small)
            mistaken = agreed.select_related("patient").first()
        factories.DecisionFactory(
            patient=mistaken.patient,
            answer=Decision.Answer.CORRECTED,
            corrects=mistaken,
            correction_reason="Wrong patient",
        )
        assert counted()[quarter.small.pk, FEBRUARY] == {Measure.AGREED: 3}

    def test_only_the_first_session_ever_is_a_first_session(self, quarter: Quarter) -> None:
        assert counted(APRIL, MAY) == {}
        assert counted(MARCH, MAY)[quarter.large.pk, MARCH][Measure.FIRST_SESSIONS] == 6

    def test_one_statement_per_measure_and_no_row_about_anybody_is_fetched(self) -> None:
        with acting(CLOCK, "test") as context:
            with CaptureQueriesContext(connections["default"]) as queries:
                counting.practice_months(JANUARY, APRIL)
            assert len(queries) == len(Measure)
            assert not context.looks.seen


@pytest.mark.usefixtures("undone")
class TestPublishing:
    def test_it_stores_what_may_be_shown_and_nothing_else(self, quarter: Quarter) -> None:
        release = publish(Release(until=APRIL), by=CLOCK)
        rows = {(row.practice_id, row.month): row for row in release.months.all()}
        assert len(rows) == 6
        assert rows[quarter.large.pk, MARCH].sessions == 12
        # Nobody was logged in March: the six first sessions are hidden with that.
        assert rows[quarter.large.pk, MARCH].first_sessions is None
        assert rows[quarter.small.pk, MARCH].sessions == 8
        assert rows[quarter.small.pk, JANUARY].referrals is None
        # The history tables keep copies: they have nothing either.
        copies = PracticeMonth.history.values_list("referrals", "agreed", "first_sessions", "sessions")
        numbers = {number for copy in copies for number in copy}
        assert numbers == {None, 12, 8}

    def test_a_total_of_the_whole_pilot_appears_once_it_is_large_and_moves_in_large_steps(
        self, quarter: Quarter
    ) -> None:
        shown = []
        for until, more in ((FEBRUARY, 4), (MARCH, 3), (APRIL, 4)):
            with acting(CLOCK, "test"):
                row = NotNow.objects.filter(pk=1).first() or NotNow(pk=1, count=0)
                row.count += more
                row.save()
            shown.append(publish(Release(until=until), by=CLOCK).not_now)
        assert shown == [None, 7, 7]

    @pytest.mark.parametrize(("setting", "used"), [(2, 5), (5, 5), (7, 7)])
    def test_the_threshold_is_never_under_five(self, settings: object, setting: int, used: int) -> None:
        settings.MINIMUM_COUNT = setting
        release = publish(Release(until=APRIL), by=CLOCK)
        assert release.threshold == used
        assert {row.threshold for row in release.months.all()} == {used}

    def test_withdrawals_and_calls_for_help_count_everyone(self, quarter: Quarter) -> None:
        with acting(CLOCK, "test"):
            decisions = list(Decision.objects.filter(purpose=Purpose.TAKE_PART).select_related("patient"))
        with time_machine.travel(noon(MARCH, 20)):
            for decision in decisions:
                for purpose in (Purpose.TAKE_PART, Purpose.SHARE_WITH_COACH):
                    factories.DecisionFactory(
                        patient=decision.patient, purpose=purpose, answer=Decision.Answer.WITHDRAWN
                    )
        with acting(CLOCK, "test"):
            totals = counting.safety_totals(APRIL)
        assert totals == {
            SafetyTotal.DISTRESS_CALLS: 0,
            SafetyTotal.WITHDRAWALS: 11,
            SafetyTotal.NOT_NOW: 0,
        }

    @pytest.mark.parametrize(
        ("until", "why"),
        [
            (dt.date(2026, 3, 15), "ends with a month"),
            (MAY, "too early"),
            (JANUARY, "nothing to publish"),
        ],
    )
    def test_a_release_is_refused(self, until: dt.date, why: str) -> None:
        with pytest.raises(ValidationError, match=why):
            publish(Release(until=until), by=CLOCK)

    def test_a_month_is_never_published_twice(self) -> None:
        publish(Release(until=MARCH), by=CLOCK)
        with pytest.raises(ValidationError, match="never published again"), transaction.atomic():
            publish(Release(until=MARCH), by=CLOCK)
        second = publish_what_is_due(by=CLOCK)
        assert second is not None
        assert {row.month for row in second.months.all()} == {MARCH}
        assert publish_what_is_due(by=CLOCK) is None
        publish_release()
        assert Release.objects.count() == 2

    @pytest.mark.parametrize("role", [Role.COMMISSIONER, Role.CALDICOTT_GUARDIAN])
    def test_only_the_system_publishes(self, quarter: Quarter, role: Role) -> None:
        who = quarter.commissioner if role is Role.COMMISSIONER else quarter.guardian
        with pytest.raises(PermissionDenied):
            publish(Release(until=APRIL), by=who)

    def test_the_command_says_what_it_did(self) -> None:
        out = StringIO()
        call_command("publish_release", stdout=out)
        call_command("publish_release", stdout=out)
        assert "Published everything before 1 April 2026." in out.getvalue()
        assert "Nothing is due" in out.getvalue()
        with pytest.raises(CommandError, match="never published again"):
            call_command("publish_release", "--until", "2026-02-01")

    def test_it_leaves_events_of_the_system(self, quarter: Quarter) -> None:
        publish(Release(until=APRIL), by=CLOCK)
        with acting(quarter.guardian, "test"):
            events = set(
                Event.objects.filter(action="release.published").values_list("kind", "actor", "relation")
            )
        assert ("created", "system:dashboards.publish", "dashboards_release") in events


@pytest.mark.usefixtures("undone")
class TestDatabase:
    @pytest.mark.parametrize("column", [each.value for each in Measure])
    def test_it_refuses_a_number_under_the_threshold(self, quarter: Quarter, column: str) -> None:
        enough = {each.value: 9 for each in Measure} | {column: 4}
        with pytest.raises(DatabaseError, match="no_small_figure_is_stored"):
            store(quarter, **enough)

    def test_it_refuses_a_lower_threshold(self, quarter: Quarter) -> None:
        with pytest.raises(DatabaseError, match="high_enough"):
            store(quarter, threshold=2)

    def test_it_refuses_a_small_total_of_the_whole_pilot(self, quarter: Quarter) -> None:
        with pytest.raises(DatabaseError, match="no_small_safety_total"), acting(CLOCK, "test"):
            Release.objects.create(until=MARCH, threshold=5, published_at=noon(MAY), withdrawals=1)

    def test_it_refuses_counts_of_people_that_are_hidden_one_by_one(self, quarter: Quarter) -> None:
        with pytest.raises(DatabaseError, match="hidden_together"):
            store(quarter, referrals=9)

    @pytest.mark.parametrize("published", [Release, PracticeMonth])
    def test_it_refuses_to_change_what_is_published(self, quarter: Quarter, published: type[Model]) -> None:
        store(quarter)
        with pytest.raises(DatabaseError, match="only ever grows"), acting(CLOCK, "test"):
            published._default_manager.update(threshold=9)

    def test_it_refuses_a_release_by_a_person(self, quarter: Quarter) -> None:
        with pytest.raises(DatabaseError, match="row-level security"):
            store(quarter, by=quarter.commissioner)


def store(quarter: Quarter, *, by: Actor = CLOCK, threshold: int = 5, **counts: int) -> None:
    """Put a month straight into the tables, past everything in Python."""
    with acting(by, "test"):
        release = Release.objects.create(until=MARCH, threshold=threshold, published_at=noon(MAY))
        PracticeMonth.objects.create(
            release=release, practice=quarter.large, month=FEBRUARY, threshold=threshold, **counts
        )


@pytest.mark.parametrize(
    ("today", "until"),
    [
        (dt.date(2026, 5, 1), dt.date(2026, 4, 1)),
        (dt.date(2026, 5, 31), dt.date(2026, 4, 1)),
        (dt.date(2026, 1, 15), dt.date(2025, 12, 1)),
        (dt.date(2028, 3, 31), dt.date(2028, 2, 1)),
    ],
)
def test_a_month_is_counted_once_the_whole_month_after_it_has_gone_by(today: dt.date, until: dt.date) -> None:
    assert policies.settled_until(today) == until


def test_months_are_consecutive_over_the_new_year() -> None:
    found = policies.months(dt.date(2025, 11, 1), dt.date(2026, 3, 1))
    assert [(month.year, month.month) for month in found] == [(2025, 11), (2025, 12), (2026, 1), (2026, 2)]
