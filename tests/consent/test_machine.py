"""Everybody's actions in random order, with errors injected, and what must hold after each step of it.

CONSENT_STEPS=20000 takes as many steps as the promise says, CONSENT_SEED another way through them.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connections
from django.test import Client, override_settings
from django.urls import reverse
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, run_state_machine_as_test

from audit.checking import Check
from consent.models import NEEDED_TO_BEGIN, Decision, Purpose
from tests import factories
from tests.actions import every_action
from tests.consent.machine import clock, holds
from tests.consent.machine.asking import Asking
from tests.consent.machine.base import CONSEQUENCES, DRIVEN, TOLD, Machine, anything, queue_of_tasks
from tests.consent.machine.coaching import Coaching
from tests.consent.machine.helping import Helping
from tests.consent.machine.holds import BLAME, Holds
from tests.consent.machine.leaving import Leaving
from tests.consent.machine.people import Person, make_staff, with_new_coaches
from tests.consent.machine.sending import Sending, waits_for_a_yes

pytestmark = pytest.mark.usefixtures("module_database")

STEPS = int(os.environ.get("CONSENT_STEPS", "500"))
SEED = int(os.environ.get("CONSENT_SEED", "1"))
# To make what was found as short as it can be takes minutes: CONSENT_SHRINK=1 asks for it.
SHRINK = "CONSENT_SHRINK" in os.environ
STEPS_OF_ONE = 100
BEGINNING = 2  # what begins a world is counted as a step, and is none
# After so many every action has been done.
MANY = 5_000

WHO_WORKS_WHERE = (
    "who works where, and for whom: tests/access/test_access_ends.py, tests/referrals/test_organisations.py"
)
LISTS = "a list logs referrals by the same action, patient by patient: tests/referrals/test_import.py"
LEFT_OUT = {
    "record.erased": "eight years after the last of it, by the guardian: tests/audit/test_erasure.py",
    "charter.discarded": "about no patient", "charter.drafted": "about no patient", "charter.published": "about no patient",
    "release.published": "figures about nobody: tests/dashboards",
    "sign_in.ended_everywhere": "an account of staff", "sign_in.restored": "an account of staff",
    "sign_in.suspended": "an account of staff", "second_step.reset": "an account",
    "sign_in.account_opened": "another way to the account that an invitation opens: tests/sign_in",
    "membership.begun": WHO_WORKS_WHERE, "membership.ended": WHO_WORKS_WHERE, "organisation.added": WHO_WORKS_WHERE,
    "organisation.closed": WHO_WORKS_WHERE, "organisation.details_changed": WHO_WORKS_WHERE,
    "organisation.kept_open": WHO_WORKS_WHERE, "organisation.provider_changed": WHO_WORKS_WHERE,
    "person.added": WHO_WORKS_WHERE, "referral.provider_changed": WHO_WORKS_WHERE,
    "referrals.imported": LISTS, "referrals.list_confirmed": LISTS, "referrals.list_discarded": LISTS,
    "referrals.list_uploaded": LISTS,
}  # fmt: skip
# What each run has done, however short: `walk` sees to it.
MUST_BE_DONE = {
    "consent.withdrawn", "consent.withdrawal_recorded", "consent.lapsed", "consent.decided", "referral.allocated",
    "session.booked", "message.claimed", "message.sent",
}  # fmt: skip
MUST_COME_ABOUT = {
    "joined again", "joined again before the calendar ended it", "lapsed", "stopped on its way",
}  # fmt: skip
# How far somebody has come when it begins: most often all the way.
STAGES = st.sampled_from([4, 4, 4, 3, 2, 1, 0])
# Where a label may hold one of the words: an answer that somebody gave freely, shown as “No”; and of staff, that they were
# refused a page.
ALLOWED = {"Decision.answer", "Answer.question", "Event.kind"}


class ConsentMachine(Holds, Leaving, Sending, Helping, Coaching, Asking):
    """All of it."""

    do_something = anything()

    @initialize(
        stages=st.tuples(STAGES, STAGES), reminders=st.sampled_from([True, True, False]), sooner=st.booleans()
    )
    def begin_with(self, stages: tuple[int, int], reminders: bool, sooner: bool) -> None:
        """Two patients: known to the practice, suggested, with an account, having agreed, with a coach."""
        self.running = clock.running()
        staff = make_staff(connections["default"].settings_dict["NAME"])
        self.begin(self.running.__enter__(), with_new_coaches(staff))
        for name, stage in zip(("Amina", "Ben"), stages, strict=True):
            person = self.add_person(name, preferred_contact="4")
            if stage:
                self.suggest(person, None, False, True)
            if stage > 1:
                self.send_invitation(person, person.open_referral()[0], "letter")
                self.open_own_account(person, person.rows["invitations"][0][0])
            if stage > 2:
                yes = dict.fromkeys((*NEEDED_TO_BEGIN, *([Purpose.REMINDERS] if reminders else [])), True)
                self.join(person, None, yes, False, sooner)
            if stage > 3:
                self.give_to_coach(person, person.open_referral("waiting")[0], 0)

    def teardown(self) -> None:
        if not hasattr(self, "running"):
            return
        try:
            for person in [each for each in self.persons if each.actor and not each.died][-1:]:
                self._read_pages(person)
        finally:
            self.running.__exit__(None, None, None)

    def _read_pages(self, person: Person) -> None:
        """Their own pages, which say how everything stands and what became of it, say nothing against them."""
        assert person.actor is not None
        browser = factories.sign_in(Client(), person.actor)
        for name in ("home", "consent", "messages"):
            page = browser.get(reverse(f"record:{name}"))
            assert page.status_code == 200, name
            assert not BLAME.search(page.content.decode()), name


def stop_with_an_error(machine: ConsentMachine, person: Person) -> None:
    for module in CONSEQUENCES:
        machine.fault = (1, module)
        machine.stop(person, None, None)
        assert machine.deed == "broken", module


def walk() -> None:
    """What no run may be without: stopping, joining again, what the calendar ends, an error in the middle of it."""
    machine = ConsentMachine()
    machine.begin_with(stages=(4, 4), reminders=True, sooner=True)
    machine.everything_holds()
    one, other = machine.persons
    yes = dict.fromkeys((*NEEDED_TO_BEGIN, Purpose.REMINDERS), True)
    steps: list[Callable[[], None]] = [
        lambda: machine.book_session(one, one.coached_in, 100, "phone"),
        lambda: stop_with_an_error(machine, one),
        lambda: machine.stop_while_it_goes(one, waits_for_a_yes(machine, one)[0], True, False),
        lambda: machine.join(one, None, yes, False, True),
        lambda: machine.stop_at_desk(other, None, None, Decision.Method.PHONE, False),
        lambda: machine.join(other, None, yes, True, False),
        lambda: machine.suggest(one, None, True, True),
        lambda: machine.give_to_coach(one, one.open_referral("waiting")[0], 1),
        lambda: machine.months_pass(one, None, 366),
        lambda: machine.join(one, None, yes, False, False),
        lambda: machine.calendar_ends(other, None),
    ]
    try:
        for step in steps:
            step()
            machine.everything_holds()
    finally:
        machine.teardown()


@pytest.fixture(scope="module")
def database(module_database: str) -> None:
    """Follows the machine's clock, and has a sheet that decisions rest on."""
    clock.install()
    factories.make_sheet()


@pytest.fixture
def quiet(database: None, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    post = {
        "EMAIL_BACKEND": "tests.consent.machine.people.Post",
        "SMS_SPOOL_FILE": str(tmp_path / "texts.jsonl"),
    }
    with override_settings(**post, NOTIFY_API_KEY=""), queue_of_tasks(monkeypatch):
        yield


def test_whatever_anybody_does_in_whatever_order_consent_holds(quiet: None) -> None:
    TOLD.clear()
    Machine.came_about.clear()
    Machine.taken = 0
    walk()
    # Some worlds end before their hundred steps: others follow until all are taken.
    while Machine.taken < STEPS:
        run_state_machine_as_test(
            seed(SEED + Machine.taken)(ConsentMachine),
            settings=settings(
                max_examples=max((STEPS - Machine.taken) // STEPS_OF_ONE, 1), stateful_step_count=STEPS_OF_ONE + BEGINNING,
                deadline=None, database=None, suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
                phases=[Phase.generate, Phase.shrink] if SHRINK else [Phase.generate],
            ),
        )  # fmt: skip
    became: Counter[str] = Counter()
    for (_, deed), count in TOLD.items():
        became[deed] += count
    done = {name for name, deed in TOLD if deed == "done"}
    print(f"{Machine.taken} steps, {became.total()} actions: {dict(became)}; {dict(Machine.came_about)}")  # noqa: T201 (for whoever asks with -s)
    print(f"Never done this time: {', '.join(sorted(set(DRIVEN) - done)) or 'none'}")  # noqa: T201 (the same)
    # Rows, history and events say the same.
    assert list(Check()) == []
    # What is refused all the time proves nothing, nor does what never breaks.
    assert became["done"] >= became.total() * 0.6
    assert became["broken"] >= became.total() * 0.02
    # All of it in a long run, and in each what this is about.
    assert not (set(DRIVEN) if STEPS >= MANY else MUST_BE_DONE) - done
    assert not MUST_COME_ABOUT - set(+Machine.came_about)


def test_every_action_is_driven_or_left_out_for_a_reason() -> None:
    actions = set(every_action())
    assert set(DRIVEN) | set(LEFT_OUT) == actions
    assert not set(DRIVEN) & set(LEFT_OUT)


def test_no_name_label_or_state_blames_anybody() -> None:
    wrong = [(where, text) for where, text in holds.labels() if BLAME.search(text) and where not in ALLOWED]
    assert wrong == []
