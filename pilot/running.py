"""`make run`: one process that starts the servers, the demo, the worker, the clock and the web server.

When it ends, however it ends, everything that it started ends too.
"""

import ctypes
import fcntl
import hashlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO

from pilot.place import make_home

BASE = Path(__file__).resolve().parent.parent
HOME = BASE / ".pilot"
LOCK = HOME / "run.lock"
SPACE_NEEDED = 500_000_000
START_SECONDS = 120
STOP_SECONDS = 15
# A part that dies this often within a minute will not get better by starting it again.
TOO_OFTEN = 4


class RunError(Exception):
    """The pilot cannot run; the message is one sentence for whoever typed the command."""


class _Stopped(Exception):  # noqa: N818 - an order, not an error
    """Somebody asked us to stop."""


def is_running() -> bool:
    """Whether `make run` of this clone is going on."""
    if not LOCK.exists():
        return False
    with LOCK.open("a") as lock:
        return not _lock_now(lock)


def run() -> None:
    """Run the pilot until somebody asks it to stop."""
    host, port = os.environ.get("HOST") or "127.0.0.1", _port()
    order = _StopOrder()
    with _only_one(), suppress(_Stopped):
        _check_port(host, port)
        _check_space()
        url = f"http://{'localhost' if host in ('127.0.0.1', '0.0.0.0') else host}:{port}"  # noqa: S104 - compared only
        os.environ.setdefault("PILOT_BASE_URL", url)
        os.environ.setdefault("LOG_LEVEL", "WARNING")
        _prepare()
        order.interrupts = False
        parts = _parts(host, port)
        try:
            for part in parts:
                part.start()
            _wait_for_web(host, port, parts, order)
            if order.given:
                return
            _say(
                f"\n  The pilot runs at {url}/\n  Sign in as anybody at {url}/demo/\n"
                "  Ctrl-C ends it and keeps its data.\n"
            )
            while not order.given:
                for part in parts:
                    part.restart_if_it_died()
                time.sleep(0.2)
        finally:
            _stop(parts)


class _StopOrder:
    """What Ctrl-C does: first it interrupts; once there are parts to end in order, it is only remembered."""

    def __init__(self) -> None:
        self.given, self.interrupts = False, True
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._receive)

    def _receive(self, *_: object) -> None:
        self.given = True
        if self.interrupts:
            raise _Stopped


def _prepare() -> None:
    """Servers, tables, static files and the invented pilot."""
    _say("Starting PostgreSQL and Valkey …")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pilot.settings")
    import django
    from django.conf import settings
    from django.core.management import call_command, get_commands
    from django.db import connections

    if settings.MODE != "demo":
        raise RunError(f"`make run` runs the demo, and PILOT_MODE is {settings.MODE}; see docs/running.md.")
    django.setup()
    if os.environ.get("DATABASE_URL"):
        from pilot import database

        database.prepare(owner_url=os.environ["OWNER_DATABASE_URL"], app_url=os.environ["DATABASE_URL"])
    _say("Bringing the tables up to date …")
    call_command("migrate", interactive=False, verbosity=0)
    _say("Collecting static files …")
    _collect_static(Path(settings.STATIC_ROOT or HOME / "static"))
    if "load_demo" in get_commands():
        _say("Loading the invented pilot …")
        call_command("load_demo")
    connections.close_all()


def _collect_static(root: Path) -> None:
    """Gather and compress the static files, which takes seconds; nothing where none has changed since the last time."""
    from django.contrib.staticfiles.finders import get_finders
    from django.core.management import call_command

    files = [Path(at.path(name)) for finder in get_finders() for name, at in finder.list([])]
    known = "\n".join(f"{path} {(stat := path.stat()).st_size} {stat.st_mtime_ns}" for path in sorted(files))
    digest = hashlib.sha256(known.encode()).hexdigest()
    mark = root / ".collected"
    if mark.exists() and mark.read_text() == digest:
        return
    mark.unlink(missing_ok=True)
    call_command("collectstatic", interactive=False, verbosity=0)
    mark.write_text(digest)


class _Part:
    """One child process in a group of its own, so that Ctrl-C reaches us alone and we end it in order."""

    def __init__(self, name: str, *arguments: str) -> None:
        self.name = name
        # Root may run the demo: nothing in it is worth more than root's own machine.
        quiet = ["-W", "ignore:You're running the worker with superuser"]
        self.command = [sys.executable, *quiet, "-m", *arguments]
        self.starts: deque[float] = deque(maxlen=TOO_OFTEN)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.starts.append(time.monotonic())
        self.process = subprocess.Popen(
            self.command,
            cwd=BASE,
            stdin=subprocess.DEVNULL,
            process_group=0,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - nothing here has threads
        )

    def restart_if_it_died(self) -> None:
        if self.process is None or self.process.poll() is None:
            return
        self.signal(signal.SIGKILL)  # what it may have left of its own children
        if len(self.starts) == TOO_OFTEN and time.monotonic() - self.starts[0] < 60:
            raise RunError(f"The {self.name} keeps ending by itself; the lines above say why.")
        _say(f"The {self.name} ended by itself ({self.process.returncode}); starting it again.")
        self.start()

    def signal(self, number: int) -> None:
        if self.process:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)

    def ask_to_stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()

    def wait(self, seconds: float) -> None:
        if self.process:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(max(seconds, 0.1))
            # Whatever is still there, children of the part included.
            self.signal(signal.SIGKILL)
            self.process.wait()


def _parts(host: str, port: int) -> list[_Part]:
    cores = os.cpu_count() or 1
    web = ["gunicorn", "pilot.wsgi", "--bind", f"{host}:{port}", "--workers", str(min(cores + 1, 5))]
    web += ["--log-level", "warning", "--graceful-timeout", "5", "--no-control-socket", "--preload"]
    celery = ["celery", "--app", "pilot.celery", "--quiet"]
    worker = [
        "worker",
        "--concurrency",
        str(min(cores, 4)),
        "--loglevel",
        "WARNING",
        "--without-mingle",
        "--without-gossip",
    ]
    beat = ["beat", "--schedule", str(HOME / "beat-schedule"), "--pidfile", "", "--loglevel", "WARNING"]
    return [_Part("web server", *web), _Part("worker", *celery, *worker), _Part("clock", *celery, *beat)]


def _wait_for_web(host: str, port: int, parts: list[_Part], order: _StopOrder) -> None:
    here = "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104 - compared only
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and not order.given:
        for part in parts:
            part.restart_if_it_died()
        connection = http.client.HTTPConnection(here, port, timeout=10)
        with closing(connection), suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/healthz", headers={"Host": "localhost"})
            connection.getresponse()
            return
        time.sleep(0.1)
    if not order.given:
        raise RunError("The web server does not answer; the lines above say why.")


def _stop(parts: list[_Part]) -> None:
    _say("Stopping …")
    for part in parts:
        part.ask_to_stop()
    deadline = time.monotonic() + STOP_SECONDS
    for part in parts:
        part.wait(deadline - time.monotonic())


def _end_with_parent() -> None:
    """In the child: ask the kernel to end us when our parent is killed. Only Linux knows how."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


@contextmanager
def _only_one() -> Iterator[None]:
    make_home(HOME)
    with LOCK.open("a") as lock:
        if not _lock_now(lock):
            raise RunError("The pilot runs already from this clone; stop it first, or use what is there.")
        yield


def _port() -> int:
    value = os.environ.get("PORT") or "8000"
    if not value.isdigit() or not 0 < int(value) < 65536:
        raise RunError(f"PORT is {value!r}; it must be a number from 1 to 65535.")
    return int(value)


def _check_port(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError as error:
            raise RunError(
                f"You may not use port {port}: choose one above 1023, as in `make run PORT=8001`."
            ) from error
        except OSError as error:
            raise RunError(
                f"Port {port} of {host} is taken by another program: stop that, "
                f"or choose another port, as in `make run PORT={port + 1}`."
            ) from error


def _check_space() -> None:
    free = shutil.disk_usage(BASE).free
    if free < SPACE_NEEDED:
        raise RunError(
            f"There is too little disk space: {free // 10**6} MB free, {SPACE_NEEDED // 10**6} needed."
        )


def _lock_now(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _say(sentence: str) -> None:
    print(sentence, flush=True)


def main() -> None:
    """Run the pilot; on trouble say why in one sentence."""
    from django.core.exceptions import ImproperlyConfigured

    from pilot.database import DatabaseNotReadyError
    from pilot.embedded import EmbeddedServersError

    try:
        run()
    except (RunError, ImproperlyConfigured, DatabaseNotReadyError, EmbeddedServersError) as error:
        sys.exit(str(error))
    except PermissionError as error:
        sys.exit(f"{error.filename} belongs to another user: run as that user, or delete it.")


if __name__ == "__main__":
    main()
