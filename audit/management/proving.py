"""`audit prove` and `audit verify-proof`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db import DatabaseError, connections

from audit.sealing import check_proof, proofs


def add_arguments(choices: Any) -> None:
    """Declare the subcommands of this module."""
    prove = choices.add_parser("prove", help="write a proof that an event is in the log, for others to check")
    prove.add_argument("event", type=int, metavar="EVENT", help="the event's number")
    prove.set_defaults(do=_prove)
    check = choices.add_parser(
        "verify-proof",
        help="check such a proof; ends with 0 where it holds, with 1 where not, with 2 where nothing could be read",
    )
    check.add_argument("file", type=Path, metavar="FILE", help="the proof")
    check.add_argument(
        "--verifiers", type=Path, metavar="FILE", help="the log's public keys as they reached you"
    )
    check.set_defaults(do=_check)


def _prove(options: dict[str, Any], write: Callable[[str], Any]) -> int:
    if "auditor" not in connections:
        write("Nobody may read everything here: set AUDITOR_DATABASE_URL.")
        return 2
    try:
        proof = proofs.prove(options["event"])
    except proofs.NoProofError as error:
        write(str(error))
        return 1
    except DatabaseError as error:
        write(f"The database does not let the log be read. {error}")
        return 2
    write(json.dumps(proof, indent=1))
    return 0


def _check(options: dict[str, Any], write: Callable[[str], Any]) -> int:
    return check_proof.run(options["file"], options["verifiers"], write)
