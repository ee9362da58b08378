"""A pilot manager at work. Imports are inside: Django is not set up yet here."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests import forms

if TYPE_CHECKING:
    from django.test import Client

    from pilot.access import Actor
    from tests.factories import Pilot

# The answer itself, and not where it leads to.
send = partial(forms.send, follow=False)


@pytest.fixture(scope="module")
def pilot(module_database: str) -> Pilot:
    from tests import factories

    return factories.make_pilot()


@pytest.fixture(scope="module")
def manager(pilot: Pilot) -> Actor:
    from pilot.access import Role
    from tests import factories

    return factories.make_staff(Role.PILOT_MANAGER, pilot.office, name="Max Office")


@pytest.fixture
def office(manager: Actor, client: Client) -> Client:
    """The manager's browser."""
    from tests import factories

    return factories.sign_in(client, manager)
