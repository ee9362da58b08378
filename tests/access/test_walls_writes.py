"""The second wall against writing: raw SQL on every table, by everybody, where no action allows it.

What a policy hides is not there to be changed: the statement changes no row. What may not be added is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection, connections, models, transaction

from audit.privacy import Impersonal, declared, personal_models, privacy_of
from pilot.access import Actor, Permission, Reach, acting, reach_of, walls
from pilot.access.models import OrganisationGrant
from pilot.people.models import User
from pilot.people.restrictions.models import Restriction
from pilot.record.copies.models import Copy
from pilot.record.models import Request
from referrals.models import ClinicalNote
from tests import factories
from tests.access.apart import World, allowed, make_world

Model = type[models.Model]

NOT_SHOWN, NOT_ALLOWED, NO_RIGHT, DONE, OTHERWISE = "no row", "row policy", "no right", "done", "another rule"
VERBS = ("INSERT", "UPDATE", "DELETE")
# Rows that say nothing about anybody and that the application alone looks after.
LEFT_TO_THE_APPLICATION = {"consent.NotNow", "web.IdempotencyKey"}


@pytest.fixture(scope="module")
def world(module_database: str) -> World:
    return make_world()


def everybody(world: World) -> dict[str, Actor]:
    """One of each role, and those of another practice and provider."""
    return {**world.actors, "the system": factories.TESTS}


def attempt(model: Model, verb: str, row: dict[str, Any]) -> str:
    """Try it with this row, and take it back; what came of it."""
    table, key = f'public."{model._meta.db_table}"', model._meta.pk.column
    new_key = str(uuid4()) if isinstance(row.get(key), str) else 987_654_321
    statement, values = {
        "INSERT": (
            f"INSERT INTO {table} SELECT * FROM jsonb_populate_record(NULL::{table}, %s)",
            [json.dumps(row | {key: new_key})],
        ),
        "UPDATE": (f'UPDATE {table} SET "{key}" = "{key}" WHERE "{key}" = %s', [row.get(key)]),
        "DELETE": (f'DELETE FROM {table} WHERE "{key}" = %s', [row.get(key)]),
    }[verb]
    return outcome(statement, values)


def outcome(statement: str, values: list[Any]) -> str:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, values)
            changed = cursor.rowcount
            transaction.set_rollback(True)
    except DatabaseError as refusal:
        for words, found in (("permission denied for", NO_RIGHT), ("row-level security", NOT_ALLOWED)):
            if words in str(refusal):
                return found
        return OTHERWISE
    return DONE if changed else NOT_SHOWN


def refusal(model: Model, verb: str) -> str:
    if verb not in walls.rights(model):
        return NO_RIGHT
    return NOT_ALLOWED if verb == "INSERT" else NOT_SHOWN


def as_stored(row: models.Model | None) -> dict[str, Any]:
    """The row as the database has it, whoever may see it; nothing where there is none."""
    if row is None:
        return {}
    with connections["owner"].cursor() as cursor:
        table, key = row._meta.db_table, row._meta.pk.column
        cursor.execute(f'SELECT to_jsonb(t)::text FROM public."{table}" t WHERE "{key}" = %s', [row.pk])
        return json.loads(cursor.fetchone()[0])


def contexts(world: World, actor: Actor, target: str) -> Iterator[tuple[str, AbstractContextManager[Any]]]:
    """Everywhere but in an action about the patient whose row it is."""
    other = world.patients["own" if target == "elsewhere" else "elsewhere"]
    yield "nobody acts", nullcontext()
    yield "a page is read", acting(actor, "page.opened")
    yield "an action about somebody else", acting(actor, "something.done", patients=[other.pk])


ABOUT_PATIENTS = [m for m in personal_models() if privacy_of(m).patient and privacy_of(m).keeps_history]


def writer(world: World, model: Model) -> Actor:
    """Somebody who may write rows of this kind, in an action about the patient."""
    if not privacy_of(model).write:
        return factories.TESTS
    own = {Request: "caldicott_guardian", Restriction: "caldicott_guardian", Copy: "patient"}
    return world.actors[own.get(model, "clinician")]


@pytest.mark.parametrize("target", ["own", "elsewhere"])
def test_nobody_writes_about_a_patient_but_in_an_action_about_that_patient(world: World, target: str) -> None:
    rows = {model: as_stored(world.of(target, model)[0]) for model in ABOUT_PATIENTS}
    assert all(rows.values())
    for name, actor in everybody(world).items():
        for where, context in contexts(world, actor, target):
            with context:
                found = {(m, verb): attempt(m, verb, row) for m, row in rows.items() for verb in VERBS}
            for (model, verb), happened in found.items():
                assert happened == refusal(model, verb), (name, where, verb, model)


def test_the_same_statements_do_their_work_in_an_action_about_that_patient(world: World) -> None:
    patient = world.patients["own"]
    for model in ABOUT_PATIENTS:
        actor = writer(world, model)
        row = as_stored(world.of("own", model)[0])
        with acting(actor, "something.done", patients=[patient.pk]):
            found = {verb: attempt(model, verb, row) for verb in VERBS}
        if model._meta.pk.attname != privacy_of(model).patient:
            # A second open referral, or a second use of a code, is another rule's business.
            assert found["INSERT"] in (DONE, OTHERWISE), model
        assert found["UPDATE"] == (DONE if "UPDATE" in walls.rights(model) else NO_RIGHT), model
        assert found["DELETE"] == NO_RIGHT, model


def test_no_row_is_handed_from_one_patient_to_another(world: World) -> None:
    own, other = world.patients["own"], world.patients["not mine"]
    for model in ABOUT_PATIENTS:
        column = privacy_of(model).patient
        if "UPDATE" not in walls.rights(model) or column == model._meta.pk.column:
            continue
        actor = writer(world, model)
        statement = f'UPDATE public."{model._meta.db_table}" SET "{column}" = %s WHERE id = %s'
        with acting(actor, "something.done", patients=[own.pk]):
            assert outcome(statement, [other.pk, world.of("own", model)[0].pk]) == NOT_ALLOWED, model


def test_only_a_clinician_of_the_practice_writes_a_clinical_note_even_in_an_action(world: World) -> None:
    row = as_stored(world.of("own", ClinicalNote)[0])
    for name, actor in everybody(world).items():
        with acting(actor, "something.done", patients=[world.patients["own"].pk]):
            found = {verb: attempt(ClinicalNote, verb, row) for verb in ("INSERT", "UPDATE")}
        expected = [DONE, DONE] if name == "clinician" else [NOT_ALLOWED, NOT_SHOWN]
        assert list(found.values()) == expected, name


@pytest.mark.parametrize("model", [m for m in personal_models() if not privacy_of(m).patient], ids=str)
def test_a_practices_file_is_written_by_whoever_may_see_it(world: World, model: Model) -> None:
    for target in ("own", "elsewhere"):
        row = world.of(target, model)[0]
        stored = as_stored(row)
        for name, actor in everybody(world).items():
            for where, context in contexts(world, actor, target):
                with context:
                    may = where != "nobody acts" and row.pk in allowed(actor, model)
                    found = {verb: attempt(model, verb, stored) for verb in VERBS}
                for verb, happened in found.items():
                    if may and privacy_of(model).append_only:
                        # What is noted once stays, and is not noted again.
                        assert happened == (OTHERWISE if verb == "INSERT" else NO_RIGHT), (name, where, verb)
                    else:
                        assert happened == (DONE if may else refusal(model, verb)), (name, where, verb)


def test_the_log_and_every_past_is_written_by_nobody(world: World) -> None:
    tables = [m for m in personal_models() if not privacy_of(m).keeps_history]
    tables += [m.history.model for m in declared() if privacy_of(m).is_audited]  # type: ignore[attr-defined]
    for actor in (*world.actors.values(), factories.TESTS):
        with acting(actor, "something.done", patients=[world.patients["own"].pk]):
            for model in tables:
                for verb in VERBS:
                    assert attempt(model, verb, {"id": 1, "history_id": 1}) == NO_RIGHT, (
                        actor.role,
                        verb,
                        model,
                    )


OF_THE_PILOT = [m for m in declared() if isinstance(privacy_of(m), Impersonal) and privacy_of(m).write]


def test_what_the_pilot_is_made_of_is_written_by_whoever_may_and_nobody_else(world: World) -> None:
    # Not one's own account, which everybody keeps by themselves.
    rows = {m: as_stored(m._default_manager.using("owner").order_by("-pk").first()) for m in OF_THE_PILOT}
    rows |= {m: as_stored(factories.make_user()) for m in OF_THE_PILOT if privacy_of(m).own}
    for name, actor in everybody(world).items():
        for where, context in contexts(world, actor, "own"):
            with context:
                found = {(m, verb): attempt(m, verb, row) for m, row in rows.items() for verb in VERBS}
            for (model, verb), happened in found.items():
                may = reach_of(actor.role, Permission(privacy_of(model).write)) is Reach.EVERYWHERE
                if may and where != "nobody acts" and verb in walls.rights(model):
                    # Published once and for all, or none there yet: other rules.
                    assert happened != NOT_ALLOWED, (name, where, verb, model)
                else:
                    assert happened == refusal(model, verb), (name, where, verb, model)


def test_everybody_keeps_their_own_account(world: World) -> None:
    for actor in world.actors.values():
        with acting(actor, "page.opened"):
            assert attempt(User, "UPDATE", {"id": str(actor.user_id)}) == DONE


def test_a_grant_is_given_and_ended_only_over_whom_the_action_is_about(world: World) -> None:
    rows: dict[Model, dict[str, Any]] = {}
    for model in walls._grant_models:
        of_somebody = model._default_manager.using("owner").order_by("pk")
        rows[model] = as_stored(
            of_somebody.filter(user=world.actors["coach"].user_id).first() or of_somebody[0]
        )
    for name, actor in everybody(world).items():
        manages = reach_of(actor.role, Permission.MANAGE_PILOT) is Reach.EVERYWHERE
        for where, context in contexts(world, actor, "own"):
            with context:
                found = {(m, verb): attempt(m, verb, row) for m, row in rows.items() for verb in VERBS}
            for (model, verb), happened in found.items():
                may = model is OrganisationGrant and manages and where != "nobody acts" and verb != "UPDATE"
                assert (happened in (DONE, OTHERWISE)) if may else happened == refusal(model, verb), (
                    name, where, verb, model,
                )  # fmt: skip


def test_every_other_table_is_one_of_a_few() -> None:
    grants = {model._meta.label for model in walls._grant_models}
    free = {
        m._meta.label
        for m in declared()
        if isinstance(privacy_of(m), Impersonal) and not privacy_of(m).write and not privacy_of(m).reads_only
    }
    assert free - grants == LEFT_TO_THE_APPLICATION
