"""The stored nodes of the log's tree. The lowest levels are not stored: a few leaves make them again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from django.db.backends.utils import CursorWrapper

from audit import merkle
from audit.frontier import Node

# Nodes of this level and above are stored, each over 2^LOWEST leaves or more. It saves three rows in four.
LOWEST = 3


# What answers a query.
Ask = Callable[[str, Sequence[Any]], Sequence[tuple[Any, ...]]]


def through(cursor: CursorWrapper) -> Ask:
    """Asks through this cursor."""

    def rows(query: str, values: Sequence[Any]) -> Sequence[tuple[Any, ...]]:
        cursor.execute(query, values)
        found: Sequence[tuple[Any, ...]] = cursor.fetchall()
        return found

    return rows


def stored_nodes(rows: Ask, wanted: Collection[Node]) -> dict[Node, bytes]:
    """Those of these nodes that are stored, or can be made of stored leaves; those of level 0 are leaves."""
    kept = [(level, index) for level, index in wanted if level >= LOWEST]
    low = [(level, index) for level, index in wanted if level < LOWEST]
    under = {each for level, index in low for each in range(index << level, (index + 1) << level)}
    stored: dict[Node, bytes] = {
        (level, index): bytes(found)
        for level, index, found in rows(
            "SELECT n.level, n.index, n.hash FROM public.audit_node n"
            " JOIN unnest(%s::int[], %s::bigint[]) AS w(level, index) USING (level, index)"
            " UNION ALL SELECT 0, l.index, l.hash FROM public.audit_leaf l WHERE l.index = ANY(%s::bigint[])",
            [[level for level, _ in kept], [index for _, index in kept], sorted(under)],
        )
    }
    nodes = {node: stored[node] for node in kept if node in stored}
    for level, index in low:
        leaves = [stored.get((0, each), b"") for each in range(index << level, (index + 1) << level)]
        if all(len(each) == merkle.HASH_LENGTH for each in leaves):
            nodes[level, index] = merkle.root(leaves)
    return nodes
