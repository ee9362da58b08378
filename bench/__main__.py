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
    _use_safe_servers()
    import django

    django.setup()
    rows: list[Row] = []
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name not in ("__main__", "table"):
            rows += importlib.import_module(f"bench.{module.name}").measure()
    print_table(rows)


def _use_safe_servers() -> None:
    """Servers of the benchmark's own that keep what they are given as a real one does: those for tests do not wait for the
    disk, and what waits for nothing costs nothing."""
    import psycopg

    from pilot import embedded

    servers = embedded.servers(Path(__file__).parent.parent / ".pilot" / "bench")
    with psycopg.connect(servers.superuser_url, autocommit=True) as connection:
        # Each measurement works on a clone of its own, and drops it.
        connection.execute("ALTER ROLE pilot_owner CREATEDB")
        connection.execute("GRANT pg_signal_backend TO pilot_owner")
    for name in ("app", "owner", "sealer", "auditor"):
        variable = "DATABASE_URL" if name == "app" else f"{name.upper()}_DATABASE_URL"
        os.environ[variable] = getattr(servers, f"{name}_url")
    os.environ["REDIS_URL"] = servers.redis_url


if __name__ == "__main__":
    main()
