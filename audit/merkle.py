"""The Merkle tree of RFC 9162 over SHA-256: its root, its proofs, and the verifiers an outsider relies on.

Standard library only. The builders take the log's own leaf hashes; `audit.frontier` makes the same roots and proofs
from a few stored nodes. The verifiers take anything: what is no proof is answered by False, never by an exception.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

# RFC 9162 §2.1.1: leaves and nodes are hashed apart, so that no node can be passed off as a leaf.
LEAF = b"\x00"
NODE = b"\x01"
HASH_LENGTH = 32
# A tree size travels as an unsigned number of 64 bits.
LARGEST_SIZE = 2**64 - 1
# A path has a hash per bit of the size; a consistency proof may begin with one more.
LONGEST_PROOF = 65


def leaf_hash(data: bytes) -> bytes:
    """Return what stands for one entry in the tree: SHA-256 of 0x00 and the entry (RFC 9162 §2.1.1)."""
    return sha256(LEAF + data).digest()


def root(leaf_hashes: Iterable[bytes]) -> bytes:
    """Return the Merkle tree hash of these leaf hashes, in their order (RFC 9162 §2.1.1).

    The empty tree's is SHA-256 of nothing. Linear in time, without recursion. Raises ValueError at a leaf that is
    not 32 bytes: hashes of other lengths could be cut differently and still give the same root.
    """
    level = _checked(leaf_hashes)
    while len(level) > 1:
        level = _above(level)
    return level[0] if level else sha256().digest()


def inclusion_proof(leaf_hashes: Iterable[bytes], index: int) -> list[bytes]:
    """Return the hashes that lead from leaf `index` (from 0) up to the root (RFC 9162 §2.1.3.1).

    Empty where the tree is this one leaf, and where there is no such leaf: then no verifier accepts it, because an
    index outside the tree is refused whatever the proof. Linear in time. Leaves are checked as `root` checks them.
    """
    level = _checked(leaf_hashes)
    if not _is_size(index) or index >= len(level):
        return []
    return _path(level, index)


def verify_inclusion(index: int, size: int, leaf_hash: bytes, proof: list[bytes], root: bytes) -> bool:
    """Say whether the proof leads from this leaf at `index` to the root of a tree of `size` (RFC 9162 §2.1.3.2).

    True only for what the RFC accepts, False for all else; never raises, whatever it is given. Integers are plain
    `int` within 64 bits, hashes plain `bytes` of 32, the proof a plain list or tuple of them.
    A proof binds the leaf to the root; that `size` is the root's own has to come from a signed checkpoint.
    """
    if not (_is_size(index) and _is_size(size) and index < size):
        return False
    if not (_is_hash(leaf_hash) and _is_hash(root) and _is_path(proof)):
        return False
    # The RFC's own names: fn is where the path stands on its level, sn is that level's last node.
    fn, sn, result = index, size - 1, leaf_hash
    for sibling in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            result = _node(sibling, result)
            fn, sn = _past_missing_siblings(fn, sn)
        else:
            result = _node(result, sibling)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and result == root


def consistency_proof(leaf_hashes: Iterable[bytes], size1: int) -> list[bytes]:
    """Return the hashes that show the first `size1` leaves to be where this tree began (RFC 9162 §2.1.4.1).

    Empty where `size1` is the whole tree: the two roots are then compared. Empty as well for 0 and for more leaves than
    there are, which no verifier accepts. Linear in time. Leaves are checked as `root` checks them.
    """
    level = _checked(leaf_hashes)
    if not _is_size(size1) or not 0 < size1 < len(level):
        return []
    # Up to the largest perfect subtree that the first tree ends with; both trees have it.
    index = size1 - 1
    while index & 1:
        level, index = _above(level), index >> 1
    path = _path(level, index)
    # At 0 that subtree is the whole first tree, and the verifier has its root already.
    return [level[index], *path] if index else path


def verify_consistency(size1: int, size2: int, root1: bytes, root2: bytes, proof: list[bytes]) -> bool:
    """Say whether the tree of `size2` and `root2` begins with that of `size1` and `root1` (RFC 9162 §2.1.4.2).

    True only for what the RFC accepts, False for all else; never raises, whatever it is given (types as for
    `verify_inclusion`). The RFC leaves two cases open; as its published test vectors have them:
    - `size1` 0 is refused, even where `size2` is 0. Everything begins with nothing, so such a proof shows nothing;
    - equal sizes need an empty proof and the same root, which is compared and not looked into.
    """
    if not (_is_size(size1) and _is_size(size2) and 0 < size1 <= size2 and _is_path(proof)):
        return False
    if size1 == size2:
        return type(root1) is type(root2) is bytes and root1 == root2 and not proof
    if not (_is_hash(root1) and _is_hash(root2) and proof):
        return False
    path = list(proof)
    if size1 & (size1 - 1) == 0:
        path.insert(0, root1)
    fn, sn = size1 - 1, size2 - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            first, second = _node(sibling, first), _node(sibling, second)
            fn, sn = _past_missing_siblings(fn, sn)
        else:
            second = _node(second, sibling)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and first == root1 and second == root2


def _checked(leaf_hashes: Iterable[bytes]) -> list[bytes]:
    hashes = list(leaf_hashes)
    if not (set(map(type, hashes)) <= {bytes} and set(map(len, hashes)) <= {HASH_LENGTH}):
        raise ValueError("A leaf hash is 32 bytes.")
    return hashes


def _above(level: list[bytes]) -> list[bytes]:
    """Hash neighbours together; a last one without a neighbour moves up as it is."""
    pairs = iter(level)
    above = [sha256(NODE + left + right).digest() for left, right in zip(pairs, pairs, strict=False)]
    return above + level[-1:] if len(level) & 1 else above


def _path(level: list[bytes], index: int) -> list[bytes]:
    """Collect the siblings from a node of this level up to the root; a node that moves up alone has none."""
    path = []
    while len(level) > 1:
        path += level[index ^ 1 : (index ^ 1) + 1]
        level, index = _above(level), index >> 1
    return path


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(NODE + left + right).digest()


def _past_missing_siblings(fn: int, sn: int) -> tuple[int, int]:
    """Skip the levels on which the last node moves up alone (steps 4.b and 6.b of the RFC's algorithms)."""
    while fn and not fn & 1:
        fn, sn = fn >> 1, sn >> 1
    return fn, sn


# Exact types: a subclass could answer comparisons as it likes, and True is no index.
def _is_size(value: object) -> bool:
    return type(value) is int and 0 <= value <= LARGEST_SIZE


def _is_hash(value: object) -> bool:
    return type(value) is bytes and len(value) == HASH_LENGTH


def _is_path(value: object) -> bool:
    return (
        (type(value) is list or type(value) is tuple)
        and len(value) <= LONGEST_PROOF
        and all(map(_is_hash, value))
    )
