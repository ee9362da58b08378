"""Checkpoints outside the database: a directory of text files, one for each day, that only ever grow."""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Three lines exactly: with any number of them, a file made for it would take hours to read.
_A_NOTE = re.compile(r"^(?:[^\n]+\n){3}\n(?:— [^\n]*\n)+", re.MULTILINE)


@dataclass(frozen=True)
class Found:
    """A note of a file, or a piece that is none, and where it stands."""

    text: str
    file: str
    line: int
    is_whole: bool

    @property
    def place(self) -> str:
        """Where to look for it."""
        return f"{self.file}, line {self.line}"


def publish(directory: Path, note: str, at: dt.datetime) -> None:
    """Append a note to the file of its day. Afterwards it is on the disk, whole."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"{at.astimezone(dt.UTC):%Y-%m-%d}.txt"
    is_new = not file.exists()
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        # A power cut may have left half a note: whatever that is, the next begins after an empty line.
        os.write(descriptor, (b"" if is_new else b"\n\n") + note.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        entry = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(entry)
        finally:
            os.close(entry)


def read(directory: Path) -> Iterator[Found]:
    """Every note of the directory in the order of its days, and every piece between them that is none.

    Refused where there is no such directory (FileNotFoundError).
    """
    for file in sorted(path for path in directory.iterdir() if path.suffix == ".txt"):
        yield from read_file(file)


def read_file(file: Path) -> Iterator[Found]:
    """Every note of one day's file, and every piece between them that is none."""
    text = file.read_text(encoding="utf-8", errors="replace")
    end = 0
    for match in _A_NOTE.finditer(text):
        yield from _piece(text, end, match.start(), file.name)
        yield Found(match[0], file.name, _line(text, match.start()), is_whole=True)
        end = match.end()
    yield from _piece(text, end, len(text), file.name)


def _piece(text: str, start: int, end: int, file: str) -> Iterator[Found]:
    if text[start:end].strip():
        yield Found(text[start:end], file, _line(text, start), is_whole=False)


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
