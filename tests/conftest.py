"""What every test stands on: the test settings, databases to use up, and a closed network."""

import os

# Before anything imports Django: tests run on servers of their own.
os.environ["PILOT_MODE"] = "test"
os.environ["DJANGO_SETTINGS_MODULE"] = "pilot.settings"
os.environ.setdefault("PILOT_DEMO", "1")
os.environ.setdefault("PILOT_CACHE_PREFIX", "test-" + os.environ.get("PYTEST_XDIST_WORKER", "main"))

import gc
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
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
    """Whatever was imported stays to the end: the garbage collector need not go through it again and again."""
    gc.collect()
    gc.freeze()


def _rank(item: pytest.Item) -> int:
    place = item.nodeid.removeprefix("tests/")
    return next((rank for rank, start in enumerate(LONGEST) if place.startswith(start)), len(LONGEST))


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
    if OWN_DATABASE & set(request.fixturenames):
        yield
        return
    from django.db import connections, transaction

    with django_db_blocker.unblock(), ExitStack() as stack:
        for alias in ("default", "owner"):
            atomic = transaction.atomic(using=alias)
            atomic._from_testcase = True  # type: ignore[attr-defined]  # lets durable blocks run inside
            stack.enter_context(atomic)
        yield
        for alias in ("default", "owner"):
            connection = connections[alias]
            if not connection.needs_rollback:
                connection.check_constraints()
            connection.set_rollback(True)


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
