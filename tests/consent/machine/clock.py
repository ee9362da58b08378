"""A clock that a test moves, the same for Python and for the database: days and months pass at once."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from contextlib import contextmanager

import time_machine
from django.db import connections
from django.utils import timezone

# A Monday morning before a winter, a summer and two changes of the clocks.
START = dt.datetime(2026, 11, 2, 10, tzinfo=dt.UTC)

_INSTALL = """
CREATE TABLE public.machine_clock (ahead interval NOT NULL);
INSERT INTO public.machine_clock VALUES ('0');
CREATE FUNCTION public.machine_moment() RETURNS timestamptz LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$ SELECT clock_timestamp() + ahead FROM public.machine_clock $$;
GRANT EXECUTE ON FUNCTION public.machine_moment() TO PUBLIC;
"""
# Whatever asks the database what time it is: what row policies call today, and when an event happened.
_ASKING = """
SELECT pg_get_functiondef(p.oid) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname IN ('public', 'pilot') AND p.proname <> 'machine_moment' AND p.prolang <> 12
    AND (p.proname = 'today' OR p.prosrc LIKE '%clock_timestamp()%')
"""


def install() -> None:
    """Make the database at hand follow this clock. It is a clone that is thrown away afterwards."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(_INSTALL)
        cursor.execute(_ASKING)
        for (definition,) in cursor.fetchall():
            moved = re.sub(r"\b(clock_timestamp|now)\(\)", "public.machine_moment()", definition)
            cursor.execute(moved.replace("%", "%%"), [])


class Clock:
    """Time that goes on by itself and jumps when it is told."""

    def __init__(self, place: time_machine.Coordinates) -> None:
        self._place = place
        self._tell_database()

    def move(self, by: dt.timedelta) -> None:
        self._place.shift(by)
        self._tell_database()

    def _tell_database(self) -> None:
        with connections["owner"].cursor() as cursor:
            cursor.execute("UPDATE public.machine_clock SET ahead = %s - clock_timestamp()", [timezone.now()])


@contextmanager
def running() -> Iterator[Clock]:
    with time_machine.travel(START) as place:
        yield Clock(place)
