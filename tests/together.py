"""Doing things at the same moment, each in a thread with a connection of its own."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

SECONDS = 30  # after which a test gives up


def at_once(*deeds: Callable[[], Any]) -> list[Any]:
    """Begin all of these together; what each gave or raised, in their order."""
    from django.db import connections

    gate = threading.Barrier(len(deeds))

    def run(deed: Callable[[], Any]) -> Any:
        try:
            gate.wait(SECONDS)
            return deed()
        except Exception as problem:  # the test looks at it
            return problem
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(deeds)) as pool:
        return [future.result(SECONDS) for future in [pool.submit(run, deed) for deed in deeds]]
