"""The cache; and one for sessions, which must outlive the cache server: their home is the database."""

import logging
from typing import Any

from django.core.cache.backends import redis
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


class _OneClient(redis.RedisCacheClient):
    """Django makes a client anew for each question, which takes longer than most answers. One is safe for many threads: it
    takes a connection from the pool for each question."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._clients: dict[Any, Any] = {}

    def get_client(self, key: Any = None, *, write: bool = False) -> Any:
        pool = self._get_connection_pool(write)  # type: ignore[attr-defined]
        if pool not in self._clients:
            self._clients[pool] = super().get_client(key, write=write)
        return self._clients[pool]


class RedisCache(redis.RedisCache):
    """Django's, but for the clients."""

    def __init__(self, server: Any, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = _OneClient


class ForgivingRedisCache(RedisCache):
    """When Redis is away, reads find nothing and writes are dropped; both are logged.

    A deletion still raises: a session that was ended must not come back with the server.
    """

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        try:
            return super().get(key, default, version)
        except RedisError as error:
            return self._away(error, default)

    def set(self, key: Any, value: Any, *args: Any, **options: Any) -> None:
        try:
            super().set(key, value, *args, **options)
        except RedisError as error:
            self._away(error)

    def add(self, key: Any, value: Any, *args: Any, **options: Any) -> bool:
        try:
            return super().add(key, value, *args, **options)
        except RedisError as error:
            return bool(self._away(error, default=True))

    def has_key(self, key: Any, version: int | None = None) -> bool:
        try:
            return super().has_key(key, version)
        except RedisError as error:
            return bool(self._away(error, default=False))

    def _away(self, error: RedisError, default: Any = None) -> Any:
        logger.warning("The session cache is away (%s); the database answers.", type(error).__name__)
        return default
