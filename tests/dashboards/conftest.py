"""The pilot that these tests share, and a way for each to leave it as it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.dashboards.quarter import Quarter


@pytest.fixture(scope="module")
def quarter(module_database: str) -> Quarter:
    """A pilot with a quarter behind it, and nothing published yet."""
    from tests.dashboards.quarter import make_quarter

    return make_quarter()


@pytest.fixture
def undone(quarter: Quarter) -> Iterator[None]:
    """Whatever this test does is undone."""
    from django.db import transaction

    with transaction.atomic():
        yield
        transaction.set_rollback(True)
