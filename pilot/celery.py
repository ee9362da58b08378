"""The worker and the clock: the Celery app, and the sign of life that the worker gives.

Tasks are declared with `@app.task` from here, in each app's tasks.py.
"""

import os
import sys
import time
from typing import Any

# Now, not when the clock starts: told to end in the middle of loading it, the clock would leave with a traceback.
import celery.app.amqp  # noqa: F401
from celery import Celery, bootsteps

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pilot.settings")

app = Celery("pilot")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

HEARTBEAT_SECONDS = 10.0
HEARTBEAT_KEY = "worker-heartbeat"


class Heartbeat(bootsteps.StartStopStep):
    """Leaves the time in the cache every few seconds while the worker's main process runs."""

    requires = ("celery.worker.components:Timer",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self.entry: Any = None

    def start(self, worker: Any) -> None:
        """Beat now and then regularly."""
        self.entry = worker.timer.call_repeatedly(HEARTBEAT_SECONDS, beat, priority=10)
        beat()

    def stop(self, worker: Any) -> None:
        """Stop beating: the last beat expires by itself."""
        if self.entry:
            self.entry.cancel()
            self.entry = None


app.steps["worker"].add(Heartbeat)


def beat() -> None:
    """Say that a worker is alive, for three beats."""
    from django.core.cache import caches

    caches["sessions"].set(HEARTBEAT_KEY, time.time(), timeout=int(3 * HEARTBEAT_SECONDS))


def worker_is_alive() -> bool:
    """Whether a worker gave a sign of life within three beats. False, too, when nobody can tell."""
    from django.core.cache import caches

    return caches["sessions"].get(HEARTBEAT_KEY) is not None


if __name__ == "__main__":
    # Asked by a container's health check.
    sys.exit(0 if worker_is_alive() else "No worker gave a sign of life.")
