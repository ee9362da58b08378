"""Stops start-up while any table is unaccounted for."""

from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "pilot.access"

    def ready(self) -> None:
        from audit.privacy import require_declarations

        require_declarations()
