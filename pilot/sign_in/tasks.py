"""Tidying up by the clock."""

from pilot.access import Actor
from pilot.celery import app
from pilot.sign_in import actions


@app.task(name="sign_in.forget_ended_sessions")
def forget_ended_sessions() -> None:
    """Remove what is left of sessions that ended by themselves. Safe to run twice."""
    actions.forget_ended_sessions(by=Actor.system("forget-sessions"))
