"""The tree of `audit.merkle` kept as nodes in a store: growing it, its roots, and proofs from a few stored nodes.

Node (level, index) is the hash over leaves index·2^level up to (index + 1)·2^level. A node is stored once those leaves
are all there, and never changes; what stands incomplete at the right edge is folded from stored ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import NamedTuple

from audit.merkle import HASH_LENGTH, NODE

Node = tuple[int, int]  # level, index


class Run(NamedTuple):
    """Nodes of one level that stand next to each other: the hash of (level, first), of (level, first + 1) and so on."""

    level: int
    first: int
    hashes: list[bytes]


class Frontier:
    """A growing tree of which only the roots of the largest complete subtrees are kept: O(log size) memory."""

    def __init__(self) -> None:
        """Begin with the empty tree."""
        self.size = 0
        self._peaks: list[bytes] = []  # largest subtree first

    @classmethod
    def restore(cls, size: int, nodes: Mapping[Node, bytes]) -> Frontier:
        """Return the frontier of the tree of `size` from its stored nodes, those that `peaks(size)` names.

        KeyError where one is missing, ValueError where one is not 32 bytes.
        """
        frontier = cls()
        frontier._peaks = _checked(nodes[peak] for peak in peaks(size))
        frontier.size = size
        return frontier

    def append(self, leaf_hash: bytes) -> list[tuple[int, int, bytes]]:
        """Add one leaf. Return the interior nodes it completes as (level, index, hash), lowest first."""
        return [(run.level, run.first, run.hashes[0]) for run in self.extend([leaf_hash])]

    def extend(self, hashes: Iterable[bytes]) -> list[Run]:
        """Add these leaves. Return the interior nodes they complete, a run for each level, lowest first.

        ValueError, and the tree is as it was, where a hash is not 32 bytes.
        """
        row, level = _checked(hashes), 0
        first = self.size
        self.size += len(row)
        grown: list[Run] = []
        alone: list[bytes] = []
        while row:
            if first & 1:
                # The node before these is the smallest subtree kept: it has been waiting for its neighbour.
                row = [self._peaks.pop(), *row]
            if len(row) & 1:
                alone.append(row[-1])
            row = _joined(row)
            level, first = level + 1, first >> 1
            if row:
                grown.append(Run(level, first, row))
        self._peaks += reversed(alone)
        return grown

    def root(self) -> bytes:
        """Return the root hash of the tree as it stands; the empty tree's is SHA-256 of nothing (RFC 9162 §2.1.1)."""
        return _fold(self._peaks) if self._peaks else sha256().digest()


def peaks(size: int) -> list[Node]:
    """Name the roots of the largest complete subtrees of a tree of `size`, left to right."""
    return _cover(0, size)


def nodes_for_inclusion(index: int, size: int) -> list[list[Node]]:
    """Name the stored nodes that an inclusion proof needs: a list for each hash of it, O(log size) in all.

    Empty where there is no leaf `index` in a tree of `size`.
    """
    return _siblings(0, index, size) if 0 <= index < size else []


def nodes_for_consistency(size1: int, size2: int) -> list[list[Node]]:
    """Name the stored nodes that a consistency proof needs: a list for each hash of it, O(log size2) in all.

    Empty where the sizes are equal, and where they are no sizes of an older and a newer tree.
    """
    if not 0 < size1 < size2:
        return []
    # The largest perfect subtree that the first tree ends with. Where it is the whole tree its root is known.
    level = (size1 & -size1).bit_length() - 1
    index = (size1 - 1) >> level
    path = _siblings(level, index, size2)
    return [[(level, index)], *path] if index else path


def inclusion_proof_from(index: int, size: int, nodes: Mapping[Node, bytes]) -> list[bytes]:
    """Return what `merkle.inclusion_proof` would, from the nodes that `nodes_for_inclusion` names.

    KeyError where one is missing, ValueError where one is not 32 bytes. Whether they are the right ones shows when the
    proof is verified.
    """
    return [_fold(_checked(nodes[node] for node in step)) for step in nodes_for_inclusion(index, size)]


def consistency_proof_from(size1: int, size2: int, nodes: Mapping[Node, bytes]) -> list[bytes]:
    """Return what `merkle.consistency_proof` would, from the nodes that `nodes_for_consistency` names.

    KeyError where one is missing, ValueError where one is not 32 bytes. Whether they are the right ones shows when the
    proof is verified.
    """
    return [_fold(_checked(nodes[node] for node in step)) for step in nodes_for_consistency(size1, size2)]


def _siblings(level: int, index: int, size: int) -> list[list[Node]]:
    """For each level from this one up, the stored nodes that make up the sibling of the path, if it has one."""
    steps = []
    while 1 << level < size:
        begin = (index ^ 1) << level
        if begin < size:
            steps.append(_cover(begin, min(begin + (1 << level), size)))
        level, index = level + 1, index >> 1
    return steps


def _cover(begin: int, end: int) -> list[Node]:
    """Split leaves `begin` up to `end` into the largest complete subtrees, left to right.

    A subtree that wide could begin at `begin`, so each next one fits as well.
    """
    nodes = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        nodes.append((level, begin >> level))
        begin += 1 << level
    return nodes


def _joined(row: list[bytes]) -> list[bytes]:
    """Hash neighbours together. A copy of a begun hash costs less than a new one."""
    pairs = iter(row)
    joined = []
    for left, right in zip(pairs, pairs, strict=False):
        hashing = _BEGUN.copy()
        hashing.update(left)
        hashing.update(right)
        joined.append(hashing.digest())
    return joined


_BEGUN = sha256(NODE)


def _fold(hashes: list[bytes]) -> bytes:
    """Join neighbouring subtrees, the smallest at the right, into one root."""
    result = hashes[-1]
    for left in reversed(hashes[:-1]):
        result = sha256(NODE + left + result).digest()
    return result


def _checked(hashes: Iterable[bytes]) -> list[bytes]:
    """As a list of our own. Hashes of other lengths could be cut differently and give the same root."""
    row = list(hashes)
    if not (set(map(type, row)) <= {bytes} and set(map(len, row)) <= {HASH_LENGTH}):
        raise ValueError("A node is 32 bytes.")
    return row
