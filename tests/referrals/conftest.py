"""A practice with its people, and somebody signed in. Imports are inside: Django is not set up yet here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.test import Client

if TYPE_CHECKING:
    from pilot.access import Actor
    from pilot.people.models import Patient
    from tests.factories import Pilot


@pytest.fixture
def receptionist(pilot: Pilot) -> Actor:
    return _staff("receptionist", pilot.practice, "Rita Desk")


@pytest.fixture
def clinician(pilot: Pilot) -> Actor:
    return _staff("clinician", pilot.practice, "Dr Clay")


@pytest.fixture
def supervisor(pilot: Pilot) -> Actor:
    return _staff("supervisor", pilot.provider, "Sue Pervisor")


@pytest.fixture
def coach(pilot: Pilot) -> Actor:
    return _staff("coach", pilot.provider, "Cole Coach")


@pytest.fixture
def patient(pilot: Pilot) -> Patient:
    from tests import factories

    return factories.make_patient(pilot.practice)


@pytest.fixture
def desk(client: Client, receptionist: Actor) -> Client:
    """The receptionist's browser."""
    from tests import factories

    return factories.sign_in(client, receptionist)


@pytest.fixture
def elsewhere(pilot: Pilot) -> Client:
    """The browser of a receptionist at another practice."""
    from tests import factories

    return factories.sign_in(Client(), _staff("receptionist", pilot.other_practice, "Otto Elsewhere"))


def _staff(role: str, organisation: object, name: str) -> Actor:
    from pilot.access import Role
    from tests import factories

    return factories.make_staff(Role(role), organisation, name=name)
