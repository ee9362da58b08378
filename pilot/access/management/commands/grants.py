"""`manage.py grants compare|rebuild`: hold the grants against memberships, accounts and allocations."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from pilot.access.context import Actor
from pilot.access.projections import compare, rebuild


class Command(BaseCommand):
    help = "Compare the grants with what they are a projection of (ends with 1 where they differ), or rebuild them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=["compare", "rebuild"])

    def handle(self, *args: Any, what: str, **options: Any) -> None:
        found = rebuild(by=Actor.system("grants")) if what == "rebuild" else compare()
        for each in found:
            self.stdout.write(
                f"{each.name}: {each.kept} as they should be, {len(each.missing)} missing,"
                f" {len(each.left_over)} left over"
            )
            for one in each.missing:
                self.stdout.write(f"  missing: {one.role} {one.user} over {one.over}")
            for one in each.left_over:
                self.stdout.write(f"  left over: {one.role} {one.user} over {one.over}")
        differ = sum(len(each.missing) + len(each.left_over) for each in found)
        if differ and what == "compare":
            raise CommandError(f"{differ} grants differ. `manage.py grants rebuild` makes them right.")
        if what == "rebuild":
            self.stdout.write(f"{differ} grants made right." if differ else "Nothing to do.")
