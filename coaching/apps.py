"""Loads what coaching registers elsewhere: what follows when support ends or changes hands."""

from django.apps import AppConfig


class CoachingConfig(AppConfig):
    name = "coaching"

    def ready(self) -> None:
        from coaching import consequences  # noqa: F401 (registers what withdrawal stops)
