"""Homes for embedded servers, and eyes for what runs in them."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pilot import embedded, memory

BASE = Path(__file__).resolve().parents[2]
# A program that uses the servers of a home until its input ends.
USER = """
import sys
from pathlib import Path
from pilot import embedded
servers = embedded.servers(Path(sys.argv[1]), disposable=True)
print(servers.superuser_url, flush=True)
sys.stdin.read()
"""


class User:
    """Another process that uses the servers of a home."""

    def __init__(self, home: Path, python: str = sys.executable, **options: object) -> None:
        self.process = subprocess.Popen(
            [python, "-c", USER, str(home)],
            cwd=BASE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,  # type: ignore[call-overload]
        )
        assert self.process.stdout
        self.url = self.process.stdout.readline().strip()

    def leave(self) -> str:
        """End in an orderly way; return what it had to complain about."""
        return self.process.communicate()[1]

    def kill(self) -> None:
        """End without a chance to tidy up."""
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


def make_directory(name: str) -> Path:
    """An empty directory that every user can reach, as a clone's is. In memory where programs can run there: each test
    makes and deletes thousands of files."""
    can_run = memory.has_room() and not os.statvfs(memory.SHARED).f_flag & os.ST_NOEXEC
    directory = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=memory.SHARED if can_run else None))
    directory.chmod(0o755)
    return directory


def processes_of(directory: Path) -> list[str]:
    """The command lines of living processes that mention this directory."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if any(str(directory) in word for word in words):
            found.append(" ".join(words))
    return found


def soon(condition: Callable[[], bool], *, seconds: float = 20) -> bool:
    """Whether the condition comes true within this time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


@pytest.fixture
def clone() -> Iterator[Path]:
    """Like a clone; nothing may run in it afterwards."""
    directory = make_directory("clone")
    yield directory
    assert soon(lambda: processes_of(directory) == []), processes_of(directory)
    for home in directory.rglob(".pilot"):
        embedded.forget(home)
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def used_home() -> Iterator[Path]:
    """A home whose servers ran and ended in an orderly way: making their data directory takes longer than all else."""
    directory = make_directory("used")
    home = directory / ".pilot"
    User(home).leave()
    yield home
    embedded.forget(home)
    shutil.rmtree(directory)


@pytest.fixture
def ran_before(clone: Path, used_home: Path) -> None:
    """The servers ran in the clone before: for tests of what is the same the first time and later."""
    subprocess.run(["cp", "--archive", used_home, clone], check=True)


@pytest.fixture(scope="session")
def cluster() -> Iterator[embedded.Servers]:
    """Servers of this session's own, for what concerns a whole cluster."""
    directory = make_directory("cluster")
    home = directory / ".pilot"
    yield embedded.servers(home, disposable=True)
    embedded.release(home)
    embedded.forget(home)
    shutil.rmtree(directory)


@pytest.fixture
def as_root() -> None:
    """A test of what only root must not do."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to see what is done as root")
