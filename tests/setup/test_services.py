"""What the project puts between itself and Redis, the worker, the log and the network."""

import logging
import os
import socket
import subprocess
import sys
from uuid import uuid4

import pytest
from django.core.cache import caches
from redis.exceptions import ConnectionError as RedisIsAway

from pilot.cache import ForgivingRedisCache
from pilot.celery import HEARTBEAT_KEY, HEARTBEAT_SECONDS, beat, worker_is_alive
from pilot.logs import Formatter
from tests.setup.conftest import BASE, soon


def test_a_session_is_read_and_written_while_redis_is_away() -> None:
    away = ForgivingRedisCache("unix:///nowhere/valkey.sock?db=0", {})
    away.set("key", "value")
    assert away.get("key") is None
    assert away.get("key", default="other") == "other"
    assert "key" not in away
    assert away.add("key", "value")


def test_an_ended_session_does_not_come_back_with_redis() -> None:
    away = ForgivingRedisCache("unix:///nowhere/valkey.sock?db=0", {})
    with pytest.raises(RedisIsAway):
        away.delete("key")


@pytest.mark.parametrize("name", ["default", "sessions"])
def test_one_client_answers_all_questions(name: str) -> None:
    cache = caches[name]
    cache.set(key := uuid4().hex, "value")
    assert cache.get(key) == "value"
    assert cache._cache.get_client(key) is cache._cache.get_client("another", write=True)


def test_a_worker_gives_signs_of_life_that_expire() -> None:
    assert not worker_is_alive()
    beat()
    assert worker_is_alive()
    cache = caches["sessions"]
    left = cache._cache.get_client(None).ttl(cache.make_key(HEARTBEAT_KEY))
    assert 0 < left <= 3 * HEARTBEAT_SECONDS


def test_a_real_worker_is_seen_alive() -> None:
    prefix = f"test-{uuid4().hex}"
    caches["sessions"].key_prefix = prefix
    command = [sys.executable, "-m", "celery", "--app", "pilot.celery", "worker", "--pool", "solo"]
    environment = {**os.environ, "PILOT_CACHE_PREFIX": prefix, "PILOT_TASKS_AT_ONCE": "0"}
    worker = subprocess.Popen(
        [*command, "--without-mingle", "--without-gossip"],
        cwd=BASE,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert soon(worker_is_alive, seconds=60)
    finally:
        worker.terminate()
        worker.wait(30)


def test_a_log_line_tells_where_an_error_was_and_not_what_it_said() -> None:
    number = "9990000018"
    try:
        raise ValueError(f"Key (nhs_number)=({number}) already exists.")
    except ValueError:
        record = logging.LogRecord(
            "pilot", logging.ERROR, __file__, 1, "It went wrong.", None, sys.exc_info()
        )
    text = Formatter().format(record)
    assert "ValueError" in text
    assert "test_services.py" in text
    assert number not in text


def test_tests_reach_nothing_beyond_this_machine() -> None:
    with socket.socket() as connection, pytest.raises(AssertionError, match="tests stay on this machine"):
        connection.connect(("192.0.2.1", 80))
