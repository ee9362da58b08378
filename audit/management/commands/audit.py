"""`manage.py audit …`: sealing the log, checking it, proving an event, and looking after the keys."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from audit.management import comparing, keeping, proving, verifying

# Each part adds its subcommands and says what each does: a function of the options and of where to write, that returns the
# exit code.
PARTS = (verifying, comparing, proving, keeping)


class Command(BaseCommand):
    help = "Seal the log of events, check it, prove that an event is in it, and look after its keys (docs/audit.md)."
    # What is checked may be a database that is not as it should be.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        choices = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
        for part in PARTS:
            part.add_arguments(choices)

    def handle(self, *args: Any, **options: Any) -> None:
        code = options["do"](options, self.stdout.write)
        if code:
            sys.exit(code)
