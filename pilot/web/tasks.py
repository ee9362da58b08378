"""Tidying up by the clock."""

from pilot.celery import app
from pilot.web import actions


@app.task(name="web.forget_old_keys")
def forget_old_keys() -> None:
    """Remove the keys of old forms. Safe to run twice."""
    actions.forget_old_keys()
