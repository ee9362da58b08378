"""`make bench`: measures what PERFORMANCE targets name and prints one table of ratios, not milliseconds.

Each measurement is a module of this package with a function `measure() -> list[Row]`.
"""

import importlib
import os
import pkgutil
from pathlib import Path

from bench.table import Row, print_table


def main() -> None:
    """Run every measurement, one after the other, and print the table."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pilot.settings")
    os.environ["PILOT_MODE"] = "test"
    import django

    django.setup()
    rows: list[Row] = []
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name not in ("__main__", "table"):
            rows += importlib.import_module(f"bench.{module.name}").measure()
    print_table(rows)


if __name__ == "__main__":
    main()
