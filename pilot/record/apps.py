"""Loads what the patient's record registers elsewhere."""

from django.apps import AppConfig


class RecordConfig(AppConfig):
    name = "pilot.record"

    def ready(self) -> None:
        from pilot.record import consequences  # noqa: F401 (registers what a record waits for)
