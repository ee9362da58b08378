"""Migrate as the owner, under a name of its own, and bring the walls up to date afterwards."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.core.management.commands.migrate import Command as Migrate
from django.db import connections

from pilot.access import walls

OWNER = "owner"


class Command(Migrate):
    help = "Apply migrations as the owner of the database, then install policies and rights."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database=OWNER)

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        with connection.cursor() as cursor:
            # Session-wide on purpose: migrations open transactions of their own. The connection is closed below.
            cursor.execute(
                "SELECT set_config('pilot.user', 'system:migrate', false), set_config('pilot.role', 'system', false),"
                " set_config('pilot.action', 'schema.migrated', false)"
            )
        try:
            super().handle(*args, **options)
            if not (options["plan"] or options["check_unapplied"]):
                walls.install(connection)
        finally:
            connection.close()
