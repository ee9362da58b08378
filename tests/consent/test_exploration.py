"""Every state of a purpose with everything that can happen to it, by the actions themselves, against the table of
`consent.states`: which is the whole of what docs/consent.md shows."""

import datetime as dt
from itertools import product

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from consent import tasks
from consent.actions import decide, withdraw
from consent.correcting.actions import correct
from consent.models import NEEDED_TO_BEGIN, Decision, Purpose
from consent.policies import TOLD_BEFORE, standing
from consent.states import NEEDED, OPTIONAL, REFUSED, Happens, State, state_of
from pilot.access import acting
from tests import factories

pytestmark = pytest.mark.django_db

TABLES = {"needed": NEEDED, "optional": OPTIONAL}
CELLS = [
    pytest.param(kind, state, event, id=f"{kind}-{state.value}-{event.value}")
    for kind, table in TABLES.items()
    for state, event in product(table, Happens)
]


def purposes(kind: str) -> tuple[Purpose, ...]:
    return NEEDED_TO_BEGIN if kind == "needed" else (Purpose.REMINDERS,)


def states(patient, kind: str) -> set[State]:
    with acting(factories.TESTS, "test.looked", patients=[patient.pk]):
        stood = standing(patient)
    return {state_of(stood[purpose]) for purpose in purposes(kind)}


def latest(patient, purpose: Purpose) -> Decision | None:
    with acting(factories.TESTS, "test.looked", patients=[patient.pk]):
        return standing(patient)[purpose]


def bring_to(patient, kind: str, state: State, by) -> None:
    """As it comes about: by the actions, and where only time does it, by a yes that was given for so long."""
    if kind == "optional":
        factories.give_consent(patient)
    today = timezone.localdate()
    lapses = {State.OVER: today, State.LAPSED: today, State.ENDING: today + TOLD_BEFORE}
    if state is State.NEVER:
        return
    if state is State.NO:
        factories.DecisionFactory(
            patient=patient, purpose=purposes(kind)[0], answer="refused", lapses_on=None
        )
        return
    for_so_long = lapses.get(state, today + TOLD_BEFORE + dt.timedelta(days=1))
    factories.give_consent(patient, *purposes(kind), lapses_on=for_so_long)
    if state is State.STOPPED:
        withdraw(patient, purposes(kind), by=by)
    elif state is State.LAPSED:
        tasks.end_what_has_lapsed()
    elif state is State.MISTAKE:
        correct(latest(patient, purposes(kind)[0]), Decision.Answer.CORRECTED, "A slip", by=factories.TESTS)


def happen(patient, kind: str, event: Happens, *, sheet, how, by) -> None:
    if event in (Happens.YES, Happens.NO):
        answers = dict.fromkeys(purposes(kind), event is Happens.YES)
        decide(patient, answers, sheet=sheet, how=how, by=by)
    elif event is Happens.STOP:
        withdraw(patient, purposes(kind), by=by)
    elif event is Happens.CALENDAR:
        tasks.end_what_has_lapsed()
    elif event is Happens.MISTAKE:
        decision = latest(patient, purposes(kind)[0])
        if decision is None:
            raise ValidationError("There is nothing to put right.")
        correct(decision, Decision.Answer.CORRECTED, "A slip", by=factories.TESTS)


@pytest.mark.parametrize(("kind", "state", "event"), CELLS)
def test_what_happens_makes_of_it_what_the_table_says(
    kind, state, event, patient, themselves, sheet, online
) -> None:
    bring_to(patient, kind, state, themselves)
    assert states(patient, kind) == {state}
    expected = TABLES[kind][state][event]
    before = latest(patient, purposes(kind)[0])
    if expected is REFUSED:
        with pytest.raises(ValidationError):
            happen(patient, kind, event, sheet=sheet, how=online, by=themselves)
        assert latest(patient, purposes(kind)[0]) == before
        assert states(patient, kind) == {state}
    else:
        happen(patient, kind, event, sheet=sheet, how=online, by=themselves)
        assert states(patient, kind) == {expected}


@pytest.mark.parametrize("kind", TABLES)
def test_the_table_has_every_state_there_can_be_with_every_event(kind) -> None:
    table = TABLES[kind]
    assert all(set(row) == set(Happens) for row in table.values())
    reached = {target for row in table.values() for target in row.values() if target is not REFUSED}
    by_time = {State.NEVER, State.ENDING, State.OVER}
    assert reached | by_time == set(table)
    # A no to joining is never kept.
    assert set(State) - set(table) == ({State.NO} if kind == "needed" else set())


@pytest.mark.parametrize("state", [State.NEVER, State.STOPPED])
def test_nothing_else_can_be_agreed_to_without_joining(state, patient, themselves, sheet, online) -> None:
    if state is State.STOPPED:
        factories.give_consent(patient, *NEEDED_TO_BEGIN, Purpose.REMINDERS)
        withdraw(patient, by=themselves)
    with pytest.raises(ValidationError):
        decide(patient, {Purpose.REMINDERS: True}, sheet=sheet, how=online, by=themselves)
    assert states(patient, "optional") == {state}
