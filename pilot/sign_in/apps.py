"""Listens to what allauth tells of second steps, once all models are there."""

from django.apps import AppConfig


class SignInConfig(AppConfig):
    name = "pilot.sign_in"
    label = "sign_in"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from pilot.sign_in import receivers

        receivers.connect()
