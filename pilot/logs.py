"""How a log line looks. Logs leave the audited part of the system, so they hold nothing about a person."""

import logging
import traceback
from types import TracebackType


class Formatter(logging.Formatter):
    """One line per record; of an exception, its type and where it was raised, not its message.

    A message may quote a row, as PostgreSQL's do when a constraint is broken.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatException(  # noqa: N802 - the name logging gives it
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        kind, _, trace = ei
        frames = "".join(traceback.format_tb(trace))
        return f"{frames}{kind.__name__ if kind else 'Unknown'} (message left out)"
