"""A directory in memory that belongs to a home: for what need not be there tomorrow.

Every user may write where it lies, as in /tmp, so nothing there is believed but what this user made. It is held by the
process that uses it, and goes once its home is gone or is another one.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import IO

from pilot import keeper
from pilot.place import Account, Place, make_private

# Where Linux keeps files in memory.
SHARED = Path("/dev/shm")  # noqa: S108 - what is made there is private, and its owner is checked before use
ROOM_NEEDED = 2 * 2**30
# In the directory: whose it is. In that home: the same token, so that another home in its place is not taken for it.
OWNER_FILE, TOKEN_FILE = "home", "memory-token"


class Memory:
    """The directory of one home. It is found again by the next process, until the machine restarts."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.directory = SHARED / Place(home).name
        self.data = self.directory / "data"
        self._held: IO[str] | None = None

    def take(self) -> bool:
        """Hold it while this process lives, made anew if need be. False where there is no memory to be had or too little,
        where somebody else made what lies there, and while another process holds it: `data` is not to be used then.
        """
        with contextlib.suppress(OSError, ValueError):
            for directory in SHARED.glob("pilot-*"):
                _clear_if_left(directory)
            if not self.directory.exists() and has_room():
                self._make()
            # Others who start may look just now whether it was left.
            self._held = self._held or _hold(self.directory, keeper.lock_soon)
        return self._held is not None

    def forget(self) -> None:
        """Delete it, unless a process holds it."""
        with (
            contextlib.suppress(OSError),
            _hold(self.directory, keeper.lock_now) or contextlib.nullcontext() as held,
        ):
            if held:
                shutil.rmtree(self.directory)

    def _make(self) -> None:
        # In one go: whoever comes upon half of one would clear it away.
        token, account = secrets.token_hex(16), Account.to_use()
        draft = SHARED / f".{self.directory.name}-{token}"
        # The servers' user passes through and owns no more than what lies inside.
        draft.mkdir(mode=0o700)
        draft.chmod(0o711)
        (draft / OWNER_FILE).write_text(f"{token}\n{self.home}")
        make_private(draft / self.data.name, account)
        (self.home / TOKEN_FILE).write_text(token)
        draft.rename(self.directory)


def has_room() -> bool:
    """Whether as much as a test suite's databases may lie in memory, and programs have as much left."""
    with contextlib.suppress(OSError, KeyError, ValueError):
        known = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        available = int(known["MemAvailable"].split()[0]) * 1024
        return (
            min(available, _left_to_group()) >= 2 * ROOM_NEEDED
            and shutil.disk_usage(SHARED).free >= ROOM_NEEDED
        )
    return False


def _left_to_group() -> float:
    """What a container may still take, where it has a limit."""
    group = Path("/sys/fs/cgroup")
    with contextlib.suppress(OSError, ValueError):
        return int((group / "memory.max").read_text()) - int((group / "memory.current").read_text())
    return float("inf")


def _hold(directory: Path, lock: Callable[[IO[str]], bool]) -> IO[str] | None:
    """The open and locked file of a directory that this user made; None where another did, or a process holds it."""
    found = directory.lstat()
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
    if not is_ours:
        return None
    file = (directory / OWNER_FILE).open("r+")
    if lock(file):
        return file
    file.close()
    return None


def _clear_if_left(directory: Path) -> None:
    """Delete it if nobody holds it and its home is gone, or another was made in its place."""
    with contextlib.suppress(OSError, ValueError):
        file = _hold(directory, keeper.lock_now)
        if file is None:
            return
        with file:
            token, _, home = file.read().partition("\n")
            known = Path(home) / TOKEN_FILE
            if not token or not known.exists() or known.read_text() != token:
                shutil.rmtree(directory)
