"""What a commissioner sees and takes away, and who else may."""

from __future__ import annotations

import csv
import io
from xml.etree import ElementTree

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from pilot.access import ROLES, Actor, Permission, Role
from pilot.dashboards.actions import publish_what_is_due
from pilot.dashboards.models import Measure
from pilot.dashboards.views import as_text
from pilot.people.models import ROLE_BELONGS_TO
from tests import factories
from tests.dashboards.quarter import MARCH, Quarter, noon

CLOCK = Actor.system("dashboards.publish")


@pytest.fixture
def commissioner(quarter: Quarter, client: Client) -> Client:
    return factories.sign_in(client, quarter.commissioner)


@pytest.fixture
def published(undone: None) -> None:
    with time_machine.travel(noon(MARCH.replace(month=5))):
        publish_what_is_due(by=CLOCK)


@pytest.mark.usefixtures("undone")
def test_before_the_first_release_the_page_says_so(commissioner: Client) -> None:
    assert "Nothing is published yet" in commissioner.get(reverse("dashboards:figures")).content.decode()
    assert commissioner.get(reverse("dashboards:download")).status_code == 200


@pytest.mark.usefixtures("published")
class TestFigures:
    def test_it_shows_a_chart_and_the_same_numbers_in_a_table(
        self, commissioner: Client, quarter: Quarter
    ) -> None:
        page = commissioner.get(reverse("dashboards:measure", args=[Measure.SESSIONS])).content.decode()
        assert quarter.large.name in page
        assert "Between 12 and 12 a month where numbers are shown; most in March 2026." in page
        assert '<span class="pilot-cell">12</span>' in page
        assert "2 months are hidden." in page

    def test_a_total_with_a_hidden_part_is_hidden(self, commissioner: Client) -> None:
        page = commissioner.get(reverse("dashboards:measure", args=[Measure.REFERRALS])).content.decode()
        totals = page.split("All practices</span></th>")[-1].split("</tr>")[0]
        assert totals.count(">hidden<") == 4

    def test_charts_need_neither_colour_nor_sight(self, commissioner: Client) -> None:
        page = commissioner.get(reverse("dashboards:measure", args=[Measure.SESSIONS])).content.decode()
        pictures = ["<svg" + part.split("</svg>")[0] + "</svg>" for part in page.split("<svg")[1:]]
        charts = [picture for picture in pictures if "chart-" in picture]
        assert charts
        for picture in charts:
            svg = ElementTree.fromstring(picture)  # noqa: S314 - our own page
            names = {svg.find(f"{{*}}{tag}").get("id") for tag in ("title", "desc")}
            assert set(svg.get("aria-labelledby").split()) == names
            assert svg.get("role") == "img"
            assert "style=" not in picture
        ids = [part.split('"')[0] for part in page.split(' id="')[1:]]
        assert len(ids) == len(set(ids))

    def test_an_unknown_measure_is_not_found(self, commissioner: Client) -> None:
        assert commissioner.get("/dashboards/names/").status_code == 404

    @pytest.mark.parametrize(
        "before", ["", "rubbish", "2026-13-01", "1900-01-01", "2999-01-01", "2026-04-01"]
    )
    def test_an_address_for_other_months_never_breaks(self, commissioner: Client, before: str) -> None:
        page = commissioner.get(reverse("dashboards:figures"), {"before": before})
        assert page.status_code == 200
        assert "January 2026 to March 2026" in page.content.decode()

    def test_earlier_months_have_a_page_of_their_own(self, commissioner: Client) -> None:
        page = commissioner.get(reverse("dashboards:figures"), {"before": "2026-03-01"}).content.decode()
        assert "January 2026 to February 2026" in page
        assert "Later months" in page

    def test_the_number_of_queries_does_not_grow_with_the_practices(self, commissioner: Client) -> None:
        address = reverse("dashboards:figures")
        commissioner.get(address)
        with CaptureQueriesContext(connection) as before:
            commissioner.get(address)
        for _each in range(3):
            factories.make_organisation()
        with time_machine.travel(noon(MARCH.replace(month=7))):
            publish_what_is_due(by=CLOCK)
        commissioner.get(address)
        with CaptureQueriesContext(connection) as after:
            commissioner.get(address)
        assert len(after) == len(before)

    def test_the_method_page_names_every_release(self, commissioner: Client) -> None:
        page = commissioner.get(reverse("dashboards:method")).content.decode()
        assert "every number under 5, nought too" in page
        assert "March 2026" in page


@pytest.mark.usefixtures("published")
class TestDownload:
    def test_it_has_a_row_for_each_practice_and_month_and_hides_the_same(
        self, commissioner: Client, quarter: Quarter
    ) -> None:
        answer = commissioner.get(reverse("dashboards:download"))
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        assert answer["Content-Disposition"] == 'attachment; filename="published-figures.csv"'
        rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
        assert len(rows) == 6
        found = {(row["ods_code"], row["month"]): row for row in rows}
        assert found[quarter.large.ods_code, "2026-03"]["sessions"] == "12"
        assert found[quarter.large.ods_code, "2026-03"]["first_sessions"] == "*"
        assert found[quarter.small.ods_code, "2026-01"]["referrals"] == "*"

    @pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1+1"])
    def test_no_cell_is_taken_for_a_formula(self, name: str) -> None:
        assert as_text(name) == f"'{name}"

    def test_an_ordinary_name_stays_as_it_is(self) -> None:
        assert as_text("St John’s Way") == "St John’s Way"


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("role", list(ROLE_BELONGS_TO))
def test_only_roles_that_may_see_figures_open_them(quarter: Quarter, client: Client, role: Role) -> None:
    organisation = factories.make_organisation(ROLE_BELONGS_TO[role])
    factories.sign_in(client, factories.make_staff(role, organisation))
    may = any(Permission.SEE_DASHBOARDS in allowed for allowed in ROLES[role].can.values())
    for name in ("figures", "method", "download"):
        assert client.get(reverse(f"dashboards:{name}")).status_code == (200 if may else 403)


@pytest.mark.usefixtures("published")
def test_visitors_are_asked_to_sign_in(client: Client) -> None:
    assert client.get(reverse("dashboards:figures")).status_code == 302
