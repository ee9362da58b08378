"""Each wall without the other: the database with every check in Python gone, the application with every policy off."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from inspect import signature, unwrap
from typing import Any, get_type_hints
from uuid import uuid4

import pytest
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.http import Http404

from audit.models import Event
from audit.privacy import Impersonal, Personal, declared, personal_models, privacy_of
from pilot.access import Actor, Permission, Role, acting, walls
from pilot.access.policies import visible_to
from pilot.web.expectations import ASKERS, Address, Outcome, Scope, addresses
from pilot.web.forms import _SALT, FORM_KEY
from pilot.web.lists import ListParts
from pilot.web.views import PilotView
from referrals.models import Referral
from tests import factories
from tests.access.apart import (
    SCOPES,
    Model,
    World,
    allowed,
    allowed_past,
    forget_checks,
    make_world,
    no_policies,
    paths,
    rows_allowed,
    shown,
)
from tests.actions import every_action

# Whoever has no business with a case; they are refused by role, whosever record it is.
WITHOUT_CASES = (Role.COMMISSIONER, Role.PILOT_MANAGER, Role.CALDICOTT_GUARDIAN, Role.SPEAK_UP_GUARDIAN)
WITH_CASES = (Role.RECEPTIONIST, Role.CLINICIAN, Role.COACH, Role.SUPERVISOR, Role.PATIENT)


@pytest.fixture(scope="module")
def world(module_database: str) -> World:
    return make_world()


@pytest.fixture(scope="module")
def may_see(world: World) -> dict[str, set[tuple[Model, Any]]]:
    """Worked out with every check in place."""
    return rows_allowed(world)


# --- The database alone ------------------------------------------------------------------------------


def test_there_is_a_row_of_every_kind_about_everybody(world: World) -> None:
    for model in personal_models():
        if privacy_of(model).keeps_history:
            assert all(world.of(scope, model) for scope in SCOPES), f"make a {model.__name__} in apart.py"


def test_raw_sql_shows_just_what_the_application_allows(world: World) -> None:
    """Neither wall is narrower than the other, on any table of people, of the log and of the past, for anybody."""
    wrong = []
    for name, actor in {**world.actors, "the system": factories.TESTS}.items():
        with acting(actor, "page.opened"):
            for model in personal_models():
                if set(shown(model._meta.db_table, model._meta.pk.column)) != allowed(actor, model):
                    wrong.append((name, model))
            for model in (each for each in declared() if privacy_of(each).is_audited):
                if model not in walls._grant_models and set(
                    shown(model.history.model._meta.db_table, "history_id")  # type: ignore[attr-defined]
                ) != allowed_past(actor, model):
                    wrong.append((name, f"the past of {model}"))
    assert wrong == []


def test_raw_sql_shows_everybody_their_own_grants(world: World) -> None:
    """Who is related to whom is shown to the account itself; of staff and places, to whoever manages them."""
    for name, actor in world.actors.items():
        for model in walls._grant_models:
            of_place = isinstance(
                privacy_of(model._meta.get_field("content_object").related_model), Impersonal
            )
            everything = of_place and actor.role is Role.PILOT_MANAGER
            rows = model._default_manager.using("owner")
            past = model.history.model.objects.using("owner")  # type: ignore[attr-defined]
            own = {} if everything else {"user_id": actor.user_id}
            with acting(actor, "page.opened"):
                assert set(shown(model._meta.db_table, "id")) == set(_pks(rows.filter(**own))), (name, model)
                found = shown(model.history.model._meta.db_table, "history_id")  # type: ignore[attr-defined]
                assert set(found) == set(_pks(past.filter(**own))), (name, model)


def test_what_says_nothing_about_anybody_is_shown_to_everybody(world: World) -> None:
    for actor in world.actors.values():
        with acting(actor, "page.opened"):
            for model in declared():
                if isinstance(privacy_of(model), Impersonal) and model not in walls._grant_models:
                    found = shown(model._meta.db_table, model._meta.pk.column)
                    assert len(found) == model._default_manager.using("owner").count()


def _pks(rows: Any) -> list[Any]:
    return list(rows.values_list("pk", flat=True))


# --- One wall at a time, over real requests ----------------------------------------------------------

THE_DATABASE, THE_APPLICATION = "the database alone", "the application alone"
ONE_WALL_EACH_ROLE = pytest.mark.parametrize(
    ("wall", "role"),
    [
        # To the database whoever has no business with a case is like another, but for who may read the log.
        *((THE_DATABASE, role) for role in (*WITH_CASES, Role.CALDICOTT_GUARDIAN)),
        *((THE_APPLICATION, role) for role in (*WITH_CASES, *WITHOUT_CASES)),
    ],
)


@contextmanager
def only(wall: str, patch: pytest.MonkeyPatch) -> Iterator[None]:
    with ExitStack() as stack:
        if wall == THE_APPLICATION:
            stack.enter_context(no_policies())
        else:
            forget_checks(stack.enter_context(patch.context()))
            # Pages that find nothing where they never looked for nothing break, each with a long report.
            logging.disable()
            stack.callback(logging.disable, logging.NOTSET)
        yield


@ONE_WALL_EACH_ROLE
def test_no_page_shows_a_row_that_is_not_theirs(
    world: World, may_see: dict[str, set[Any]], monkeypatch: pytest.MonkeyPatch, role: Role, wall: str
) -> None:
    """Every page about every patient who is not theirs, every list, every search, every file.

    Without policies each is answered as with them; without checks whatever comes of it shows nothing.
    """
    client = world.client(role.value)
    shown_at: dict[Any, str] = {}
    with only(wall, monkeypatch):
        for address, scope, path in asked_for(world, may_see, role):
            expected = address.expected("GET", ASKER_OF[role], scope)
            if wall == THE_APPLICATION and expected is Outcome.FORBIDDEN:
                continue  # for what they are, whoever it is about: no row is asked for
            answer = client.get(path)
            shown_at |= dict.fromkeys(world.words_in(answer.text), path)
            if wall == THE_APPLICATION:
                as_usual = (404,) if expected is Outcome.NOT_THERE else (200, 302)
                assert answer.status_code in as_usual, (path, answer.status_code)
            for number in searches(world, address):
                found = client.post(path, {"search": number}, follow=True)
                shown_at |= dict.fromkeys(world.words_in(found.text), f"{path} {number}")
    assert {row: path for row, path in shown_at.items() if row not in may_see[role.value]} == {}
    # A supervisor's lists show no names and no words, but whoever has patients was shown some.
    assert shown_at or role in (*WITHOUT_CASES, Role.SUPERVISOR)


@ONE_WALL_EACH_ROLE
def test_no_form_changes_a_row_that_is_not_theirs(
    world: World, may_see: dict[str, set[Any]], monkeypatch: pytest.MonkeyPatch, role: Role, wall: str
) -> None:
    """Every form about every patient who is not theirs, with all that a form can want."""
    client, actor = world.client(role.value), world.actors[role.value]
    strangers = strangers_to(world, may_see, role)
    made = Event.objects.using("owner").latest("pk").pk
    with only(wall, monkeypatch):
        for address, scope, path in asked_for(world, may_see, role):
            expected = address.expected("POST", ASKER_OF[role], scope)
            if not address.rows or expected is Outcome.NOT_OFFERED:
                continue
            if expected is Outcome.ALLOWED:
                continue  # whoever's it is: what patients ask is the guardian's to answer
            if wall == THE_APPLICATION and expected is Outcome.FORBIDDEN:
                continue
            answer = client.post(path, filled_in(world, actor, path))
            assert world.words_in(answer.text) <= may_see[role.value], path
            if wall == THE_APPLICATION:
                assert (expected, answer.status_code) == (Outcome.NOT_THERE, 404), path
    changes = Event.objects.using("owner").filter(
        pk__gt=made, actor=actor.label, kind__in=["created", "changed", "deleted"]
    )
    untouched = {str(row.pk) for scope in strangers for row in world.rows[scope]}
    assert not changes.filter(row_id__in=untouched).exists()
    assert not changes.filter(patient_id__in=[world.patients[scope].pk for scope in strangers]).exists()


def test_with_policies_off_no_action_is_done_to_a_row_that_is_not_theirs(world: World) -> None:
    """Every action, straight, by whoever has patients, on anybody's row: it gets past its check where `visible_to` says."""
    actions = [(run, model) for run in every_action().values() if (model := subject_of(run)) is not None]
    assert len(actions) > 30
    with no_policies():
        for role in (*WITH_CASES, Role.PILOT_MANAGER):
            actor = world.actors[role.value]
            for run, model in actions:
                with acting(actor, "test.asked"):
                    may = set(_pks(visible_to(model._default_manager.using("owner"), actor, run.permission)))
                for scope in SCOPES if role in WITH_CASES else SCOPES[:1]:
                    row = world.of(scope, model)[0]
                    # Whoever gets past the check is stopped by an argument that no action takes.
                    with pytest.raises(TypeError if row.pk in may else (PermissionDenied, Http404)):
                        run(row, by=actor, no_such_argument=True)


def subject_of(run: Callable[..., Any]) -> Model | None:
    """The model of the personal rows that an action of the project is done to; None for other actions."""
    verb = unwrap(run)
    if verb.__module__.startswith("tests."):
        return None
    first = next(iter(signature(verb).parameters))
    model = get_type_hints(verb)[first]
    return model if isinstance(getattr(model, "privacy", None), Personal) else None


# --- Going round -------------------------------------------------------------------------------------

ASKER_OF = {asker.role: asker for asker in ASKERS if asker.role}
SCOPE_OF = {
    "own": Scope.OWN,
    "not mine": Scope.SAME_PRACTICE,
    "elsewhere": Scope.OTHER_PRACTICE,
    "withdrawn": Scope.WITHDRAWN,
}


# Pages of one's account, of places and staff, and of published figures.
ABOUT_NO_PATIENT = (Permission.USE_OWN_ACCOUNT, Permission.MANAGE_PILOT, Permission.SEE_DASHBOARDS)


def strangers_to(world: World, may_see: dict[str, set[Any]], role: Role) -> list[str]:
    """Whose patients are none of theirs. To whoever has no business with a case, one is like another."""
    if role in WITHOUT_CASES:
        return ["own"]
    theirs = {key for model, key in may_see[role.value] if model is Referral}
    strangers = [scope for scope in SCOPES if world.of(scope, Referral)[0].pk not in theirs]
    return strangers if role is Role.COACH else strangers[:2]


def asked_for(world: World, may_see: dict[str, set[Any]], role: Role) -> Iterator[tuple[Address, Scope, str]]:
    """Every address where somebody in a role may be shown a patient, about nobody in particular and about strangers."""
    for address in addresses():
        view = address.view_class
        if not (view and issubclass(view, PilotView)) or view.permission in ABOUT_NO_PATIENT:
            continue
        if address.name.startswith("audit:access"):
            continue  # the table of who is answered what: large, and made of the code alone
        if address.rows:
            for scope in strangers_to(world, may_see, role):
                # That they have withdrawn themselves would be another question.
                seen_as = Scope.SAME_PRACTICE if role is Role.PATIENT else SCOPE_OF[scope]
                yield address, seen_as, next(paths(world, address, scope))
        else:
            yield address, address.scopes[0], next(paths(world, address, "own"))


def searches(world: World, address: Address) -> list[str]:
    """What to search for on that page: NHS numbers, which are no words of this world."""
    is_list = address.view_class is not None and issubclass(address.view_class, ListParts)
    has_search = is_list and bool(address.view_class.search_label)  # type: ignore[union-attr]
    return [str(world.patients[scope].nhs_number) for scope in ("own", "elsewhere")] if has_search else []


def filled_in(world: World, actor: Actor, path: str) -> dict[str, Any]:
    """A form of one's own making: the right key for this address, and whatever any form asks for."""
    key = signing.dumps([uuid4().hex, str(actor.user_id), path], salt=_SALT)
    elsewhere = world.of("elsewhere", Referral)[0]
    coach = factories.membership_of(world.actors["coach"])
    texts = dict.fromkeys(
        ("words", "agreed", "text", "given_name", "family_name", "safe_place", "where"), "forged"
    )
    dates = {
        f"{name}_{part}": value
        for name in ("starts_on", "until", "date_of_birth")
        for part, value in (("day", 1), ("month", 2), ("year", 1970 if name == "date_of_birth" else 2050))
    }
    return {
        **texts, **dates, FORM_KEY: key, "version": 1, "starts_at": "10:30", "minutes": "45", "place": "phone",
        "standing": "wanted", "rearranged_by": "nobody", "person": elsewhere.pk, "coach": coach.pk, "kind": "note",
        "ground": "serious_harm", "ending": "moved", "channel": "letter", "reasons": ["find_work"], "method": "phone",
        "what": "all", "answer": "arrived", "nhs_number_unknown": "on", "preferred_contact": "1",
    }  # fmt: skip
