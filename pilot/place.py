"""Where servers of ours can live: a private directory that their user can reach, with no permission changed.

PostgreSQL refuses to run as root, so for root that user is `nobody`.
"""

import contextlib
import hashlib
import os
import pwd
import re
import secrets
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

# A socket's address holds 107 characters; PostgreSQL adds its own file name and a lock file beside it.
LONGEST_SOCKET_DIRECTORY = 80


class NoPlaceError(RuntimeError):
    """There is no such place; the message says in one sentence why."""


@dataclass(frozen=True)
class Account:
    """The user the servers run as: ourselves, or `nobody` when we are root, which PostgreSQL refuses."""

    uid: int
    gid: int

    @classmethod
    def to_use(cls) -> "Account":
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid())
        try:
            nobody = pwd.getpwnam("nobody")
        except KeyError as error:
            raise NoPlaceError("PostgreSQL refuses to run as root and there is no user `nobody`.") from error
        return cls(nobody.pw_uid, nobody.pw_gid)

    @property
    def popen(self) -> dict[str, Any]:
        """The arguments that make a subprocess run as this user, in a place every user may stand."""
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
        options: dict[str, Any] = {"cwd": "/", "env": environment, "stdin": subprocess.DEVNULL}
        if os.geteuid() == 0:
            options |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return options

    def can_enter(self, directory: Path) -> bool:
        return self._runs(["/bin/sh", "-c", 'cd "$0"', str(directory)])

    def can_run(self, program: Path) -> bool:
        return self._runs([str(program), "--version"])

    def _runs(self, command: list[str]) -> bool:
        try:
            return subprocess.run(command, capture_output=True, check=False, **self.popen).returncode == 0
        except PermissionError:
            return False


class Place:
    """The directory the servers live in, which their user must be able to reach.

    It is `<home>/servers`, unless we are root and some parent of it is closed to other users, as root's
    own home is. Opening that parent is not ours to do, so then it is a private directory under /var/tmp,
    `<home>/elsewhere` points to it, and it stays there.
    """

    def __init__(self, home: Path) -> None:
        """Nothing is made yet: `prepare` does that."""
        self.home = home
        self.account = Account.to_use()
        self.name = "pilot-" + hashlib.sha256(str(home).encode()).hexdigest()[:12]

    @cached_property
    def root(self) -> Path:
        if not (self.home / "elsewhere").is_symlink() and self.account.can_enter(self.home):
            return self.home / "servers"
        return Path("/var/tmp") / self.name  # noqa: S108 - private, and its owner is checked before use

    @cached_property
    def sockets(self) -> Path:
        inside = self.root / "sockets"
        if _can_hold_sockets(inside):
            return inside
        runtime = os.environ.get("XDG_RUNTIME_DIR") if os.geteuid() else None
        for parent in (runtime, tempfile.gettempdir(), "/tmp"):  # noqa: S108 - private, and its owner is checked
            short = Path(parent or "/nowhere") / self.name
            if _can_hold_sockets(short) and short.parent.is_dir():
                return short
        raise NoPlaceError(f"A unix socket cannot lie in {inside}; set TMPDIR to a short, plain path.")

    def prepare(self) -> None:
        """Make the directories, private to the servers' user; refuse any that somebody else made."""
        for directory in (self.root, self.sockets):
            make_private(directory, self.account)
        pointer = self.home / "elsewhere"
        if self.root.parent != self.home and not pointer.is_symlink():
            pointer.symlink_to(self.root)

    def reachable(self, program: Path, *directories: Path) -> Path:
        """The program where the servers' user can run it: where it is, or in a copy of these directories.

        They are siblings, and stay so: the program finds its libraries by their place beside it.
        """
        if self.account.can_run(program):
            return program
        state = program.stat()
        copy = self.root / f"{directories[0].name}-{state.st_size}-{state.st_mtime_ns}"
        if not copy.exists():
            draft = self.root / f"draft-{secrets.token_hex(4)}"
            for directory in directories:
                shutil.copytree(directory, draft / directory.name, symlinks=True)
            draft.replace(copy)
        program = copy / program.relative_to(directories[0].parent)
        if not self.account.can_run(program):
            raise NoPlaceError(f"The user with number {self.account.uid} cannot run {program}.")
        return program


def _can_hold_sockets(directory: Path) -> bool:
    """Whether its name is short and, for clients that read a comma as the start of another host, plain."""
    short = len(os.fsencode(directory)) <= LONGEST_SOCKET_DIRECTORY
    return short and re.fullmatch(r"[\w/. -]+", str(directory)) is not None


def make_home(home: Path) -> None:
    """Root's servers run as another user, who has to pass through; nobody may list or read what is there."""
    missing = [directory for directory in (home, *home.parents) if not directory.exists()]
    for directory in reversed(missing):
        with contextlib.suppress(FileExistsError):
            directory.mkdir()
            directory.chmod(0o711 if os.geteuid() == 0 else 0o700)


def make_private(directory: Path, account: Account) -> None:
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(directory, account.uid, account.gid)
    check_private(directory, account)


def check_private(directory: Path, account: Account) -> None:
    found = directory.lstat()
    private = stat.S_ISDIR(found.st_mode) and found.st_uid == account.uid and not found.st_mode & 0o077
    if not private:
        raise NoPlaceError(
            f"{directory} exists but is not a private directory of ours; remove it and try again."
        )
