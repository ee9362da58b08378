"""Room on Python's stack.

CPython keeps frames in pieces of 16 KB, asks the system for the next where one is full and gives it back when the call
returns. Where a stack as deep as a page's goes up and down across such an edge, that is a hundred times a page, some
twentieth of its time. A call that says it needs much gets one large piece, and what it calls finds room in that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
# In words of 8 bytes: the next larger power of two is twice as much, and half of that is left for whatever is called.
ROOM = 70_000


def with_room(call: Callable[[], T]) -> T:
    """What `call` returns."""
    return call()


with_room.__code__ = with_room.__code__.replace(co_stacksize=ROOM)
