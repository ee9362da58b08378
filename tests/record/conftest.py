"""A patient with a past and a future, and somebody else's."""

from typing import Any

import pytest

from tests.conftest import has_own_database


@pytest.fixture(scope="session")
def prepared(prepare: Any) -> Any:
    from tests.record.cases import make_full_case

    return prepare(make_full_case)


@pytest.fixture
def case(request: pytest.FixtureRequest, prepared: Any, db: None) -> Any:
    from tests.record.cases import make_full_case

    return make_full_case() if has_own_database(request) else prepared.copy()


@pytest.fixture
def other(case: Any) -> Any:
    """Somebody else at the same practice."""
    from tests.record.cases import make_other_case

    return make_other_case(case)
