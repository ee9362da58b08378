"""One step of the machine: somebody does something, perhaps with an error at some statement of it, and the book is kept of
what became of it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from celery.app.task import Task
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import DatabaseError, connection, connections, models
from django.http import Http404
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from consent.models import Decision, InformationSheet, Purpose
from pilot.access import Actor, NotVisible, acting
from pilot.people.actions import PatientDetails, StaleVersion, register_patient
from tests import factories
from tests.consent.machine import facts
from tests.consent.machine.clock import Clock
from tests.consent.machine.people import Person, Sheets, Staff

SYSTEM = Actor.system("tests.machine")
# How the application says no.
REFUSALS = (ValidationError, PermissionDenied, NotVisible, StaleVersion, Http404)
# What follows from an end is done in these, one after the other: an error in one of them must undo all of it.
CONSEQUENCES = ("pilot/outbox/consequences.py", "coaching/consequences.py", "referrals/actions.py")
NO_FAULT = (0, "")


def fault_of(drawn: int) -> tuple[int, str]:
    """At which statement of the action the database reports an error, and of which part of it, if at any: three times of
    five there is none."""
    kind, at = drawn % 5, drawn // 5
    if kind == 3:
        return at % 45 + 1, ""
    return (at % 4 + 1, CONSEQUENCES[at // 4 % len(CONSEQUENCES)]) if kind == 4 else NO_FAULT


DRIVEN: dict[str, Callable[..., Any]] = {}
# What became of every action: (name, "done" | "nothing" | "refused" | "broken").
TOLD: Counter[tuple[str, str]] = Counter()


class Fault:
    """Makes the n-th statement, of all or of those that a module brings about, one that PostgreSQL takes for a mistake:
    from then on the transaction is lost."""

    def __init__(self, at: int, module: str) -> None:
        self.at, self.module, self.count, self.has_struck = at, module, 0, False

    def __call__(self, execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        if _is_work(str(sql)) and (not self.module or _comes_from(self.module)):
            self.count += 1
            if self.count == self.at:
                self.has_struck = True
                return execute("SELECT 1 / 0", None, False, context)
        return execute(sql, params, many, context)


def _is_work(sql: str) -> bool:
    """Not what begins and ends a part of a transaction; nor Django's question whether a row would keep the rules, which it
    asks in such a part before the database does, and where it takes an error for a yes."""
    return not sql.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")) and '"_check"' not in sql


def _comes_from(module: str) -> bool:
    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_filename.endswith(module):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


@dataclass(frozen=True)
class Way:
    """Something to do: with whom there is something to do it with, what is drawn for it, how it is done, and how often
    compared with the others: what can seldom be done more, what ends everything less."""

    run: Callable[..., None]
    when: Callable[[Machine, Person], Collection[Any]]
    drawn: dict[str, Any]
    weight: float


# Rules of Hypothesis's own for each would leave most of them out of most runs.
WAYS: dict[str, Way] = {}


def drives(
    *verbs: Callable[..., Any],
    when: Callable[[Machine, Person], Collection[Any]],
    weight: float = 1,
    **drawn: Any,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A way to drive these actions with a person for whom there is something to do it with: one of what `when` names."""
    DRIVEN.update({verb.action_name: verb for verb in verbs})  # type: ignore[attr-defined]

    def decorate(run: Callable[..., None]) -> Callable[..., None]:
        assert run.__name__ not in WAYS
        WAYS[run.__name__] = Way(run, when, drawn, weight)
        return run

    return decorate


def anything() -> Any:
    """A rule that takes one of the ways that there is something for."""

    @rule(pick=st.integers(0, 9_999), nth=st.integers(0, 11), fault=st.integers(0, 899), data=st.data())
    def step(self: Machine, pick: int, nth: int, fault: int, data: Any) -> None:
        there, taken = self.open_ways(), self.turns.total()
        # Moved on each time, so that the plainest of all runs is not one thing over and over; and every other time something
        # that was done less often than the rest.
        nth += taken
        names = sorted(there, key=lambda name: (self.turns[name] / WAYS[name].weight if nth % 2 else 0, name))
        names = names[: (len(names) + 1) // 2] if nth % 2 else names
        at = (pick + 617 * taken) % 10_000 / 10_000 * sum(WAYS[name].weight for name in names)
        for name in names:
            at -= WAYS[name].weight
            if at < 0:
                break
        self.turns[name] += 1
        Machine.taken += 1
        way, (person, chosen) = WAYS[name], there[name][nth % len(there[name])]
        drawn = {
            each: data.draw(strategy, f"{name}, {person.name}: {each}")
            for each, strategy in way.drawn.items()
        }
        note(f"{name}: {person.name}")
        self.fault = fault_of(fault + 37 * taken)
        way.run(self, person, chosen, **drawn)

    return step


class Machine(RuleBasedStateMachine):
    """The world, and how a step is taken in it. What can be done is in the mixins, what must hold in `Holds`."""

    # How many steps were taken, by all of them.
    taken: ClassVar[int] = 0
    # What came about that is no action's name.
    came_about: ClassVar[Counter[str]] = Counter()
    clock: Clock
    staff: Staff
    persons: list[Person]
    sheets: Sheets

    def __init__(self) -> None:
        super().__init__()
        self.persons, self.fault, self.sheets = [], NO_FAULT, Sheets()
        self.turns: Counter[str] = Counter()
        # What the step was: who decided whether a message may leave after all, for one.
        self.did, self.deed = "", ""

    def everything_holds(self) -> None:
        """What must hold after each step, and between the parts of one."""
        raise NotImplementedError

    def open_ways(self) -> dict[str, list[tuple[Person, Any]]]:
        """What can be done now, with whom and what."""
        there = {
            name: [(person, each) for person in self.persons for each in way.when(self, person)]
            for name, way in WAYS.items()
        }
        return {name: offered for name, offered in there.items() if offered}

    def find(self, model: type[models.Model], key: Any, by: Actor) -> Any:
        """The row, as a page of this actor finds it."""
        manager: Any = model._default_manager
        found = manager.visible_to(by).filter(pk=key).first()
        if found is None:
            raise NotVisible("Not found.")
        return found

    def do(
        self,
        verb: Callable[..., Any],
        by: Actor,
        run: Callable[[], Any],
        then: Callable[[Any], None] = lambda _: None,
        *,
        must: bool | None = None,
    ) -> str:
        """Let somebody do it, as a page does: find and act in one transaction. `must` it be done, or must it be refused?

        Whatever is refused, and whatever breaks, leaves every table as it was.
        """
        name: str = verb.action_name  # type: ignore[attr-defined]
        fault, self.fault = Fault(*self.fault), NO_FAULT
        self.did, result, problem = name, None, None
        before = self.everything()
        try:
            with acting(by, "tests.machine"):
                if fault.at:
                    with connection.execute_wrapper(fault):
                        result = run()
                else:
                    result = run()
        except Exception as error:
            problem = error
        self.deed = self._became(name, fault, problem, result)
        if self.deed in ("refused", "broken"):
            after = self.everything()
            changed = {table for table in after if after[table] != before[table]}
            assert not changed, f"{name} was {self.deed}, and left something in {changed}"
        else:
            then(result)
        if must is not None and self.deed != "broken":
            assert (self.deed != "refused") is must, f"{name}: {self.deed}: {problem!r}"
        self.read_tables()
        return self.deed

    def _became(self, name: str, fault: Fault, problem: Exception | None, result: Any) -> str:
        if fault.has_struck:
            # A page may go on after a refused action, never after a broken one.
            assert isinstance(problem, DatabaseError), f"{name} went on after an error: {problem!r}"
            became = "broken"
        elif problem is None:
            became = "nothing" if result is None or result is False or result in ("", []) else "done"
        elif isinstance(problem, REFUSALS):
            became = "refused"
        else:
            raise problem
        TOLD[name, became] += 1
        return became

    def everything(self) -> dict[str, tuple[int, int]]:
        return facts.snapshot([person.key for person in self.persons], self.first_event)

    def read_tables(self) -> None:
        """See what stands there now."""
        there = facts.facts([person.key for person in self.persons])
        for person in self.persons:
            person.rows = there[person.key]

    # --- The world --------------------------------------------------------------------------------------

    def begin(self, clock: Clock, staff: Staff) -> None:
        self.clock, self.staff = clock, staff
        with connections["owner"].cursor() as cursor:
            cursor.execute("SELECT coalesce(max(id), 0) FROM audit_event")
            self.first_event = int(cursor.fetchone()[0])

    def add_person(self, name: str, **details: Any) -> Person:
        details = {
            "given_name": name, "family_name": f"Invented{len(self.persons)}", "address": "1 Invented Road",
            "phone": f"0770090{self.first_event % 10_000:04}", "message_is_safe": True,
            "email": f"{name.lower().replace(' ', '.')}{self.first_event}@example.org",
            "date_of_birth": factories.LONG_AGO.replace(year=1980),
            **details,
        }  # fmt: skip
        patient = register_patient(self.staff.practice, PatientDetails(**details), by=self.staff.desk)
        TOLD[register_patient.action_name, "done"] += 1  # type: ignore[attr-defined]
        person = Person(patient.pk, details["date_of_birth"], name, email=details["email"])
        self.persons.append(person)
        self.read_tables()
        return person

    def in_force(self) -> InformationSheet:
        sheet = InformationSheet.objects.in_force()
        assert sheet is not None
        return sheet

    def says_yes(self, person: Person, purpose: Purpose) -> bool:
        return person.says_yes(purpose, self.sheets)

    def takes_part(self, person: Person) -> bool:
        return person.takes_part(self.sheets)

    def may_go_on(self, person: Person) -> bool:
        """Whether something new may be done with them."""
        return self.takes_part(person) and not person.restricted


@contextmanager
def queue_of_tasks(monkeypatch: Any) -> Iterator[list[Any]]:
    """What is queued waits: the machine does what the worker would, step by step."""
    queued: list[Any] = []
    monkeypatch.setattr(Task, "apply_async", lambda task, *args, **kwargs: queued.append(task.name))
    yield queued


def answered(person: Person, answer: str) -> set[str]:
    """Of which purposes this is the last decision."""
    return {purpose.value for purpose, row in person.latest().items() if row[1] == answer}


WITHDRAWN, LAPSED, CORRECTED, REFUSED = (
    each.value
    for each in (
        Decision.Answer.WITHDRAWN, Decision.Answer.LAPSED, Decision.Answer.CORRECTED, Decision.Answer.REFUSED,
    )
)  # fmt: skip
