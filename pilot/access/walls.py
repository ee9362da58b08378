"""The second wall: row policies and table rights, generated from the privacy declarations and `ROLES`.

`install` makes the database agree with the code, all at once, and is safe to repeat. It runs after every migration. What
has no declaration gets no rights.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

import audit
from audit.erasure import retention
from audit.models import Shape
from audit.privacy import (
    THIRD_PARTY,
    Impersonal,
    Personal,
    declared,
    personal_models,
    privacy_of,
    require_declarations,
)
from audit.triggers import shapes
from pilot.access.models import OrganisationGrant, PatientGrant
from pilot.access.roles import Permission, Reach, reaches_of, roles_with


@dataclass(frozen=True)
class ReferralRelation:
    """How the database tells which referrals, and whose, are open to the acting user now: SELECTs of ids.

    `allocated` are the patients of all referrals allocated to them, open or not.
    """

    referrals: str
    patients: str
    allocated: str


# Registered by the app that knows allocations; while there is none, no referral is anybody's.
_relations: list[ReferralRelation] = []
_NO_RELATION = ReferralRelation(*["SELECT NULL::uuid WHERE false"] * 3)
_grant_models: list[type[models.Model]] = [OrganisationGrant, PatientGrant]


def register_referral_relation(relation: ReferralRelation, grants: type[models.Model]) -> None:
    """Tell the walls how referrals are allocated, and which model holds the grants on them."""
    _relations[:] = [relation]
    if grants not in _grant_models:
        _grant_models.append(grants)


def install(connection: BaseDatabaseWrapper) -> None:
    """Make every function, policy and right of this database what the declarations say; anything else is removed.

    Needs a connection of the owner. Refused while a model is undeclared.
    """
    require_declarations()
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        # After a partial migration some tables are not there yet; what stands on them is installed when they are.
        cursor.execute("SET LOCAL check_function_bodies = off")
        for statement in statements(set(connection.introspection.table_names(cursor))):
            cursor.execute(statement)


def statements(tables: set[str]) -> Iterator[str]:
    """Every statement of the wall for a database with these tables, in order."""
    app, auditor, sealer = (quoted(role_name(name)) for name in ("app", "auditor", "sealer"))
    yield "CREATE SCHEMA IF NOT EXISTS pilot"
    yield f"GRANT USAGE ON SCHEMA pilot, public TO {app}, {auditor}, {sealer}"
    yield from function_statements()
    yield "REVOKE ALL ON ALL FUNCTIONS IN SCHEMA pilot FROM PUBLIC"
    yield f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pilot TO {app}, {auditor}, {sealer}"
    yield f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, {app}, {auditor}, {sealer}"
    yield f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM PUBLIC, {app}, {auditor}, {sealer}"
    for item in THIRD_PARTY:
        if item.rights and item.table in tables:
            yield f"GRANT {item.rights} ON public.{quoted(item.table)} TO {app}"
        if item.own and item.table in tables:
            yield from policy_statements(f"public.{quoted(item.table)}", own_policies(item.own))
    for model in declared():
        if model._meta.db_table not in tables:
            continue
        yield from table_statements(model)
    if Shape._meta.db_table in tables:
        yield from (_kept(*each) for each in shapes())
    yield f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {app}"


def table_statements(model: type[models.Model]) -> Iterator[str]:
    """The policies and rights of one model's table and, where it has one, of its history."""
    app, auditor, sealer = (quoted(role_name(role)) for role in ("app", "auditor", "sealer"))
    privacy = privacy_of(model)
    name = table(model)
    yield f"GRANT {', '.join(rights(model))} ON {name} TO {app}"
    yield f"GRANT SELECT ON {name} TO {auditor}"
    if privacy.sealer:
        yield f"GRANT {', '.join(privacy.sealer)} ON {name} TO {sealer}"
    yield from policy_statements(name, policies(model), privacy.sealer)
    if privacy.is_audited:
        history = table(model.history.model)  # type: ignore[attr-defined]
        yield f"GRANT SELECT ON {history} TO {app}, {auditor}"
        yield from policy_statements(history, history_policies(model))


def function_statements() -> Iterator[str]:
    """The functions that policies ask, and the log's own, all in the schema `pilot`."""
    yield _functions_sql()
    for name in ("functions.sql", "reviewing.sql"):
        yield (Path(audit.__file__).parent / name).read_text()
    yield retention.functions_sql()


def rights(model: type[models.Model]) -> tuple[str, ...]:
    """What the app role may do to a table at all, before any row policy."""
    privacy = privacy_of(model)
    if isinstance(privacy, Personal):
        if not privacy.keeps_history:
            return ("SELECT",)
        if privacy.append_only:
            return ("SELECT", "INSERT")
        return (
            "SELECT",
            "INSERT",
            "UPDATE",
            *(("DELETE",) if privacy.deletable else ()),
        )
    if privacy.reads_only:
        return ("SELECT",)
    return ("SELECT", "INSERT", "UPDATE", *(("DELETE",) if privacy.deletable else ()))


def policies(model: type[models.Model]) -> dict[str, tuple[str | None, str | None]]:
    """The row policies of a model's table for the app role: command → (USING, WITH CHECK)."""
    privacy = privacy_of(model)
    if model in _grant_models:
        own, granted_here = "user_id = (SELECT pilot.user_id())", _is_over_subject(model)
        return {
            "SELECT": (f"{own} OR {granted_here}", None),
            "INSERT": (None, granted_here),
            "DELETE": (granted_here, None),
        }
    if isinstance(privacy, Impersonal):
        return _impersonal_policies(privacy)
    found: dict[str, tuple[str | None, str | None]] = {"SELECT": (_shown(privacy), None)}
    granted = rights(model)
    written = _written(privacy)
    if "INSERT" in granted:
        found["INSERT"] = (None, written)
    if "UPDATE" in granted:
        altered = _written(privacy, few=True)
        found["UPDATE"] = (altered, altered)
    if "DELETE" in granted:
        found["DELETE"] = (written, None)
    return found


def own_policies(column: str) -> dict[str, tuple[str | None, str | None]]:
    """The row policies of a library's table whose rows belong to single users, named by this column."""
    own = f"({quoted(column)} = (SELECT pilot.user_id()) AND (SELECT pilot.in_action()))"
    allowed = f"{own} OR {_everywhere(Permission.MANAGE_PILOT)}"
    return {
        "SELECT": (allowed, None),
        "INSERT": (None, allowed),
        "UPDATE": (allowed, allowed),
        "DELETE": (allowed, None),
    }


def _impersonal_policies(
    privacy: Impersonal,
) -> dict[str, tuple[str | None, str | None]]:
    anybody = _everywhere(Permission(privacy.write)) if privacy.write else "true"
    if privacy.write and privacy.own:
        anybody += f" OR ({quoted(privacy.own)} = (SELECT pilot.user_id()) AND (SELECT pilot.in_action()))"
    found: dict[str, tuple[str | None, str | None]] = {
        "SELECT": ("true", None),
        "INSERT": (None, anybody),
        "UPDATE": (anybody, anybody),
    }
    if privacy.deletable:
        found["DELETE"] = (anybody, None)
    return found


def history_policies(model: type[models.Model]) -> dict[str, tuple[str | None, str | None]]:
    """The row policies of a model's history, as `policies` gives them: the app role reads there and does no more."""
    return {"SELECT": (_history_shown(model, privacy_of(model)), None)}


def _history_shown(model: type[models.Model], privacy: Personal | Impersonal) -> str:
    """The condition under which a row's past is shown: never more than the row itself.

    A past row still says what has changed since: which provider it was shared with, that a note was not withheld yet.
    So whoever is shown a row only while that stands is not shown its past.
    """
    if model in _grant_models:
        return policies(model)["SELECT"][0] or "false"
    if isinstance(privacy, Impersonal):
        return "true"
    hidden = {Reach.PROVIDER} | ({Reach.SELF} if privacy.hidden_from_patient else set())
    return _shown(privacy, hidden)


def _shown(privacy: Personal, hidden_from: Collection[Reach] = ()) -> str:
    """The condition under which a row is shown: a live grant of the acting role or, unless sealed, the current subject."""
    permission = Permission(privacy.see)
    conditions = [
        condition
        for reach in reaches_of(permission)
        if reach not in hidden_from and (condition := _reached(privacy, reach, permission)) is not None
    ]
    if privacy.patient and not privacy.sealed:
        # First: what an action writes is about its subject, and the database need not ask for anything else.
        conditions.insert(0, _is_subject(privacy))
    if privacy.also:
        conditions.append(f"({privacy.also})")
    return " OR ".join(dict.fromkeys(conditions)) or "false"


def _reached(privacy: Personal, reach: Reach, permission: Permission) -> str | None:
    """The condition that a relation means on this table, or None where the table has no column for it."""
    if reach is Reach.EVERYWHERE:
        return _everywhere(permission)
    candidates = {
        Reach.PRACTICE: [(privacy.practice, "live_organisations")],
        Reach.PROVIDER: [(privacy.provider, "live_organisations")],
        Reach.REFERRAL: [(privacy.referral, "live_referrals"), (privacy.patient, "live_patients")],
        # Beside a column for the referral, the patient's is for themselves: not for whoever helps them.
        Reach.SELF: [(privacy.patient, "own_patients" if privacy.referral else "live_patients")],
    }[reach]
    found = next(((column, function) for column, function in candidates if column), None)
    if found is None:
        return None
    conditions = [_any_of(*found, permission.value)]
    if reach is Reach.SELF and privacy.hidden_from_patient:
        conditions.append(f"{quoted(privacy.hidden_from_patient)} IS NULL")
    if reach is Reach.SELF and privacy.unless_patient:
        conditions.append(f"NOT {privacy.unless_patient}")
    if reach is Reach.PROVIDER and privacy.provider_until:
        conditions.append(f"{quoted(privacy.provider_until)} IS NULL")
    return f"({' AND '.join(conditions)})"


def _everywhere(permission: Permission) -> str:
    return f"(SELECT pilot.everywhere('{permission.value}'))"


def _written(privacy: Personal, *, few: bool = False) -> str:
    """The condition under which a row may be written: its patient is the subject of a named action. `few` says that the
    statements it is for touch a row or two."""
    conditions = []
    if privacy.patient:
        # Planning a sub-query costs more than asking again for each of a few rows.
        conditions.append(
            f"{quoted(privacy.patient)} = ANY(pilot.patients())" if few else _is_subject(privacy)
        )
    else:
        conditions.append("(SELECT pilot.in_action())")
    if privacy.write:
        permission = Permission(privacy.write)
        reached = [
            c for reach in reaches_of(permission) if (c := _reached(privacy, reach, permission)) is not None
        ]
        conditions.append(f"({' OR '.join(reached) or 'false'})")
    elif not privacy.patient:
        conditions.append(f"({_shown(privacy)})")
    return " AND ".join(conditions)


def _is_over_subject(grants: type[models.Model]) -> str:
    """The condition under which a grant may be given or ended: it is over a subject of the action, or by whoever may
    write what it is over."""
    over: type[models.Model] = grants._meta.get_field("content_object").related_model  # type: ignore[assignment]
    privacy = privacy_of(over)
    if isinstance(privacy, Impersonal):
        return _everywhere(Permission(privacy.write or ""))
    if privacy.patient == over._meta.pk.attname:
        return "content_object_id = ANY((SELECT pilot.patients())::uuid[])"
    return f"content_object_id = ANY(ARRAY(SELECT o.id FROM {table(over)} o WHERE o.{_is_subject(privacy)}))"


def _is_subject(privacy: Personal) -> str:
    return f"{quoted(privacy.patient or '')} = ANY((SELECT pilot.patients())::uuid[])"


def _any_of(column: str, function: str, permission: str) -> str:
    # = ANY(ARRAY(SELECT …)) is computed once per query and can use the index; IN (SELECT …) under OR scans the table.
    return f"{quoted(column)} = ANY(ARRAY(SELECT pilot.{function}('{permission}')))"


def policy_statements(
    name: str, wanted: dict[str, tuple[str | None, str | None]], for_sealer: Sequence[str] = ()
) -> Iterator[str]:
    """Make these the policies of a table for the app role, and take away any other. The owner sees all, the auditor
    reads all, the sealer does what is given: they are for work outside the application."""
    app, owner, auditor = (quoted(role_name(role)) for role in ("app", "owner", "auditor"))
    yield f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY"
    yield f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY"
    yield f"""DO $$ DECLARE p record; BEGIN
        FOR p IN SELECT polname FROM pg_policy WHERE polrelid = '{name}'::regclass LOOP
            EXECUTE format('DROP POLICY %I ON {name}', p.polname);
        END LOOP; END $$"""
    # FORCE binds the owner too; migrations and the definer functions need this.
    yield f"CREATE POLICY owner_all ON {name} TO {owner} USING (true) WITH CHECK (true)"
    yield f"CREATE POLICY auditor_reads ON {name} FOR SELECT TO {auditor} USING (true)"
    for command in for_sealer:
        clause = "WITH CHECK (true)" if command == "INSERT" else "USING (true)"
        sealer = quoted(role_name("sealer"))
        yield f"CREATE POLICY sealer_{command.lower()} ON {name} FOR {command} TO {sealer} {clause}"
    for command, (using, with_check) in wanted.items():
        clauses = (f" USING ({using})" if using else "") + (
            f" WITH CHECK ({with_check})" if with_check else ""
        )
        yield f"CREATE POLICY app_{command.lower()} ON {name} FOR {command} TO {app}{clauses}"


def _kept(shape: str, relation: str, columns: Sequence[str]) -> str:
    names = ", ".join(f"'{column}'" for column in columns)
    return (
        f"INSERT INTO {table(Shape)} (id, relation, columns) VALUES ('{shape}', '{relation}', ARRAY[{names}])"
        " ON CONFLICT DO NOTHING"
    )


def _functions_sql() -> str:
    cases = " ".join(
        f"WHEN permission = '{permission.value}' AND reach = '{reach.value}'"
        f" THEN ARRAY[{_literals(permission, reach)}]::text[]"
        for permission in Permission
        for reach in reaches_of(permission)
    )
    relation = _relations[0] if _relations else _NO_RELATION
    template = (Path(__file__).parent / "functions.sql").read_text()
    return (
        template.replace("{roles_with}", f"CASE {cases} ELSE ARRAY[]::text[] END")
        .replace("{time_zone}", settings.TIME_ZONE)
        .replace("{withheld}", _withheld_sql())
        .replace("{referral_relation}", relation.referrals)
        .replace("{patients_of_referrals}", relation.patients)
        .replace("{allocated_patients}", relation.allocated)
    )


def _withheld_sql() -> str:
    """Whether a row of some table is withheld from the patient it is about."""
    cases = [
        f"WHEN relation = '{model._meta.db_table}' THEN EXISTS (SELECT FROM {table(model)} w"
        f" WHERE w.id::text = row_id AND w.{quoted(column)} IS NOT NULL)"
        for model in personal_models()
        if (column := privacy_of(model).hidden_from_patient)
    ]
    return f"CASE {' '.join(cases)} ELSE false END"


def _literals(permission: Permission, reach: Reach) -> str:
    return ", ".join(f"'{role.value}'" for role in roles_with(permission, reach))


def table(model: type[models.Model]) -> str:
    return f"public.{quoted(model._meta.db_table)}"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def role_name(role: str) -> str:
    """What the database calls the owner, app, auditor or sealer role."""
    name: str = getattr(settings.DATABASE_ROLES, role)
    return name
