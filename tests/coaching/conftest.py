"""What tests of coaching begin with. Models can be imported only once Django is set up, so inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import has_own_database

if TYPE_CHECKING:
    from django.test import Client

    from tests.coaching.case import Case


@pytest.fixture(scope="session")
def prepared(prepare: Any) -> Any:
    from tests.coaching.case import make_case

    return prepare(make_case)


@pytest.fixture
def case(request: pytest.FixtureRequest, prepared: Any, db: None) -> Case:
    from tests.coaching.case import make_case

    return make_case() if has_own_database(request) else prepared.copy()


@pytest.fixture
def coach_client(case: Case, client: Client) -> Client:
    from tests.factories import sign_in

    return sign_in(client, case.coach)


@pytest.fixture
def clinician_client(case: Case) -> Client:
    from django.test import Client

    from tests.factories import sign_in

    return sign_in(Client(), case.clinician)
