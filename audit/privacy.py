"""What every model says about itself: whose data it holds, and who may be shown it.

Declaring `privacy` is what gives a model its history, its events, its row policies and its place in the catalogue.
Nothing here decides who may do what: permissions are opaque names that `pilot.access` gives meaning to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import models

FIELD_CLASSES = ("identity", "case", "consent", "clinical")


@dataclass(eq=False)
class Privacy:
    """A model's declaration; use `Personal` or `Impersonal`."""

    model: type[models.Model] = field(init=False)

    def contribute_to_class(self, model: type[models.Model], name: str) -> None:
        if model._meta.abstract:
            raise ImproperlyConfigured(
                f"{model.__name__}: privacy is declared on concrete models, one by one."
            )
        self.model = model
        setattr(model, name, self)
        if self.is_audited:
            self._keep_history(model)

    @property
    def is_audited(self) -> bool:
        """True where every change leaves a history row and an event."""
        raise NotImplementedError

    def _keep_history(self, model: type[models.Model]) -> None:
        from simple_history.models import HistoricalRecords

        from audit.history import HistoryRow
        from audit.triggers import ChangeTrigger, TruncateTrigger

        own = getattr(model._meta, "triggers", [])
        model._meta.triggers = [*own, ChangeTrigger(), TruncateTrigger()]  # type: ignore[attr-defined]
        model.add_to_class(
            "history",
            HistoricalRecords(
                bases=[HistoryRow],
                history_id_field=models.BigAutoField(),
                # No foreign key: history outlives accounts, and SET_NULL would rewrite it.
                history_user_id_field=models.UUIDField(null=True),
                history_change_reason_field=models.TextField(null=True),
                excluded_fields=[*getattr(self, "unkept", ()), *getattr(self, "secret", ())],
            ),
        )


@dataclass(eq=False)
class Personal(Privacy):
    """A model whose every row is about one patient (or, before there is one, about one practice's file).

    `see` is the permission that shows a row; `write`, where given, must also be held *in the database* to write one.
    `patient`, `practice`, `provider` and `referral` name the columns through which somebody can be related to a row.
    `sealed` rows are shown by grant alone: being the subject of the current action never reveals them.
    `hidden_from_patient` names a nullable column; while it is set, the patient is not shown the row.
    `provider_until` names a nullable column; once it is set, the provider is not shown the row.
    `unless_provider` names fields that whoever sees the row as its provider's is not shown: none of their pages fetches one.
    `goes_with` names the column of a row that is about no patient's record, and goes when the record of this one is erased.
    `unless_patient` is a condition, in SQL, under which the patient is not shown a row of their own.
    `unkept` names fields whose content must not outlive the row: history and events leave it out.
    `also` is a further condition, in SQL, that shows a row. `deletable` and `append_only` say what may happen to one.
    `keeps_history` is off only for the log itself, which would otherwise log its own growth. `sealer` names what the
    role that grows the log's tree may do.
    `classes` sorts fields into `FIELD_CLASSES`; what is not listed is of the `default` class.
    """

    see: str
    patient: str | None = None
    practice: str | None = None
    provider: str | None = None
    referral: str | None = None
    goes_with: str | None = None
    write: str | None = None
    default: str = "case"
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sealed: bool = False
    hidden_from_patient: str | None = None
    provider_until: str | None = None
    unless_provider: Sequence[str] = ()
    unless_patient: str | None = None
    unkept: Sequence[str] = ()
    also: str | None = None
    deletable: bool = False
    append_only: bool = False
    keeps_history: bool = True
    sealer: Sequence[str] = ()

    def __post_init__(self) -> None:
        unknown = {self.default, *self.classes} - set(FIELD_CLASSES)
        if unknown:
            raise ImproperlyConfigured(f"Unknown field classes: {sorted(unknown)}")
        if not (self.patient or self.practice):
            raise ImproperlyConfigured(
                "Personal data is about a patient or belongs to a practice: name the column."
            )
        self._class_of = {name: kind for kind, names in self.classes.items() for name in names}
        self._seen: dict[tuple[str, ...], frozenset[str]] = {}

    @property
    def is_audited(self) -> bool:
        return self.keeps_history

    @property
    def erased_by(self) -> str | None:
        """The column of the patient with whose record a row goes; None where rows stay."""
        return self.patient or self.goes_with

    def classes_of(self, field_names: Sequence[str]) -> frozenset[str]:
        """The field classes that loading these columns reveals; keys alone reveal the default class."""
        key = tuple(field_names)
        if key not in self._seen:
            self._seen[key] = frozenset(self._class_of.get(name, self.default) for name in key)
        return self._seen[key]


@dataclass(eq=False)
class Impersonal(Privacy):
    """A model that says nothing about a patient, and why.

    `audited` keeps history and events all the same (configuration, staff). `write` is the permission that the
    database demands of whoever changes a row; None leaves writing to the application. With `write`, `own` names a
    column: whoever's id it holds may change the row too.
    `reads_only` tables are filled by the database alone. Rows that are not `deletable` stay.
    `unkept` fields are left out of history and events; of `secret` ones an event says that they changed, and no more.
    `sealer` names what the role that grows the log's tree may do.
    """

    why: str
    audited: bool = False
    write: str | None = None
    own: str | None = None
    reads_only: bool = False
    deletable: bool = True
    unkept: Sequence[str] = ()
    secret: Sequence[str] = ()
    sealer: Sequence[str] = ()

    @property
    def is_audited(self) -> bool:
        return self.audited


@dataclass(frozen=True)
class ThirdParty:
    """A table that a library brought: what the app role may do there, and why it needs no row policy.

    With `own`, the column that holds a user's id, it has one: its rows are for that user, and for whoever may
    manage the pilot.
    """

    table: str
    rights: str
    why: str
    own: str = ""


THIRD_PARTY = (
    ThirdParty("django_migrations", "SELECT", "which migrations ran; no person in it"),
    ThirdParty("django_content_type", "SELECT", "names of models"),
    ThirdParty("auth_permission", "SELECT", "names of grants"),
    ThirdParty("auth_group", "", "groups are not used"),
    ThirdParty("django_admin_log", "", "the admin's own notes are off: the log has every change"),
    ThirdParty("auth_group_permissions", "", "groups are not used"),
    ThirdParty("people_user_groups", "", "groups are not used"),
    ThirdParty("people_user_user_permissions", "", "no model-level grants"),
    ThirdParty(
        "guardian_userobjectpermission",
        "",
        "generic grants are not used; direct ones are",
    ),
    ThirdParty("guardian_groupobjectpermission", "", "group grants are not used"),
    ThirdParty(
        "django_session",
        "SELECT, INSERT, UPDATE, DELETE",
        "signed-in sessions; random keys",
    ),
    ThirdParty(
        "account_emailaddress",
        "SELECT, INSERT, UPDATE, DELETE",
        "sign-in addresses, as in User",
    ),
    ThirdParty(
        "account_emailconfirmation",
        "SELECT, INSERT, UPDATE, DELETE",
        "one-time codes for sign-in addresses",
    ),
    ThirdParty(
        "mfa_authenticator",
        "SELECT, INSERT, UPDATE, DELETE",
        "second steps of signing in, secrets encrypted",
        own="user_id",
    ),
    ThirdParty(
        "usersessions_usersession",
        "SELECT, INSERT, UPDATE, DELETE",
        "where somebody is signed in",
        own="user_id",
    ),
    ThirdParty(
        "socialaccount_socialaccount",
        "SELECT, INSERT, DELETE",
        "which account signs in through which provider, and its name for the person there; nothing else of them",
    ),
    ThirdParty("socialaccount_socialapp", "", "providers are configured by the environment"),
    ThirdParty(
        "socialaccount_socialtoken", "SELECT, DELETE", "no token is kept; a link that goes takes its own"
    ),
)


def declared() -> Iterator[type[models.Model]]:
    """Every installed model that declares its privacy, history models left out, in a fixed order."""
    for model in sorted(apps.get_models(), key=lambda m: m._meta.label):
        if isinstance(model.__dict__.get("privacy"), Privacy):
            yield model


def personal_models() -> Iterator[type[models.Model]]:
    return (model for model in declared() if isinstance(privacy_of(model), Personal))


def privacy_of(model: type[models.Model]) -> Any:
    """The model's declaration. Refuses a model that has none."""
    found = model.__dict__.get("privacy")
    if not isinstance(found, Privacy):
        raise ImproperlyConfigured(
            f"{model._meta.label} does not say whose data it holds: declare `privacy`."
        )
    return found


def require_declarations() -> None:
    """Every model of the project and every table of a library is accounted for, or start-up stops here."""
    third_party = {item.table for item in THIRD_PARTY}
    for model in apps.get_models(include_auto_created=True):
        history_of = getattr(model, "instance_type", None)
        if history_of is not None or model._meta.db_table in third_party:
            continue
        privacy_of(model)
