"""A log of one's own: a database, a directory for checkpoints and a key."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from audit import actions
from pilot.access import Actor, acting
from tests.audit import tampering


@pytest.fixture
def log_place(settings: Any, tmp_path: Path) -> Path:
    """Where this test's checkpoints and keys are."""
    settings.AUDIT_CHECKPOINT_DIR = str(tmp_path / "checkpoints")
    settings.AUDIT_SIGNING_KEY = str(tmp_path / "key")
    settings.AUDIT_ORIGIN = "pilot.example/log"
    return tmp_path


@pytest.fixture
def write_events() -> Callable[..., list[UUID]]:
    """Write so many looks into the log, each in a transaction of its own, each at a patient of its own."""

    def write(count: int, **more: Any) -> list[UUID]:
        patients = [uuid4() for _ in range(count)]
        for patient in patients:
            with acting(Actor.system("tests"), "tests.looked", **more):
                actions.record_look([patient], ["identity"])
        return patients

    return write


@pytest.fixture
def sealed() -> Callable[[], int]:
    """Seal all there is and say how large the tree is then.

    Any open transaction of the same server holds sealing back, those of other tests included: hence the patience.
    """

    return tampering.seal_all
