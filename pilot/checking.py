"""`make check`: what can be judged without running the tests. All of it runs, whatever is found first."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from pilot import embedded

BASE = Path(__file__).resolve().parent.parent
BIN = BASE / ".venv" / "bin"
PYTHON = str(BIN / "python")
MANAGE = (PYTHON, "manage.py")
# What production cannot do without, invented: nothing connects to any of it here.
PRODUCTION = {
    "PILOT_MODE": "production",
    "PILOT_DEMO": "0",
    "SECRET_KEY": "check-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "DATABASE_URL": "postgresql://pilot_app@db.invalid/pilot",
    "OWNER_DATABASE_URL": "postgresql://pilot_owner@db.invalid/pilot",
    "REDIS_URL": "redis://redis.invalid:6379/0",
    "ALLOWED_HOSTS": "pilot.invalid",
    "PILOT_BASE_URL": "https://pilot.invalid",
    "EMAIL_URL": "smtp+tls://mail.invalid:587",
    "DEFAULT_FROM_EMAIL": "The pilot <pilot@pilot.invalid>",
}


TEST = {"PILOT_MODE": "test", "PILOT_DEMO": "1"}
MAKE_MIGRATIONS = (
    "PILOT_MODE=test PILOT_DEMO=1 .venv/bin/python manage.py makemigrations APP --name WHAT_CHANGED"
)


@dataclass(frozen=True)
class Step:
    """One check: what it holds true, the command that says so and, where there is one, the command that mends it."""

    name: str
    command: tuple[str, ...]
    mend: str = ""
    environment: dict[str, str] = field(default_factory=lambda: dict(TEST))


STEPS = [
    Step("Types hold (mypy)", (str(BIN / "mypy"),)),
    Step("No lint (ruff)", (str(BIN / "ruff"), "check", ".")),
    Step(
        "Python is formatted (ruff)",
        (str(BIN / "ruff"), "format", "--check", "."),
        mend=".venv/bin/ruff format FILE",
    ),
    Step("Imports go down only (import-linter)", (str(BIN / "lint-imports"), "--no-logo")),
    Step("Templates have no lint (djlint)", (str(BIN / "djlint"), "--quiet", "--lint", "templates")),
    Step(
        "Migrations match the models, histories and triggers",
        (*MANAGE, "makemigrations", "--check", "--dry-run"),
        mend=f"{MAKE_MIGRATIONS} (for each app named above), then manage.py migrate",
    ),
    Step(
        "Migrations are in one line, and Django's own checks", (*MANAGE, "check", "--fail-level", "WARNING")
    ),
    Step(
        "Production is secure",
        (*MANAGE, "check", "--deploy", "--fail-level", "WARNING"),
        environment=PRODUCTION,
    ),
    Step(
        "docker-compose.yml follows the Compose schema",
        (str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"),
    ),
    Step(
        "Generated documents are in step",
        (*MANAGE, "write_docs", "--check"),
        mend="PILOT_MODE=test PILOT_DEMO=1 .venv/bin/python manage.py write_docs",
    ),
]


def main() -> None:
    """Run every step, say how each went, and end with an error if any did not hold."""
    # Held for all steps, so that the servers start once.
    if not os.environ.get("DATABASE_URL"):
        embedded.servers_of_tests(BASE / ".pilot" / "test")
    started = time.monotonic()
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        results = list(pool.map(_run, STEPS))
    broken = [step.name for step, held in zip(STEPS, results, strict=True) if not held]
    seconds = time.monotonic() - started
    if broken:
        sys.exit(f"\n{len(broken)} of {len(STEPS)} checks do not hold: {'; '.join(broken)}.")
    print(f"\nAll {len(STEPS)} checks hold ({seconds:.0f} s).")


def _run(step: Step) -> bool:
    started = time.monotonic()
    done = subprocess.run(
        step.command,
        cwd=BASE,
        env={**os.environ, **step.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    held = done.returncode == 0
    output = "" if held else "\n" + done.stdout.rstrip()
    if step.mend and not held:
        output += f"\nThis mends it: {step.mend}"
    mark = "ok  " if held else "NOT "
    print(f"{mark} {step.name} ({time.monotonic() - started:.1f} s){output}", flush=True)
    return held


if __name__ == "__main__":
    main()
