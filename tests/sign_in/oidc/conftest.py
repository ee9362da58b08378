"""Two real providers, and the project configured for them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from pilot.sign_in.oidc.configuration import NHS_LOGIN, NHS_LOGIN_VECTORS, WORK, Provider
from tests.sign_in.oidc.provider import RealProvider, make_key, running

if TYPE_CHECKING:
    from django.test import Client

    from pilot.people.models import Patient
    from tests.factories import Pilot

CLIENT = "work-coaching-pilot"
SECRET = "a secret between the two"


@pytest.fixture(scope="session")
def client_key() -> Any:
    """Ours, which NHS login knows the public half of."""
    return make_key()


@pytest.fixture(scope="session")
def nhs_running(client_key: Any) -> Iterator[RealProvider]:
    with running(client_key.public_key()) as provider:
        yield provider


@pytest.fixture(scope="session")
def work_running() -> Iterator[RealProvider]:
    with running() as provider:
        yield provider


@pytest.fixture
def nhs(nhs_running: RealProvider) -> Iterator[RealProvider]:
    """What NHS login is to us."""
    yield nhs_running
    nhs_running.forget()


@pytest.fixture
def work(work_running: RealProvider) -> Iterator[RealProvider]:
    """What an organisation's own sign-in is to us."""
    yield work_running
    work_running.forget()


@pytest.fixture(autouse=True)
def configured(settings: Any, nhs: RealProvider, work: RealProvider, client_key: Any) -> dict[str, Provider]:
    """Both of them, as the environment would configure them."""
    import_module("pilot.urls")  # first, as every other test knows it: with none of them
    settings.ROOT_URLCONF = "tests.sign_in.oidc.site"
    settings.SIGN_IN_PROVIDERS = {
        NHS_LOGIN: Provider(
            slug=NHS_LOGIN,
            name="NHS login",
            issuer=nhs.issuer,
            client_id=CLIENT,
            scope=("openid", "profile", "email"),
            private_key=client_key,
            key_id="pilot-1",
            vectors=NHS_LOGIN_VECTORS,
        ),
        WORK: Provider(
            slug=WORK,
            name="NHSmail",
            issuer=work.issuer,
            client_id=CLIENT,
            scope=("openid", "email"),
            client_secret=SECRET,
            acr=frozenset({"AAL2"}),
            amr=frozenset({"mfa"}),
        ),
    }
    return settings.SIGN_IN_PROVIDERS


@pytest.fixture
def pilot(db: None) -> Pilot:
    """Practices in the worker's database: what is asked of providers needs no database of its own."""
    from tests import factories

    return factories.make_pilot()


@pytest.fixture
def patient(pilot: Pilot) -> Patient:
    """Somebody without an account, whose name is written in several ways."""
    from tests import factories

    return factories.make_patient(pilot.practice, family_name="Ó Brien-Žižek", email="")


@pytest.fixture
def proven(nhs: RealProvider, patient: Patient) -> Patient:
    """The patient, for whom NHS login vouches as `sub-1`."""
    from tests.sign_in.oidc.journey import claims_of

    nhs.knows("sub-1", **claims_of(patient))
    return patient


@pytest.fixture
def linked(client: Client, nhs: RealProvider, proven: Patient) -> Patient:
    """The patient, whose account was opened by NHS login and who has signed out since."""
    from tests.sign_in.oidc.journey import travel

    travel(client, nhs, NHS_LOGIN, "sub-1")
    client.logout()
    return proven
