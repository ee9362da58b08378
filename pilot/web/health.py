"""Whether this process is alive, and whether it is ready to serve. Tells nothing an outsider could use."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponseBase, JsonResponse

from pilot.celery import app, worker_is_alive
from pilot.web.views import PublicView

logger = logging.getLogger(__name__)


class Alive(PublicView):
    """200 as long as the process answers at all."""

    why = "Asked by whatever keeps the process running; tells nothing."

    def get(self, request: HttpRequest) -> HttpResponseBase:
        return _uncached({"alive": True}, 200)


class Ready(PublicView):
    """200 if everything that a request needs is there, else 503; each check by name."""

    why = "Asked by whatever sends requests here; tells which part is missing and no more."

    def get(self, request: HttpRequest) -> HttpResponseBase:
        results = {name: _passes(name, check) for name, check in CHECKS.items()}
        return _uncached(results, 200 if all(results.values()) else 503)


def _uncached(results: dict[str, bool], status: int) -> JsonResponse:
    return JsonResponse(results, status=status, headers={"Cache-Control": "no-store"})


def _database() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return True


def _migrations() -> bool:
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def _broker() -> bool:
    with app.connection_for_read() as broker:
        broker.ensure_connection(max_retries=1, timeout=2)
    return True


CHECKS: dict[str, Callable[[], bool]] = {
    "database": _database,
    "migrations": _migrations,
    "broker": _broker,
    "worker": worker_is_alive,
}


def _passes(name: str, check: Callable[[], bool]) -> bool:
    try:
        return check()
    except Exception as error:  # Whatever is wrong, the answer is "not ready".
        logger.warning("Not ready: %s (%s)", name, type(error).__name__)
        return False
