"""A record that is restricted is kept and not used: enforced where it is decided, seen by whoever works with it."""

from __future__ import annotations

import datetime as dt

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from coaching.actions import add_goal, book, cancel, raise_distress, record_held
from coaching.models import Session, SessionStatus
from consent.actions import How, decide, withdraw
from consent.models import NEEDED_TO_BEGIN, Decision, Purpose
from consent.policies import check_may_be_raised, holds
from pilot.access import Actor, Role, acting
from pilot.dashboards.counting import practice_months
from pilot.outbox.actions import claim, post
from pilot.outbox.models import Message
from pilot.outbox.tasks import SENDER
from pilot.people.restrictions.actions import end_restriction
from pilot.people.restrictions.models import Restriction
from pilot.people.restrictions.policies import Restricted, is_restricted
from pilot.record.models import Kind, Outcome
from pilot.record.requests.actions import answer_request, open_request
from tests import factories
from tests.forms import send
from tests.record.cases import Case
from tests.record.test_own_pages import page

pytestmark = pytest.mark.django_db(databases=["default", "owner"])


@pytest.fixture
def guardian(case: Case) -> Actor:
    return factories.make_staff(Role.CALDICOTT_GUARDIAN, case.pilot.office, name="Ada Guardian")


def restrict(case: Case, guardian: Actor, kind: Kind = Kind.RESTRICTION) -> None:
    asked = open_request(case.patient, kind, "Please.", by=case.actor)
    answer_request(asked, "Yes.", outcome=Outcome.ACCEPTED, by=guardian)


def restricted(case: Case) -> bool:
    with acting(case.actor, "test.read"):
        return is_restricted(case.patient.pk)


@pytest.mark.parametrize("kind", [Kind.RESTRICTION, Kind.OBJECTION])
def test_yes_restricts_at_once_and_no_does_not(case: Case, guardian: Actor, kind: Kind) -> None:
    asked = open_request(case.patient, kind, "Please.", by=case.actor)
    answer_request(asked, "No, because.", outcome=Outcome.NOT_ACCEPTED, by=guardian)
    assert not restricted(case)
    restrict(case, guardian, kind)
    assert restricted(case)
    restrict(case, guardian, kind)
    with acting(case.actor, "test.read"):
        assert Restriction.objects.count() == 1


def test_nothing_new_is_done(case: Case, guardian: Actor) -> None:
    with acting(case.coach, "test.read"):
        booked = Session.objects.get(referral=case.referral, status=SessionStatus.BOOKED)
    restrict(case, guardian)
    later = {"starts_at": timezone.now() + dt.timedelta(days=3), "place": Session.Place.PHONE}
    for attempt in (
        lambda: book(case.referral, **later, by=case.coach),
        lambda: record_held(booked, agreed="x", version=booked.version, by=case.coach),
        lambda: add_goal(case.referral, "A goal", by=case.coach),
    ):
        with pytest.raises(Restricted):
            attempt()
    cancel(booked, version=booked.version, by=case.coach)
    with acting(case.receptionist, "test.read"), pytest.raises(Restricted):
        check_may_be_raised(case.patient)


def test_no_message_is_written_or_sent_but_notices(case: Case, guardian: Actor) -> None:
    waits = factories.MessageFactory(patient=case.patient, purpose=Purpose.REMINDERS)
    notice = factories.MessageFactory(patient=case.patient)
    restrict(case, guardian)
    with acting(factories.TESTS, "test.wrote", patients=[case.patient.pk]):
        said = {"template": "news", "context": {}, "by": factories.TESTS}
        assert post(case.patient, purpose=Purpose.REMINDERS, **said) is None
        assert post(case.patient, **said) is not None
    assert not claim(waits, by=SENDER)
    assert claim(notice, by=SENDER)
    with acting(case.receptionist, "test.read"):
        assert Message.objects.get(pk=waits.pk).status == Message.Status.STOPPED


def test_figures_leave_it_out(case: Case, guardian: Actor) -> None:
    factories.give_consent(case.patient, Purpose.EVALUATION)

    def counted() -> int:
        since = timezone.localdate() - dt.timedelta(days=60)
        with acting(Actor.system("tests"), "test.counted"):
            return len(practice_months(since, timezone.localdate() + dt.timedelta(days=1)))

    assert counted() == 1
    restrict(case, guardian)
    assert counted() == 0


def test_whoever_works_with_it_sees_that_it_is_restricted(case: Case, guardian: Actor) -> None:
    addresses = (
        (case.coach, reverse("coaching:person", args=[case.referral.pk])),
        (case.receptionist, reverse("referrals:patient", args=[case.patient.pk])),
    )
    for is_so in (False, True):
        for actor, address in addresses:
            shown = factories.sign_in(Client(), actor).get(address).content.decode()
            assert ("The patient asked for it: this record is kept" in shown) is is_so, actor.role
        if not is_so:
            restrict(case, guardian)


def test_the_patient_ends_it_and_everything_goes_on(case: Case, guardian: Actor) -> None:
    restrict(case, guardian)
    assert "Your record is restricted, as you asked" in page(case.browser, "home")
    address = reverse("record:end_restriction")
    assert send(case.browser, address, follow=False).url == reverse("record:home")
    assert not restricted(case)
    add_goal(case.referral, "A goal", by=case.coach)
    with acting(case.coach, "test.read"):
        assert holds(case.patient.pk, Purpose.REMINDERS)


@pytest.mark.parametrize("who", ["coach", "receptionist", "clinician"])
def test_nobody_else_ends_it_not_even_by_raw_sql(case: Case, guardian: Actor, who: str) -> None:
    restrict(case, guardian)
    staff = getattr(case, who)
    with acting(staff, "test.changed", patients=[case.patient.pk]), connection.cursor() as cursor:
        cursor.execute("UPDATE people_restriction SET ended_at = now() + interval '1 hour'")
        assert cursor.rowcount == 0
        with pytest.raises(DatabaseError), transaction.atomic():
            cursor.execute("DELETE FROM people_restriction")
    assert restricted(case)


def test_rights_and_safety_go_on(case: Case, guardian: Actor) -> None:
    restrict(case, guardian)
    raise_distress(case.referral, by=case.coach)
    open_request(case.patient, Kind.COMPLAINT, "My worry.", by=case.actor)
    withdraw(case.patient, by=case.actor)
    with acting(case.coach, "test.read"):
        assert not Session.objects.visible_to(case.coach).exists()


def test_it_says_what_stops_and_what_does_not_before_one_asks(case: Case) -> None:
    text = page(case.browser, "right", "restriction")
    assert "You are not counted in any figures" in text
    assert "can still be read by whoever could read it before" in text


def test_a_restricted_patient_can_still_agree_and_refuse(case: Case, guardian: Actor) -> None:
    restrict(case, guardian)
    with pytest.raises(ValidationError):
        add_goal(case.referral, "A goal", by=case.actor)
    assert case.browser.get(reverse("record:consent")).status_code == 200


def test_nobody_joins_into_a_restriction_and_gets_stuck(case: Case, guardian: Actor) -> None:
    withdraw(case.patient, by=case.actor)
    restrict(case, guardian)
    yes = dict.fromkeys(NEEDED_TO_BEGIN, True)
    how = How(Decision.Method.ONLINE, capacity_not_in_doubt=True, freely_given=True)
    with pytest.raises(Restricted):
        decide(case.patient, yes, sheet=factories.make_sheet(), how=how, by=case.actor)
    assert end_restriction(case.patient, by=case.actor)
    assert decide(case.patient, yes, sheet=factories.make_sheet(), how=how, by=case.actor)
