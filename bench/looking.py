"""What writing down a look costs a page: the same pages with their read event written and with it left out, in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest.mock import patch

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bench.table import Row

ROUNDS = 100


def measure() -> list[Row]:
    """A patient's page and a practice's list, as a receptionist gets them."""
    from tests.databases import Cloner

    cloner = Cloner()
    cloner.prepare()
    try:
        with cloner.clone():
            return _measured()
    finally:
        cloner.close()


def _measured() -> list[Row]:
    from audit.looks import Looks
    from pilot.access import Role
    from tests import factories

    pilot = factories.make_pilot()
    client = factories.sign_in(Client(), factories.make_staff(Role.RECEPTIONIST, pilot.practice))
    referrals = [factories.make_referral(factories.make_patient(pilot.practice)) for _ in range(25)]
    pages = [reverse("referrals:referral", args=[referrals[0].pk]), reverse("referrals:patients")]

    def get(page: str, record: Callable[[Looks], None]) -> None:
        with patch.object(Looks, "record", record):
            response = client.get(page)
        if response.status_code != 200:
            raise RuntimeError(f"{page} is answered with {response.status_code}.")

    ratios, queries = [], []
    for page in pages:
        with_it, without = partial(get, page, Looks.record), partial(get, page, _nothing)
        ratios.append(_ratio(with_it, without))
        queries.append(_queries(with_it) - _queries(without))
    return [
        Row("a page with its read event ÷ without it", max(ratios), 1.1),
        Row("a read event, queries that it adds", max(queries), 2, ""),
    ]


def _nothing(_: Any) -> None:
    """The page without its event."""


def _ratio(one: Callable[[], None], other: Callable[[], None]) -> float:
    """Of their median times. They take turns, so that whatever else the machine does falls on both."""
    for _ in range(5):
        one()
        other()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for work, found in zip((one, other), times, strict=True):
            began = time.perf_counter()
            work()
            found.append(time.perf_counter() - began)
    return statistics.median(times[0]) / statistics.median(times[1])


def _queries(work: Callable[[], None]) -> int:
    with CaptureQueriesContext(connection) as captured:
        work()
    return len(captured)
