"""What the calendar asks for: to say in good time what ends, and to end it when the day has come."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded

from consent import selectors
from consent.actions import announce_end, lapse
from pilot.access import Actor, acting
from pilot.access.later import alone
from pilot.celery import app
from pilot.people.models import Patient

logger = logging.getLogger(__name__)

# Patients in one run, each in a transaction of their own: fewer than what a worker does in the time that it has for a task.
AT_ONCE = 500


@app.task(name="consent.announce_ends")
def announce_ends() -> None:
    """Tell everybody whose yes ends soon, once for each day it ends on. Safe to run twice."""
    _for_each("consent.announce_ends", selectors.patients_to_tell, announce_end)


@app.task(name="consent.lapse")
def end_what_has_lapsed() -> None:
    """End what rests on a yes whose time is over. Coaches have lost access with the day already. Safe to run twice."""
    _for_each("consent.lapse", selectors.patients_with_lapsed, lapse)


def _for_each(name: str, find: Callable[[Actor, int], list[Any]], do: Callable[..., Any]) -> None:
    """So many patients, each in a transaction of their own: one who cannot be dealt with keeps nobody else waiting. Nothing
    where an earlier run is still at it."""
    with alone(name) as is_alone:
        if is_alone:
            _do(name, find, do)


def _do(name: str, find: Callable[[Actor, int], list[Any]], do: Callable[..., Any]) -> None:
    system = Actor.system(name)
    with acting(system, f"{name}_due"):
        keys = find(system, AT_ONCE)
    for key in keys:
        try:
            do(Patient(pk=key), by=system)
        except SoftTimeLimitExceeded:
            # The next run goes on where this one had to stop.
            raise
        except Exception:
            # The patient is named by their key alone: a log says nothing about a person.
            logger.exception("%s could not be done for patient %s; the next run tries again.", name, key)
