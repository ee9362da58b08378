"""Stops start-up while any table is unaccounted for, and listens for who caused a task."""

from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "pilot.access"

    def ready(self) -> None:
        from audit.privacy import require_declarations
        from pilot.access import later  # noqa: F401 (connects its signals)

        require_declarations()
