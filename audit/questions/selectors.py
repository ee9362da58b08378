"""Finding in the log what somebody may want to ask about, week by week, in a constant number of queries."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from audit import words
from audit.questions.models import Answer, Question
from audit.selectors import between
from pilot.access import Actor, Permission, Role, check
from pilot.people.models import Membership, Organisation, User

# Usual hours, and what counts as unusual. Local habits differ: what is asked here accuses nobody.
OPENS, CLOSES = 7, 19
MANY_AT_LEAST, MANY_TIMES_THE_USUAL = 40, 3
REFUSED_AT_LEAST = 5
USUAL_DAYS = 28
ANSWERS_SHOWN = 20

_NOBODYS = (Role.PATIENT.value, Role.SYSTEM.value)

# In whose records each member of staff was, and when. Reading the log itself is not being in a record.
_LOOKS = """
    SELECT e.actor, e.at, (e.at AT TIME ZONE %(zone)s) AS local, coalesce(e.patient_id, s.patient_id) AS patient
    FROM audit_event e LEFT JOIN audit_subject s ON s.event_id = e.id AND e.patient_id IS NULL
    WHERE e.id >= %(low)s AND e.id < %(high)s AND e.role <> ALL(%(nobodys)s)
        AND (e.kind <> 'read' OR e.columns && ARRAY['identity', 'case', 'consent', 'clinical'])
"""
_MANY = f"""
    WITH days AS (
        SELECT actor, local::date AS day, count(DISTINCT patient) AS n FROM ({_LOOKS} AND e.kind = 'read') l
        WHERE patient IS NOT NULL GROUP BY 1, 2
    ), usual AS (
        SELECT actor, percentile_disc(0.5) WITHIN GROUP (ORDER BY n) AS n FROM days
        WHERE day >= %(before)s AND day < %(since)s GROUP BY 1
    )
    SELECT d.actor, d.day, d.n, usual.n FROM days d LEFT JOIN usual USING (actor)
    WHERE d.day BETWEEN %(since)s AND %(until)s AND d.n >= %(many)s
"""  # noqa: S608 (our own words)
_HOURS = f"""
    SELECT actor, local::date AS day, count(DISTINCT patient), min(at), max(at)
    FROM ({_LOOKS} AND e.kind IN ('read', 'created', 'changed', 'deleted')) l
    WHERE patient IS NOT NULL AND local::date BETWEEN %(since)s AND %(until)s
        AND (extract(isodow FROM local) > 5
            OR extract(hour FROM local) < %(opens)s OR extract(hour FROM local) >= %(closes)s)
    GROUP BY 1, 2
"""  # noqa: S608 (our own words)
_COUNTED = """
    SELECT e.actor, (e.at AT TIME ZONE %(zone)s)::date AS day, count(*)
    FROM audit_event e
    WHERE e.id >= %(low)s AND e.id < %(high)s AND e.role <> ALL(%(nobodys)s)
        AND (e.at AT TIME ZONE %(zone)s)::date BETWEEN %(since)s AND %(until)s
"""
_REFUSED = f"{_COUNTED} AND e.kind = 'refused' GROUP BY 1, 2 HAVING count(*) >= %(refused)s"
_OPENED = f"{_COUNTED} AND e.action IN ('audit.values_opened', 'audit.patient_looked_for') GROUP BY 1, 2"
_TO_ASK = """
    SELECT why, actor, patient, day FROM pilot.looks_to_ask_about(%(low)s, %(high)s, %(zone)s)
    WHERE day BETWEEN %(since)s AND %(until)s
"""


@dataclass(frozen=True)
class Asked:
    """Something to ask a person about. `day` and `patient` are None where the question is not about one."""

    question: Question
    actor: str
    day: dt.date | None
    patient: UUID | None
    # What there is to say: how many, what is usual, between when and when, on which day it was last.
    count: int = 0
    usual: int | None = None
    began: dt.datetime | None = None
    ended: dt.datetime | None = None
    last_day: dt.date | None = None
    who: str = ""
    where: str = ""
    organisation: UUID | None = None

    @property
    def reference(self) -> str:
        """Which question it is, in an address."""
        return f"{self.question.value}.{self.actor}.{self.day or ''}.{self.patient or ''}"

    @property
    def key(self) -> str:
        """The patient as the log calls them."""
        return words.key(self.patient) if self.patient else ""


def week_of(until: dt.date) -> tuple[dt.date, dt.date]:
    """The first and the last day of the week that ends on this day."""
    return until - dt.timedelta(days=6), until


def to_ask(actor: Actor, until: dt.date) -> list[Asked]:
    """What may be asked about the week that ends on this day and has not been answered. Only for whoever reviews the log."""
    check(actor, Permission.REVIEW_AUDIT)
    found = list(_found(until))
    people = {each.actor for each in found}
    answered = {
        (each.question, each.actor, each.day, each.about_patient)
        for each in Answer.objects.visible_to(actor).filter(actor__in=people)
    }
    open_ones = (
        each for each in found if (each.question, each.actor, each.day, each.patient) not in answered
    )
    order = list(Question)
    return sorted(
        _with_names(open_ones),
        key=lambda each: (order.index(each.question), each.day or each.last_day or until),
    )


def answers(actor: Actor) -> list[tuple[Answer, Asked, str]]:
    """The newest answers that were noted: the answer, what it is about, and who noted it."""
    rows = list(Answer.objects.visible_to(actor).order_by("-id")[:ANSWERS_SHOWN])
    asked = _with_names(Asked(Question(row.question), row.actor, row.day, row.about_patient) for row in rows)
    names = _names({str(row.answered_by) for row in rows})
    return [(row, each, names.get(str(row.answered_by), "")) for row, each in zip(rows, asked, strict=True)]


def is_answered(asked: Asked) -> bool:
    """Whether somebody has noted the answer already."""
    found = Answer.objects.filter(question=asked.question, actor=asked.actor)
    return found.filter(day=asked.day, about_patient=asked.patient).exists()


def _found(until: dt.date) -> Iterator[Asked]:
    since, until = week_of(until)
    before = since - dt.timedelta(days=USUAL_DAYS)
    low, high = between(since, until)
    asked = {
        "zone": settings.TIME_ZONE, "since": since, "until": until, "before": before, "low": low, "high": high,
        "nobodys": list(_NOBODYS), "many": MANY_AT_LEAST, "refused": REFUSED_AT_LEAST, "opens": OPENS, "closes": CLOSES,
    }  # fmt: skip
    for who, day, count, usual in _rows(_MANY, {**asked, "low": between(before, until)[0]}):
        if usual is None or count > MANY_TIMES_THE_USUAL * usual:
            yield Asked(Question.MANY, who, day, None, count=count, usual=usual)
    for who, day, count, began, ended in _rows(_HOURS, asked):
        yield Asked(Question.HOURS, who, day, None, count=count, began=began, ended=ended)
    for question, sql in ((Question.REFUSALS, _REFUSED), (Question.OPENED, _OPENED)):
        for who, day, count in _rows(sql, asked):
            yield Asked(question, who, day, None, count=count)
    alike: dict[tuple[str, str, UUID], Asked] = {}
    for why, who, patient, day in sorted(_rows(_TO_ASK, asked), key=lambda row: row[3]):
        question = Question(why)
        if question is Question.RELATION:
            yield Asked(question, who, day, patient, last_day=day)
        else:
            # Family stays family: asked once, whatever the day.
            alike[why, who, patient] = Asked(question, who, None, patient, last_day=day)
    yield from alike.values()


def _rows(sql: str, asked: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, asked)
        return list(cursor.fetchall())


def _with_names(found: Iterable[Asked]) -> list[Asked]:
    """The same with the people's names and where they work: two queries."""
    found = list(found)
    people = {each.actor for each in found}
    names = _names(people)
    memberships = (
        Membership.objects.filter(user__in=people).select_related("organisation").order_by("valid_from")
    )
    places = {str(each.user_id): each.organisation for each in memberships}
    return [_with_name(each, names, places.get(each.actor)) for each in found]


def _with_name(asked: Asked, names: dict[str, str], place: Organisation | None) -> Asked:
    return replace(
        asked,
        who=names.get(asked.actor, words.key(asked.actor)),
        where=place.name if place else "",
        organisation=place.pk if place else None,
    )


def _names(keys: Iterable[str]) -> dict[str, str]:
    return {str(user.pk): user.display_name for user in User.objects.filter(pk__in=keys)}
