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
    """Append a note to the file of its day. Afterwards it is on the disk, whole; OSError where it cannot be."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"{at.astimezone(dt.UTC):%Y-%m-%d}.txt"
    is_new = not file.exists()
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        # A power cut may have left half a note: whatever that is, the next begins after an empty line.
        _write(descriptor, (b"" if is_new else b"\n\n") + note.encode())
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

    Refused where there is no such directory (FileNotFoundError), or where something in it is no file (OSError).
    """
    for file in _files(directory):
        yield from read_file(file)


def newest(directory: Path) -> list[Path]:
    """The files that may hold the newest note: the last two by name, and the last two that were written in. With a clock
    that was wrong for a while the two are not the same."""
    by_name = _files(directory) if directory.exists() else []
    by_time = sorted(by_name, key=lambda file: file.stat().st_mtime_ns)
    return sorted({*by_name[-2:], *by_time[-2:]})


def read_file(file: Path) -> Iterator[Found]:
    """Every note of one day's file, and every piece between them that is none."""
    text = file.read_text(encoding="utf-8", errors="replace")
    # Lines are counted on from the piece before: from the start each time, a busy day would take minutes to read.
    end, line = 0, 1
    for match in _A_NOTE.finditer(text):
        if text[end : match.start()].strip():
            yield Found(text[end : match.start()], file.name, line, is_whole=False)
        line += text.count("\n", end, match.start())
        yield Found(match[0], file.name, line, is_whole=True)
        line += match[0].count("\n")
        end = match.end()
    if text[end:].strip():
        yield Found(text[end:], file.name, line, is_whole=False)


def claimed_size(text: str) -> int:
    """The size that a note says, believed or not; -1 where it says none."""
    _origin, _, rest = text.partition("\n")
    size = rest.partition("\n")[0]
    return int(size) if size.isascii() and size.isdigit() and len(size) < 20 else -1


def _files(directory: Path) -> list[Path]:
    found = sorted(path for path in directory.iterdir() if path.suffix == ".txt")
    for file in found:
        # Nothing that has to be waited for, or never ends.
        if not file.is_file():
            raise OSError(f"{file.name} in the directory of checkpoints is no file.")
    return found


def _write(descriptor: int, text: bytes) -> None:
    """All of it: a disk that is nearly full takes a part and says so."""
    while text:
        text = text[os.write(descriptor, text) :]
