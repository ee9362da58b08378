"""`make setup`: quick the second time, and one sentence when it cannot go on."""

import shutil
import subprocess
import sys
import time
from collections import namedtuple

import pytest

from pilot import building
from tests.setup.conftest import BASE


def test_an_old_python_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building.sys, "version_info", (3, 9, 2))
    with pytest.raises(building.SetupError, match=r"^Python 3\.11 or newer is needed, not 3\.9: .*\.$"):
        building.check_python()


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        (
            "<urlopen error [Errno -3] Temporary failure in name resolution>",
            "The package registry cannot be reached",
        ),
        ("npm error code ENOTFOUND", "The package registry cannot be reached"),
        ("OSError: [Errno 28] No space left on device", "There is no space left on the disk."),
        ("something nobody thought of", "It did not work."),
    ],
)
def test_trouble_is_told_in_one_sentence(output: str, sentence: str) -> None:
    command = [sys.executable, "-c", f"print({output!r}); raise SystemExit(1)"]
    with pytest.raises(building.SetupError, match=f"^{sentence}"):
        building._run(command, "It did not work.")


def test_a_full_disk_is_seen_before_anything_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 10, 0))
    with pytest.raises(building.SetupError, match="too little disk space: 0 MB are free"):
        building._pip_install(BASE / "requirements" / "production.txt")


def test_the_second_time_is_quick_and_silent() -> None:
    command = [sys.executable, "-m", "pilot.building", "all"]
    subprocess.run(command, cwd=BASE, check=True, capture_output=True)
    started = time.monotonic()
    again = subprocess.run(command, cwd=BASE, check=True, capture_output=True, text=True)
    assert again.stdout == ""
    assert time.monotonic() - started < 5
