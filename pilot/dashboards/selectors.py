"""Reading what is published. All of it is protected already; totals are made of published parts alone."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Min, QuerySet

from pilot.access import Actor, Permission, check
from pilot.dashboards import disclosure, policies
from pilot.dashboards.models import Measure, PracticeMonth, PracticeMonthQuerySet, Release
from pilot.people.models import Organisation

MONTHS_SHOWN = 12


def latest_release() -> Release | None:
    return Release.objects.newest_first().first()


def releases(actor: Actor) -> QuerySet[Release]:
    """Every release, the newest first."""
    check(actor, Permission.SEE_DASHBOARDS)
    return Release.objects.newest_first()


def practices() -> QuerySet[Organisation]:
    """Every practice, past ones too."""
    return Organisation.objects.filter(kind=Organisation.Kind.PRACTICE)


def published(actor: Actor) -> PracticeMonthQuerySet:
    """Every published month of every practice, in order."""
    check(actor, Permission.SEE_DASHBOARDS)
    return PracticeMonth.objects.in_order()


@dataclass(frozen=True)
class Cell:
    """A number, a hidden number, or nothing at all where the practice was not part of the pilot."""

    count: int | None = None
    is_hidden: bool = False


ABSENT = Cell()


@dataclass(frozen=True)
class Line:
    """One practice, month by month, and its total."""

    name: str
    cells: list[Cell]
    total: Cell


@dataclass(frozen=True)
class Table:
    """One measure for a year at most: a line for each practice, and a total below each month."""

    release: Release
    measure: Measure
    months: list[dt.date]
    lines: list[Line]
    all_practices: Line
    at_least: int
    hidden: int
    earlier: dt.date | None
    later: dt.date | None


def table(actor: Actor, measure: Measure, until: dt.date | None = None) -> Table | None:
    """The year that ends before `until`, or before the end of the last release. None while nothing is
    published.

    Three queries, however many practices and releases there are.
    """
    last = releases(actor).first()
    begun = PracticeMonth.objects.aggregate(first=Min("month"))["first"]
    if last is None or begun is None:
        return None
    if until is None or not begun < until <= last.until:
        until = last.until
    shown = policies.months(begun, until)[-MONTHS_SHOWN:]
    rows = list(published(actor).in_months(shown[0], until))
    found = lines(rows, measure, shown)
    cells = [cell for line in found for cell in line.cells]
    return Table(
        release=last,
        measure=measure,
        months=shown,
        lines=found,
        all_practices=totals(found),
        at_least=sum(cell.count or 0 for cell in cells),
        hidden=sum(cell.is_hidden for cell in cells),
        earlier=shown[0] if shown[0] > begun else None,
        later=min(_years_later(until), last.until) if until < last.until else None,
    )


def lines(rows: Iterable[PracticeMonth], measure: Measure, shown: list[dt.date]) -> list[Line]:
    """A line for each practice that has one of these months, in the order of the rows."""
    names: dict[UUID, str] = {}
    found: dict[UUID, dict[dt.date, Cell]] = defaultdict(dict)
    for row in rows:
        count: int | None = getattr(row, measure)
        names[row.practice_id] = row.practice.name
        found[row.practice_id][row.month] = Cell(count, is_hidden=count is None)
    return [
        Line(names[practice], cells := [by_month.get(month, ABSENT) for month in shown], _total(cells))
        for practice, by_month in found.items()
    ]


def totals(lines: list[Line]) -> Line:
    """All practices together, and all of that; hidden wherever a part is."""
    cells = [_total(column) for column in zip(*(line.cells for line in lines), strict=True)]
    return Line("", cells, _total(cells))


def _total(cells: Iterable[Cell]) -> Cell:
    parts = [cell.count for cell in cells if cell != ABSENT]
    if not parts:
        return ABSENT
    total = disclosure.total(parts)
    return Cell(total, is_hidden=total is None)


def _years_later(month: dt.date) -> dt.date:
    return month.replace(year=month.year + 1)
