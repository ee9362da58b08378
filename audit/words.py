"""The log in plain words: kinds of record, parts of a record, and what somebody was doing. Never what was in
it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.models import Event, Kind
from audit.privacy import declared
from pilot.access.context import ACTIONS, SYSTEM_PREFIX

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

# A look at the log itself, beside the classes of field of `audit.privacy`.
LOG = "log"
CLASSES: dict[str, _StrOrPromise] = {
    "identity": gettext_lazy("name and contact details"),
    "case": gettext_lazy("referral, sessions, goals or messages"),
    "consent": gettext_lazy("what the patient agreed to"),
    "clinical": gettext_lazy("clinical notes"),
    LOG: gettext_lazy("this log"),
}


# What happened at signing in, by the last part of the action's name.
SIGN_INS: dict[str, _StrOrPromise] = {
    "signed_in": gettext_lazy("signed in"),
    "sign_in_refused": gettext_lazy("a sign-in was refused"),
    "sign_in_paused": gettext_lazy("a sign-in was refused after many tries"),
    "signed_out": gettext_lazy("signed out"),
    "signed_out_everywhere": gettext_lazy("signed out everywhere"),
    "session_ended": gettext_lazy("ended one of their sessions"),
    "sessions_ended": gettext_lazy("every session ended"),
    "other_sessions_ended": gettext_lazy("every other session ended"),
    "password_changed": gettext_lazy("changed the password"),
    "password_reset_asked": gettext_lazy("asked for a link to choose a new password"),
    "password_reset": gettext_lazy("chose a new password with a link"),
    "second_step_added": gettext_lazy("added a second step"),
    "second_step_removed": gettext_lazy("removed a second step"),
    "second_step_passed": gettext_lazy("passed the second step"),
    "second_step_refused": gettext_lazy("a code was refused"),
    "passkey_refused": gettext_lazy("a passkey was refused"),
    "recovery_codes_made": gettext_lazy("made new recovery codes"),
    "recovery_code_used": gettext_lazy("used a recovery code"),
    "reset": gettext_lazy("the second step was taken away"),
    "connected": gettext_lazy("connected another way to sign in"),
    "disconnected": gettext_lazy("disconnected another way to sign in"),
}

WAYS: dict[str, _StrOrPromise] = {
    "password": gettext_lazy("password"),
    "totp": gettext_lazy("app"),
    "webauthn": gettext_lazy("passkey"),
    "recovery_codes": gettext_lazy("recovery code"),
    "invitation": gettext_lazy("invitation"),
    "demo": gettext_lazy("button of the demo"),
}


# What guardians do here, by the action's name.
BY_GUARDIANS: dict[str, _StrOrPromise] = {
    "audit.values_opened": gettext_lazy("Opening what changed, with a reason"),
    "audit.patient_looked_for": gettext_lazy("Looking for a patient’s key, with a reason"),
    "audit.exported": gettext_lazy("Taking a part of this log away"),
    "audit.question_answered": gettext_lazy("Noting the answer to a question"),
    "audit.story": gettext_lazy("Page: everything around one patient"),
}


def what(event: Event) -> str:
    """“Changed: referral”, “Looked at: name and contact details, clinical notes”, “Sign-in: signed out”."""
    kind = str(Kind(event.kind).label)
    if event.kind == Kind.SIGN_IN:
        happened = event.action.rpartition(".")[2]
        by_what = ", ".join(str(WAYS.get(way, way)) for way in event.columns)
        told = f"{kind}: {SIGN_INS.get(happened, happened.replace('_', ' '))}"
        return _("%(told)s, by %(what)s") % {"told": told, "what": by_what} if by_what else told
    if event.kind == Kind.READ and event.relation:
        # Only the guardian's own opening of values is a look at a single change.
        told = _("Opened what changed in: %(record)s") % {"record": record(event.relation)}
        return f"{told} ({classes(event.columns)})" if event.columns else told
    named = classes(event.columns) if event.kind in (Kind.READ, Kind.DISCLOSED) else record(event.relation)
    return f"{kind}: {named}" if named else kind


def record(relation: str | None) -> str:
    """What sort of record a table holds; '' for no table."""
    model = _models().get(relation or "")
    return str(model._meta.verbose_name) if model else relation or ""


def classes(names: Iterable[str]) -> str:
    return ", ".join(str(CLASSES.get(name, name)) for name in sorted(names, key=_place))


def model_of(relation: str | None) -> type[models.Model] | None:
    """The model whose rows a table holds, if it is one of ours."""
    return _models().get(relation or "")


def parts(event: Event) -> list[str]:
    """Which parts of the record changed, by their names. That its version moved on says nothing to anybody."""
    model = _models().get(event.relation or "")
    return [_field(model, column) for column in event.columns if column != "version"]


def doing(event: Event) -> str:
    """“Session booked” for an action, “Page: referrals, waiting” for a page, “Task: outbox, send” for the
    clock.
    """
    name = event.action
    if event.kind == Kind.SIGN_IN and event.actor.startswith(SYSTEM_PREFIX):
        return _("Signing in")
    if name in BY_GUARDIANS:
        return str(BY_GUARDIANS[name])
    if name in ACTIONS:
        return capfirst(name.replace(".", " ").replace("_", " "))
    place = name.replace(".", ", ").replace("_", " ").replace("-", " ")
    if event.actor.startswith(SYSTEM_PREFIX):
        return _("Task: %(name)s") % {"name": place}
    return _("Page: %(name)s") % {"name": place}


def task(actor: str) -> str:
    """The name under which the system acted; '' for a person."""
    return actor.removeprefix(SYSTEM_PREFIX) if actor.startswith(SYSTEM_PREFIX) else ""


def key(patient: object) -> str:
    """Enough of a patient's key to tell one from another, and nothing else about them."""
    return str(patient)[:8]


def _place(name: str) -> int:
    return list(CLASSES).index(name) if name in CLASSES else len(CLASSES)


def _field(model: type[models.Model] | None, column: str) -> str:
    if model is None:
        return column
    try:
        return str(model._meta.get_field(column.removesuffix("_id")).verbose_name)  # type: ignore[union-attr]
    except FieldDoesNotExist:
        return column


@cache
def _models() -> dict[str, type[models.Model]]:
    apps.check_models_ready()
    return {model._meta.db_table: model for model in declared()}
