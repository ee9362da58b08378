"""A practice, its people, and the sheet that decisions rest on. Imports wait until Django is set up."""

from typing import Any

import pytest


@pytest.fixture
def patient(pilot: Any) -> Any:
    from tests.factories import make_patient

    return make_patient(pilot.practice, account=True)


@pytest.fixture
def themselves(patient: Any) -> Any:
    from tests.factories import patient_actor

    return patient_actor(patient)


@pytest.fixture
def receptionist(pilot: Any) -> Any:
    from pilot.access import Role
    from tests.factories import make_staff

    return make_staff(Role.RECEPTIONIST, pilot.practice)


@pytest.fixture
def sheet(db: None) -> Any:
    from tests.factories import make_sheet

    return make_sheet()


@pytest.fixture
def online() -> Any:
    from consent.actions import How
    from consent.models import Decision

    return How(Decision.Method.ONLINE, capacity_not_in_doubt=True, freely_given=True)


@pytest.fixture
def by_phone() -> Any:
    from consent.actions import How
    from consent.models import Decision

    return How(Decision.Method.PHONE, capacity_not_in_doubt=True, freely_given=True, witness="Her sister")


@pytest.fixture
def nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Consent by itself, without what the apps above it make of a decision."""
    from consent import consequences

    monkeypatch.setattr(consequences, "_registered", consequences._Registered())
