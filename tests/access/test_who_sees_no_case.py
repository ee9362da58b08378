"""Whoever has no business with a case opens nothing of one: every address of the project is tried."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from pilot.access import Actor, Role
from pilot.people.models import ROLE_BELONGS_TO
from tests import factories

# Roles that see figures, staff or the log, and never a case.
WITHOUT_CASES = (
    Role.COMMISSIONER,
    Role.PILOT_MANAGER,
    Role.CALDICOTT_GUARDIAN,
    Role.SPEAK_UP_GUARDIAN,
)
# What every page of a case would show one of.
CONTENT = (
    "Zuleika",
    "Quillfeather",
    "07700 900018",
    "Invented Road",
    "A private matter",
    "Two mornings a week",
)
# Pages of these roles themselves, and of everybody's own account.
OWN = ("dashboards:", "audit:", "office:", "web:")


@dataclass(frozen=True)
class Case:
    """One patient with everything that there can be about one."""

    actors: dict[Role, Actor]
    keys: tuple[UUID, ...]
    nhs_number: str


@pytest.fixture(scope="module")
def case(module_database: str) -> Case:
    pilot = factories.make_pilot()
    staff = factories.make_staff_of_every_role(pilot)
    patient = factories.make_patient(
        pilot.practice, given_name="Zuleika", family_name="Quillfeather", phone="07700 900018"
    )
    referral = factories.make_referral(patient, status="waiting")
    factories.allocate_to(referral, staff[Role.COACH])
    rows = (
        patient,
        referral,
        factories.make_session(referral, staff[Role.COACH], agreed="A private matter"),
        factories.GoalFactory(referral=referral),
        factories.make_note(patient, staff[Role.CLINICIAN], text="A private matter of health"),
        factories.MessageFactory(patient=patient, text="A private matter"),
        factories.DistressCallFactory(referral=referral, raised_by_id=staff[Role.COACH].user_id),
    )
    return Case(staff, tuple(row.pk for row in rows), str(patient.nhs_number))


def addresses(
    resolver: URLResolver, namespace: str = "", before: tuple[Any, ...] = ()
) -> Iterator[tuple[str, Any]]:
    """Every named address: its name, and the patterns that it is made of."""
    for each in resolver.url_patterns:
        if isinstance(each, URLResolver):
            yield from addresses(
                each, f"{namespace}{each.namespace}:" if each.namespace else namespace, (*before, each)
            )
        elif isinstance(each, URLPattern):
            yield f"{namespace}{each.name}", (*before, each)


def paths(patterns: tuple[Any, ...], keys: tuple[UUID, ...]) -> Iterator[str]:
    """The address with each key of the case in each of its places."""
    route = "".join(str(each.pattern) for each in patterns)
    names = [(name, converter) for each in patterns for name, converter in each.pattern.converters.items()]
    choices = [keys if type(converter).__name__ == "UUIDConverter" else ("1",) for _name, converter in names]
    for values in product(*choices):
        path = route
        for (name, _converter), value in zip(names, values, strict=True):
            start, end = path.index("<"), path.index(">")
            assert name in path[start:end]
            path = f"{path[:start]}{value}{path[end + 1 :]}"
        yield "/" + path.removeprefix("/")


PAGES = [(name, patterns) for name, patterns in addresses(get_resolver()) if not name.startswith("demo:")]
# What needs a role and is none of their own; the rest is public.
CASE_PAGES = [
    (name, patterns)
    for name, patterns in PAGES
    if getattr(patterns[-1].callback, "needs_role", False) and not name.startswith(OWN)
]


def test_there_are_pages_to_try() -> None:
    assert len(CASE_PAGES) > 30


@pytest.mark.parametrize("role", WITHOUT_CASES)
def test_no_page_of_a_case_opens(case: Case, client: Client, role: Role) -> None:
    factories.sign_in(client, case.actors[role])
    opened = []
    for name, patterns in CASE_PAGES:
        for path in paths(patterns, case.keys):
            for answer in (client.get(path), client.post(path)):
                text = answer.content.decode(errors="replace")
                assert not [content for content in (*CONTENT, case.nhs_number) if content in text], path
                if answer.status_code not in (403, 404, 405):
                    opened.append((name, path, answer.status_code))
    assert not opened


@pytest.mark.parametrize("role", WITHOUT_CASES)
def test_the_pages_that_do_open_show_nothing_of_a_case(case: Case, client: Client, role: Role) -> None:
    factories.sign_in(client, case.actors[role])
    for name, patterns in PAGES:
        if "logout" not in name and (name, patterns) not in CASE_PAGES:
            for path in paths(patterns, case.keys):
                text = client.get(path).content.decode(errors="replace")
                assert not [content for content in (*CONTENT, case.nhs_number) if content in text], path


def test_every_role_of_staff_is_thought_of() -> None:
    with_cases = {Role.RECEPTIONIST, Role.CLINICIAN, Role.COACH, Role.SUPERVISOR}
    assert set(WITHOUT_CASES) | with_cases == set(ROLE_BELONGS_TO)
