"""Two things at once, on real commits."""

import threading

import pytest

from consent import consequences
from consent.actions import decide, record_decisions, withdraw
from consent.consequences import Consequence
from consent.models import NEEDED_TO_BEGIN, Decision
from consent.policies import AlreadyRecorded, ConsentMissing, NothingToStop, check_consent
from pilot.access import Permission, acting, action
from tests import factories
from tests.together import at_once

pytestmark = pytest.mark.usefixtures("own_database", "nothing_registered")

YES_TO_BOTH = dict.fromkeys(NEEDED_TO_BEGIN, True)


@pytest.fixture
def pilot(own_database):
    return factories.make_pilot()


def decisions_of(patient):
    with acting(factories.TESTS, "test.looked", patients=[patient.pk]):
        return Decision.objects.of(patient).count()


def test_two_people_recording_the_same_write_it_once(pilot, patient, receptionist, sheet, by_phone):
    def record():
        return record_decisions(patient, YES_TO_BOTH, sheet=sheet, how=by_phone, by=receptionist)

    results = at_once(record, record, record)
    assert sum(isinstance(result, AlreadyRecorded) for result in results) == 2
    assert decisions_of(patient) == 2


def test_two_withdrawals_at_once_are_one(pilot, patient, themselves, sheet, online):
    decide(patient, YES_TO_BOTH, sheet=sheet, how=online, by=themselves)
    results = at_once(*[lambda: withdraw(patient, by=themselves)] * 3)
    assert sum(isinstance(result, NothingToStop) for result in results) == 2
    assert decisions_of(patient) == 4


def test_nothing_that_needs_consent_slips_in_after_a_withdrawal(pilot, patient, themselves, sheet, online):
    decide(patient, YES_TO_BOTH, sheet=sheet, how=online, by=themselves)
    is_stopping, may_go_on = threading.Event(), threading.Event()

    def hold(patient, purposes, *, by):
        is_stopping.set()
        may_go_on.wait(10)

    @action("test.needed_consent", Permission.DECIDE)
    def needs_consent(patient, *, by):
        check_consent(patient, *NEEDED_TO_BEGIN)

    def late():
        is_stopping.wait(10)
        # It waits for the lock; the withdrawal is committed first.
        threading.Timer(0.3, may_go_on.set).start()
        needs_consent(patient, by=themselves)

    consequences.register(Consequence("slow", lambda *_: None, hold))
    _, refused = at_once(lambda: withdraw(patient, by=themselves), late)
    assert isinstance(refused, ConsentMissing)
