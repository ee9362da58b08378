"""Where the parts of a bar chart go. Drawn as SVG on the server; what it shows is in words and numbers beside
it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from pilot.dashboards.selectors import ABSENT, Cell, Line, Table

WIDTH, HEIGHT = 360, 170
LEFT, RIGHT, TOP, BOTTOM = 34, 4, 18, 30
GAP = 4
# A hidden number has a mark of this height, whatever it is.
MARK = 12


@dataclass(frozen=True)
class Bar:
    """One month. A hidden one is a mark that says nothing of its size; one outside the pilot is left out."""

    x: float
    y: float
    width: float
    height: float
    middle: float
    month: str
    year: str
    count: int | None
    is_hidden: bool


@dataclass(frozen=True)
class Chart:
    """One line of a table, drawn. `gridlines` are (height on the picture, number)."""

    name: str
    description: str
    bars: list[Bar]
    gridlines: list[tuple[float, int]]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    floor: int = HEIGHT - BOTTOM


def charts(table: Table) -> list[Chart]:
    """All practices together, where that is shown at all, then each practice; those to one scale."""
    highest = _round_up(max((cell.count or 0 for line in table.lines for cell in line.cells), default=0))
    drawn = [_chart(line, table.months, highest) for line in table.lines]
    together = [cell.count for cell in table.all_practices.cells if cell.count is not None]
    if together and len(table.lines) > 1:
        whole = Line(_("All practices"), table.all_practices.cells, table.all_practices.total)
        drawn.insert(0, _chart(whole, table.months, _round_up(max(together))))
    return drawn


def _chart(line: Line, months: list[dt.date], highest: int) -> Chart:
    height = HEIGHT - TOP - BOTTOM
    step = (WIDTH - LEFT - RIGHT) / len(months)
    bars = []
    for n, (month, cell) in enumerate(zip(months, line.cells, strict=True)):
        if cell == ABSENT:
            continue
        tall = MARK if cell.is_hidden else round(height * (cell.count or 0) / highest, 1)
        starts_a_year = n == 0 or month.month == 1
        bars.append(
            Bar(
                x=round(LEFT + n * step + GAP / 2, 1),
                y=round(HEIGHT - BOTTOM - tall, 1),
                width=round(step - GAP, 1),
                height=tall,
                middle=round(LEFT + (n + 0.5) * step, 1),
                month=date_format(month, "M")[: 1 if len(months) > 6 else 3],
                year=str(month.year) if starts_a_year else "",
                count=cell.count,
                is_hidden=cell.is_hidden,
            )
        )
    lines = [(round(HEIGHT - BOTTOM - height * part, 1), round(highest * part)) for part in (0, 0.5, 1)]
    return Chart(line.name, _in_words(line.cells, months), bars, lines)


def _in_words(cells: Iterable[Cell], months: list[dt.date]) -> str:
    """What the picture shows: between which numbers, when most, and how much is hidden."""
    shown = [(cell.count, month) for cell, month in zip(cells, months, strict=True) if cell.count is not None]
    hidden = sum(cell.is_hidden for cell in cells)
    words = []
    if shown:
        (most, when), (least, _when) = max(shown), min(shown)
        text = _("Between %(least)d and %(most)d a month where numbers are shown; most in %(month)s.")
        words.append(text % {"least": least, "most": most, "month": date_format(when, "F Y")})
    if hidden:
        words.append(ngettext("%(n)d month is hidden.", "%(n)d months are hidden.", hidden) % {"n": hidden})
    return " ".join(words)


def _round_up(number: int) -> int:
    """The next number that is easy to read and to halve: 10, 20, 40, 50, 100, 200 …"""
    size = 10
    while True:
        for step in (1, 2, 4, 5):
            if number <= size * step:
                return size * step
        size *= 10
