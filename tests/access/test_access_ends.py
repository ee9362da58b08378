"""Access that has ended is gone with the next request: a page that was open, a form that was loaded, and raw SQL."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from audit.privacy import personal_models, privacy_of
from consent.actions import withdraw
from consent.models import Purpose
from pilot.access import Actor, Role, acting
from pilot.access.grants import revoke
from pilot.people import actions as people
from pilot.people.models import Membership, Patient
from pilot.web.middleware import ACTING_AS
from referrals.actions import end_referral, hand_back
from referrals.models import Allocation, Referral
from tests import factories
from tests.forms import hidden_in

pytestmark = pytest.mark.django_db(databases=["default", "owner"])


STAFF = (Role.RECEPTIONIST, Role.CLINICIAN, Role.COACH, Role.SUPERVISOR)


@dataclass(frozen=True)
class Case:
    """A patient with a coach, and who else works around them."""

    pilot: factories.Pilot
    staff: dict[Role, Actor]
    referral: Referral
    allocation: UUID
    address: dict[Role, str]

    def membership(self, role: Role) -> Membership:
        return factories.membership_of(self.staff[role])


@pytest.fixture
def case() -> Case:
    pilot = factories.make_pilot()
    at_practice = (Role.RECEPTIONIST, Role.CLINICIAN)
    staff = {
        role: factories.make_staff(role, pilot.practice if role in at_practice else pilot.provider)
        for role in STAFF
    }
    referral = factories.make_case(pilot, staff[Role.COACH], account=True, given_name="Zuleika")
    with acting(factories.TESTS, "test.read"):
        allocation = Allocation.objects.get(referral=referral).pk
    waiting = factories.make_referral(factories.make_patient(pilot.practice), status="waiting")
    return Case(
        pilot,
        {**staff, Role.PATIENT: factories.patient_actor(referral.patient)},
        referral,
        allocation,
        {
            Role.RECEPTIONIST: f"/patients/{referral.patient_id}/change/",
            Role.CLINICIAN: f"/patients/{referral.patient_id}/notes/write/",
            Role.COACH: f"/coaching/people/{referral.pk}/goals/add/",
            Role.SUPERVISOR: f"/referrals/{waiting.pk}/allocate/",
            Role.PATIENT: "/my-record/goals/add/",
        },
    )


TODAY, YESTERDAY, TOMORROW = (timezone.localdate() + dt.timedelta(days=n) for n in (0, -1, 1))


def change(row: Any, **columns: Any) -> None:
    with acting(factories.TESTS, "test.changed", patients=[getattr(row, "patient_id", uuid4())]):
        assert type(row)._default_manager.filter(pk=row.pk).update(**columns) == 1


def membership_ends(case: Case, role: Role) -> None:
    people.end_membership(case.membership(role), by=factories.TESTS)


def membership_runs_out(case: Case, role: Role) -> None:
    """As the calendar does it: the grant is still there."""
    change(case.membership(role), valid_until=TODAY)


def membership_has_not_begun(case: Case, role: Role) -> None:
    change(case.membership(role), valid_from=TOMORROW)


def place_closes(case: Case, role: Role) -> None:
    change(case.membership(role).organisation, valid_until=TODAY)


def place_has_not_opened(case: Case, role: Role) -> None:
    change(case.membership(role).organisation, valid_from=TOMORROW)


def sign_in_is_suspended(case: Case, role: Role) -> None:
    people.suspend_sign_in(factories.user_of(case.staff[role]), reason="Lost badge.", by=factories.TESTS)


def account_is_switched_off(case: Case, role: Role) -> None:
    """By hand: sessions and grants are still there."""
    change(factories.user_of(case.staff[role]), is_active=False)


ENDINGS: list[Callable[[Case, Role], None]] = [
    membership_ends,
    membership_runs_out,
    membership_has_not_begun,
    place_closes,
    place_has_not_opened,
    sign_in_is_suspended,
    account_is_switched_off,
]


def shown(actor: Actor) -> list[str]:
    """The tables of personal rows of which raw SQL shows the actor anything, the log and the past included."""
    found = []
    with acting(actor, "page.opened"), connection.cursor() as cursor:
        for model in personal_models():
            tables = [model._meta.db_table]
            if privacy_of(model).is_audited:
                tables.append(model.history.model._meta.db_table)
            for table in tables:
                cursor.execute(f'SELECT EXISTS (SELECT FROM "{table}")')
                if cursor.fetchone() == (True,):
                    found.append(table)
    return found


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.__name__)
def test_access_ends_with_the_next_request(case: Case, ending: Callable[[Case, Role], None]) -> None:
    browsers = {role: factories.sign_in(Client(), case.staff[role]) for role in STAFF}
    forms = {role: browsers[role].get(case.address[role]) for role in STAFF}
    for role, form in forms.items():
        assert form.status_code == 200, role
        assert shown(case.staff[role]), role

    for role in STAFF:
        ending(case, role)

    for role, form in forms.items():
        assert shown(case.staff[role]) == [], role
        late = {**hidden_in(form), "words": "Too late.", "text": "Too late."}
        sent, again = browsers[role].post(case.address[role], late), browsers[role].get(case.address[role])
        for answer in (sent, again):
            # To sign in, or to choose a role, of which there is none.
            assert answer.status_code == 302, role
            assert answer["Location"].startswith(("/account/login/", "/role/")), role
    assert "Too late." not in everything_written(case)


def everything_written(case: Case) -> str:
    with (
        acting(case.staff[Role.PATIENT], "test.read", patients=[case.referral.patient_id]),
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT string_agg(words, '') FROM coaching_goal")
        goals = cursor.fetchone()[0] or ""
        cursor.execute("SELECT string_agg(text, '') FROM referrals_clinicalnote")
        return goals + (cursor.fetchone()[0] or "")


def allocation_ends(case: Case) -> None:
    hand_back(case.referral, by=case.staff[Role.SUPERVISOR])


def allocation_is_over(case: Case) -> None:
    """By the row alone: the grant is still there."""
    change(Allocation(pk=case.allocation, patient_id=case.referral.patient_id), ended_at=timezone.now())


def grant_is_taken_away(case: Case) -> None:
    with acting(factories.TESTS, "test.changed", patients=[case.referral.patient_id]):
        revoke(factories.user_of(case.staff[Role.COACH]), Role.COACH, case.referral)


def support_ends(case: Case) -> None:
    end_referral(case.referral, ending=Referral.Ending.MOVED, by=case.staff[Role.RECEPTIONIST])


def consent_lapses(case: Case) -> None:
    factories.give_consent(case.referral.patient, Purpose.TAKE_PART, lapses_on=TODAY)


def patient_stops(case: Case) -> None:
    withdraw(case.referral.patient, by=case.staff[Role.PATIENT])


@pytest.mark.parametrize(
    "ending",
    [allocation_ends, allocation_is_over, grant_is_taken_away, support_ends, consent_lapses, patient_stops],
    ids=lambda ending: ending.__name__,
)
def test_a_coachs_access_to_somebody_ends_with_the_next_request(
    case: Case, client: Client, ending: Callable[[Case], None]
) -> None:
    address, coach = case.address[Role.COACH], case.staff[Role.COACH]
    factories.sign_in(client, coach)
    form = client.get(address)
    assert form.status_code == 200

    ending(case)

    assert shown(coach) == []
    assert client.post(address, {**hidden_in(form), "words": "Too late."}).status_code == 404
    assert client.get(address).status_code == 404
    assert "Zuleika" not in client.get("/coaching/").text
    assert "Too late." not in everything_written(case)


def test_a_patient_whose_account_is_not_theirs_any_more_opens_nothing(case: Case, client: Client) -> None:
    address, patient = case.address[Role.PATIENT], case.staff[Role.PATIENT]
    factories.sign_in(client, patient)
    form = client.get(address)
    assert form.status_code == 200
    with acting(factories.TESTS, "test.changed", patients=[case.referral.patient_id]):
        Patient.objects.filter(pk=case.referral.patient_id).update(account=None)
    # Of what they did themselves the log alone still knows.
    assert shown(patient) == []
    assert client.post(address, {**hidden_in(form), "words": "Too late."}).status_code == 404
    assert client.get(address).status_code == 404


# --- The acting role ---------------------------------------------------------------------------------


def forge(client: Client, key: str) -> None:
    session = client.session
    session[ACTING_AS] = key
    session.save()


def keys_of_others(case: Case) -> dict[str, str]:
    past = factories.make_staff(
        Role.CLINICIAN,
        case.pilot.practice,
        user=factories.user_of(case.staff[Role.COACH]),
        valid_from=YESTERDAY,
        valid_until=TODAY,
    )
    return {
        "a colleague's role": str(case.membership(Role.CLINICIAN).pk),
        "a role of theirs that has ended": str(factories.membership_of(past).pk),
        "nobody's role": str(uuid4()),
        "no key": "clinician",
        "a patient's": "patient",
    }


def test_a_role_that_is_not_theirs_is_not_taken_from_the_session(case: Case, client: Client) -> None:
    factories.sign_in(client, case.staff[Role.COACH])
    for whose, key in keys_of_others(case).items():
        for role in (Role.CLINICIAN, Role.RECEPTIONIST, Role.SUPERVISOR, Role.PATIENT):
            forge(client, key)
            for answer in (
                client.get(case.address[role]),
                client.post(case.address[role], {"text": "Forged."}),
            ):
                # As the coach that they are, or as a patient without a record.
                assert answer.status_code in (403, 404), (whose, role)
                assert "Zuleika" not in answer.text
    assert "Forged." not in everything_written(case)


def test_only_the_acting_role_counts_and_changing_it_is_felt_at_once(case: Case, client: Client) -> None:
    both = case.staff[Role.COACH]
    factories.make_staff(Role.CLINICIAN, case.pilot.practice, user=factories.user_of(both))
    as_clinician = Actor(Role.CLINICIAN, both.user_id)
    factories.sign_in(client, both)
    assert client.get(case.address[Role.COACH]).status_code == 200
    form = client.get(case.address[Role.COACH])
    assert client.get(case.address[Role.CLINICIAN]).status_code == 403

    forge(client, str(Membership.objects.get(user=both.user_id, role="clinician").pk))

    assert client.get(case.address[Role.CLINICIAN]).status_code == 200
    assert client.get(case.address[Role.COACH]).status_code == 403
    sent = client.post(case.address[Role.COACH], {**hidden_in(form), "words": "Too late."})
    assert sent.status_code == 403
    # The two see different things, in the database too.
    assert "referrals_clinicalnote" not in shown(both)
    assert "people_patient" in shown(as_clinician)
