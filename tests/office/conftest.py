"""A pilot manager at work. Imports are inside: Django is not set up yet here."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

if TYPE_CHECKING:
    from pilot.access import Actor
    from tests.factories import Pilot


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


def hidden_in(page: str) -> dict[str, str]:
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"[^>]*>', page)
    return {name: unescape(value) for name, value in found}


def send(client: Client, address: str, **answers: Any) -> Any:
    """Fill in the form at this address."""
    return client.post(address, {**hidden_in(client.get(address).content.decode()), **answers})
