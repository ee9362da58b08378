"""A cache for sessions, which must outlive the cache server: their home is the database."""

import logging
from typing import Any

from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


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
