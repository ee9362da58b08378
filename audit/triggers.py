"""The database triggers that write history and events, so that nothing can bypass them.

Unlike django-pgtrigger's own template this one cannot be switched off by a setting, runs as the owner with a pinned
search path, and names every object in full, so that a temporary table cannot stand in for a real one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import pgtrigger
from django.apps import apps
from pgtrigger import compiler, utils

from audit.privacy import declared, privacy_of

# The name of an event's kind by trigger operation, and of simple-history's by the same.
_OPERATIONS = "CASE TG_OP WHEN 'INSERT' THEN '{0}' WHEN 'UPDATE' THEN '{1}' ELSE '{2}' END"


class PinnedTriggerSql(compiler.UpsertTriggerSql):
    """Installs a trigger whose function is SECURITY DEFINER with a pinned search path. Versioned by name: migrations
    point here, so a change of template is a new class."""

    def get_template(self) -> str:
        return """
            CREATE OR REPLACE FUNCTION public.{pgid}() RETURNS TRIGGER
            LANGUAGE plpgsql SECURITY DEFINER
            SET search_path = pg_catalog, public, pg_temp SET client_encoding = 'UTF8' AS $$
                {declare}
                BEGIN
                    {func}
                END;
            $$;
            REVOKE ALL ON FUNCTION public.{pgid}() FROM PUBLIC;
            DROP TRIGGER IF EXISTS {pgid} ON public.{table};
            CREATE TRIGGER {pgid} {when} {operation} ON public.{table}
                FOR EACH {level} EXECUTE FUNCTION public.{execute};
            COMMENT ON TRIGGER {pgid} ON public.{table} IS '{hash}';
        """


class PinnedTrigger(pgtrigger.Trigger):
    """A trigger that no setting can silence. (Models come as Any: the library types them as instances.)"""

    def compile(self, model: Any) -> compiler.Trigger:
        return compiler.Trigger(
            name=self.name,
            sql=PinnedTriggerSql(
                pgid=self.get_pgid(model),
                declare=self.render_declare(model),
                func=self.render_func(model),
                table=model._meta.db_table,
                when=self.when,
                operation=self.operation,
                level=self.level,
                execute=self.render_execute(model),
            ),
        )


class ChangeTrigger(PinnedTrigger):
    """After every insert, update and delete: one history row and one event, or the write is refused.

    Refused where no actor or no action is set. An update that changes nothing leaves nothing.
    """

    name = "audit_change"
    level = pgtrigger.Row
    when = pgtrigger.After
    operation = pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete
    declare = [
        ("who", "text := nullif(current_setting('pilot.user', true), '')"),
        ("acting_role", "text := nullif(current_setting('pilot.role', true), '')"),
        ("doing", "text := nullif(current_setting('pilot.action', true), '')"),
        ("because", "text := nullif(current_setting('pilot.reason', true), '')"),
        ("nonce", "uuid := gen_random_uuid()"),
        ("reason_nonce", "uuid"),
        ("changed", "text[]"),
        ("event_id", "bigint"),
    ]

    def get_declare(self, model: Any) -> list[tuple[str, str]]:
        return [
            *(self.declare or []),
            ("r", f"public.{utils.quote(model._meta.db_table)}"),
        ]

    def get_func(self, model: Any) -> str:
        # Migrations compile against a bare copy of the model that knows neither its history nor its privacy.
        model = apps.get_model(model._meta.label)
        noticed, kept = _noticed(model), kept_columns(model)
        history: Any = model.history.model._meta
        quoted = [utils.quote(column) for column in kept]
        changed = ", ".join(
            f"CASE WHEN OLD.{utils.quote(c)} IS DISTINCT FROM NEW.{utils.quote(c)} THEN '{c}' END"
            for c in (field.column for field in noticed)
        )
        row = ", ".join(f"r.{q}" for q in quoted)
        patient = _column(model, "patient")
        practice = _column(model, "practice")
        pk = utils.quote(model._meta.pk.column)
        return f"""
            IF who IS NULL OR acting_role IS NULL OR doing IS NULL THEN
                RAISE EXCEPTION 'Refused: a change to {model._meta.db_table} by nobody, or for no named action'
                    USING ERRCODE = 'insufficient_privilege';
            END IF;
            IF TG_OP = 'UPDATE' THEN
                changed := array_remove(ARRAY[{changed}], NULL);
                IF cardinality(changed) = 0 THEN RETURN NULL; END IF;
            END IF;
            IF TG_OP = 'DELETE' THEN r := OLD; ELSE r := NEW; END IF;
            IF because IS NOT NULL THEN reason_nonce := gen_random_uuid(); END IF;
            INSERT INTO public.audit_event (at, transaction, kind, actor, role, action, reason, reason_nonce,
                    reason_digest, request, relation, row_id, patient_id, practice_id, columns, shape, digest)
                VALUES (clock_timestamp(), pg_current_xact_id()::text::bigint,
                    {_OPERATIONS.format("created", "changed", "deleted")}, who, acting_role, doing, because,
                    reason_nonce, sha256(uuid_send(reason_nonce) || textsend(because)),
                    nullif(current_setting('pilot.request', true), ''), '{model._meta.db_table}',
                    r.{pk}::text, {patient}, {practice}, coalesce(changed, ARRAY[]::text[]), '{shape(model)}',
                    sha256(uuid_send(nonce) || record_send(ROW({row}))))
                RETURNING id INTO event_id;
            INSERT INTO public.{utils.quote(history.db_table)} ({", ".join(quoted)}, history_date,
                    history_change_reason, history_type, history_user_id, history_role, history_action, event_id, nonce)
                VALUES ({row}, clock_timestamp(), because, {_OPERATIONS.format("+", "~", "-")},
                    CASE WHEN who ~ '^[0-9a-f-]{{36}}$' THEN who::uuid END, acting_role, doing, event_id, nonce);
            RETURN NULL;
        """


def kept_columns(model: Any) -> list[str]:
    """The columns whose content goes into history and digest, in the order in which they are hashed."""
    secret = getattr(model.privacy, "secret", ())
    return [field.column for field in _noticed(model) if field.name not in secret]


def shape(model: Any) -> str:
    """The name under which `Shape` keeps today's columns of this model."""
    named = "\0".join([model._meta.db_table, *kept_columns(model)])
    return hashlib.sha256(named.encode()).hexdigest()[:16]


def shapes() -> Iterator[tuple[str, str, list[str]]]:
    """(name, table, columns) of every audited model, for the owner to keep: without it a digest cannot be made again."""
    for model in declared():
        if privacy_of(model).is_audited:
            yield shape(model), model._meta.db_table, kept_columns(model)


def _noticed(model: Any) -> list[Any]:
    unkept = getattr(model.privacy, "unkept", ())
    return [field for field in model._meta.local_concrete_fields if field.name not in unkept]


class TruncateTrigger(PinnedTrigger):
    """Emptying a whole table at once is refused, whoever asks."""

    name = "audit_no_truncate"
    level = pgtrigger.Statement
    when = pgtrigger.Before
    operation = pgtrigger.Truncate

    def get_func(self, model: Any) -> str:
        return _refusal(f"{model._meta.db_table} is never emptied", "TG_OP")


class AppendOnlyTrigger(PinnedTrigger):
    """Rows are added and never altered: UPDATE and DELETE are refused, whoever asks.

    But for `pilot.erase`: in the transaction that put up a patient's tombstone their rows go. Only that function can put one
    up, and no setting stands in for it. Of the log itself nothing goes unless it is said here: `goes` for a whole row,
    `empties` for columns that become NULL, everything else staying as it is.
    """

    name = "append_only"
    level = pgtrigger.Row
    when = pgtrigger.Before
    operation = pgtrigger.Update | pgtrigger.Delete

    def __init__(self, *, goes: bool = False, empties: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.goes, self.empties = goes, empties

    def get_func(self, model: Any) -> str:
        privacy = apps.get_model(model._meta.label).privacy
        refusal = _refusal(f"{model._meta.db_table} only ever grows", "TG_OP")
        patient = getattr(privacy, "erased_by", None)
        if self.empties:
            emptied = " ".join(f"OLD.{utils.quote(column)} := NULL;" for column in self.empties)
            return f"""
            IF TG_OP = 'UPDATE' AND {_being_erased(f"OLD.{utils.quote(patient)}", "OLD.id")} THEN
                {emptied}
                IF NEW IS NOT DISTINCT FROM OLD THEN RETURN NEW; END IF;
            END IF;
            {refusal}"""
        if self.goes or (patient and privacy.is_audited):
            return f"""
            IF TG_OP = 'DELETE' AND {_being_erased(f"OLD.{utils.quote(patient)}")} THEN
                RETURN OLD;
            END IF;
            {refusal}"""
        return refusal


def _being_erased(patient: str, event: str = "") -> str:
    """The condition that this very transaction has put up the tombstone of this patient, or of one of an event's."""
    whose = f"t.patient_id = {patient}"
    if event:
        whose += f""" OR EXISTS (
                    SELECT FROM public.audit_subject s WHERE s.event_id = {event} AND s.patient_id = t.patient_id)"""
    return f"""EXISTS (
                SELECT FROM public.audit_erasure t
                WHERE t.transaction = pg_current_xact_id()::text::bigint AND t.at = transaction_timestamp()
                    AND ({whose}))"""


def _refusal(sentence: str, operation: str) -> str:
    return f"""
        RAISE EXCEPTION 'Refused: {sentence} (%)', {operation} USING ERRCODE = 'insufficient_privilege';
    """


def _column(model: Any, relation: str) -> str:
    column = getattr(model.privacy, relation, None)
    return f"r.{utils.quote(column)}" if column else "NULL"


class OnlySystemSetsTrigger(PinnedTrigger):
    """A flag that no person sets, on nobody: only the system under a name, which people cannot act as."""

    name = "only_system_sets"
    level = pgtrigger.Row
    when = pgtrigger.Before
    operation = pgtrigger.Insert | pgtrigger.Update

    def __init__(self, *, column: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.column = column

    def get_func(self, model: Any) -> str:
        column = utils.quote(self.column)
        return f"""
            IF NEW.{column} AND (TG_OP = 'INSERT' OR NOT OLD.{column})
                    AND coalesce(current_setting('pilot.role', true), '') <> 'system' THEN
                {_refusal(f"nobody sets {self.column} on {model._meta.db_table}", "TG_OP")}
            END IF;
            RETURN NEW;
        """


class OncePublishedTrigger(PinnedTrigger):
    """A row with `published_at` set is never altered or removed, whoever asks."""

    name = "once_published"
    level = pgtrigger.Row
    when = pgtrigger.Before
    operation = pgtrigger.Update | pgtrigger.Delete

    def get_func(self, model: Any) -> str:
        return f"""
            IF OLD.published_at IS NOT NULL THEN
                {_refusal(f"a published {model._meta.verbose_name} stays as it is", "TG_OP")}
            END IF;
            IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
            RETURN NEW;
        """
