"""`manage.py publish_release`: count, protect and publish the months that are due."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from pilot.access import Actor
from pilot.dashboards.actions import publish, publish_what_is_due
from pilot.dashboards.models import Release


class Command(BaseCommand):
    help = "Publish the figures of every month that is due. Safe to repeat."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--until",
            type=dt.date.fromisoformat,
            metavar="YYYY-MM-01",
            help="end before this day, the first of a month, instead of with all that is due",
        )

    def handle(self, *args: Any, until: dt.date | None, **options: Any) -> None:
        by = Actor.system("dashboards.publish")
        try:
            release = publish(Release(until=until), by=by) if until else publish_what_is_due(by=by)
        except ValidationError as refusal:
            raise CommandError(" ".join(refusal.messages)) from refusal
        if release is None:
            self.stdout.write("Nothing is due: every month that can be counted is published.")
        else:
            self.stdout.write(f"Published everything before {release.until:%-d %B %Y}.")
