"""What leaving a mark costs: create + update with history, events and policies beside plain Django and beside
simple-history's own writer, and eight writers at once.

All do the same two saves of one patient in a transaction of their own. The audited way opens `acting(…)` for it;
without, the database would refuse: who acts is told to it anew in every transaction. It takes no lock and asks for no
permission, as `@action` would beside: the plain way does not either.

Every transaction waits for the disk, the plain one too, so a slow disk flatters the ratio of times. Hence a second one, of
processor time: what this process and its server used, and nobody waited for.
"""

from __future__ import annotations

import datetime as dt
import multiprocessing
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper

from bench.table import Row

BLOCKS, PER_BLOCK = 12, 40
WRITERS, PER_WRITER = 8, 60


def measure() -> list[Row]:
    """Blocks of each way in turn, so that whatever else the machine does falls on all of them."""
    from pilot.access import Role
    from tests import factories
    from tests.databases import Cloner, point_to

    cloner = Cloner()
    cloner.prepare()
    try:
        with cloner.clone() as walled:
            pilot = factories.make_pilot()
            actor = factories.make_staff(Role.RECEPTIONIST, pilot.practice)
            with cloner.clone(of=walled) as unaudited, cloner.clone(of=walled) as bare:
                take_down_the_walls()
                point_to(unaudited)
                switch_off_the_triggers()
                ways: dict[str, tuple[str, Callable[[], None]]] = {
                    "plain": (bare, lambda: _plain(pilot.practice)),
                    "history in Python": (bare, lambda: _with_python_history(pilot.practice)),
                    "audited": (walled, lambda: _audited(pilot.practice, actor)),
                }
                times: dict[str, list[float]] = {name: [] for name in ways}
                busy: dict[str, list[float]] = {name: [] for name in ways}
                for _ in range(BLOCKS):
                    for name, (where, work) in ways.items():
                        point_to(where)
                        took, used = _timed(work, PER_BLOCK)
                        times[name] += took
                        busy[name].append(used)
                rates: dict[str, list[float]] = {unaudited: [], walled: []}
                for _ in range(BLOCKS // 3):
                    for where, found in rates.items():
                        point_to(where)
                        found.append(_at_once(ways["audited"][1]))
                point_to(bare)
    finally:
        cloner.close()
    median = {name: statistics.median(each) for name, each in times.items()}
    best = {where: max(each) for where, each in rates.items()}
    return [
        Row(
            "create + update: history, event, policies ÷ plain Django",
            median["audited"] / median["plain"],
            1.5,
        ),
        Row(
            "the same in processor time, client and server",
            statistics.median(busy["audited"]) / statistics.median(busy["plain"]),
            1.5,
        ),
        Row(
            "create + update: simple-history's own writer ÷ plain",
            median["history in Python"] / median["plain"],
            2.2,
        ),
        Row(
            f"{WRITERS} writers: ÷ the same without audit", best[walled] / best[unaudited], 0.9, at_most=False
        ),
    ]


def _write(practice: Any, key: Any) -> None:
    from pilot.people.models import Patient

    patient = Patient(
        id=key, practice=practice, given_name="Ann", family_name="Arbor", nhs_number_unknown=True,
        date_of_birth=dt.date(1984, 3, 27),
    )  # fmt: skip
    patient.save(force_insert=True)
    patient.given_name = "Anna"
    patient.save(update_fields=["given_name"])


def _plain(practice: Any) -> None:
    with transaction.atomic():
        _write(practice, uuid4())


def _with_python_history(practice: Any) -> None:
    settings.SIMPLE_HISTORY_ENABLED = True
    try:
        _plain(practice)
    finally:
        settings.SIMPLE_HISTORY_ENABLED = False


def _audited(practice: Any, by: Any) -> None:
    from pilot.access import acting

    key = uuid4()
    with acting(by, "bench.written", patients=[key]):
        _write(practice, key)


def _timed(work: Callable[[], None], rounds: int) -> tuple[list[float], float]:
    """The seconds of each round, and the processor's seconds of all."""
    for _ in range(5):
        work()
    used, times = _used(), []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return times, _used() - used


def _used() -> float:
    """The processor's seconds that this process and the server's process for it have used. Linux counts them."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        server = cursor.fetchone()[0]
    counted = Path(f"/proc/{server}/schedstat").read_text().split()[0]
    return time.process_time() + int(counted) / 1e9


def _at_once(work: Callable[[], None]) -> float:
    """Rounds per second of all writers together, each a process as those of a web server are."""
    connections.close_all()
    fork = multiprocessing.get_context("fork")
    ready = fork.Barrier(WRITERS + 1)

    def run() -> None:
        work()
        ready.wait()
        for _ in range(PER_WRITER):
            work()
        connections.close_all()

    writers = [fork.Process(target=run) for _ in range(WRITERS)]
    for writer in writers:
        writer.start()
    ready.wait(60)
    began = time.perf_counter()
    for writer in writers:
        writer.join()
    if any(writer.exitcode for writer in writers):
        raise RuntimeError("A writer did not finish.")
    return WRITERS * PER_WRITER / (time.perf_counter() - began)


def switch_off_the_triggers() -> None:
    """The walls stand, and nothing is written down."""
    with connections["owner"].cursor() as cursor:
        for name in _tables(cursor):
            cursor.execute(f'ALTER TABLE "{name}" DISABLE TRIGGER USER')


def take_down_the_walls() -> None:
    """No triggers and no row policies: the database as a project without them would have it."""
    switch_off_the_triggers()
    with connections["owner"].cursor() as cursor:
        for name in _tables(cursor):
            cursor.execute(f'ALTER TABLE "{name}" DISABLE ROW LEVEL SECURITY')
            cursor.execute(f'GRANT ALL ON "{name}" TO {connections["default"].settings_dict["USER"]}')


def _tables(cursor: CursorWrapper) -> list[str]:
    cursor.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    return [name for (name,) in cursor.fetchall()]
