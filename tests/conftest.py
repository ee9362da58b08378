"""What every test stands on: the test settings, databases to use up, and a closed network."""

import gc
import os
import sys

# Compiling everything anew costs each process of the tests several seconds. Where the environment wants no byte code
# written, it is written here nevertheless: workers, and the programs that tests start, are many.
if sys.dont_write_bytecode:
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Nothing of what a worker imports goes before the end: looking for garbage meanwhile would take a tenth of the time.
if "PYTEST_XDIST_WORKER" in os.environ:
    gc.disable()

# Before anything imports Django: tests run on servers of their own.
os.environ["PILOT_MODE"] = "test"
os.environ["DJANGO_SETTINGS_MODULE"] = "pilot.settings"
os.environ.setdefault("PILOT_DEMO", "1")
os.environ.setdefault("PILOT_CACHE_PREFIX", "test-" + os.environ.get("PYTEST_XDIST_WORKER", "main"))

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from _pytest.runner import runtestprotocol
from django.conf import settings
from pytest_django.plugin import DjangoDbBlocker

if TYPE_CHECKING:
    from tests.factories import Pilot

# Starts the servers, in the process that hands out the tests too: they live until the last worker is done.
assert settings.DATABASES

# A test that uses one of these gets a database of its own, where commits are real.
OWN_DATABASE = {"own_database", "module_database", "transactional_db", "live_server"}


# What takes longest, begun first, so that no worker is left with one of them when the others are done. The second wants
# none of our databases: one worker begins it while another builds the template.
LONGEST = (
    "access/test_canaries", "setup/test_running", "setup/test_embedded", "access/test_walk", "access/test_no_hint",
    "browser/test_journey", "consent/test_machine", "access/test_apart", "audit/test_verification", "audit/test_proofs",
    "demo/test_demo", "access/test_races", "browser/",
)  # fmt: skip


def pytest_xdist_auto_num_workers() -> int:
    """Three workers for two cores: each waits now and then, for its database, a browser or a program that starts."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + (cores + 1) // 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest first, and refuse what would try to empty our tables between tests, which the database refuses."""
    items.sort(key=_rank)
    for item in items:
        marker = item.get_closest_marker("django_db")
        if marker and (marker.kwargs.get("transaction") or marker.kwargs.get("reset_sequences")):
            raise pytest.UsageError(
                f"{item.nodeid}: use the fixture own_database instead of transaction=True."
            )


def pytest_collection_finish() -> None:
    """Whatever was imported stays to the end: the garbage collector need not go through it again and again, nor look for
    more after every few hundred objects, of which each query makes as many.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    """As ever, in less time."""
    from tests.frames import with_room

    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    with_room(lambda: runtestprotocol(item, nextitem=nextitem))
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _rank(item: pytest.Item) -> int:
    place = item.nodeid.removeprefix("tests/")
    return next((rank for rank, start in enumerate(LONGEST) if place.startswith(start)), len(LONGEST))


def has_own_database(request: pytest.FixtureRequest) -> bool:
    """Whether the test commits, in a database that no other test sees."""
    return bool(OWN_DATABASE & set(request.fixturenames))


@pytest.fixture(scope="session")
def cloner(django_db_blocker: DjangoDbBlocker) -> Iterator[Any]:
    """Makes clones of a database with every migration and wall in it."""
    from tests.databases import Cloner

    with django_db_blocker.unblock():
        cloner = Cloner()
        cloner.prepare()
        yield cloner
        cloner.close()


@pytest.fixture(scope="session")
def django_db_setup(cloner: Any, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The worker's database. Tests marked `django_db` share it and leave nothing behind."""
    with django_db_blocker.unblock(), cloner.clone():
        yield


@pytest.fixture
def _django_db_helper(
    request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """One transaction of the application and one of the owner, rolled back, unless the test has a database of its own."""
    if has_own_database(request):
        yield
        return
    from tests.databases import rolled_back_or_kept

    prepared = (
        request.getfixturevalue("prepared").use() if "prepared" in request.fixturenames else nullcontext()
    )
    with django_db_blocker.unblock(), prepared, rolled_back_or_kept():
        yield


@pytest.fixture(scope="session")
def prepare(cloner: Any, django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Any]:
    """Makes what a directory's tests have in common, once, in a clone of its own: what a fixture `prepared` there gives.

    A test that has it sees that clone; one with a database of its own makes the same for itself.
    """
    from tests.databases import Prepared

    with ExitStack() as stack:

        def prepare(make: Callable[[], Any]) -> Prepared:
            with django_db_blocker.unblock():
                prepared = Prepared(cloner, make)
            stack.callback(prepared.close)
            return prepared

        with django_db_blocker.unblock():
            yield prepare
            stack.close()


@pytest.fixture
def own_database(cloner: Any, django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """A fresh database for this test alone: its commits are real and other processes see them."""
    with django_db_blocker.unblock(), cloner.clone() as name:
        yield name


@pytest.fixture(scope="module")
def module_database(cloner: Any, django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """A fresh database for the tests of one module, which see what those before them did."""
    with django_db_blocker.unblock(), cloner.clone() as name:
        yield name


@pytest.fixture
def transactional_db(request: pytest.FixtureRequest) -> None:
    """Django's name for a test whose commits are real."""
    if "module_database" not in request.fixturenames:
        request.getfixturevalue("own_database")


@pytest.fixture
def pilot(db: None) -> "Pilot":
    """Practices and providers of this test's own, gone when it is over."""
    from tests import factories

    return factories.make_pilot()


@pytest.fixture(autouse=True)
def empty_caches() -> None:
    """No test sees what another left in the cache, its counts of sign-in attempts least of all."""
    from django.core.cache import caches

    for alias in settings.CACHES:
        settings.CACHES[alias]["KEY_PREFIX"] = caches[alias].key_prefix = f"test-{uuid4().hex}"


@pytest.fixture(autouse=True, scope="session")
def components_drawn_once() -> Iterator[None]:
    """The design system's components are remembered from one page to the next."""
    from tests import components

    with pytest.MonkeyPatch.context() as patch:
        components.draw_once(patch)
        yield


@pytest.fixture(autouse=True, scope="session")
def threads_kept_plainly() -> Iterator[None]:
    """What belongs to a thread is found quickly."""
    from tests import threads

    with pytest.MonkeyPatch.context() as patch:
        threads.keep_plainly(patch)
        yield


@pytest.fixture(autouse=True, scope="session")
def words_looked_up_once() -> Iterator[None]:
    """What a text is in the language in force is remembered: each would be looked for in seven catalogues, some fifty
    times a page."""
    from tests import words

    with pytest.MonkeyPatch.context() as patch:
        words.look_up_once(patch)
        yield


@pytest.fixture(autouse=True, scope="session")
def closed_network() -> Iterator[None]:
    """Nothing in a test reaches beyond this machine."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))
        yield


def _guarded(connect: Any) -> Any:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family != socket.AF_UNIX and not _is_here(str(address[0])):
            raise AssertionError(f"A test tried to reach {address[0]}; tests stay on this machine.")
        return connect(self, address)

    return guarded


def _is_here(host: str) -> bool:
    own = os.environ.get("DATABASE_URL", "") + os.environ.get("REDIS_URL", "")
    return host in ("localhost", "::1") or host.startswith("127.") or (bool(host) and host in own)
