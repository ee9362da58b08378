"""The days of the pilot as real ones, and the hours of them that coaches still have free."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from django.utils import timezone

from pilot.demo.places import Worker

# The pilot began a year and a half ago; day 0 is its first, this one is today.
TODAY = 548
HOURS = (9, 10, 11, 12, 14, 15, 16)


class Calendar:
    """The pilot's days as real ones, and which hours each coach still has free."""

    def __init__(self, today: dt.date) -> None:
        self.today = today
        self._taken: set[tuple[UUID, dt.date, int]] = set()

    def date(self, day: int) -> dt.date:
        """A working day: the last one at or before a day that is past, the first one from a day to come."""
        found = self.today + dt.timedelta(days=day - TODAY)
        step = dt.timedelta(days=1 if day > TODAY else -1)
        while found.weekday() > 4:
            found += step
        return found

    def at(self, day: int, hour: int = 10, minute: int = 0) -> dt.datetime:
        return timezone.make_aware(dt.datetime.combine(self.date(day), dt.time(hour, minute)))

    def hour_of(self, coach: Worker, day: int, wanted: int) -> dt.datetime:
        """The hour wanted on that day, or the nearest day's first one that the coach has free."""
        step = 1 if day > TODAY else -1
        while True:
            for hour in (wanted, *HOURS):
                if (taken := (coach.id, self.date(day), hour)) not in self._taken:
                    self._taken.add(taken)
                    return self.at(day, hour)
            day += step
