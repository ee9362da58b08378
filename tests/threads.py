"""Keeps what Django has for each thread in `threading.local`, which the tests ask for some fifty times a page.

Django's own keeps it for each asynchronous task too, of which there are none here, and takes ten times as long: longest
where nothing was set, as when no language but the usual one is in force.
"""

from __future__ import annotations

import threading

import pytest
from django.core.cache import caches
from django.db import connections
from django.urls import base
from django.utils import timezone
from django.utils.translation import trans_real


def keep_plainly(patch: pytest.MonkeyPatch) -> None:
    """From now on, while the patch lasts. The connections that this thread had it has still."""
    for module, name in (
        (trans_real, "_active"),
        (timezone, "_active"),
        (base, "_prefixes"),
        (base, "_urlconfs"),
    ):
        patch.setattr(module, name, threading.local())
    for handler in (connections, caches):
        kept = threading.local()
        for alias in handler:
            if hasattr(handler._connections, alias):
                setattr(kept, alias, handler[alias])
        patch.setattr(handler, "_connections", kept)
