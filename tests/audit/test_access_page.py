"""The guardian's page and files of how every address answers whom, and the same from the command line."""

from __future__ import annotations

import csv
import io
import json
from html import unescape

import pytest
from django.core.management import call_command
from django.test import Client

from pilot.access import Actor, Permission, Role, may
from pilot.people.models import ROLE_BELONGS_TO
from pilot.web.expectations import ASKERS, METHODS, Outcome, Scope, addresses, cells
from tests import factories

PAGE, FILES = "/audit/access/", ("/audit/access.json", "/audit/access.csv")
NOTES = "patients/<uuid:patient>/notes/"


@pytest.fixture(scope="module")
def staff(module_database: str) -> dict[Role, Actor]:
    return factories.make_staff_of_every_role(factories.make_pilot())


@pytest.fixture
def guardian(staff: dict[Role, Actor], client: Client) -> Client:
    return factories.sign_in(client, staff[Role.CALDICOTT_GUARDIAN])


def text_of(client: Client, **asked: str) -> str:
    answer = client.get(PAGE, asked)
    assert answer.status_code == 200
    return " ".join(unescape(answer.content.decode()).split())


def row_of(text: str, pattern: str) -> str:
    """The row of the table about this address."""
    after = text.split(f"/{pattern}</code>", 1)[1]
    return after.split("</tr>", 1)[0]


class TestThePage:
    def test_it_names_every_address_that_somebody_is_let_into(self, guardian: Client) -> None:
        text = text_of(guardian)
        assert all(f"/{each.pattern}</code>" in text for each in addresses())

    def test_it_says_who_may_and_whose(self, guardian: Client) -> None:
        row = row_of(text_of(guardian), NOTES)
        assert "Clinician (a patient of theirs, another patient of the same practice" in row
        assert not [word for word in ("Coach", "Receptionist", "Patient (") if word in row]

    def test_of_one_role_it_says_everything(self, guardian: Client) -> None:
        text = text_of(guardian, role="coach")
        assert "Refused (403)" in row_of(text, NOTES)
        row = row_of(text, "coaching/people/<uuid:pk>/")
        allowed, rest = row.split("Not found (404)")[:2]
        assert "A patient of theirs" in allowed
        assert "A patient of another practice" in rest
        assert "A patient of theirs who has withdrawn" in rest
        assert "Not offered (405)" in row

    def test_of_nobody_known_it_shows_everybody(self, guardian: Client) -> None:
        assert row_of(text_of(guardian, role="nobody"), NOTES) == row_of(text_of(guardian), NOTES)

    def test_the_log_and_the_page_of_roles_lead_there(self, guardian: Client) -> None:
        for address in ("/audit/log/", "/audit/roles/"):
            assert f'href="{PAGE}"' in guardian.get(address).content.decode()

    def test_others_are_not_led_to_what_they_may_not_open(self, client: Client) -> None:
        assert f'href="{PAGE}"' not in client.get("/audit/roles/").content.decode()

    @pytest.mark.parametrize(
        "role", [role for role in ROLE_BELONGS_TO if role is not Role.CALDICOTT_GUARDIAN]
    )
    def test_nobody_else_opens_any_of_it(self, staff: dict[Role, Actor], client: Client, role: Role) -> None:
        assert not may(staff[role], Permission.REVIEW_AUDIT)
        factories.sign_in(client, staff[role])
        assert [client.get(each).status_code for each in (PAGE, *FILES)] == [403, 403, 403]


class TestTheFiles:
    def test_hold_every_question_and_its_answer(self, guardian: Client) -> None:
        as_json = guardian.get("/audit/access.json").json()
        as_csv = list(csv.DictReader(io.StringIO(guardian.get("/audit/access.csv").content.decode())))
        assert as_json == as_csv
        assert list(as_json[0]) == ["pattern", "name", "method", "role", "scope", "expected"]
        assert len(as_json) == sum(len(each.scopes) for each in addresses()) * len(METHODS) * 13

    def test_or_those_of_one_role(self, guardian: Client) -> None:
        found = guardian.get("/audit/access.json", {"role": "coach"}).json()
        assert {each["role"] for each in found} == {"coach"}

    def test_are_named_as_files(self, guardian: Client) -> None:
        for address, ending in zip(FILES, ("json", "csv"), strict=True):
            disposition = guardian.get(address).headers["Content-Disposition"]
            assert disposition == f'attachment; filename="who-is-answered-what.{ending}"'


def printed(*arguments: str) -> str:
    out = io.StringIO()
    call_command("show_access", *arguments, stdout=out)
    return out.getvalue()


class TestTheCommand:
    def test_prints_the_same(self) -> None:
        found = json.loads(printed("--json", "--role", "coach"))
        mine = {"pattern": NOTES, "name": "referrals:notes", "role": "coach"}
        assert {**mine, "method": "GET", "scope": "own", "expected": "403"} in found
        assert len(found) * 13 == sum(1 for _ in cells())

    def test_or_a_few_lines_for_each_address(self) -> None:
        text = printed()
        mine = text.split(f"/{NOTES}  (referrals:notes)\n")[1].split("\n/")[0].splitlines()
        assert mine[0].split(maxsplit=3)[-1] == "clinician (own, same practice, withdrawn)"
        assert [line.split()[2] for line in mine] == ["allowed", "302", "302", "302", "403", "404"]
        assert f"{len(addresses())} addresses × 7 kinds of request × 13 who ask × up to 4 ways" in text
        assert f": {sum(1 for _ in cells()):,} questions. Whatever is not named here is answered 405." in text


def expected(name: str, method: str, role: str, scope: Scope) -> Outcome:
    address = next(each for each in addresses() if each.name == name)
    return address.expected(method, next(each for each in ASKERS if each.name == role), scope)


@pytest.mark.parametrize(
    ("name", "method", "role", "scope", "outcome"),
    [
        ("coaching:person", "GET", "coach", Scope.OWN, Outcome.ALLOWED),
        ("coaching:person", "GET", "coach", Scope.SAME_PRACTICE, Outcome.NOT_THERE),
        ("coaching:person", "GET", "coach", Scope.WITHDRAWN, Outcome.NOT_THERE),
        ("coaching:person", "POST", "coach", Scope.OWN, Outcome.NOT_OFFERED),
        ("coaching:person", "POST", "visitor", Scope.OWN, Outcome.SIGN_IN),
        ("coaching:person", "PUT", "visitor", Scope.OWN, Outcome.NOT_OFFERED),
        ("coaching:person", "GET", "receptionist", Scope.OWN, Outcome.FORBIDDEN),
        ("coaching:person", "GET", "superuser", Scope.OWN, Outcome.CHOOSE_ROLE),
        ("coaching:person", "GET", "expired member", Scope.OWN, Outcome.CHOOSE_ROLE),
        ("coaching:person", "GET", "one step", Scope.OWN, Outcome.SECOND_STEP),
        ("referrals:notes", "GET", "clinician", Scope.SAME_PRACTICE, Outcome.ALLOWED),
        ("referrals:notes", "GET", "clinician", Scope.OTHER_PRACTICE, Outcome.NOT_THERE),
        ("referrals:notes", "GET", "coach", Scope.OWN, Outcome.FORBIDDEN),
        ("referrals:allocate", "POST", "supervisor", Scope.SAME_PRACTICE, Outcome.ALLOWED),
        ("referrals:allocate", "POST", "supervisor", Scope.WITHDRAWN, Outcome.NOT_THERE),
        ("referrals:pause", "POST", "patient", Scope.WITHDRAWN, Outcome.ALLOWED),
        ("referrals:pause", "POST", "patient", Scope.SAME_PRACTICE, Outcome.NOT_THERE),
        ("record:add_goal", "GET", "patient", Scope.OWN, Outcome.ALLOWED),
        ("record:add_goal", "GET", "patient", Scope.WITHDRAWN, Outcome.NOT_THERE),
        ("record:goal", "POST", "coach", Scope.OWN, Outcome.FORBIDDEN),
        ("audit:event", "GET", "patient", Scope.OWN, Outcome.FORBIDDEN),
        ("audit:roles", "GET", "visitor", Scope.NOBODY, Outcome.ALLOWED),
    ],
)
def test_what_is_derived_is_what_was_promised(
    name: str, method: str, role: str, scope: Scope, outcome: Outcome
) -> None:
    """Written down by hand, so that a mistake in the deriving is not asked of the walk as well."""
    assert expected(name, method, role, scope) is outcome
