"""Every action there is, whatever else the tests of this run have imported."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from importlib import import_module
from typing import Any

from pilot.access.context import ACTIONS

PACKAGES = ("audit", "consent", "referrals", "coaching", "pilot")


def every_action() -> dict[str, Callable[..., Any]]:
    """The actions of the application by name; not those that tests have made."""
    for name in PACKAGES:
        for module in pkgutil.walk_packages(import_module(name).__path__, f"{name}."):
            if module.name.rpartition(".")[2] == "actions":
                import_module(module.name)
    return {name: run for name, run in ACTIONS.items() if not run.__module__.startswith("tests.")}
