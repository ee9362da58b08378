"""Something that runs while any process uses it: begun by the first, gone with the last, however that ends.

Three locks in a home directory do it, since the kernel lets go of a dead process's locks: `start.lock`
lets one process begin at a time, its users share `users.lock`, and its keeper holds `keeper.lock`.
"""

import fcntl
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Protocol

START_SECONDS = 90
STOP_SECONDS = 40
LOOK_SECONDS = 0.5
ASKING_SECONDS = 2


class NotReadyError(RuntimeError):
    """What was to be kept did not get ready; the message is the tail of its log."""


class Kept(Protocol):
    """What a keeper keeps."""

    def start(self) -> dict[str, Any]:
        """Begin, and return what its users must know to reach it."""

    def look_after(self) -> None:
        """Put right what went wrong; called every now and then."""

    def stop(self) -> None:
        """End; called once, also after a start that raised."""


class Use:
    """One process's claim, from now until `end` or its death. `state` is what `Kept.start` returned."""

    def __init__(self, home: Path, command: list[str], answers: Callable[[dict[str, Any]], bool]) -> None:
        self.home, self.command, self.answers = home, command, answers
        self.pid = os.getpid()
        self.keeper: subprocess.Popen[bytes] | None = None
        self.users = (home / "users.lock").open("a")
        with (home / "start.lock").open("a") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            # Waits here while a keeper is stopping, so that we never trust what is about to go.
            fcntl.flock(self.users, fcntl.LOCK_SH)
            try:
                self.state = self._wait_until_ready()
            except BaseException:
                self.end()
                raise

    def end(self) -> None:
        """Let go; if nobody else uses it, return when it has stopped."""
        # A forked child shares the lock with its parent: only the parent may let go of it.
        if os.getpid() != self.pid:
            return
        fcntl.flock(self.users, fcntl.LOCK_UN)
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline and is_kept(self.home) and not self._used_by_others():
            time.sleep(0.01)
        self.users.close()
        if self.keeper:
            self.keeper.poll()

    def _wait_until_ready(self) -> dict[str, Any]:
        ready = self.home / "ready.json"
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if not is_kept(self.home):
                if self.keeper is None:
                    ready.unlink(missing_ok=True)
                    self.keeper = self._begin()
                elif self.keeper.poll() is not None:
                    break
            elif ready.exists():
                state = json.loads(ready.read_text())
                if self.answers(state):
                    return dict(state)
            time.sleep(0.01)
        raise NotReadyError(tail(self.home / "keeper.log"))

    def _begin(self) -> subprocess.Popen[bytes]:
        with (self.home / "keeper.log").open("wb") as log:
            return subprocess.Popen(
                self.command,
                cwd=Path(__file__).resolve().parents[1],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal is for the program that uses it, not for what it uses.
                start_new_session=True,
            )

    def _used_by_others(self) -> bool:
        if lock_now(self.users, fcntl.LOCK_EX):
            fcntl.flock(self.users, fcntl.LOCK_UN)
            return False
        # Either the keeper has it for itself, stopping, or others share it.
        if lock_now(self.users, fcntl.LOCK_SH):
            fcntl.flock(self.users, fcntl.LOCK_UN)
            return True
        return False


def keep(home: Path, kept: Kept) -> None:
    """Keep it until nobody uses it or somebody asks us to stop; end soon if another process keeps it.

    The last thing a process does: only its end lets go of the locks, so who waits for them finds it gone.
    """
    names = ("keeper.lock", "users.lock")
    keeper, users = (os.open(home / name, os.O_RDWR | os.O_CREAT, 0o600) for name in names)
    if not lock_soon(keeper):
        return
    unused = threading.Event()
    # A handler may do no more: setting an event in the middle of waiting for it can lock up.
    orders: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: orders.append(number))
    try:
        _publish(home, kept.start())
        threading.Thread(target=_wait_until_unused, args=(users, unused), daemon=True).start()
        while not unused.wait(LOOK_SECONDS) and not orders:
            kept.look_after()
    finally:
        (home / "ready.json").unlink(missing_ok=True)
        kept.stop()


def is_kept(home: Path) -> bool:
    """Whether a keeper is at work."""
    return _locked(home / "keeper.lock", fcntl.LOCK_SH)


def is_used(home: Path) -> bool:
    """Whether any process uses it, this one too."""
    return _locked(home / "users.lock", fcntl.LOCK_EX)


def tail(log: Path) -> str:
    """The last lines of a log, or one sentence if they say that the disk is full."""
    text = log.read_text(errors="replace").strip() if log.exists() else ""
    if "No space left on device" in text:
        return "There is no space left on the disk, or in memory where the tests' data lies."
    return "\n".join(text.splitlines()[-12:])


def _publish(home: Path, state: dict[str, Any]) -> None:
    draft = home / "ready.json.new"
    draft.write_text(json.dumps(state))
    draft.replace(home / "ready.json")


def _wait_until_unused(users: int, unused: threading.Event) -> None:
    fcntl.flock(users, fcntl.LOCK_EX)
    unused.set()


def _locked(path: Path, kind: int) -> bool:
    if not path.exists():
        return False
    with path.open("a") as lock:
        return not lock_now(lock, kind)


def lock_soon(file: IO[str] | int) -> bool:
    """Whether the lock is ours now. Whoever asks if there is a keeper has it for a moment, and is none."""
    deadline = time.monotonic() + ASKING_SECONDS
    while not lock_now(file):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def lock_now(file: IO[str] | int, kind: int = fcntl.LOCK_EX) -> bool:
    """Whether the lock is ours now."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
