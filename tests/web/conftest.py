"""Who opens the pages in these tests, and on which site."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from django.test import Client

    from pilot.access import Actor
    from tests.factories import Pilot


@pytest.fixture
def site(settings: object) -> None:
    """The tiny site of `tests.web.site`, beside the real one."""
    settings.ROOT_URLCONF = "tests.web.site"


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
def desk(client: Client, receptionist: Actor, site: None) -> Client:
    """The receptionist's browser."""
    from tests import factories

    return factories.sign_in(client, receptionist)
