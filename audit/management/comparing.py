"""`manage.py audit check`: rows, history and events against each other, told to people or to programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.db import Error

from audit.checking import CannotCheckError, Check, Difference, first_event

WHAT_TO_DO = (
    "{found} differences. Correct nothing yet: keep this list, make a copy of the database as it is, and tell the"
    " Caldicott Guardian. `manage.py audit verify` says whether events were changed as well; a backup from before"
    " says what stood there."
)


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
    return report(options["since"], write, as_json=options["json"])


def report(since: str, write: Callable[[str], Any], *, as_json: bool = False) -> int:
    """Check and tell, a difference at a time. Returns 0 where all agrees, 1 where something differs, 2 where nothing could
    be checked. As JSON it is one object, whatever happens."""
    tell, found = _Json(write) if as_json else _Sentences(write), 0
    try:
        check = Check(first_event(since) if since else 0)
        for found, each in enumerate(check, 1):  # noqa: B007 (how many there were is asked afterwards)
            tell.difference(each)
    except (CannotCheckError, Error) as error:
        tell.broken(str(error), found)
        return 1 if found else 2
    tell.end(check, found)
    return 1 if found else 0


class _Sentences:
    """For people, as it is found."""

    def __init__(self, write: Callable[[str], Any]) -> None:
        self.write = write

    def difference(self, each: Difference) -> None:
        where = f"{each.table} {each.key or '(no key)'}" + (f", event {each.event}" if each.event else "")
        self.write(f"{where}: {each.sentence}")

    def broken(self, why: str, found: int) -> None:
        self.write(f"The rest could not be checked. {why}" if found else f"Nothing could be checked. {why}")

    def end(self, check: Check, found: int) -> None:
        self.write(
            f"Held against each other: {check.rows} rows, {check.versions} lines of history, {check.events} events"
            + (f" from number {check.since} on." if check.since else ".")
        )
        if check.older:
            self.write(
                f"{check.older} were written in an older form of which not all is known any more: not checked."
            )
        self.write(WHAT_TO_DO.format(found=found) if found else "No difference.")


class _Json:
    """For programs: one object, written piece by piece, since there may be as many differences as rows."""

    def __init__(self, write: Callable[[str], Any]) -> None:
        self.write, self.is_begun = write, False

    def difference(self, each: Difference) -> None:
        self.write(("," if self.is_begun else '{"differences": [') + json.dumps(each.as_json()))
        self.is_begun = True

    def broken(self, why: str, found: int) -> None:
        self._close({"found": found, "error": why} if found else {"error": why})

    def end(self, check: Check, found: int) -> None:
        self._close(
            {
                "since": check.since,
                "rows": check.rows,
                "history": check.versions,
                "events": check.events,
                "older_not_checked": check.older,
                "found": found,
            }
        )

    def _close(self, rest: dict[str, Any]) -> None:
        begin = "], " if self.is_begun else "{" if "error" in rest else '{"differences": [], '
        self.write(begin + json.dumps(rest)[1:])
