"""Organisations change, get another provider, close from a day on, and may stay open after all."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.utils import timezone

from pilot.access import Actor, Role, acting
from pilot.people.actions import (
    StaleVersion,
    add_person,
    change_organisation,
    change_provider,
    close_organisation,
    keep_open,
)
from pilot.people.models import Organisation, Patient
from tests import factories
from tests.factories import Kind
from tests.log import events

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

TODAY = timezone.localdate()
DAY = dt.timedelta(days=1)


@pytest.fixture
def manager(pilot: factories.Pilot) -> Actor:
    return factories.make_staff(Role.PILOT_MANAGER, pilot.office)


def fresh(organisation: Organisation) -> Organisation:
    return Organisation.objects.get(pk=organisation.pk)


def close(organisation: Organisation, by: Actor, on: dt.date = TODAY) -> Organisation:
    return close_organisation(organisation, on=on, version=organisation.version, by=by)


def patients_seen_by(actor: Actor) -> int:
    with acting(actor, "test.looked"):
        return Patient.objects.count()


def test_name_and_phone_are_corrected_and_leave_an_event(pilot: factories.Pilot, manager: Actor) -> None:
    version = pilot.practice.version
    change_organisation(pilot.practice, name="Barnsbury", phone="02079460001", version=version, by=manager)
    assert fresh(pilot.practice).name == "Barnsbury"
    assert fresh(pilot.practice).version > version
    (event,) = events(action="organisation.details_changed")
    assert (event.actor, sorted(event.columns)) == (str(manager.user_id), ["name", "phone"])


def test_what_somebody_else_changed_meanwhile_is_not_overwritten(
    pilot: factories.Pilot, manager: Actor
) -> None:
    seen = pilot.practice.version
    change_organisation(pilot.practice, name="First", phone="", version=seen, by=manager)
    for act in (
        lambda: change_organisation(pilot.practice, name="Second", phone="", version=seen, by=manager),
        lambda: change_provider(pilot.practice, pilot.other_provider, version=seen, by=manager),
        lambda: close_organisation(pilot.practice, version=seen, by=manager),
    ):
        with pytest.raises(StaleVersion):
            act()
    assert fresh(pilot.practice).name == "First"
    assert fresh(pilot.practice).served_by == pilot.provider
    assert fresh(pilot.practice).valid_until is None


def test_only_a_provider_that_is_open_works_at_a_practice(pilot: factories.Pilot, manager: Actor) -> None:
    change_provider(pilot.practice, None, version=pilot.practice.version, by=manager)
    assert fresh(pilot.practice).served_by is None
    closed = close(factories.make_organisation(Kind.PROVIDER), manager)
    for practice, provider in (
        (pilot.practice, closed),
        (pilot.practice, pilot.commissioner),
        (pilot.commissioner, pilot.provider),
    ):
        with pytest.raises(ValidationError):
            change_provider(practice, provider, version=practice.version, by=manager)


def test_a_closed_practice_opens_nothing_to_those_who_work_there(
    pilot: factories.Pilot, manager: Actor
) -> None:
    factories.make_patient(pilot.practice)
    receptionist = factories.make_staff(Role.RECEPTIONIST, pilot.practice)
    assert patients_seen_by(receptionist) == 1
    close(pilot.practice, manager, TODAY + DAY)
    assert patients_seen_by(receptionist) == 1
    keep_open(pilot.practice, by=manager)
    close(fresh(pilot.practice), manager)
    assert patients_seen_by(receptionist) == 0
    assert len(events(action="organisation.closed")) == 2


def test_a_patient_of_a_closed_practice_still_opens_their_own_record(
    pilot: factories.Pilot, manager: Actor
) -> None:
    patient = factories.make_patient(pilot.practice, account=True)
    close(pilot.practice, manager)
    assert patients_seen_by(factories.patient_actor(patient)) == 1


def test_a_closing_can_be_undone_before_the_day_and_not_afterwards(
    pilot: factories.Pilot, manager: Actor
) -> None:
    close(pilot.practice, manager, TODAY + DAY)
    keep_open(pilot.practice, by=manager)
    assert fresh(pilot.practice).valid_until is None
    with pytest.raises(ValidationError, match="only before"):
        keep_open(pilot.practice, by=manager)
    close(fresh(pilot.practice), manager)
    with pytest.raises(ValidationError, match="only before"):
        keep_open(pilot.practice, by=manager)


def test_nothing_closes_in_the_past_twice_or_before_it_began(pilot: factories.Pilot, manager: Actor) -> None:
    new = factories.make_organisation(valid_from=TODAY)
    for organisation, day in ((pilot.practice, TODAY - DAY), (new, TODAY)):
        with pytest.raises(ValidationError) as refused:
            close(organisation, manager, day)
        assert "on" in refused.value.message_dict
    close(pilot.practice, manager, TODAY + DAY)
    with pytest.raises(ValidationError, match="closing already"):
        close(fresh(pilot.practice), manager)


def test_the_pilots_own_office_stays(pilot: factories.Pilot, manager: Actor) -> None:
    with pytest.raises(ValidationError, match="pilot’s own"):
        close(pilot.office, manager)


def test_nobody_is_added_to_what_is_closed(pilot: factories.Pilot, manager: Actor) -> None:
    close(pilot.practice, manager)
    with pytest.raises(ValidationError, match="is closed"):
        add_person(fresh(pilot.practice), "late@example.org", "Late Comer", Role.RECEPTIONIST, by=manager)


@pytest.mark.parametrize(
    "role", [role for role in Role if role not in (Role.PILOT_MANAGER, Role.PATIENT, Role.SYSTEM)]
)
def test_only_a_pilot_manager_changes_organisations(pilot: factories.Pilot, role: Role) -> None:
    by = factories.make_staff_of_every_role(pilot)[role]
    practice: Any = pilot.practice
    for act in (
        lambda: change_organisation(practice, name="X", phone="", version=practice.version, by=by),
        lambda: change_provider(practice, None, version=practice.version, by=by),
        lambda: close(practice, by),
        lambda: keep_open(practice, by=by),
    ):
        with pytest.raises(PermissionDenied):
            act()
