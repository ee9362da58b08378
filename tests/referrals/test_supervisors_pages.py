"""The supervisors' pages: who waits, each coach's load, allocating, handing back. None names a patient."""

import datetime as dt

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from pilot.access import Actor, Role, acting
from pilot.people.actions import end_membership
from referrals.actions import allocate
from referrals.models import Allocation, Referral, Status
from tests import factories
from tests.forms import hidden_in, send

pytestmark = pytest.mark.django_db(databases=["default", "owner"])


@pytest.fixture
def office(supervisor: Actor) -> Client:
    """The supervisor's browser."""
    return factories.sign_in(Client(), supervisor)


def url(name: str, *rows: object) -> str:
    return reverse(f"referrals:{name}", args=[getattr(row, "pk", row) for row in rows])


def waiting(pilot: factories.Pilot, days: int = 0, **details: object) -> Referral:
    patient = factories.make_patient(pilot.practice, **details)
    since = timezone.localtime() - dt.timedelta(days=days)
    return factories.make_referral(patient, status=Status.WAITING, ready_at=since)


def status_of(referral: Referral) -> str:
    with acting(factories.TESTS, "test.looked"):
        return Referral.objects.get(pk=referral.pk).status


def test_who_waits_longest_comes_first_and_nobody_is_named(office: Client, pilot: factories.Pilot) -> None:
    short, long = waiting(pilot, 1, family_name="Shorter"), waiting(pilot, 40, family_name="Longer")
    text = office.get(url("waiting")).content.decode()
    assert text.index(long.reference) < text.index(short.reference)
    assert "40 days ago" in text
    assert "Shorter" not in text
    assert "Longer" not in text
    assert "I would like a job near home" not in text


def test_the_waiting_list_shows_each_coachs_load(office: Client, pilot: factories.Pilot) -> None:
    busy = factories.make_staff(Role.COACH, pilot.provider, name="Busy Bea", caseload_limit=2)
    factories.make_staff(Role.COACH, pilot.provider, name="Usual Una", caseload_limit=None)
    factories.make_staff(Role.COACH, pilot.other_provider, name="Not Ours")
    factories.make_staff(Role.COACH, pilot.provider, name="Gone Gus", valid_until=timezone.localdate())
    factories.make_case(pilot, busy)
    text = office.get(url("waiting")).content.decode()
    assert "1 of 2" in text
    assert "0 of 25" in text
    assert "Not Ours" not in text
    assert "Gone Gus" not in text


@pytest.mark.parametrize("name", ["waiting", "with-coaches"])
def test_a_list_takes_as_many_queries_for_one_row_as_for_thirty(
    office: Client, pilot: factories.Pilot, name: str
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert office.get(url(name)).status_code == 200
        return len(captured)

    def add() -> None:
        if name == "waiting":
            waiting(pilot)
        factories.make_case(pilot, factories.make_staff(Role.COACH, pilot.provider))

    add()
    office.get(url(name))
    with_one = queries()
    for _ in range(29):
        add()
    assert queries() == with_one


def test_a_referral_of_another_provider_is_not_there(pilot: factories.Pilot, coach: Actor) -> None:
    other = factories.sign_in(Client(), factories.make_staff(Role.SUPERVISOR, pilot.other_provider))
    referral, given = waiting(pilot), factories.make_case(pilot, coach)
    assert referral.reference not in other.get(url("waiting")).content.decode()
    assert given.reference not in other.get(url("with-coaches")).content.decode()
    assert other.get(url("allocate", referral)).status_code == 404
    assert other.get(url("hand-back", given)).status_code == 404


@pytest.mark.parametrize(
    "role", [Role.RECEPTIONIST, Role.CLINICIAN, Role.COACH, Role.COMMISSIONER, Role.PILOT_MANAGER]
)
def test_no_other_role_opens_the_supervisors_pages(pilot: factories.Pilot, role: Role) -> None:
    browser = factories.sign_in(Client(), factories.make_staff_of_every_role(pilot)[role])
    referral = waiting(pilot)
    for address in (
        url("waiting"),
        url("with-coaches"),
        url("allocate", referral),
        url("hand-back", referral),
    ):
        assert browser.get(address).status_code == 403


def test_allocating_gives_the_referral_to_the_coach(
    office: Client, pilot: factories.Pilot, coach: Actor
) -> None:
    referral = waiting(pilot, family_name="Secretname")
    form = office.get(url("allocate", referral)).content.decode()
    assert "Cole Coach" in form
    assert "10 free of 10 places" in form
    assert "Secretname" not in form
    page = send(office, url("allocate", referral), coach=str(factories.membership_of(coach).pk))
    assert page.request["PATH_INFO"] == url("waiting")
    assert status_of(referral) == Status.WITH_COACH


def test_a_coach_without_a_place_is_not_offered(office: Client, pilot: factories.Pilot) -> None:
    full = factories.make_staff(Role.COACH, pilot.provider, name="Full Flo", caseload_limit=1)
    factories.make_case(pilot, full)
    referral = waiting(pilot)
    text = office.get(url("allocate", referral)).content.decode()
    assert "Full Flo" not in text
    assert "No coach has a place free." in text


def test_a_place_lost_meanwhile_is_said_at_the_field(
    office: Client, pilot: factories.Pilot, supervisor: Actor
) -> None:
    last = factories.make_staff(Role.COACH, pilot.provider, name="One Place", caseload_limit=1)
    membership = factories.membership_of(last)
    referral, quicker = waiting(pilot), waiting(pilot)
    before = office.get(url("allocate", referral))
    allocate(quicker, membership, by=supervisor)
    page = office.post(url("allocate", referral), {**hidden_in(before), "coach": str(membership.pk)})
    assert page.status_code == 422
    assert status_of(referral) == Status.WAITING


def test_a_referral_allocated_meanwhile_is_answered_409(
    office: Client, pilot: factories.Pilot, supervisor: Actor, coach: Actor
) -> None:
    referral, membership = waiting(pilot), factories.membership_of(coach)
    before = office.get(url("allocate", referral))
    allocate(referral, membership, by=supervisor)
    page = office.post(url("allocate", referral), {**hidden_in(before), "coach": str(membership.pk)})
    assert page.status_code == 409


def test_handing_back_puts_it_on_the_waiting_list_again(
    office: Client, pilot: factories.Pilot, coach: Actor
) -> None:
    referral = factories.make_case(pilot, coach, family_name="Secretname")
    text = office.get(url("with-coaches")).content.decode()
    assert referral.reference in text
    assert "Cole Coach" in text
    assert "Secretname" not in text
    assert "Cole Coach" in office.get(url("hand-back", referral)).content.decode()
    send(office, url("hand-back", referral))
    assert status_of(referral) == Status.WAITING
    with acting(factories.TESTS, "test.looked"):
        assert not Allocation.objects.current().exists()


def test_a_coach_who_has_left_is_pointed_out(office: Client, pilot: factories.Pilot, coach: Actor) -> None:
    factories.make_case(pilot, coach)
    assert "No longer coaches here" not in office.get(url("with-coaches")).content.decode()
    end_membership(factories.membership_of(coach), by=factories.TESTS)
    assert "No longer coaches here" in office.get(url("with-coaches")).content.decode()


def test_a_supervisor_never_looked_at_who_it_is(
    office: Client, pilot: factories.Pilot, supervisor: Actor
) -> None:
    from audit.models import Event

    referral = waiting(pilot)
    office.get(url("waiting"))
    office.get(url("allocate", referral))
    guardian = factories.make_staff(Role.CALDICOTT_GUARDIAN, pilot.office)
    with acting(guardian, "test.looked"):
        looks = Event.objects.filter(kind="read", actor=str(supervisor.user_id)).values_list(
            "columns", flat=True
        )
        assert {column for columns in looks for column in columns} == {"case"}
