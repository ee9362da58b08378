"""Who is answered what at every address, derived from permissions, roles and relations; no view is run for it.

The suite asks every address all of it and compares. `manage.py show_access` prints it, and the Caldicott Guardian has it
as a page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.checks import CheckMessage, Error
from django.db.models import TextChoices
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.translation import gettext_lazy as _

from audit.privacy import Personal, privacy_of
from pilot.access import SIGNED_IN_ROLES, Permission, Reach, Role, reach_of
from pilot.web.exemptions import View, is_exempt
from pilot.web.gate import METHODS as ANYWHERE
from pilot.web.gate import is_ours, methods_of
from pilot.web.views import BaseView, PilotView

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

# Everything that is tried. What is not among them is answered like the last four, which no address takes.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Scope(TextChoices):
    """Whose record an address names, seen from whoever asks."""

    OWN = "own", _("A patient of theirs")
    SAME_PRACTICE = "same practice", _("Another patient of the same practice and provider")
    OTHER_PRACTICE = "other practice", _("A patient of another practice and provider")
    WITHDRAWN = "withdrawn", _("A patient of theirs who has withdrawn")
    NOBODY = "nobody", _("Nobody’s record in particular")


class Outcome(TextChoices):
    """How an address answers. Whatever depends on how a row stands, and not on who asks, counts as allowed."""

    ALLOWED = "allowed", _("Allowed")
    SIGN_IN = "302 sign in", _("Led to sign in")
    CHOOSE_ROLE = "302 choose role", _("Led to choose a role")
    SECOND_STEP = "302 second step", _("Led to the second step of signing in")
    FORBIDDEN = "403", _("Refused (403)")
    NOT_THERE = "404", _("Not found (404)")
    NOT_OFFERED = "405", _("Not offered (405)")


@dataclass(frozen=True)
class Asker:
    """Whoever asks: somebody in a role, or one of those who have none."""

    name: str
    label: _StrOrPromise
    role: Role | None = None
    is_signed_in: bool = True
    # Where somebody without a role is led instead of to what needs one.
    led_to: Outcome = Outcome.CHOOSE_ROLE


VISITOR = Asker("visitor", _("Visitor, not signed in"), is_signed_in=False)
ASKERS: tuple[Asker, ...] = (
    *(Asker(role.value, role.label, role) for role in SIGNED_IN_ROLES),
    VISITOR,
    Asker("superuser", _("Django superuser, no role")),
    Asker("expired member", _("Member of staff whose role has ended")),
    Asker("one step", _("Member of staff without the second step"), led_to=Outcome.SECOND_STEP),
)

# Where each relation holds. A withdrawal ends a coach's, and takes the referral from its provider.
HOLDS: dict[Reach, frozenset[Scope]] = {
    Reach.PRACTICE: frozenset((Scope.OWN, Scope.SAME_PRACTICE, Scope.WITHDRAWN)),
    Reach.PROVIDER: frozenset((Scope.OWN, Scope.SAME_PRACTICE)),
    Reach.REFERRAL: frozenset((Scope.OWN,)),
    Reach.SELF: frozenset((Scope.OWN, Scope.WITHDRAWN)),
    Reach.EVERYWHERE: frozenset(Scope),
}


def holds(role: Role, permission: Permission, privacy: Personal, scope: Scope) -> bool:
    """Whether somebody in the role holds the permission over a row of that kind which is of that scope."""
    reach = reach_of(role, permission)
    if reach is None or scope not in HOLDS[reach]:
        return False
    return {
        Reach.PRACTICE: privacy.practice is not None,
        Reach.PROVIDER: privacy.provider is not None,
        Reach.REFERRAL: privacy.referral is not None or privacy.patient is not None,
        Reach.SELF: privacy.patient is not None,
        Reach.EVERYWHERE: True,
    }[reach]


class Cell(NamedTuple):
    """One question and its answer."""

    pattern: str
    name: str
    method: str
    role: str
    scope: str
    expected: str


@dataclass(frozen=True)
class Address:
    """One pattern of the resolver, with what its view declares."""

    pattern: str
    name: str
    view: View
    parts: tuple[str, ...]
    defaults: Mapping[str, Any]

    @property
    def view_class(self) -> type[BaseView] | None:
        """The class of the view, where it is one of ours."""
        return self.view.view_class if is_ours(self.view) else None  # type: ignore[attr-defined]

    @cached_property
    def methods(self) -> tuple[str, ...]:
        return methods_of(self.view)

    @cached_property
    def about(self) -> dict[str, type]:
        """What each part of the address names."""
        declared = self.view_class.about if self.view_class else {}
        return {part: declared[part] for part in self.parts if part in declared}

    @cached_property
    def rows(self) -> list[type[Any]]:
        """The models of the personal rows that the address names."""
        return [each for each in self.about.values() if isinstance(getattr(each, "privacy", None), Personal)]

    @cached_property
    def own_row(self) -> type[Any] | None:
        """The model of the personal row that is found by who is signed in."""
        own = self.view_class.about_self if self.view_class else None
        return own if own is not None and isinstance(privacy_of(own), Personal) else None

    @cached_property
    def scopes(self) -> tuple[Scope, ...]:
        """Every way in which the record behind the address may stand to whoever asks."""
        if self.rows:
            has_patient = all(privacy_of(model).patient for model in self.rows)
            ends = (Scope.WITHDRAWN,) if has_patient else ()
            return (Scope.OWN, Scope.SAME_PRACTICE, Scope.OTHER_PRACTICE, *ends)
        return (Scope.OWN, Scope.WITHDRAWN) if self.own_row else (Scope.NOBODY,)

    def expected(self, method: str, asker: Asker, scope: Scope) -> Outcome:
        """How the address answers, in the order in which it is decided."""
        if method not in ANYWHERE:
            return Outcome.NOT_OFFERED
        if not asker.is_signed_in and getattr(self.view, "login_required", True):
            return Outcome.SIGN_IN
        if asker.role is None and asker.is_signed_in and getattr(self.view, "needs_role", False):
            return asker.led_to
        return self._expected_of_role(asker.role, method, scope)

    def cells(self) -> Iterator[tuple[str, Asker, Scope, Outcome]]:
        for asker in ASKERS:
            for method in METHODS:
                for scope in self.scopes:
                    yield method, asker, scope, self.expected(method, asker, scope)

    def _permissions(self, method: str) -> tuple[Permission, ...]:
        view = self.view_class
        return view.permissions(method) if view is not None and issubclass(view, PilotView) else ()

    def _expected_of_role(self, role: Role | None, method: str, scope: Scope) -> Outcome:
        if method not in self.methods:
            return Outcome.NOT_OFFERED
        permissions = self._permissions(method)
        if role is None or not permissions:
            return Outcome.ALLOWED
        if any(reach_of(role, permission) is None for permission in permissions):
            return Outcome.FORBIDDEN
        if not self._is_there_for(role):
            return Outcome.NOT_THERE
        of_rows = [(privacy := privacy_of(model), Permission(privacy.see)) for model in self.rows]
        if not all(holds(role, see, privacy, scope) for privacy, see in of_rows) or self._has_ended(scope):
            return Outcome.NOT_THERE
        reached = all(holds(role, each, privacy, scope) for privacy, _see in of_rows for each in permissions)
        return Outcome.ALLOWED if reached else Outcome.FORBIDDEN

    def _is_there_for(self, role: Role) -> bool:
        arguments = getattr(self.view, "view_initkwargs", {})
        return self.view_class is None or self.view_class.is_there_for(role, **arguments)

    def _has_ended(self, scope: Scope) -> bool:
        ends = self.view_class is not None and self.view_class.ends_with_consent
        return ends and scope is Scope.WITHDRAWN


def addresses(urlconf: Any = None) -> list[Address]:
    """Every pattern of the project's resolver (or of another), in its order."""
    return list(_addresses(get_resolver(urlconf)))


def cells(asker: Asker | None = None) -> Iterator[Cell]:
    """The whole table: address, method, who asks and whose record; of one asker, or of everybody."""
    for address in addresses():
        for method, who, scope, outcome in address.cells():
            if asker in (None, who):
                yield Cell(address.pattern, address.name, method, who.name, scope.value, outcome.value)


def counts_in_words(found: Iterable[Address] | None = None) -> str:
    """How large the table is; of these addresses, or of all."""
    found = addresses() if found is None else list(found)
    asked = sum(len(address.scopes) for address in found) * len(METHODS) * len(ASKERS)
    return (
        f"{len(found)} addresses × {len(METHODS)} kinds of request × {len(ASKERS)} who ask × up to "
        f"{max(len(address.scopes) for address in found)} ways in which a record stands to them: "
        f"{asked:,} questions"
    )


@dataclass(frozen=True)
class Line:
    """One outcome at an address: of which requests, and for whom, over whose records."""

    methods: tuple[str, ...]
    outcome: Outcome
    who: tuple[tuple[Asker, tuple[Scope, ...]], ...]

    @property
    def in_words(self) -> str:
        """“coach (own), clinician”: the scopes are named where it depends on them."""
        return ", ".join(
            f"{asker.name} ({', '.join(scopes)})" if scopes else asker.name for asker, scopes in self.who
        )


def summary(address: Address, askers: Iterable[Asker] = ASKERS) -> list[Line]:
    """The address in a few lines; what it does not offer at all is left out."""
    alike: dict[tuple[tuple[Asker, Outcome, tuple[Scope, ...]], ...], list[str]] = {}
    for method in address.methods:
        answered = tuple(
            (asker, outcome, scopes)
            for asker in askers
            for outcome, scopes in answers(address, method, asker).items()
        )
        alike.setdefault(answered, []).append(method)
    return [
        Line(
            tuple(methods),
            outcome,
            tuple((asker, scopes) for asker, each, scopes in answered if each is outcome),
        )
        for answered, methods in alike.items()
        for outcome in Outcome
        if any(each is outcome for _asker, each, _scopes in answered)
    ]


def answers(address: Address, method: str, asker: Asker) -> dict[Outcome, tuple[Scope, ...]]:
    """How the address answers this one, and over whose records; no scopes where that makes no difference."""
    found: dict[Outcome, list[Scope]] = {}
    for scope in address.scopes:
        found.setdefault(address.expected(method, asker, scope), []).append(scope)
    return {outcome: tuple(scopes) if len(found) > 1 else () for outcome, scopes in found.items()}


def check_declarations(**kwargs: Any) -> list[CheckMessage]:
    """An error for each address whose view is nobody's, and for each part of one that names nobody knows what."""
    found: list[CheckMessage] = []
    for address in addresses():
        if is_exempt(address.view):
            continue
        if address.view_class is None:
            found.append(
                Error(
                    f"Nobody decides who may open /{address.pattern}: its view is none of ours.",
                    id="pilot.E001",
                )
            )
        elif unknown := [part for part in address.parts if part not in address.about]:
            found.append(
                Error(f"/{address.pattern}: `about` does not say what {unknown} names.", id="pilot.E002")
            )
    return found


def _addresses(resolver: URLResolver, namespace: str = "", before: tuple[Any, ...] = ()) -> Iterator[Address]:
    for each in resolver.url_patterns:
        patterns = (*before, each.pattern)
        if isinstance(each, URLResolver):
            inner = f"{namespace}{each.namespace}:" if each.namespace else namespace
            yield from _addresses(each, inner, patterns)
        elif isinstance(each, URLPattern):
            yield Address(
                pattern="".join(str(pattern) for pattern in patterns),
                name=f"{namespace}{each.name or ''}",
                view=each.callback,
                parts=tuple(part for pattern in patterns for part in _parts(pattern)),
                defaults=each.default_args,
            )


def _parts(pattern: Any) -> tuple[str, ...]:
    return tuple(pattern.regex.groupindex)
