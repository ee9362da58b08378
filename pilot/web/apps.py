"""The app's configuration."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "pilot.web"
    label = "web"
    default_auto_field = "django.db.models.BigAutoField"
