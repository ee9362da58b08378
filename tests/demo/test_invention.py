"""What the demo invents, before any of it is saved."""

import datetime as dt
from collections import Counter
from typing import Any

import nhs_number
import pytest

from coaching.models import Session
from consent.models import InformationSheet
from pilot.access import Role
from pilot.demo.cases import Invention
from pilot.demo.days import TODAY, Calendar
from pilot.demo.invention import PATIENTS, invent
from pilot.demo.places import PRACTICES, PROVIDERS, place, workers
from pilot.people.models import Membership, Organisation, User
from referrals.models import Allocation, Referral, Status

WEDNESDAY, SUNDAY = dt.date(2026, 4, 15), dt.date(2026, 8, 30)


def _invent(today: dt.date) -> Invention:
    providers = {each.code: Organisation(id=each.id, name=each.name) for each in PROVIDERS}
    practices = [
        Organisation(id=each.id, name=each.name, ods_code=each.code, served_by=providers[each.served_by])
        for each in PRACTICES
    ]
    staff = {each.id: User(id=each.id, email=each.email, display_name=each.name) for each in workers()}
    return invent(
        Calendar(today), organisations=practices, staff=list(staff.values()), sheet=InformationSheet(id=1)
    )


# Nothing is saved, but whoever may be sent a text is asked of the database.
pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def invention(django_db_setup: None, django_db_blocker: Any) -> Invention:
    with django_db_blocker.unblock():
        return _invent(WEDNESDAY)


def test_the_same_day_invents_the_same_rows_and_another_day_the_same_people(invention: Invention):
    again, later = _invent(WEDNESDAY), _invent(SUNDAY)

    def people(of: Invention) -> list:
        return [(p.pk, p.nhs_number, p.name, p.date_of_birth) for p in of.patients]

    def times(of: Invention) -> list:
        return [(s.pk, s.coach_id, s.status, s.starts_at) for s in of.rows[Session]]

    def counts(of: Invention) -> dict:
        return {model: len(rows) for model, rows in of.rows.items()}

    assert people(invention) == people(again) == people(later)
    assert times(invention) == times(again)
    assert counts(invention) == counts(again) == counts(later)


def test_there_are_seven_practices_two_providers_twelve_coaches_and_three_supervisors():
    roles = Counter(worker.role for worker in workers())
    assert (len(PRACTICES), len(PROVIDERS)) == (7, 2)
    assert (roles[Role.COACH], roles[Role.SUPERVISOR]) == (12, 3)
    assert set(roles) == set(Role) - {Role.PATIENT, Role.SYSTEM}
    for practice in PRACTICES:
        named = [
            worker for worker in workers() if worker.place == practice.code and worker.is_named_clinician
        ]
        assert len(named) == 1


def test_staff_belong_where_their_role_does():
    for worker in workers():
        organisation = Organisation(kind=place(worker.place).kind)
        Membership(role=worker.role, organisation=organisation).clean()


def test_every_nhs_number_is_valid_and_one_that_is_never_issued(invention: Invention):
    numbers = [patient.nhs_number for patient in invention.patients if patient.nhs_number]
    assert len(invention.patients) == PATIENTS
    assert len(numbers) > PATIENTS * 0.9
    assert all(number.startswith("999") and nhs_number.is_valid(number) for number in numbers)
    assert len(set(numbers)) == len(numbers)


def test_nobody_can_be_reached_by_what_is_invented(invention: Invention):
    for patient in invention.patients:
        assert patient.phone.startswith("07700 900")
        assert patient.email.endswith(("@example.com", "@example.org"))


def test_there_are_referrals_in_every_status_over_eighteen_months(invention: Invention):
    referrals = invention.rows[Referral]
    statuses = Counter(Status(referral.status) for referral in referrals)
    assert set(statuses) == set(Status)
    days = [referral.logged_at.date() for referral in referrals]
    assert (max(days) - min(days)).days > 500
    assert max(days) <= WEDNESDAY


def test_no_coach_has_more_people_than_places_and_every_team_has_one_free(invention: Invention):
    places = {worker.id: worker.places for worker in workers() if worker.role is Role.COACH}
    load = Counter(each.person_id for each in invention.rows[Allocation] if each.ended_at is None)
    assert all(0 < load[coach] <= most for coach, most in places.items())
    maya = next(worker for worker in workers() if worker.name == "Maya Lindqvist")
    assert load[maya.id] < places[maya.id]
    slots = [(each.person_id, each.slot) for each in invention.rows[Allocation] if each.ended_at is None]
    assert len(set(slots)) == len(slots)


def test_nothing_happens_at_a_practice_before_it_took_part(invention: Invention):
    joined = {each.id: each.joined for each in PRACTICES}
    for referral in invention.rows[Referral]:
        earliest = WEDNESDAY + dt.timedelta(days=joined[referral.practice_id] - TODAY - 3)
        assert referral.logged_at.date() >= earliest
