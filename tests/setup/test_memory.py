"""What lies in memory is found again, held by one process, and goes with its home; whatever else is there is left alone."""

import fcntl
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from pilot import embedded, memory
from pilot.memory import Memory
from pilot.place import Account
from tests.setup.conftest import User

if not memory.SHARED.is_dir() or not memory.has_room():
    pytest.skip("this machine keeps no files in memory, or has too little of it", allow_module_level=True)


@pytest.fixture
def home(clone: Path) -> Iterator[Path]:
    """Nothing is left of it in memory."""
    home = clone / ".pilot"
    home.mkdir(mode=0o711)
    yield home
    assert not Memory(home).directory.exists()


def test_servers_find_their_data_again_and_it_is_forgotten(home: Path) -> None:
    for _ in range(2):
        url = embedded.servers(home, disposable=True, in_memory=True).superuser_url
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS kept ()")
            there = connection.execute("SHOW data_directory").fetchone()
            assert there == (str(Memory(home).data / "postgres"),)
            assert connection.execute("SELECT count(*) FROM pg_class WHERE relname = 'kept'").fetchone() == (
                1,
            )
        with pytest.raises(embedded.EmbeddedServersError, match="in use"):
            embedded.forget(home)
        embedded.release(home)
    embedded.forget(home)
    assert not Memory(home).directory.exists()


def test_what_was_made_on_disk_stays_there(home: Path) -> None:
    User(home).leave()
    url = embedded.servers(home, disposable=True, in_memory=True).superuser_url
    with psycopg.connect(url) as connection:
        assert connection.execute("SHOW data_directory").fetchone() == (str(home / "servers" / "postgres"),)
    embedded.release(home)


def test_without_room_there_is_none(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "ROOM_NEEDED", 2**60)
    assert not Memory(home).take()
    monkeypatch.setattr(memory, "SHARED", home / "nowhere")
    assert not Memory(home).take()


def test_nobody_but_the_servers_user_reads_it(home: Path) -> None:
    mine = Memory(home)
    assert mine.take()
    state = mine.data.stat()
    assert (state.st_uid, state.st_mode & 0o777) == (Account.to_use().uid, 0o700)
    assert (mine.directory.stat().st_uid, mine.directory.stat().st_mode & 0o777) == (os.geteuid(), 0o711)
    release(mine)
    mine.forget()


def test_one_process_holds_it(home: Path) -> None:
    mine, other = Memory(home), Memory(home)
    assert mine.take()
    assert mine.take()
    assert not other.take()
    other.forget()
    assert mine.data.exists()
    release(mine)
    assert other.take()
    release(other)
    other.forget()


def test_whoever_looks_whether_it_was_left_is_waited_for(home: Path) -> None:
    mine = Memory(home)
    assert mine.take()
    release(mine)
    with (mine.directory / memory.OWNER_FILE).open() as looking:
        fcntl.flock(looking, fcntl.LOCK_EX)
        threading.Timer(0.3, lambda: fcntl.flock(looking, fcntl.LOCK_UN)).start()
        assert mine.take()
    release(mine)
    mine.forget()


@pytest.mark.parametrize("mode", [0o777, 0o755])
@pytest.mark.usefixtures("as_root")
def test_what_somebody_else_made_is_neither_used_nor_touched(home: Path, mode: int) -> None:
    theirs = Memory(home).directory
    theirs.mkdir()
    theirs.chmod(mode)
    if mode == 0o755:
        os.chown(theirs, Account.to_use().uid, Account.to_use().gid)
    (theirs / memory.OWNER_FILE).symlink_to(home / "precious")
    (home / "precious").write_text("kept")
    assert not Memory(home).take()
    Memory(home).forget()
    assert (home / "precious").read_text() == "kept"
    shutil.rmtree(theirs)


def test_it_goes_with_its_home_and_with_another_in_its_place(home: Path) -> None:
    left, remade, held = (Memory(home.parent / name / ".pilot") for name in ("left", "remade", "held"))
    for each in (left, remade, held):
        each.home.mkdir(parents=True)
        assert each.take()
        shutil.rmtree(each.home.parent)
    remade.home.mkdir(parents=True)
    for each in (left, remade):
        release(each)
    mine = Memory(home)
    assert mine.take()
    assert [each.directory.exists() for each in (left, remade, held)] == [False, False, True]
    release(held)
    assert remade.take()
    assert not held.directory.exists()
    for each in (mine, remade):
        release(each)
        each.forget()


def release(one: Memory) -> None:
    """As if the process had ended."""
    assert one._held
    one._held.close()
    one._held = None
