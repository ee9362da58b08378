"""Whether anybody who reads everything that is published can work out a number about a few people."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilot.dashboards import charts, disclosure, selectors
from pilot.dashboards.models import Measure, PracticeMonth, Release
from pilot.people.models import Organisation

THRESHOLD = 5
MONTHS = [dt.date(2026, month, 1) for month in (1, 2, 3)]
PRACTICES = [Organisation(id=UUID(int=n), name=f"Practice {n}") for n in (1, 2, 3)]
# Several worlds are published in one example; machines differ in how long that takes.
patiently = settings(deadline=None, max_examples=30)
CHAIN = (Measure.REFERRALS, Measure.AGREED, Measure.FIRST_SESSIONS)

Place = tuple[int, int]
World = dict[Place, dict[Measure, int]]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """What really happened at three practices in three months: each is logged, agrees, and has sessions, in
    order.
    """
    world: World = {(p, m): dict.fromkeys(Measure, 0) for p in range(3) for m in range(3)}
    for p in range(3):
        for _ in range(draw(st.integers(0, 45))):
            logged = draw(st.integers(0, 2))
            agreed = draw(st.integers(logged, 2))
            begun = draw(st.integers(agreed, 3))
            world[p, logged][Measure.REFERRALS] += 1
            world[p, agreed][Measure.AGREED] += 1
            if begun < 3:
                world[p, begun][Measure.FIRST_SESSIONS] += 1
                world[p, begun][Measure.SESSIONS] += draw(st.integers(1, 4))
    return world


def published(world: World) -> dict[Measure, tuple[list[selectors.Line], selectors.Line]]:
    """Everything that the page and the download of this world show."""
    rows = [
        PracticeMonth(
            practice=PRACTICES[p],
            month=MONTHS[m],
            **{measure.value: count for measure, count in disclosure.protect(counts, THRESHOLD).items()},
        )
        for (p, m), counts in world.items()
    ]
    shown = {measure: selectors.lines(rows, measure, MONTHS) for measure in Measure}
    return {measure: (lines, selectors.totals(lines)) for measure, lines in shown.items()}


@patiently
@given(worlds())
def test_no_number_under_the_threshold_is_shown(world: World) -> None:
    for lines, total in published(world).values():
        for line in [*lines, total]:
            for cell in [*line.cells, line.total]:
                assert cell.is_hidden or (cell.count is not None and cell.count >= THRESHOLD)


@patiently
@given(worlds())
def test_a_total_with_a_hidden_part_is_hidden_and_every_other_one_is_right(world: World) -> None:
    for measure, (lines, total) in published(world).items():
        for p, line in enumerate(lines):
            assert line.total.is_hidden is any(cell.is_hidden for cell in line.cells)
            if not line.total.is_hidden:
                assert line.total.count == sum(world[p, m][measure] for m in range(3))
        for m, cell in enumerate(total.cells):
            assert cell.is_hidden is any(line.cells[m].is_hidden for line in lines)
            if not cell.is_hidden:
                assert cell.count == sum(world[p, m][measure] for p in range(3))
        assert total.total.is_hidden is any(cell.is_hidden for line in lines for cell in line.cells)


@patiently
@given(worlds())
def test_no_hidden_number_can_be_got_by_subtracting_published_ones(world: World) -> None:
    for lines, total in published(world).values():
        cells = {(p, m): cell for p, line in enumerate(lines) for m, cell in enumerate(line.cells)}
        unknown = [place for place, cell in cells.items() if cell.is_hidden]
        equations = []
        for shown, places in (
            *((line.total, [(p, m) for m in range(3)]) for p, line in enumerate(lines)),
            *((cell, [(p, m) for p in range(3)]) for m, cell in enumerate(total.cells)),
            (total.total, list(cells)),
        ):
            if not shown.is_hidden:
                equations.append([Fraction(place in places) for place in unknown])
        for n in range(len(unknown)):
            alone = [Fraction(m == n) for m in range(len(unknown))]
            assert rank([*equations, alone]) == rank(equations) + 1, "this number follows from the others"


def rank(rows: list[list[Fraction]]) -> int:
    """Of a matrix: how many of its rows say something new."""
    rows, found = [list(row) for row in rows], 0
    for column in range(len(rows[0]) if rows else 0):
        pivot = next((n for n in range(found, len(rows)) if rows[n][column]), None)
        if pivot is None:
            continue
        rows[found], rows[pivot] = rows[pivot], rows[found]
        for n in range(found + 1, len(rows)):
            factor = rows[n][column] / rows[found][column]
            rows[n] = [a - factor * b for a, b in zip(rows[n], rows[found], strict=True)]
        found += 1
    return found


@patiently
@given(worlds())
def test_a_small_number_could_be_any_of_at_least_as_many_as_the_threshold(world: World) -> None:
    """Also for somebody who knows how the numbers hang together: who agreed was logged before, who had a
    first session agreed before, and a first session is a session. We look for other worlds that show exactly
    the same.
    """
    for (p, m), counts in world.items():
        could_be: dict[Measure, set[int]] = {measure: set() for measure in Measure}
        for elsewhere in others(counts):
            months = [world[p, n] if n != m else elsewhere for n in range(3)]
            # Everything else that is published is made of the same cells.
            if hang_together(months) and shown(elsewhere) == shown(counts):
                for measure, number in elsewhere.items():
                    could_be[measure].add(number)
        smallest = min(counts[measure] for measure in CHAIN)
        for measure, number in counts.items():
            if number < THRESHOLD:
                assert len(could_be[measure]) >= THRESHOLD
            if number == smallest < THRESHOLD and measure in CHAIN:
                assert could_be[measure] >= set(range(THRESHOLD))


def shown(counts: dict[Measure, int]) -> dict[Measure, int | None]:
    return disclosure.protect(counts, THRESHOLD)


def others(counts: dict[Measure, int]) -> Iterator[dict[Measure, int]]:
    """Other people in this practice and month: more or fewer were logged and agreed, others began."""
    begun, sessions = counts[Measure.FIRST_SESSIONS], counts[Measure.SESSIONS]
    for more in range(-THRESHOLD + 1, THRESHOLD):
        agreed = {each: counts[each] + more for each in (Measure.REFERRALS, Measure.AGREED)}
        for first in {begun, begun + more, *range(THRESHOLD)}:
            for held in {sessions} if sessions >= THRESHOLD else range(THRESHOLD):
                yield {**agreed, Measure.FIRST_SESSIONS: first, Measure.SESSIONS: held}


def hang_together(months: list[dict[Measure, int]]) -> bool:
    """At one practice nobody agreed before they were logged or began before they agreed, and no more people
    began than sessions were held.
    """
    for counts in months:
        if min(counts.values()) < 0 or counts[Measure.FIRST_SESSIONS] > counts[Measure.SESSIONS]:
            return False
    return all(
        sum(counts[later] for counts in months[:n]) <= sum(counts[earlier] for counts in months[:n])
        for earlier, later in pairwise(CHAIN)
        for n in range(1, len(months) + 1)
    )


@given(st.lists(st.integers(0, 9), min_size=1, max_size=24))
def test_no_two_releases_differ_by_a_few_people(growth: list[int]) -> None:
    count, published = 0, None
    for more in growth:
        count, before = count + more, published
        published = disclosure.grown(count, before, THRESHOLD)
        if published is None:
            assert count < THRESHOLD
            continue
        assert 0 <= count - published < THRESHOLD
        assert before is None or published == before or published - before >= THRESHOLD


@pytest.mark.parametrize(("count", "shown"), [(0, None), (1, None), (4, None), (5, 5), (6, 6)])
def test_nought_is_as_hidden_as_four(count: int, shown: int | None) -> None:
    assert disclosure.protect(dict.fromkeys(Measure, count), THRESHOLD) == dict.fromkeys(Measure, shown)


def test_one_small_number_of_people_hides_the_ones_it_goes_with_but_not_the_sessions() -> None:
    counts = {Measure.REFERRALS: 9, Measure.AGREED: 8, Measure.FIRST_SESSIONS: 4, Measure.SESSIONS: 20}
    shown = disclosure.protect(counts, THRESHOLD)
    assert [shown[each] for each in CHAIN] == [None, None, None]
    assert shown[Measure.SESSIONS] == 20


def test_a_total_that_shrank_stays_as_it_was_published() -> None:
    assert disclosure.grown(11, 12, THRESHOLD) == 12


def test_where_no_practice_was_part_of_the_pilot_there_is_no_total() -> None:
    late = PracticeMonth(practice=PRACTICES[0], month=MONTHS[1], sessions=9)
    lines = selectors.lines([late], Measure.SESSIONS, MONTHS)
    total = selectors.totals(lines)
    assert [cell.count for cell in total.cells] == [None, 9, None]
    assert not [cell for cell in total.cells if cell.is_hidden]
    assert total.total.count == 9


@pytest.mark.parametrize(
    ("most", "scale"), [(0, 10), (10, 10), (11, 20), (39, 40), (41, 50), (51, 100), (640, 1000)]
)
def test_the_scale_of_a_chart_is_easy_to_read(most: int, scale: int) -> None:
    row = PracticeMonth(practice=PRACTICES[0], month=MONTHS[0], sessions=most)
    lines = selectors.lines([row], Measure.SESSIONS, MONTHS[:1])
    table = selectors.Table(
        Release(), Measure.SESSIONS, MONTHS[:1], lines, selectors.totals(lines), most, 0, None, None
    )
    (chart,) = charts.charts(table)
    assert chart.gridlines[-1][1] == scale
