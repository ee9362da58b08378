"""The app's configuration."""

from django.apps import AppConfig
from django.core import checks


class WebConfig(AppConfig):
    name = "pilot.web"
    label = "web"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from pilot.web.expectations import check_declarations

        checks.register(check_declarations, checks.Tags.urls)
