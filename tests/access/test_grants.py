"""Grants are a projection: whatever they became, they can be held against what is behind them, and made right."""

import io

import pytest
from django.core.management import CommandError, call_command

from audit.models import Event
from pilot.access import Actor, Role, acting
from pilot.access.grants import grant, permissions_for, revoke
from pilot.access.models import OrganisationGrant
from pilot.access.projections import PROJECTIONS, Projection, Related, compare, rebuild, register_projection
from pilot.people.actions import suspend_sign_in
from pilot.people.models import Organisation
from referrals.models import Referral
from tests import factories

# Read as the owner, on a connection of its own: commits have to be real.
pytestmark = pytest.mark.usefixtures("own_database")

BY = Actor.system("grants")


def differences() -> dict[str, tuple[tuple[Related, ...], tuple[Related, ...]]]:
    return {each.name: (each.missing, each.left_over) for each in compare() if each.missing or each.left_over}


def test_what_the_actions_grant_is_what_should_be_there(pilot: factories.Pilot) -> None:
    factories.make_staff_of_every_role(pilot)
    coach = factories.make_staff(Role.COACH, pilot.provider)
    factories.make_case(pilot, coach, account=True)
    suspended = factories.make_staff(Role.RECEPTIONIST, pilot.practice)
    suspend_sign_in(
        factories.user_of(suspended),
        reason="Left.",
        by=factories.make_staff(Role.PILOT_MANAGER, pilot.office),
    )
    assert differences() == {}


def test_each_kind_of_grant_that_went_missing_or_was_left_over_is_named_and_made_right(
    pilot: factories.Pilot,
) -> None:
    coach = factories.make_staff(Role.COACH, pilot.provider)
    other = factories.make_staff(Role.COACH, pilot.provider)
    referral = factories.make_case(pilot, coach, account=True)
    user, stranger = factories.user_of(coach), factories.user_of(other)
    with acting(factories.TESTS, "test.made", patients=[referral.patient_id]):
        revoke(user, Role.COACH, referral)
        revoke(user, Role.COACH, pilot.provider)
        revoke(referral.patient.account, Role.PATIENT, referral.patient)
        grant(stranger, Role.COACH, referral)
        grant(stranger, Role.CLINICIAN, pilot.practice)
        grant(stranger, Role.PATIENT, referral.patient)
    organisations, patients, referrals = (str(name) for name in ("organisations", "patients", "referrals"))
    assert differences() == {
        organisations: (
            (Related(pilot.provider.pk, user.pk, "coach"),),
            (Related(pilot.practice.pk, stranger.pk, "clinician"),),
        ),
        patients: (
            (Related(referral.patient_id, referral.patient.account.pk, "patient"),),
            (Related(referral.patient_id, stranger.pk, "patient"),),
        ),
        referrals: (
            (Related(referral.pk, user.pk, "coach"),),
            (Related(referral.pk, stranger.pk, "coach"),),
        ),
    }
    rebuild(by=BY)
    assert differences() == {}
    for each in compare():
        assert each.kept == each.projection.grants._default_manager.using("owner").count() > 0
    guardian = factories.make_staff(Role.CALDICOTT_GUARDIAN, pilot.office)
    with acting(guardian, "log.read"):
        rebuilt = Event.objects.filter(action="grants.rebuilt", kind__in=("created", "deleted"))
        assert rebuilt.count() == 6
        assert {event.actor for event in rebuilt} == {BY.label}
    with acting(coach, "test.looked"):
        assert list(Referral.objects.visible_to(coach)) == [referral]
    with acting(other, "test.looked"):
        assert not Referral.objects.visible_to(other).exists()


def test_left_over_grants_open_nothing(pilot: factories.Pilot) -> None:
    coach, other = (factories.make_staff(Role.COACH, pilot.provider) for _ in range(2))
    referral = factories.make_case(pilot, coach)
    with acting(factories.TESTS, "test.made", patients=[referral.patient_id]):
        grant(factories.user_of(other), Role.COACH, referral)
        grant(factories.user_of(other), Role.CLINICIAN, pilot.practice)
    for role in (Role.COACH, Role.CLINICIAN):
        actor = Actor(role, other.user_id, other.name)
        with acting(actor, "test.looked"):
            assert not Referral.objects.visible_to(actor).exists()
            assert not Referral.objects.exists()
    assert Organisation.objects.exists()


def test_the_command_ends_with_an_error_while_they_differ(pilot: factories.Pilot) -> None:
    clinician = factories.make_staff(Role.CLINICIAN, pilot.practice)
    call_command("grants", "compare", stdout=io.StringIO())
    with acting(factories.TESTS, "test.made"):
        revoke(factories.user_of(clinician), Role.CLINICIAN, pilot.practice)
    said = io.StringIO()
    with pytest.raises(CommandError, match="1 grants differ"):
        call_command("grants", "compare", stdout=said)
    assert f"missing: clinician {clinician.user_id} over {pilot.practice.pk}" in said.getvalue()
    call_command("grants", "rebuild", stdout=said)
    assert "1 grants made right." in said.getvalue()
    call_command("grants", "compare", stdout=said)


def test_a_projection_is_registered_once_however_often_it_is_said() -> None:
    another = Projection(OrganisationGrant, "SELECT id, id, 'coach' FROM public.people_user WHERE false")
    before = list(PROJECTIONS)
    try:
        for _ in range(2):
            register_projection(another)
        assert [*before, another] == PROJECTIONS
    finally:
        PROJECTIONS[:] = before


def test_what_may_be_granted_over_a_row_is_named_for_the_role() -> None:
    assert permissions_for(Role.COACH, Role.PILOT_MANAGER) == [
        ("act_as_coach", "Acts as coach here"),
        ("act_as_pilot_manager", "Acts as pilot manager here"),
    ]
