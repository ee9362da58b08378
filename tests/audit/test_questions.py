"""What the guardian's page of questions asks about, what it leaves alone, and that an answer ends the asking."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from django.core.exceptions import ValidationError
from django.db import ProgrammingError, connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import Answer, Event
from audit.questions import selectors
from audit.questions.actions import note_answer
from audit.questions.models import Question
from audit.questions.selectors import Asked
from pilot.access import Actor, Role, acting
from tests import factories
from tests.audit.test_guardian_reading import page_of, send

PAGE = "/audit/questions/"
# A week of its own for each test, from a Monday to a Sunday, so that they do not meet.
COUNTER = count()
MONDAYS = iter(dt.date(2020, 1, 6) + dt.timedelta(weeks=6 * n) for n in range(30))


class Place:
    def __init__(self) -> None:
        self.pilot = factories.make_pilot()
        self.guardian = factories.make_staff(Role.CALDICOTT_GUARDIAN, self.pilot.office, name="Gwen Guardian")
        self.desk = factories.make_staff(Role.RECEPTIONIST, self.pilot.practice, name="Rosa Quillfeather")
        self.coach = factories.make_staff(Role.COACH, self.pilot.provider, name="Colin Coach")
        self.supervisor = factories.make_staff(Role.SUPERVISOR, self.pilot.provider)
        self.patient = factories.make_patient(self.pilot.practice)
        self.namesake = factories.make_patient(self.pilot.practice, family_name="quillfeather")
        self.far = factories.make_patient(self.pilot.other_practice)
        self.many = [factories.make_patient(self.pilot.practice).pk for _ in range(60)]
        referral = factories.make_referral(self.patient, status="waiting")
        factories.allocate_to(referral, self.coach)
        with connections["owner"].cursor() as cursor:
            _as_tests(cursor)
            cursor.execute("UPDATE referrals_allocation SET begun_at = '2019-01-01'")


def _as_tests(cursor: Any) -> None:
    cursor.execute(
        "SELECT set_config('pilot.user', 'system:tests', false), set_config('pilot.role', 'system', false),"
        " set_config('pilot.action', 'tests.made', false)"
    )


@pytest.fixture(scope="module")
def place(module_database: str) -> Place:
    with connections["owner"].cursor() as cursor:
        # What happens now comes after whatever a test says happened before.
        cursor.execute("SELECT setval(pg_get_serial_sequence('audit_event', 'id'), 10000000000000)")
    return Place()


@pytest.fixture
def guardian(place: Place, client: Client) -> Client:
    return factories.sign_in(client, place.guardian)


@pytest.fixture
def monday() -> dt.date:
    return next(MONDAYS)


def looked(
    who: Actor, patients: Iterable[UUID], day: dt.date, hour: float = 11, kind: str = "read", **more: Any
) -> None:
    """As if this had happened then: the log's own clock cannot be told another time."""
    at = timezone.make_aware(dt.datetime.combine(day, dt.time())) + dt.timedelta(hours=hour)
    columns = {"columns": ["identity"], "action": "test.looked", **more}
    with connections["owner"].cursor() as cursor:
        for patient in patients:
            # Numbers follow time, as they do in life.
            number = int(at.timestamp()) * 1000 + next(COUNTER)
            cursor.execute(
                "INSERT INTO audit_event (id, at, transaction, kind, actor, role, action, patient_id, columns)"
                " OVERRIDING SYSTEM VALUE VALUES (%s, %s, 1, %s, %s, %s, %s, %s, %s)",
                [number, at, kind, who.label, who.role.value, columns["action"], patient, columns["columns"]],
            )


def week(day: dt.date) -> str:
    """The page of the week in which this day lies. Weeks there end on the same day of the week as today."""
    return f"{PAGE}?weeks={(timezone.localdate() - day).days // 7}"


def asked(place: Place, monday: dt.date) -> list[Asked]:
    """What is asked about the week that begins on this Monday."""
    with acting(place.guardian, "test"):
        return selectors.to_ask(place.guardian, monday + dt.timedelta(days=6))


def test_many_records_on_one_day_are_asked_about_with_what_is_usual(
    place: Place, guardian: Client, monday: dt.date
) -> None:
    for days in range(1, 10):
        looked(place.desk, place.many[:4], monday - dt.timedelta(days=days))
    looked(place.desk, place.many, monday + dt.timedelta(days=1))
    [found] = asked(place, monday)
    assert (found.question, found.count, found.usual) == (Question.MANY, 60, 4)
    page = page_of(guardian, week(monday + dt.timedelta(days=1)))
    assert "Rosa Quillfeather was shown 60 records on Tuesday" in page
    assert "Their usual is about 4 a day." in page
    assert "Was there a list to go through?" in page


def test_a_busy_day_among_busy_days_is_not(place: Place, monday: dt.date) -> None:
    for days in range(-2, 10):
        looked(place.desk, place.many, monday - dt.timedelta(days=days))
    assert [each for each in asked(place, monday) if each.question is Question.MANY] == []


def test_records_seen_in_a_list_count_once_each(place: Place, monday: dt.date) -> None:
    looked(place.desk, [*place.many, *place.many], monday)
    [found] = asked(place, monday)
    assert (found.count, found.usual) == (60, None)


@pytest.mark.parametrize(
    ("day", "hour", "is_asked"),
    [(1, 6.9, True), (1, 7.1, False), (1, 18.9, False), (1, 19.1, True), (5, 11, True), (6, 11, True)],
)
def test_outside_usual_hours(place: Place, monday: dt.date, day: int, hour: float, is_asked: bool) -> None:
    looked(place.desk, [place.patient.pk], monday + dt.timedelta(days=day), hour)
    assert [each.question for each in asked(place, monday)] == [Question.HOURS] * is_asked


def test_hours_are_those_of_the_place_in_summer_too(place: Place) -> None:
    monday = dt.date(2024, 7, 1)
    looked(place.desk, [place.patient.pk], monday, 18.5)
    assert asked(place, monday) == []


def test_patients_and_the_system_are_never_asked_about(place: Place, monday: dt.date) -> None:
    own = factories.patient_actor(place.patient)
    for who in (own, factories.TESTS):
        looked(who, place.many, monday, 3)
    assert asked(place, monday) == []


def test_a_look_where_nothing_links_the_two(place: Place, guardian: Client, monday: dt.date) -> None:
    looked(place.desk, [place.far.pk], monday)
    looked(place.coach, [place.many[0]], monday)
    assert {(each.question, each.actor, each.patient) for each in asked(place, monday)} == {
        (Question.RELATION, place.desk.label, place.far.pk),
        (Question.RELATION, place.coach.label, place.many[0]),
    }
    page = page_of(guardian, week(monday))
    assert "The pilot holds nothing that links them at that time." in page
    assert "Were they covering for somebody?" in page


def test_looks_at_those_whom_one_works_with_are_not(place: Place, monday: dt.date) -> None:
    looked(place.desk, [place.patient.pk], monday)
    looked(place.coach, [place.patient.pk], monday)
    looked(place.supervisor, [place.many[0]], monday)
    looked(place.guardian, place.many, monday, 22, columns=["log"])
    assert asked(place, monday) == []


def test_after_an_allocation_has_ended_it_links_nobody(place: Place, monday: dt.date) -> None:
    patient = factories.make_patient(place.pilot.practice)
    referral = factories.make_referral(patient, status="waiting")
    factories.allocate_to(referral, place.coach)
    with connections["owner"].cursor() as cursor:
        _as_tests(cursor)
        cursor.execute(
            "UPDATE referrals_allocation SET begun_at = %s, ended_at = %s WHERE patient_id = %s",
            [monday - dt.timedelta(days=9), monday + dt.timedelta(days=1), patient.pk],
        )
    looked(place.coach, [patient.pk], monday)
    assert asked(place, monday) == []
    looked(place.coach, [patient.pk], monday + dt.timedelta(days=3))
    assert [each.question for each in asked(place, monday)] == [Question.RELATION]


def test_the_same_last_name_is_asked_once_whatever_the_day(
    place: Place, guardian: Client, monday: dt.date
) -> None:
    for days in (0, 2):
        looked(place.desk, [place.namesake.pk], monday + dt.timedelta(days=days))
    [found] = asked(place, monday)
    assert (found.question, found.day, found.patient) == (Question.SURNAME, None, place.namesake.pk)
    page = page_of(guardian, week(monday + dt.timedelta(days=2)))
    assert "Many people share a name." in page
    assert page.count("quillfeather") == 0
    # That two share a name tells something of the patient: a look at who they are.
    with acting(place.guardian, "test"):
        assert Event.objects.latest("pk").columns == ["identity", "log"]


def test_perhaps_their_own_record(place: Place, monday: dt.date) -> None:
    user = factories.user_of(place.desk)
    own = factories.make_patient(place.pilot.practice, email=user.email.upper(), family_name="Else")
    looked(place.desk, [own.pk], monday)
    assert [(each.question, each.patient) for each in asked(place, monday)] == [(Question.OWN, own.pk)]


def test_several_refusals_are_and_a_few_are_not(place: Place, monday: dt.date) -> None:
    looked(place.coach, [None] * 4, monday, kind="refused")  # type: ignore[list-item]
    assert asked(place, monday) == []
    looked(place.coach, [None], monday, kind="refused")  # type: ignore[list-item]
    assert [(each.question, each.count) for each in asked(place, monday)] == [(Question.REFUSALS, 5)]


def test_what_guardians_opened_is_asked_about_too(place: Place, monday: dt.date) -> None:
    looked(place.guardian, [place.patient.pk], monday, action="audit.values_opened")
    assert [(each.question, each.count) for each in asked(place, monday)] == [(Question.OPENED, 1)]


def test_an_answer_is_noted_once_and_ends_the_asking(place: Place, guardian: Client, monday: dt.date) -> None:
    looked(place.desk, [place.far.pk], monday)
    [found] = asked(place, monday)
    weeks = week(monday).partition("?")[2]
    address = f"/audit/questions/answer/?about={found.reference}&{weeks}"
    assert send(guardian, address, text=" ").status_code == 422
    answer = send(guardian, address, text="She stood in at the other desk.")
    assert answer["Location"] == week(monday)
    assert asked(place, monday) == []
    page = page_of(guardian, PAGE)
    assert "She stood in at the other desk." in page
    assert "Noted by Gwen Guardian" in page
    with acting(place.guardian, "test"), pytest.raises(ValidationError, match="already"):
        note_answer(found, "Again", at=place.pilot.office.pk, by=place.guardian)
    # There is nothing left to answer.
    assert guardian.get(address).status_code == 302
    assert guardian.post(address).status_code == 302
    with acting(place.guardian, "test"):
        row = Answer.objects.latest("pk")
    assert (row.organisation_id, row.answered_by) == (place.pilot.practice.pk, place.guardian.user_id)


def test_a_note_is_a_guardians_alone_and_stays_as_it_is(place: Place, monday: dt.date) -> None:
    one = Asked(Question.HOURS, place.desk.label, monday, None)
    with acting(place.guardian, "test"):
        row = note_answer(one, "A clinic in the evening.", at=place.pilot.office.pk, by=place.guardian)
    for who in (place.desk, place.coach, factories.TESTS):
        with acting(who, "test"):
            assert not Answer.objects.filter(pk=row.pk).exists()
        with pytest.raises(ProgrammingError, match="row-level security"), acting(who, "test"):
            Answer.objects.create(
                question="hours",
                actor="x",
                organisation_id=place.pilot.practice.pk,
                text="x",
                answered_by=row.answered_by,
            )
    with connections["owner"].cursor() as cursor, pytest.raises(ProgrammingError, match="only ever grows"):
        cursor.execute("UPDATE audit_answer SET text = 'else' WHERE id = %s", [row.pk])


def test_nobody_else_learns_who_shares_a_name(place: Place) -> None:
    for who in (place.desk, place.coach, factories.TESTS):
        with (
            pytest.raises(ProgrammingError, match="whoever reviews"),
            acting(who, "test"),
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT * FROM pilot.looks_to_ask_about(1, 9, 'Europe/London')")


def test_the_number_of_queries_does_not_grow(place: Place, guardian: Client) -> None:
    first, second = next(MONDAYS), next(MONDAYS)
    looked(place.desk, [place.far.pk], first)
    looked(place.desk, [*place.many, place.far.pk], second, 20)
    looked(place.coach, place.many, second, 20)
    counts = []
    for monday in (first, second):
        address = week(monday)
        guardian.get(address)
        with CaptureQueriesContext(connection) as queries:
            guardian.get(address)
        counts.append(len(queries))
    assert len(asked(place, second)) > 60
    assert counts[0] == counts[1]


def test_weeks_lead_to_weeks_and_never_ahead(guardian: Client) -> None:
    page = page_of(guardian, PAGE)
    assert "?weeks=1" in page
    assert "The week after" not in page
    assert "The week after" in page_of(guardian, f"{PAGE}?weeks=3")
    assert page_of(guardian, f"{PAGE}?weeks=nonsense")


def test_nothing_on_the_page_marks_anybody(place: Place, guardian: Client, monday: dt.date) -> None:
    looked(place.desk, place.many, monday, 20)
    page = page_of(guardian, week(monday)).lower()
    main = page[page.index("<main") : page.index("</main")]
    assert not re.search(r"suspicio|violat|breach|anomal|risk|score|red flag|abuse|nhsuk-tag", main)
