"""The days on which the clocks change, the 29th of February, and tasks that must not run over one another."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core.exceptions import ValidationError
from django.db import connections
from django.utils import timezone

from coaching.actions import book
from coaching.forms import SessionForm
from consent import tasks
from consent.actions import decide
from consent.models import NEEDED_TO_BEGIN, STANDS_AFTER_CHANGE, Decision, InformationSheet, Purpose
from consent.policies import check_may_be_booked, holds, lapses_on
from pilot.access import Role, acting
from pilot.access.later import alone
from pilot.outbox.models import Message
from pilot.outbox.policies import in_the_day, the_day_before
from tests import factories

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

LONDON = ZoneInfo("Europe/London")
FORWARD, BACK = dt.date(2027, 3, 28), dt.date(2027, 10, 31)
CHANGES = pytest.mark.parametrize("day", [FORWARD, BACK], ids=["forward", "back"])
DAY = dt.timedelta(days=1)


def at(day: dt.date, hour: int, minute: int = 0, *, fold: int = 0) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day, hour, minute, tzinfo=LONDON, fold=fold)


def in_utc(moment: dt.datetime) -> dt.datetime:
    return moment.astimezone(dt.UTC)


def looking(patient: Any) -> Any:
    return acting(factories.TESTS, "test.looked", patients=[patient.pk])


@CHANGES
def test_the_time_to_think_it_over_is_24_hours_whatever_the_clock_says(
    day: dt.date, patient: Any, themselves: Any, sheet: Any, online: Any
) -> None:
    joined = in_utc(at(day - DAY, 18))
    with time_machine.travel(joined, tick=False) as clock:
        decide(patient, dict.fromkeys(NEEDED_TO_BEGIN, True), sheet=sheet, how=online, by=themselves)
        clock.move_to(joined + dt.timedelta(hours=23, minutes=59))
        with looking(patient), pytest.raises(ValidationError, match="time to think it over") as refusal:
            check_may_be_booked(patient)
        # An hour later or earlier by the clock on the wall, and told so.
        assert ("7pm" if day == FORWARD else "5pm") in str(refusal.value)
        clock.move_to(joined + dt.timedelta(hours=24))
        with looking(patient):
            check_may_be_booked(patient)


@CHANGES
def test_a_yes_ends_with_its_day_where_the_pilot_is(day: dt.date, patient: Any) -> None:
    factories.give_consent(patient, lapses_on=day + DAY)
    midnight = in_utc(at(day + DAY, 0))
    for moment, stands in ((midnight - dt.timedelta(seconds=1), True), (midnight, False)):
        with time_machine.travel(moment, tick=False), looking(patient):
            assert holds(patient.pk, Purpose.TAKE_PART) is stands


@CHANGES
def test_what_stands_after_a_change_is_counted_in_days(day: dt.date, patient: Any, sheet: Any) -> None:
    factories.give_consent(patient, lapses_on=day + 400 * DAY)
    # Late in the evening: in UTC it may be another day.
    published = in_utc(at(day - STANDS_AFTER_CHANGE, 23, 30))
    factories.make_sheet(
        version=99, change=InformationSheet.Change.MATERIAL, what_changed="More.", published_at=published
    )
    midnight = in_utc(at(day, 0))
    for moment, stands in ((midnight - dt.timedelta(seconds=1), True), (midnight, False)):
        with time_machine.travel(moment, tick=False), looking(patient):
            assert holds(patient.pk, Purpose.TAKE_PART) is stands


def test_a_yes_of_the_29th_of_february_ends_a_year_later_on_the_28th() -> None:
    assert lapses_on(Purpose.TAKE_PART, dt.date(2028, 2, 29)) == dt.date(2029, 2, 28)
    assert lapses_on(Purpose.EVALUATION, dt.date(2028, 2, 29)) == dt.date(2030, 2, 28)
    assert lapses_on(Purpose.TAKE_PART, dt.date(2027, 2, 28)) == dt.date(2028, 2, 28)


def test_somebody_who_joins_on_the_29th_of_february_is_told_once_and_it_ends(
    patient: Any, themselves: Any, sheet: Any, online: Any
) -> None:
    joined = in_utc(at(dt.date(2028, 2, 29), 12))
    with time_machine.travel(joined, tick=False) as clock:
        decide(patient, dict.fromkeys(NEEDED_TO_BEGIN, True), sheet=sheet, how=online, by=themselves)
        clock.move_to(in_utc(at(dt.date(2029, 1, 29), 12)))
        tasks.announce_ends()
        tasks.announce_ends()
        clock.move_to(in_utc(at(dt.date(2029, 2, 28), 0, 1)))
        tasks.end_what_has_lapsed()
        with looking(patient):
            assert Message.objects.filter(patient=patient, template="ends_soon").count() == 1
            assert Decision.objects.of(patient).filter(answer=Decision.Answer.LAPSED).count() == 2


@CHANGES
@pytest.mark.parametrize(
    ("time", "is_sent"),
    [((8, 59), (9, 0)), ((9, 0), (9, 0)), ((19, 59), (19, 59)), ((20, 0), None), ((23, 30), None)],
)
def test_messages_of_the_clocks_own_go_between_nine_and_eight(
    day: dt.date, time: tuple[int, int], is_sent: tuple[int, int] | None
) -> None:
    for now in (day - DAY, day, day + DAY):
        with time_machine.travel(in_utc(at(now, *time)), tick=False):
            sent = timezone.localtime(in_the_day())
        expected = at(now, *is_sent) if is_sent else at(now + DAY, 9)
        assert in_utc(sent) == in_utc(expected)


@CHANGES
def test_in_the_hour_that_is_skipped_or_comes_twice_nothing_goes(day: dt.date) -> None:
    midnight = dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)
    for minutes in range(0, 180, 30):
        with time_machine.travel(midnight + dt.timedelta(minutes=minutes), tick=False):
            assert in_utc(in_the_day()) == in_utc(at(day, 9))


@CHANGES
@pytest.mark.parametrize(
    ("session", "reminder"),
    [((8, 0), (9, 0)), ((9, 0), (9, 0)), ((14, 30), (14, 30)), ((19, 30), (19, 0)), ((21, 0), (19, 0))],
)
def test_a_reminder_goes_the_day_before_at_the_same_time_by_the_clock(
    day: dt.date, session: tuple[int, int], reminder: tuple[int, int]
) -> None:
    for of in (day, day + DAY):
        assert in_utc(the_day_before(in_utc(at(of, *session)))) == in_utc(at(of - DAY, *reminder))


@CHANGES
def test_a_session_on_the_day_has_its_reminder_on_the_day_before(day: dt.date, pilot: Any) -> None:
    coach = factories.make_staff(Role.COACH, pilot.provider)
    with time_machine.travel(in_utc(at(day - 10 * DAY, 12)), tick=False):
        case = factories.make_case(pilot, coach, email="a@example.org", preferred_contact="4")
        factories.give_consent(case.patient, Purpose.REMINDERS)
        book(case, starts_at=in_utc(at(day, 12)), minutes=45, place="practice", where="Room 2", by=coach)
    with looking(case.patient):
        reminder = Message.objects.get(patient=case.patient, template="session_reminder")
    assert timezone.localtime(reminder.due_at) == at(day - DAY, 12)


@pytest.mark.parametrize(
    ("day", "time", "is_there"), [(FORWARD, "01:30", False), (FORWARD, "02:30", True), (BACK, "01:30", True)]
)
def test_a_time_that_the_night_does_not_have_is_refused(day: dt.date, time: str, is_there: bool) -> None:
    with time_machine.travel(in_utc(at(day - 10 * DAY, 12)), tick=False):
        form = SessionForm(
            {"starts_on": f"{day:%d/%m/%Y}", "starts_at": time, "minutes": "45", "place": "practice"}
        )
        assert ("starts_at" in form.errors) is not is_there


# --- One run at a time, and not too much of it -------------------------------------------------------


def test_a_run_takes_so_many_and_the_next_goes_on(
    pilot: Any, sheet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    patients = [factories.make_patient(pilot.practice) for _ in range(3)]
    for patient in patients:
        factories.give_consent(patient, Purpose.EVALUATION, lapses_on=timezone.localdate())
    monkeypatch.setattr(tasks, "AT_ONCE", 2)
    done = []
    for _ in range(3):
        tasks.end_what_has_lapsed()
        with acting(factories.TESTS, "test.looked"):
            done.append(Decision.objects.filter(patient__in=patients, answer=Decision.Answer.LAPSED).count())
    assert done == [2, 3, 3]


def test_a_run_that_finds_another_at_it_leaves_everything_to_that(
    pilot: Any, patient: Any, sheet: Any, django_db_blocker: Any
) -> None:
    factories.give_consent(patient, lapses_on=timezone.localdate())

    def lapsed() -> int:
        with looking(patient):
            return Decision.objects.of(patient).filter(answer=Decision.Answer.LAPSED).count()

    with connections["owner"].cursor() as another:
        another.execute("SELECT pg_advisory_lock(hashtextextended('task consent.lapse', 0))")
        with alone("consent.lapse") as is_alone:
            assert not is_alone
        tasks.end_what_has_lapsed()
        assert lapsed() == 0
        another.execute("SELECT pg_advisory_unlock(hashtextextended('task consent.lapse', 0))")
    tasks.end_what_has_lapsed()
    assert lapsed() == 2
