"""Load the invented pilot."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from tqdm import tqdm

from pilot.access import Actor
from pilot.demo.actions import load


class Command(BaseCommand):
    help = "Load the invented pilot. Does nothing where it is loaded already."

    def handle(self, *args: Any, **options: Any) -> None:
        with tqdm(
            desc="Inventing", unit=" rows", total=0, disable=options["verbosity"] == 0, leave=False
        ) as bar:

            def show(done: int, of: int) -> None:
                bar.set_description("Saving", refresh=False)
                bar.total = of
                bar.update(done - bar.n)

            loaded = load(by=Actor.system("demo"), progress=show)
        if options["verbosity"]:
            self.stdout.write(
                "The invented pilot is loaded." if loaded else "The invented pilot is there already."
            )
