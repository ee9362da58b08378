"""`audit seal` and `audit verify`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from audit.sealing import sealer, verification

WELL, FOUND, NOT_DONE = 0, 1, 2


def add_arguments(choices: Any) -> None:
    """Declare the subcommands of this module."""
    seal = choices.add_parser("seal", help="seal what has happened until now and publish the new root")
    seal.set_defaults(do=_seal)
    verify = choices.add_parser(
        "verify",
        help="recompute the whole log and hold it against what was published; ends with 0 where all is well, with 1 where"
        " something was found, with 2 where it could not be checked",
    )
    verify.add_argument(
        "--checkpoints", type=Path, metavar="DIR", help="checkpoints from here, not AUDIT_CHECKPOINT_DIR"
    )
    verify.add_argument(
        "--partial", action="store_true", help="the directory holds copies of some checkpoints only"
    )
    verify.add_argument(
        "--since", type=int, metavar="SIZE", help="begin at the newest checkpoint of at most this size"
    )
    verify.add_argument("--json", action="store_true", help="for a program")
    verify.set_defaults(do=_verify)


def _seal(options: dict[str, Any], write: Callable[[str], Any]) -> int:
    try:
        done = sealer.seal()
    except sealer.SealingRefusedError as error:
        write(f"Nothing was sealed. {error}")
        return NOT_DONE
    if done is None:
        write("Somebody else is sealing at this moment.")
    else:
        write(f"Sealed {done.events:,} events; the log has {done.size:,}.")
    return WELL


def _verify(options: dict[str, Any], write: Callable[[str], Any]) -> int:
    try:
        report = verification.verify(
            options["checkpoints"], since=options["since"], is_partial=options["partial"]
        )
    except verification.CannotVerifyError as error:
        write(json.dumps({"error": str(error)}) if options["json"] else f"Nothing was checked. {error}")
        return NOT_DONE
    write(json.dumps(report.as_json(), indent=1) if options["json"] else report.in_words())
    return WELL if report.is_well else FOUND
