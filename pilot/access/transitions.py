"""State machines: a table of moves says from where to where a row goes and who may make it go. Each lives in a policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import TextChoices

from pilot.access.roles import Role

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

State = TypeVar("State", bound=TextChoices)


class Stands(Protocol):
    """A row that stands in one of the states."""

    status: str

    def get_status_display(self) -> str: ...


@dataclass(frozen=True)
class Transition(Generic[State]):
    """A move between states, the roles that may make it, and what it is called. `None` begins a row."""

    name: str
    sources: tuple[State | None, ...]
    target: State
    by: tuple[Role, ...]


@dataclass(frozen=True)
class StateMachine(Generic[State]):
    """Every move between these states. `refusal` says, with `%(status)s`, why one cannot be made now."""

    states: type[State]
    transitions: tuple[Transition[State], ...]
    refusal: _StrOrPromise

    def transition(self, name: str) -> Transition[State]:
        return next(each for each in self.transitions if each.name == name)

    def can_move(self, row: Stands, name: str, role: Role) -> bool:
        """Whether somebody in this role may make this move from where the row stands."""
        move = self.transition(name)
        return self.states(row.status) in move.sources and role in move.by

    def check_can_move(self, row: Stands, name: str, role: Role) -> None:
        """Pass; or refuse the role, or with a sentence that says how the row stands now."""
        if role not in self.transition(name).by:
            raise PermissionDenied(f"“{name}” is not for a {role.label.lower()} to do.")
        if not self.can_move(row, name, role):
            raise ValidationError(self.refusal, params={"status": row.get_status_display()})
