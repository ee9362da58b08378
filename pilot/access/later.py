"""What somebody causes and the worker does: the log has it beside what they did, as of the same request. And what the worker
does once at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Task
from celery.signals import task_postrun, task_prerun
from django.db import connection, transaction

from pilot.access.context import caused_by, current_or_none

# The header of a task that says which request caused it.
REQUEST = "pilot_request"


def soon(task: Task, *arguments: Any) -> None:
    """Queue the task once the surrounding transaction is saved. What it does is logged as of the same request.

    A broker that cannot be reached stops nobody: such a task is one that the clock starts again, or that can be asked for
    again.
    """
    context = current_or_none()
    headers = {REQUEST: context.request if context else ""}
    transaction.on_commit(lambda: task.apply_async(args=arguments, retry=False, headers=headers), robust=True)


@contextmanager
def alone(name: str) -> Iterator[bool]:
    """Whether no other run of what is named so is under way. While this one is, every other is told that it is not alone.

    Call it outside any transaction. Whoever dies gives the place free with their connection.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [f"task {name}"])
        (is_alone,) = cursor.fetchone()
    try:
        yield is_alone
    finally:
        if is_alone:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [f"task {name}"])


@task_prerun.connect  # type: ignore[untyped-decorator]
def _go_on_with_request(task: Task, **sent: Any) -> None:
    caused_by.set((task.request.headers or {}).get(REQUEST) or "")


@task_postrun.connect  # type: ignore[untyped-decorator]
def _end_of_request(**sent: Any) -> None:
    caused_by.set("")
