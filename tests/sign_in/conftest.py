"""Who signs in here, and what the log says about it afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pilot.access import Actor
    from pilot.people.models import Patient
    from tests.factories import Pilot


@pytest.fixture
def pilot(module_database: str) -> Pilot:
    """Practices of this test's own, in the database that its module shares."""
    from tests import factories

    return factories.make_pilot()


@pytest.fixture
def receptionist(pilot: Pilot) -> Actor:
    from pilot.access import Role
    from tests import factories

    return factories.make_staff(Role.RECEPTIONIST, pilot.practice, name="Rosa Desk")


@pytest.fixture
def manager(pilot: Pilot) -> Actor:
    from pilot.access import Role
    from tests import factories

    return factories.make_staff(Role.PILOT_MANAGER, pilot.office, name="Mina Office")


@pytest.fixture
def patient(pilot: Pilot) -> Patient:
    from tests import factories

    return factories.make_patient(pilot.practice, account=True)
