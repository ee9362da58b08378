"""`make run`, in a copy of the project with servers and a port of its own."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.contrib.staticfiles.finders import get_finder

from pilot import embedded, running
from pilot.place import Place
from tests.setup.conftest import BASE, processes_of, soon
from tests.setup.test_files import committed


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What a clone would hold, set up."""
    place = tmp_path_factory.mktemp("copy")
    for path in [*committed(), *(BASE / "static" / "vendor").rglob("*")]:
        if path.is_file():
            target = place / path.relative_to(BASE)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    yield place
    embedded.forget(place / ".pilot")
    shutil.rmtree(place)


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Run:
    """`make run` without its set-up, going on in a copy."""

    def __init__(self, copy: Path, port: int) -> None:
        self.copy, self.port = copy, port
        self.log = copy / f"run-{port}.log"
        passed = ("PATH", "HOME", "TMPDIR", "PYTHONPYCACHEPREFIX")
        kept = {name: value for name, value in os.environ.items() if name in passed}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pilot.running"],
                cwd=copy,
                # No invented people: loading them is the demo's own test.
                env={**kept, "PILOT_MODE": "demo", "PILOT_DEMO": "0", "PORT": str(port)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.end(signal.SIGKILL)

    def answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with closing(connection), suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/healthz")
            with connection.getresponse() as response:
                return response.status == 200
        return False

    def ready(self) -> bool:
        """Whether it answers and has said where: it asks now and then, and somebody else may be answered first."""

        def has_said_so() -> bool:
            return f"http://localhost:{self.port}/" in self.log.read_text() and self.answers()

        return soon(lambda: has_said_so() or self.process.poll() is not None, seconds=240) and has_said_so()

    def end(self, number: int) -> str:
        self.process.send_signal(number)
        return self.output()

    def output(self) -> str:
        self.process.wait(timeout=120)
        return self.log.read_text()

    def children(self) -> list[str]:
        """What runs besides, in whatever session: servers by their directory, the rest by their parents."""
        return processes_of(self.copy) + [
            line for line in processes_of(Path("pilot")) if f"127.0.0.1:{self.port}" in line
        ]


@pytest.mark.slow
def test_it_runs_ends_on_ctrl_c_and_keeps_its_data(copy: Path, port: int) -> None:
    with Run(copy, port) as run:
        assert run.ready(), run.log.read_text()
        with psycopg.connect(owner_of(copy)) as connection:
            connection.execute("CREATE TABLE kept ()")
        output = run.end(signal.SIGINT)
    assert run.process.returncode == 0, output
    assert f"http://localhost:{port}/" in output
    assert "Traceback" not in output
    assert run.children() == []
    with Run(copy, port) as run:
        assert run.ready(), run.log.read_text()
        with psycopg.connect(owner_of(copy)) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
        run.end(signal.SIGTERM)
    assert run.process.returncode == 0
    assert run.children() == []


@pytest.mark.slow
def test_nothing_is_left_when_it_is_killed(copy: Path, port: int) -> None:
    with Run(copy, port) as run:
        assert run.ready(), run.log.read_text()
        with Run(copy, port + 1) as second:
            assert "runs already" in second.output()
        with pytest.raises(embedded.EmbeddedServersError, match="in use"):
            embedded.forget(copy / ".pilot")
        run.end(signal.SIGKILL)
    assert soon(lambda: run.children() == [], seconds=90), run.children()


def test_a_taken_port_is_told_in_one_sentence(copy: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with Run(copy, taken) as run:
            output = run.output()
    assert output.startswith(f"Port {taken} of 127.0.0.1 is taken by another program")
    assert output.count("\n") == 1


def test_a_senseless_port_is_told_in_one_sentence(copy: Path) -> None:
    with Run(copy, 99999) as run:
        assert run.output() == "PORT is '99999'; it must be a number from 1 to 65535.\n"


def test_static_files_are_collected_again_only_when_one_changed(tmp_path: Path, settings: Any) -> None:
    source, root = tmp_path / "source", tmp_path / "root"
    source.mkdir()
    settings.STATICFILES_DIRS, settings.STATIC_ROOT = [source], str(root)
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    get_finder.cache_clear()
    page = source / "page.css"
    page.write_text("one")
    running._collect_static(root)
    assert (root / "page.css").read_text() == "one"
    (root / "page.css").unlink()
    running._collect_static(root)
    assert not (root / "page.css").exists()
    page.write_text("another")
    running._collect_static(root)
    assert (root / "page.css").read_text() == "another"
    get_finder.cache_clear()


def owner_of(copy: Path) -> str:
    return embedded.Servers.behind(Place(copy / ".pilot").sockets).owner_url
