"""Registers with consent what withdrawing means for messages."""

from django.apps import AppConfig


class OutboxConfig(AppConfig):
    name = "pilot.outbox"

    def ready(self) -> None:
        from pilot.outbox import consequences  # noqa: F401 (registers itself)
