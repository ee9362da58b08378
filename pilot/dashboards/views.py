"""Published figures for commissioners: a chart, its table, how they are made, and a file to take away."""

from __future__ import annotations

import csv
import datetime as dt
import io
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from pilot.access import Permission
from pilot.dashboards import charts, policies, selectors
from pilot.dashboards.models import Measure, SafetyTotal
from pilot.web.formats import date
from pilot.web.views import Page, PilotView

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

HIDDEN = "*"
# A spreadsheet takes a cell that begins with one of these for a formula.
BEGIN_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class Figures(Page):
    """One measure, by practice and month, for a year."""

    permission = Permission.SEE_DASHBOARDS
    about = {"measure": Measure}
    template_name = "dashboards/figures.jinja"
    title = _("Published figures")

    def context(self) -> dict[str, Any]:
        measure = self._measure()
        table = selectors.table(self.actor, measure, self._until())
        if table is None:
            return {"table": None}
        return {
            "release": table.release,
            "counted_to": _in_words(policies.month_before(table.release.until)),
            "table": table,
            "months": [date_format(month, "M Y") for month in table.months],
            "first_month": _in_words(table.months[0]),
            "last_month": _in_words(table.months[-1]),
            "charts": charts.charts(table),
            "safety": [
                (total.label, HIDDEN if (count := getattr(table.release, total)) is None else count)
                for total in SafetyTotal
            ],
            "tabs": [
                (each.label, None, reverse("dashboards:measure", args=[each]), each is measure)
                for each in Measure
            ],
            "address": reverse("dashboards:measure", args=[measure]),
        }

    def _measure(self) -> Measure:
        try:
            return Measure(self.kwargs.get("measure", Measure.REFERRALS))
        except ValueError:
            raise Http404 from None

    def _until(self) -> dt.date | None:
        try:
            return dt.date.fromisoformat(self.request.GET.get("before", "")).replace(day=1)
        except ValueError:
            return None


class Method(Page):
    """How the figures are made, and every release."""

    permission = Permission.SEE_DASHBOARDS
    template_name = "dashboards/method.jinja"
    title = _("How these figures are made")

    def context(self) -> dict[str, Any]:
        releases = list(selectors.releases(self.actor)[:24])
        return {
            "releases": [
                (_in_words(policies.month_before(each.until)), date(each.published_at)) for each in releases
            ],
            "threshold": releases[0].threshold if releases else settings.MINIMUM_COUNT,
        }

    def breadcrumbs(self) -> list[tuple[_StrOrPromise, str]]:
        return [(Figures.title, reverse("dashboards:figures"))]


class Download(PilotView):
    """Everything that is published by practice and month, as a file for a spreadsheet."""

    permission = Permission.SEE_DASHBOARDS

    def get(self, request: HttpRequest) -> HttpResponse:
        text = io.StringIO(newline="")
        rows = csv.writer(text)
        rows.writerow(["practice", "ods_code", "month", *Measure.values])
        for row in selectors.published(self.actor):
            counts = [getattr(row, measure) for measure in Measure]
            rows.writerow(
                [
                    as_text(row.practice.name),
                    as_text(row.practice.ods_code),
                    f"{row.month:%Y-%m}",
                    *(HIDDEN if count is None else count for count in counts),
                ]
            )
        return HttpResponse(
            # With the mark by which Excel knows UTF-8.
            text.getvalue().encode("utf-8-sig"),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="published-figures.csv"'},
        )


def _in_words(month: dt.date) -> str:
    return date_format(month, "F Y")


def as_text(value: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{value}" if value.startswith(BEGIN_A_FORMULA) else value
