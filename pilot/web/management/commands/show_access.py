"""Prints who is answered what at every address, as the permissions, roles and relations have it."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from pilot.web.expectations import ASKERS, Asker, addresses, cells, counts_in_words, summary


class Command(BaseCommand):
    help = "Who is answered what at every address. The suite asks every address all of it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="every cell, as a list of objects")
        parser.add_argument(
            "--role", choices=[asker.name for asker in ASKERS], help="only what this one is answered"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        asker = next((each for each in ASKERS if each.name == options["role"]), None)
        if options["json"]:
            json.dump([cell._asdict() for cell in cells(asker)], self.stdout, indent=1)
            self.stdout.write("")
        else:
            self._draw(asker)

    def _draw(self, asker: Asker | None) -> None:
        for address in addresses():
            self.stdout.write(f"/{address.pattern}  ({address.name})")
            for line in summary(address, (asker,) if asker else ASKERS):
                self.stdout.write(f"  {', '.join(line.methods):<15} {line.outcome.value:<16} {line.in_words}")
        self.stdout.write(f"\n{counts_in_words()}. Whatever is not named here is answered 405.")
