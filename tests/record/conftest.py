"""A patient with a past and a future, and somebody else's."""

from typing import Any

import pytest


@pytest.fixture
def case() -> Any:
    from tests.record.cases import make_full_case

    return make_full_case()


@pytest.fixture
def other(case: Any) -> Any:
    """Somebody else at the same practice."""
    from tests.record.cases import make_other_case

    return make_other_case(case)
