"""How often somebody may try an invitation's code from one place. Guessing one is hopeless; trying is limited
all the same.
"""

from __future__ import annotations

import ipaddress
import logging

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

MOST_TRIES = 20
SECONDS = 15 * 60
_IPV6_NETWORK = 64  # one household has that many addresses


def may_try(request: HttpRequest) -> bool:
    """Count this try, and whether it is still one of those allowed from that address."""
    key = f"invitation-tries:{address_of(request)}"
    try:
        cache.add(key, 0, SECONDS)
        return bool(cache.incr(key) <= MOST_TRIES)
    except (RedisError, ValueError) as away:
        # Nobody is kept from deciding by a cache: each code still has its own five tries in the database.
        logger.warning("Tries cannot be counted by address (%s).", type(away).__name__)
        return True


def address_of(request: HttpRequest) -> str:
    """Where a request comes from, as far as it can be known: what trusted proxies say, and nothing that a
    visitor says.
    """
    forwarded = request.headers.get("X-Forwarded-For", "")
    claimed = [part.strip() for part in forwarded.split(",") if part.strip()]
    trusted = settings.TRUSTED_PROXY_COUNT
    address = claimed[-trusted] if 0 < trusted <= len(claimed) else request.META.get("REMOTE_ADDR", "")
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    # Written as IPv6, all IPv4 addresses lie in one network.
    known = getattr(known, "ipv4_mapped", None) or known
    if known.version == 6:
        return str(ipaddress.ip_network((known, _IPV6_NETWORK), strict=False))
    return str(known)
