"""Sending what is due. Every task here may be run twice, or by several workers, or be killed at any point."""

from __future__ import annotations

from pilot.access import Actor, acting
from pilot.celery import app
from pilot.outbox import actions, selectors

SENDER = Actor.system("outbox.send")


@app.task(name="outbox.send_due")
def send_due() -> int:
    """Send every message that is due, each at most once. Returns how many were sent."""
    with acting(SENDER, "outbox.find_due"):
        due = selectors.to_send(SENDER)
    sent = 0
    for message in due:
        # Two transactions: the claim is saved before anything leaves, so that no crash can send it twice.
        if actions.claim(message, by=SENDER):
            sent += actions.send(message, by=SENDER) == message.Status.SENT
    return sent


@app.task(name="outbox.settle_cut_off")
def settle_cut_off() -> None:
    """Find out what became of messages whose sending was cut off; what nobody can find out, a person is
    shown.
    """
    with acting(SENDER, "outbox.find_cut_off"):
        found = selectors.cut_off(SENDER)
    for message in found:
        actions.settle_cut_off(message, by=SENDER)
