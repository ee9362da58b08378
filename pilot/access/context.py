"""The one door to personal data: `acting(…)` says who acts, in which role, for what, and on whose record.

Outside it the database shows nothing and refuses everything. Only this module sets the database's context.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.db import connection, models, transaction

from audit.looks import Looks, noticing
from audit.privacy import Personal
from pilot.access.roles import ROLES, Permission, Reach, Role

SYSTEM_PREFIX = "system:"


@dataclass(frozen=True)
class Actor:
    """Who acts and in which one of their roles. `user_id` is None only for the system, which then has a name."""

    role: Role
    user_id: UUID | None = None
    name: str = ""

    def __post_init__(self) -> None:
        if (self.user_id is None) != (self.role is Role.SYSTEM):
            raise ValueError("Either a person acts in a role of theirs, or the system does under a name.")

    @classmethod
    def system(cls, name: str) -> Actor:
        """The system itself, doing the named task."""
        return cls(role=Role.SYSTEM, name=name)

    @property
    def label(self) -> str:
        """Who it is, as the log records it."""
        return str(self.user_id) if self.user_id else f"{SYSTEM_PREFIX}{self.name}"


@dataclass
class Grants:
    """The ids that the actor is related to in the acting role, as the database holds them now."""

    organisations: list[UUID]
    referrals: list[UUID]
    patients: list[UUID]


@dataclass
class Context:
    """What `acting(…)` has set for the current transaction."""

    actor: Actor
    action: str
    patients: frozenset[UUID]
    reason: str
    request: str
    looks: Looks = field(default_factory=Looks)
    # What was asked of `pilot.access.policies` since the outermost door opened: the models whose rows it decided on,
    # and None for the actor's role as such. A page that asked nothing is not shown.
    decisions: set[type[models.Model] | None] = field(default_factory=set)
    # The patients whose shared lock this transaction holds already.
    held: set[UUID] = field(default_factory=set)
    _grants: Grants | None = None

    @property
    def grants(self) -> Grants:
        """The actor's live grants, read once.

        Whoever is shut out when a patient withdraws holds the lock of each of theirs: what they read and write is all
        of it before the withdrawal, which waits for it, or nothing.
        """
        if self._grants is None:
            self._grants = self._grants_under_lock()
        return self._grants

    def _grants_under_lock(self) -> Grants:
        grants = _read_grants()
        # Somebody allocated since the door opened: read again under their lock, for which we may have waited.
        while self.is_shut_out_by_withdrawal and (unheld := set(grants.patients) - self.held):
            hold(*unheld, exclusive=False)
            self.held |= unheld
            grants = _read_grants()
        return grants

    def hold_allocated(self) -> None:
        """Hold the lock of everybody allocated to the actor until the transaction ends."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT key, pg_advisory_xact_lock_shared(hashtextextended(key::text, 0))"
                " FROM pilot.allocated_patients() AS key"
            )
            self.held |= {key for key, _ in cursor.fetchall()}

    @property
    def is_shut_out_by_withdrawal(self) -> bool:
        """Whether the role reaches people only while their consent lasts."""
        return Reach.REFERRAL in ROLES[self.actor.role].can

    def forget_grants(self) -> None:
        """Read the grants afresh at the next question: something may have ended while we waited for a lock."""
        self._grants = None

    def settings(self) -> list[str]:
        patients = ",".join(str(patient) for patient in sorted(self.patients))
        return [
            self.actor.label,
            self.actor.role.value,
            self.action,
            patients,
            self.reason,
            self.request,
        ]


_NO_SETTINGS = [""] * 6
_current: ContextVar[Context | None] = ContextVar("pilot_context", default=None)
# Set while a task runs: the request that caused it. The log has the task's events beside those of whoever made it.
caused_by: ContextVar[str] = ContextVar("pilot_caused_by", default="")


def current() -> Context:
    """The context of the surrounding `acting(…)`. Refused outside one."""
    context = _current.get()
    if context is None:
        raise ImproperlyConfigured("Nobody is acting: open `acting(actor, action)` first.")
    return context


def current_or_none() -> Context | None:
    return _current.get()


def note_decision(model: type[models.Model] | None) -> None:
    """Remember that it was decided what this actor may do: with rows of the model or, with None, at all."""
    context = _current.get()
    if context is not None:
        context.decisions.add(model)


@contextmanager
def acting(
    actor: Actor,
    action: str,
    *,
    patients: Collection[UUID] = (),
    reason: str = "",
    request: str = "",
) -> Iterator[Context]:
    """Let `actor` act: one transaction, in which the database knows who, in which role, for what and on whom.

    Only rows of `patients` can be written. Every personal row fetched inside is recorded as one look, written before
    the commit: if the look cannot be recorded, nothing is shown. Inside another `acting` it narrows or widens the
    subject for a while, in the same transaction, and may not change who acts.
    """
    yield from _acting(Context(actor, action, frozenset(patients), reason, request))


# Plain functions do the work of `acting` and of `action`: mutation testing leaves decorated ones alone.
def _acting(context: Context) -> Iterator[Context]:
    if not context.action:
        raise ImproperlyConfigured("Whoever acts says for what: `action` is empty.")
    context.request = context.request or caused_by.get()
    in_transaction_already = connection.in_atomic_block
    # A library may carry this thread's variables to another: the transaction stays here, and so does who acts in it.
    parent = _current.get() if in_transaction_already else None
    if parent:
        if parent.actor != context.actor:
            raise ImproperlyConfigured(
                f"{parent.actor.label} is acting; {context.actor.label} cannot act in the same transaction."
            )
        context.looks = parent.looks
        context.decisions = parent.decisions
        context.held = set(parent.held)
        context.request = context.request or parent.request
        context.reason = context.reason or parent.reason
    # A page may go on after a refused action (it shows why); an action never goes on after a refused part of itself.
    with transaction.atomic(savepoint=parent is None or not parent.patients):
        _set(context.settings())
        token, watching = _current.set(context), noticing.set(context.looks)
        try:
            if parent is None and context.is_shut_out_by_withdrawal:
                # At the door, before anything is read: a savepoint that is rolled back gives up the locks taken in it.
                context.hold_allocated()
            yield context
            if parent is None:
                context.looks.record()
        finally:
            _current.reset(token)
            noticing.reset(watching)
        # SET LOCAL outlives a released savepoint; a rolled-back one restores by itself.
        if in_transaction_already:
            _set(parent.settings() if parent else _NO_SETTINGS)


def _read_grants() -> Grants:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ARRAY(SELECT pilot.granted_organisations()), ARRAY(SELECT pilot.granted_referrals()),"
            " ARRAY(SELECT pilot.granted_patients())"
        )
        return Grants(*cursor.fetchone())


def _set(values: list[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('pilot.user', %s, true), set_config('pilot.role', %s, true),"
            " set_config('pilot.action', %s, true), set_config('pilot.patients', %s, true),"
            " set_config('pilot.reason', %s, true), set_config('pilot.request', %s, true)",
            values,
        )


Subject = TypeVar("Subject", bound=models.Model)
Params = ParamSpec("Params")
Result = TypeVar("Result")
_Verb = Callable[Concatenate[Subject, Params], Result]

ACTIONS: dict[str, Callable[..., Any]] = {}


def action(
    name: str,
    permission: Permission,
    *,
    about_patient: bool = True,
    exclusive: bool = False,
    beside: str = "",
) -> Callable[[_Verb[Subject, Params, Result]], _Verb[Subject, Params, Result]]:
    """Make a domain verb of a function whose first argument is its subject and that takes `*, by: Actor`.

    Afterwards: it ran in one transaction, under a lock on the patient, after `check(by, permission, subject)` passed
    *with the lock held*, and wrote only rows of that patient. `exclusive` waits for every other action on the patient
    and holds off new ones (withdrawal); the others share. `beside` names the argument that is a second subject, of which
    all the same holds; the locks are taken in the same order whichever comes first. Where the subject is not
    `about_patient` (an organisation), the verb itself opens `acting` for the patients it adds.
    """

    def decorate(
        verb: _Verb[Subject, Params, Result],
    ) -> _Verb[Subject, Params, Result]:
        @wraps(verb)
        def run(subject: Subject, /, *args: Params.args, **kwargs: Params.kwargs) -> Result:
            by: Actor = kwargs["by"]  # type: ignore[assignment]
            # Where it was left out, the verb itself says so.
            subjects = [subject, *([kwargs[beside]] if beside in kwargs else [])]
            patients = [patient_of(each) for each in subjects] if about_patient else []  # type: ignore[arg-type]
            with acting(by, name, patients=patients) as context:
                _hold_and_check(context, permission, subjects, exclusive=exclusive)
                return verb(subject, *args, **kwargs)

        ACTIONS[name] = run
        run.permission = permission  # type: ignore[attr-defined]
        run.action_name = name  # type: ignore[attr-defined]
        run.about_patient = about_patient  # type: ignore[attr-defined]
        return run

    return decorate


def _hold_and_check(
    context: Context, permission: Permission, subjects: Collection[Any], *, exclusive: bool
) -> None:
    from pilot.access.policies import check

    if context.patients:
        hold(*context.patients, exclusive=exclusive)
    context.forget_grants()
    for subject in subjects:
        check(context.actor, permission, subject)


def patient_of(subject: models.Model) -> UUID:
    """The id of the patient that a row is about. Refused for rows that are about nobody."""
    privacy = getattr(type(subject), "privacy", None)
    if not isinstance(privacy, Personal) or privacy.patient is None:
        raise ImproperlyConfigured(f"{type(subject).__name__} is not about a patient.")
    patient: UUID | None = getattr(subject, privacy.patient)
    if patient is None:
        raise ImproperlyConfigured(f"This {type(subject).__name__} has no patient yet.")
    return patient


def hold(*keys: UUID, exclusive: bool) -> None:
    """Take the locks that stand for these patients (or practices) until the transaction ends."""
    take = "pg_advisory_xact_lock" if exclusive else "pg_advisory_xact_lock_shared"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {take}(hashtextextended(key, 0)) FROM unnest(%s::text[]) AS key",  # noqa: S608 (one of these two)
            [sorted(str(key) for key in keys)],
        )
