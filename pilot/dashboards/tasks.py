"""Publishing by the clock."""

from __future__ import annotations

from pilot.access import Actor
from pilot.celery import app
from pilot.dashboards.actions import publish_what_is_due


@app.task(name="dashboards.publish")
def publish_release() -> None:
    """Publish what is due. Safe to run at any time and twice: mostly there is nothing."""
    publish_what_is_due(by=Actor.system("dashboards.publish"))
