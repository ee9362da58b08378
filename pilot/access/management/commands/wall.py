"""`manage.py wall check`: table by table, what the app role can and cannot do on this database, and what is wrong."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from pilot.access.inspection import WORDS, Finding, inspect
from pilot.access.management.commands.migrate import OWNER


class Command(BaseCommand):
    help = (
        "Say what the application may do to each table of this database; end with 1 where a wall is missing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=["check"], help="look, and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[OWNER]
        try:
            found = inspect(connection)
        finally:
            connection.close()
        width = max(len(each.table) for each in found.tables)
        for each in found.tables:
            self.stdout.write(f"{each.table:{width}}  {_in_words(each)}")
            for hole in each.holes:
                self.stdout.write(self.style.ERROR(f"{'':{width}}  WRONG: {hole}"))
        for hole in found.elsewhere:
            self.stdout.write(self.style.ERROR(f"WRONG: {hole}"))
        for note in found.notes:
            self.stdout.write(f"Note: {note}")
        if found.holes:
            raise CommandError(
                f"{len(found.holes)} things are not as declared. `manage.py migrate` re-makes policies, rights and"
                " functions; what is still wrong after it, somebody did by hand."
            )
        self.stdout.write(f"All {len(found.tables)} tables are as declared.")


def _in_words(finding: Finding) -> str:
    can = [word for privilege, word in WORDS.items() if privilege in finding.can]
    cannot = [word for privilege, word in WORDS.items() if privilege not in finding.can]
    rows = ", only rows that its policies allow" if finding.is_secured and can else ""
    return f"{finding.kind}. Can {', '.join(can) or 'do nothing'}{rows}. Cannot {', '.join(cannot) or '–'}."
