"""`manage.py audit check`: rows, history and events against each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from audit import checking


def add_arguments(choices: Any) -> None:
    """Declare the subcommand of this module."""
    parser = choices.add_parser(
        "check",
        help="hold rows, history and events against each other; ends with 0 where they agree, with 1 where they differ,"
        " with 2 where nothing could be checked",
    )
    parser.add_argument(
        "--since",
        default="",
        help="a day (2026-11-02) or an event’s number: history and events from there on; rows are always all looked at",
    )
    parser.add_argument("--json", action="store_true", help="as data, for programs")
    parser.set_defaults(do=_check)


def _check(options: dict[str, Any], write: Callable[[str], Any]) -> int:
    return checking.report(options["since"], write, as_json=options["json"])
