"""Two real providers, and the project configured for them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

from pilot.sign_in.oidc.configuration import NHS_LOGIN, NHS_LOGIN_VECTORS, WORK, Provider
from tests.sign_in.oidc.provider import RealProvider, make_key, running

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
