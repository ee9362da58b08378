"""What a relation does not show of a row stays unread, even where a page was written to fetch it."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from pilot.access import Actor, Permission, Role, acting
from referrals.allocation import views
from referrals.models import Allocation, Referral
from tests import factories

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

WORDS = "I would rather work with animals"


@pytest.fixture
def supervisor(pilot: factories.Pilot) -> Actor:
    return factories.make_staff(Role.SUPERVISOR, pilot.provider)


@pytest.fixture
def referral(pilot: factories.Pilot) -> Referral:
    patient = factories.make_patient(pilot.practice)
    return factories.make_referral(patient, status=factories.Status.WAITING, own_words=WORDS)


def test_rows_come_without_what_the_provider_is_not_shown(supervisor: Actor, referral: Referral) -> None:
    with acting(supervisor, "queue.opened"):
        [found] = Referral.objects.visible_to(supervisor)
        assert found.reference == referral.reference
        assert found.get_deferred_fields() == {"own_words"}
        with pytest.raises(ImproperlyConfigured, match="Supervisor is not shown own_words of Referral"):
            assert found.own_words


def test_a_page_that_fetches_it_all_the_same_is_stopped(supervisor: Actor, referral: Referral) -> None:
    with acting(supervisor, "queue.opened"), pytest.raises(ImproperlyConfigured):
        Referral.objects.get(pk=referral.pk)
    factories.allocate_to(referral, factories.make_staff(Role.COACH, referral.practice.served_by))
    with acting(supervisor, "queue.opened"), pytest.raises(ImproperlyConfigured):
        list(Allocation.objects.visible_to(supervisor, Permission.SEE_WAITING).select_related("referral"))


def test_a_page_that_would_show_it_is_an_error_and_shows_nothing(
    supervisor: Actor, referral: Referral, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views.Waiting, "title", property(lambda page: page.rows().get().own_words))
    browser = factories.sign_in(Client(raise_request_exception=False), supervisor)
    answer = browser.get("/waiting/")
    assert answer.status_code == 500
    assert WORDS not in answer.content.decode()


def test_an_action_works_on_whole_rows(supervisor: Actor, referral: Referral) -> None:
    with acting(supervisor, "referral.allocated", patients=[referral.patient_id]):
        assert Referral.objects.get(pk=referral.pk).own_words == WORDS


def test_everybody_else_who_sees_the_row_sees_it(pilot: factories.Pilot, referral: Referral) -> None:
    coach = factories.make_staff(Role.COACH, pilot.provider)
    factories.allocate_to(referral, coach)
    for actor in (
        coach,
        factories.make_staff(Role.RECEPTIONIST, pilot.practice),
        factories.patient_actor(referral.patient),
    ):
        with acting(actor, "page.opened"):
            found = Referral.objects.visible_to(actor).get()
            assert not found.get_deferred_fields()
            assert found.own_words == WORDS
