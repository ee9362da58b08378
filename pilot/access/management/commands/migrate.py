"""Migrate as the owner, under a name of its own, and bring the walls up to date afterwards."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.core.management.commands.migrate import Command as Migrate
from django.db import connections
from django.db.migrations.operations import AddConstraint, AddIndex
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from pgtrigger.migrations import AddTrigger, RemoveTrigger

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


def _keep_models_rendered(operation: type[Operation]) -> None:
    """Spare Django making the model anew after such an operation, and with it each model that points to it.

    What it adds or takes away is no column, and reaches the model that stands by its option. On an empty database this
    is most of the work.
    """
    note = operation.state_forwards

    def state_forwards(self: Any, app_label: str, state: ProjectState) -> None:
        apps = state.__dict__.pop("apps", None)
        note(self, app_label, state)
        if apps is not None:
            state.__dict__["apps"] = apps
            model, option = apps.get_model(app_label, self.model_name), self.option_name
            setattr(model._meta, option, state.models[app_label, self.model_name_lower].options[option])

    operation.state_forwards = state_forwards  # type: ignore[method-assign]


for _operation in (AddTrigger, RemoveTrigger, AddConstraint, AddIndex):
    _keep_models_rendered(_operation)
