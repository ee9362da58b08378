"""The tree of the sealed log: published vectors, another's implementation, and everything a forger may hand in."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from itertools import pairwise, product
from typing import Any

import pymerkle
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from audit import frontier, merkle

# The reference tree of Certificate Transparency: eight entries, and the root at each size.
ENTRIES = "|00|10|2021|3031|40414243|5051525354555657|606162636465666768696a6b6c6d6e6f"
ROOTS = """
    6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d
    fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125
    aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77
    d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7
    4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4
    76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef
    ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c
    5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328
"""
# Some of that tree's nodes, by the letters the proofs below are spelled with.
NODES = {
    "a": "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "b": "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "c": "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    "d": "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    "e": "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "f": "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "g": "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "h": "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "i": "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    "j": "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
}
REFERENCE = [merkle.leaf_hash(bytes.fromhex(entry)) for entry in ENTRIES.split("|")]
REFERENCE_ROOTS = [bytes.fromhex(line) for line in ROOTS.split()]
NOTHING = sha256(b"").digest()
SOMETHING = bytes.fromhex("abacaba000000000000000000000000000000000000000000060061e00123456")

SIZES = range(1, 18)
LEAVES = [merkle.leaf_hash(b"entry %d" % number) for number in range(max(SIZES))]
TREE_ROOTS = [merkle.root(LEAVES[:size]) for size in range(len(LEAVES) + 1)]


def spelled(letters: str) -> list[bytes]:
    return [bytes.fromhex(NODES[letter]) for letter in letters]


def inclusions() -> Iterator[tuple[int, int, bytes, list[bytes], bytes]]:
    """Every right call of verify_inclusion on the small trees."""
    for size in SIZES:
        for index in range(size):
            yield index, size, LEAVES[index], merkle.inclusion_proof(LEAVES[:size], index), TREE_ROOTS[size]


def consistencies() -> Iterator[tuple[int, int, bytes, bytes, list[bytes]]]:
    """Every right call of verify_consistency on the small trees, equal sizes included."""
    for size2 in SIZES:
        for size1 in range(1, size2 + 1):
            proof = merkle.consistency_proof(LEAVES[:size2], size1)
            yield size1, size2, TREE_ROOTS[size1], TREE_ROOTS[size2], proof


def mutilated(proof: list[bytes], extra: list[bytes]) -> Iterator[list[bytes]]:
    """The proof with one thing wrong in it."""
    for place in range(len(proof) + 1):
        for more in [*extra, *proof, b"", SOMETHING]:
            yield [*proof[:place], more, *proof[place:]]
    for place, one in enumerate(proof):
        before, after = proof[:place], proof[place + 1 :]
        yield before + after
        for bad in (
            b"",
            one[:-1],
            one[1:],
            one + b"\0",
            b"\0" + one,
            one + one,
            one.hex().encode(),
            SOMETHING,
        ):
            yield [*before, bad, *after]
        for bit in (0, 7, 100, 255):
            yield [*before, (int.from_bytes(one) ^ 1 << bit).to_bytes(32), *after]
        if after:
            yield [*before, after[0], one, *after[1:]]
    if proof:
        yield []


# ---- Published vectors


def test_the_reference_trees_have_their_published_roots() -> None:
    assert merkle.root([]) == NOTHING
    assert [merkle.root(REFERENCE[:size]) for size in range(1, 9)] == REFERENCE_ROOTS


@pytest.mark.parametrize(
    ("index", "size", "letters"), [(0, 1, ""), (0, 8, "abc"), (5, 8, "def"), (2, 3, "g"), (1, 5, "hbd")]
)
def test_published_inclusion_proofs(index: int, size: int, letters: str) -> None:
    proof = spelled(letters)
    assert merkle.inclusion_proof(REFERENCE[:size], index) == proof
    root = REFERENCE_ROOTS[size - 1]
    assert merkle.verify_inclusion(index, size, REFERENCE[index], proof, root) is True
    for wrong in ((index - 1) % 2**64, index + 1, index ^ 2):
        assert merkle.verify_inclusion(wrong, size, REFERENCE[index], proof, root) is False
    for wrong in (size * 2, size // 2):
        assert merkle.verify_inclusion(index, wrong, REFERENCE[index], proof, root) is False
    for wrong_root in (NOTHING, SOMETHING, b""):
        assert merkle.verify_inclusion(index, size, REFERENCE[index], proof, wrong_root) is False
    for wrong_leaf in (b"WrongLeaf", b"", SOMETHING):
        assert merkle.verify_inclusion(index, size, wrong_leaf, proof, root) is False


@pytest.mark.parametrize(
    ("size1", "size2", "letters"), [(1, 1, ""), (1, 8, "abc"), (6, 8, "ief"), (2, 5, "bd"), (6, 7, "ijf")]
)
def test_published_consistency_proofs(size1: int, size2: int, letters: str) -> None:
    proof = spelled(letters)
    assert merkle.consistency_proof(REFERENCE[:size2], size1) == proof
    root1, root2 = REFERENCE_ROOTS[size1 - 1], REFERENCE_ROOTS[size2 - 1]
    assert merkle.verify_consistency(size1, size2, root1, root2, proof) is True
    if not proof:
        return
    for wrong in (size1 - 1, size1 + 1, size1 ^ 2):
        assert merkle.verify_consistency(wrong, size2, root1, root2, proof) is False
    for wrong in (size2 * 2, size2 // 2):
        assert merkle.verify_consistency(size1, wrong, root1, root2, proof) is False
    for wrong_roots in ((b"WrongRoot", root2), (root1, b"WrongRoot"), (root2, root1)):
        assert merkle.verify_consistency(size1, size2, *wrong_roots, proof) is False


@pytest.mark.parametrize(
    ("size1", "size2", "root1", "root2", "proof", "right"),
    [
        # Equal sizes: the same root, whatever it is, and nothing else.
        (1, 1, b"don't care", b"don't care", [], True),
        (1, 1, b"don't care 1", b"don't care 2", [], False),
        (1, 1, NOTHING, NOTHING, [NOTHING], False),
        # The empty tree: never.
        (0, 0, NOTHING, NOTHING, [], False),
        (0, 0, NOTHING, NOTHING, [NOTHING], False),
        (0, 1, NOTHING, SOMETHING, [], False),
        (0, 1, NOTHING, NOTHING, [NOTHING], False),
        # Back in time.
        (1, 0, SOMETHING, NOTHING, [], False),
        (2, 1, SOMETHING, SOMETHING, [], False),
        # No proof.
        (1, 2, SOMETHING, SOMETHING, [], False),
    ],
)
def test_consistency_at_the_edges(
    size1: int, size2: int, root1: bytes, root2: bytes, proof: list[bytes], right: bool
) -> None:
    assert merkle.verify_consistency(size1, size2, root1, root2, proof) is right


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 0), (1, 1), (2, 1)])
def test_there_is_no_leaf_outside_the_tree(index: int, size: int) -> None:
    """What the builder returns where there is no proof is no proof either."""
    leaf = REFERENCE[0]
    assert merkle.inclusion_proof(REFERENCE[:size], index) == []
    for root in (leaf, NOTHING, b""):
        assert merkle.verify_inclusion(index, size, leaf, [], root) is False


def test_builders_have_no_proof_for_what_is_not_there() -> None:
    for index in (8, -1, 2**64, 2**100, True, 1.0, None, "0"):
        assert merkle.inclusion_proof(REFERENCE, index) == []
    for size in (0, 8, 9, -1, 2**64, True, 1.0, None, "1"):
        assert merkle.consistency_proof(REFERENCE, size) == []


# ---- Every small tree


@cache
def inclusion_shape(index: int, size: int) -> str:
    """On which side each hash of the proof stands, by the RFC's recursion."""
    if size == 1:
        return ""
    split = 1 << (size - 1).bit_length() - 1
    return (
        inclusion_shape(index, split) + "R"
        if index < split
        else inclusion_shape(index - split, size - split) + "L"
    )


@cache
def consistency_shape(size1: int, size2: int, known: bool = True) -> str:
    if size1 == size2:
        return "" if known else "."
    split = 1 << (size2 - 1).bit_length() - 1
    if size1 <= split:
        return consistency_shape(size1, split, known) + "R"
    return consistency_shape(size1 - split, size2 - split, False) + "L"


def test_a_right_proof_is_accepted_and_no_mutilated_one() -> None:
    for index, size, leaf, proof, root in inclusions():
        assert len(proof) == len(inclusion_shape(index, size))
        assert merkle.verify_inclusion(index, size, leaf, proof, root) is True
        assert merkle.verify_inclusion(index, size, leaf, tuple(proof), root) is True
        for wrong in mutilated(proof, [leaf, root]):
            assert merkle.verify_inclusion(index, size, leaf, wrong, root) is False, (index, size)
    for size1, size2, root1, root2, proof in consistencies():
        assert len(proof) == len(consistency_shape(size1, size2))
        assert merkle.verify_consistency(size1, size2, root1, root2, proof) is True
        for wrong in mutilated(proof, [root1, root2]):
            # A hash in place of one that happens to be the same is no mutilation.
            assert merkle.verify_consistency(size1, size2, root1, root2, wrong) is (wrong == proof), (
                size1,
                size2,
            )


def test_hashes_cut_in_another_place_are_refused() -> None:
    """What is hashed together would be the same bytes."""
    for index, size, leaf, proof, root in inclusions():
        if proof and inclusion_shape(index, size)[0] == "R":
            sibling = leaf[-1:] + proof[0]
            assert sha256(b"\1" + leaf[:-1] + sibling).digest() == merkle.root([leaf, proof[0]])
            assert merkle.verify_inclusion(index, size, leaf[:-1], [sibling, *proof[1:]], root) is False
    joined = LEAVES[0] + LEAVES[1]
    for cut in (0, 31, 33, 64):
        assert merkle.verify_inclusion(0, 2, joined[:cut], [joined[cut:]], TREE_ROOTS[2]) is False
        assert merkle.verify_consistency(1, 2, joined[:cut], TREE_ROOTS[2], [joined[cut:]]) is False
    for short in (b"", b"short", bytes(31), bytes(33)):
        assert merkle.verify_inclusion(0, 1, short, [], short) is False


def test_a_proof_is_refused_for_another_leaf_or_root() -> None:
    for index, size, leaf, proof, root in inclusions():
        for other in range(len(LEAVES)):
            told = merkle.verify_inclusion(index, size, LEAVES[other], proof, root)
            assert told is (other == index)
            told = merkle.verify_inclusion(index, size, leaf, proof, TREE_ROOTS[other])
            assert told is (other == size)
    for size1, size2, root1, root2, proof in consistencies():
        for other in range(len(LEAVES)):
            told = merkle.verify_consistency(size1, size2, TREE_ROOTS[other], root2, proof)
            assert told is (other == size1)
            told = merkle.verify_consistency(size1, size2, root1, TREE_ROOTS[other], proof)
            assert told is (other == size2)


def test_a_proof_fits_only_the_places_that_the_rfc_lets_it_fit() -> None:
    """Two trees in which the way to the root turns alike cannot be told apart by it: the size has to be signed."""
    for index, size, leaf, proof, root in inclusions():
        for other in product(range(20), range(20)):
            fits = other[0] < other[1] and inclusion_shape(*other) == inclusion_shape(index, size)
            assert merkle.verify_inclusion(*other, leaf, proof, root) is fits, (index, size, other)
    for size1, size2, root1, root2, proof in consistencies():
        if size1 == size2:
            continue
        for other in product(range(20), range(20)):
            fits = 0 < other[0] < other[1] and consistency_shape(*other) == consistency_shape(size1, size2)
            assert merkle.verify_consistency(*other, root1, root2, proof) is fits, (size1, size2, other)


def test_the_largest_trees_can_be_verified_and_no_larger_one() -> None:
    last, size = 2**64 - 2, 2**64 - 1
    shape = inclusion_shape(last, size)
    path = [SOMETHING] * len(shape)
    root = folded(shape, LEAVES[0], path)
    assert merkle.verify_inclusion(last, size, LEAVES[0], path, root) is True
    # Its neighbour size in the next tree up, which no 64 bits can carry.
    shape = inclusion_shape(0, 2**64 + 1)
    path = [SOMETHING] * len(shape)
    assert merkle.verify_inclusion(0, 2**64 + 1, LEAVES[0], path, folded(shape, LEAVES[0], path)) is False
    assert (
        merkle.verify_inclusion(0, 2**64, LEAVES[0], path[1:], folded(shape[1:], LEAVES[0], path[1:]))
        is False
    )
    # The longest proof there is.
    shape = consistency_shape(2**63 - 1, size).removeprefix(".")
    path = [SOMETHING] * len(shape)
    root1 = folded("L" * shape.count("L"), LEAVES[0], path[: shape.count("L")])
    proof = [LEAVES[0], *path]
    assert len(proof) == merkle.LONGEST_PROOF
    assert merkle.verify_consistency(2**63 - 1, size, root1, folded(shape, LEAVES[0], path), proof) is True


# ---- What a forger may hand in


class Agreeable(bytes):
    """Bytes that equal everything."""

    __hash__ = bytes.__hash__

    def __eq__(self, other: object) -> bool:
        return True


class Explosive:
    """Whatever is asked of it, it raises."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    __eq__ = __lt__ = __gt__ = __le__ = __ge__ = __len__ = __iter__ = __bool__ = __index__ = __getattribute__
    __hash__ = None


class Obliging(list):
    """A list that says it is short."""

    def __len__(self) -> int:
        return 0


def explosive_generator() -> Iterator[bytes]:
    yield SOMETHING
    raise RuntimeError


class Two(int):
    pass


JUNK = [
    *(None, True, False, -1, 2**64, 2**64 + 1, -(2**70), 10**400, 0.0, 1.0, 2.5),
    *(float("nan"), float("inf"), 1j, Two(2)),
    *("", "0", "x" * 32, b"", b"short", bytes(31), bytes(33), bytes(64), bytearray(32), memoryview(bytes(32))),
    *(Agreeable(32), Explosive(), object, object(), type, len, ..., NotImplemented, Exception(), {}, {0: SOMETHING}, set()),
    *([None], [0], [""], ["x" * 32], [b""], [bytearray(32)], [Agreeable(32)], [Explosive()], [[SOMETHING]], [bytes(31)]),
    *([SOMETHING] * 66, [SOMETHING] * 1_000_000, Obliging([SOMETHING]), range(3), SOMETHING.hex()),
]  # fmt: skip
RIGHT_INCLUSION = (2, 7, REFERENCE[2], merkle.inclusion_proof(REFERENCE[:7], 2), REFERENCE_ROOTS[6])
RIGHT_CONSISTENCY = (3, 7, *REFERENCE_ROOTS[2:7:4], merkle.consistency_proof(REFERENCE[:7], 3))


@pytest.mark.parametrize(
    ("verify", "right"),
    [(merkle.verify_inclusion, RIGHT_INCLUSION), (merkle.verify_consistency, RIGHT_CONSISTENCY)],
)
def test_junk_in_any_place_is_refused_without_a_word(verify: Any, right: tuple[Any, ...]) -> None:
    assert verify(*right) is True
    for place in range(5):
        for junk in [*JUNK, explosive_generator()]:
            assert verify(*right[:place], junk, *right[place + 1 :]) is False, place
    for place, other in product(range(5), range(5)):
        for junk, more in product(JUNK, JUNK):
            wrong = list(right)
            wrong[place], wrong[other] = junk, more
            assert verify(*wrong) is False
    for proof_place in (3, 4):
        proof = right[proof_place]
        if isinstance(proof, list):
            for other in (
                iter(proof),
                Obliging(proof),
                dict.fromkeys(proof),
                [Agreeable(one) for one in proof],
            ):
                assert verify(*right[:proof_place], other, *right[proof_place + 1 :]) is False


def test_junk_is_no_proof_that_nothing_changed() -> None:
    root = REFERENCE_ROOTS[4]
    assert merkle.verify_consistency(5, 5, root, root, []) is True
    for junk in JUNK:
        assert merkle.verify_consistency(5, 5, root, root, junk) is False
        assert merkle.verify_consistency(5, 5, root, junk, []) is False
        assert merkle.verify_consistency(5, 5, junk, root, []) is False
        assert merkle.verify_consistency(junk, 5, root, root, []) is False
        assert merkle.verify_consistency(5, junk, root, root, []) is False


anything = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.lists(st.binary())
)
numbers = st.integers(0, 2**64 + 2) | st.integers(0, 9)
hashes = st.sampled_from([*REFERENCE, *REFERENCE_ROOTS]) | st.binary(min_size=32, max_size=32)
proofs = st.lists(hashes, max_size=5)


def folded(shape: str, start: bytes, proof: list[bytes]) -> bytes:
    for side, one in zip(shape, proof, strict=True):
        start = merkle.root([one, start] if side == "L" else [start, one])
    return start


def whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64


def all_hashes(values: list[Any]) -> bool:
    return all(isinstance(value, bytes) and len(value) == 32 for value in values)


def included(index: Any, size: Any, leaf: Any, proof: Any, root: Any) -> bool:
    """The answer by the RFC's recursion."""
    if not (whole(index) and whole(size) and index < size and isinstance(proof, list | tuple)):
        return False
    shape = inclusion_shape(index, size)
    return (
        len(proof) == len(shape) and all_hashes([leaf, root, *proof]) and folded(shape, leaf, proof) == root
    )


def consistent(size1: Any, size2: Any, root1: Any, root2: Any, proof: Any) -> bool:
    if not (whole(size1) and whole(size2) and 0 < size1 <= size2 and isinstance(proof, list | tuple)):
        return False
    if size1 == size2:
        return isinstance(root1, bytes) and root1 == root2 and not proof
    shape = consistency_shape(size1, size2)
    if len(proof) != len(shape) or not all_hashes([root1, root2, *proof]):
        return False
    start, *path = proof if shape[0] == "." else [root1, *proof]
    shape = shape.removeprefix(".")
    lefts = [one for side, one in zip(shape, path, strict=True) if side == "L"]
    return folded(shape, start, path) == root2 and folded("L" * len(lefts), start, lefts) == root1


@settings(deadline=None, max_examples=150)
@given(numbers | anything, numbers | anything, hashes | anything, hashes | anything, proofs | anything)
def test_the_verifiers_answer_as_the_recursion_does(
    first: Any, second: Any, one: Any, other: Any, proof: Any
) -> None:
    assert merkle.verify_inclusion(first, second, one, proof, other) is included(
        first, second, one, proof, other
    )
    assert merkle.verify_consistency(first, second, one, other, proof) is consistent(
        first, second, one, other, proof
    )


@settings(deadline=None, max_examples=100)
@given(numbers, numbers, hashes)
def test_a_path_of_the_right_length_counts_only_with_the_root_it_leads_to(
    first: int, second: int, start: bytes
) -> None:
    """Trees of any size up to 64 bits, of which nobody has the leaves."""
    small, large = sorted((first, second))
    assume(small < large < 2**64)
    shape = inclusion_shape(small, large)
    path = [sha256(b"%d" % place).digest() for place in range(len(shape))]
    right = (small, large, start, path, folded(shape, start, path))
    assert merkle.verify_inclusion(*right) is included(*right) is True
    assert merkle.verify_inclusion(*right[:4], SOMETHING) is False
    if not small:
        return
    shape = consistency_shape(small, large).removeprefix(".")
    path = path[: len(shape)]
    lefts = [one for side, one in zip(shape, path, strict=True) if side == "L"]
    roots = folded("L" * len(lefts), start, lefts), folded(shape, start, path)
    whole_path = [start, *path] if small & small - 1 else path
    assert merkle.verify_consistency(small, large, *roots, whole_path) is True
    assert merkle.verify_consistency(small, large, roots[0], SOMETHING, whole_path) is False
    assert merkle.verify_consistency(small, large, SOMETHING, roots[1], whole_path) is False


@pytest.mark.parametrize("wrong", [bytes(31), bytes(33), b"", bytearray(32), "x" * 32, None, 7])
def test_a_tree_is_built_of_hashes_only(wrong: Any) -> None:
    """A byte moved from one leaf to the next would leave the root as it was."""
    builds = [
        merkle.root,
        lambda leaves: merkle.inclusion_proof(leaves, 0),
        lambda leaves: merkle.consistency_proof(leaves, 1),
        lambda leaves: frontier.Frontier().extend(leaves),
        lambda leaves: frontier.Frontier.restore(3, {(1, 0): leaves[0], (0, 2): leaves[1]}),
        lambda leaves: frontier.inclusion_proof_from(0, 3, {(0, 1): leaves[0], (0, 2): leaves[1]}),
        lambda leaves: frontier.consistency_proof_from(1, 3, {(0, 1): leaves[0], (0, 2): leaves[1]}),
    ]
    for build in builds:
        with pytest.raises((ValueError, TypeError)):
            build([SOMETHING, wrong])


# ---- Another's implementation


def others(entries: list[bytes]) -> pymerkle.InmemoryTree:
    return pymerkle.InmemoryTree.init_from_entries(entries, algorithm="sha256")


@settings(deadline=None, max_examples=60)
@given(st.lists(st.binary(max_size=80), min_size=1, max_size=70), st.data())
def test_roots_and_proofs_are_those_that_another_implementation_makes(
    entries: list[bytes], data: st.DataObject
) -> None:
    tree = others(entries)
    leaves = [merkle.leaf_hash(entry) for entry in entries]
    assert leaves == [tree.get_leaf(number) for number in range(1, len(entries) + 1)]
    size = data.draw(st.integers(1, len(entries)))
    root = tree.get_root(size)
    assert merkle.root(iter(leaves[:size])) == root

    index = data.draw(st.integers(0, size - 1))
    theirs = tree.prove_inclusion(index + 1, size).path[1:]  # it counts from one, and puts the leaf in front
    assert merkle.inclusion_proof(leaves[:size], index) == theirs
    assert merkle.verify_inclusion(index, size, leaves[index], theirs, root) is True

    older = data.draw(st.integers(1, size))
    theirs = in_the_rfcs_order(tree.prove_consistency(older, size), older, size)
    assert merkle.consistency_proof(leaves[:size], older) == theirs
    assert merkle.verify_consistency(older, size, tree.get_root(older), root, theirs) is True


def in_the_rfcs_order(proof: pymerkle.ConsistencyProof, older: int, size: int) -> list[bytes]:
    """Its own begins with the way up to what was added beside the older tree's last subtree; the RFC takes the sum."""
    if older == size:
        return []
    last = proof.subset.index(1)
    added = folded("R" * (last - 1), proof.path[0], proof.path[1:last])
    # Where that last subtree is the whole older tree, the RFC leaves it out.
    return [*([] if older.bit_count() == 1 else [proof.path[last]]), added, *proof.path[last + 1 :]]


# ---- The same tree from stored nodes


def stored(leaves: list[bytes]) -> dict[frontier.Node, bytes]:
    """Every complete node, worked out the slow way."""
    levels = range(len(leaves).bit_length())
    return {
        (level, index): merkle.root(leaves[index << level : (index + 1) << level])
        for level in levels
        for index in range(len(leaves) >> level)
    }


leaf_lists = st.integers(0, 200).map(lambda size: [sha256(b"%d" % number).digest() for number in range(size)])


@settings(deadline=None, max_examples=80)
@given(leaf_lists, st.lists(st.integers(0, 200)))
def test_a_frontier_grown_in_any_steps_has_the_root_and_every_node(
    leaves: list[bytes], cuts: list[int]
) -> None:
    edge = frontier.Frontier()
    assert edge.root() == merkle.root([])
    nodes: dict[frontier.Node, bytes] = {}
    bounds = sorted({0, len(leaves), *(cut for cut in cuts if cut < len(leaves))})
    for begin, end in pairwise(bounds):
        batch = leaves[begin:end]
        nodes.update({(0, begin + place): leaf for place, leaf in enumerate(batch)})
        grown = edge.extend(iter(batch))
        assert batch == leaves[begin:end]
        added = {(run.level, run.first + place): one for run in grown for place, one in enumerate(run.hashes)}
        assert not added.keys() & nodes.keys()
        nodes |= added
        assert (edge.size, edge.root()) == (end, merkle.root(leaves[:end]))
        edge = frontier.Frontier.restore(end, nodes)
        assert (edge.size, edge.root()) == (end, merkle.root(leaves[:end]))
    assert nodes == stored(leaves)


def test_a_frontier_grows_leaf_by_leaf() -> None:
    edge, nodes = frontier.Frontier(), {}
    for number, leaf in enumerate(LEAVES):
        completed = edge.append(leaf)
        assert [level for level, _, _ in completed] == list(range(1, len(completed) + 1))
        nodes |= {(0, number): leaf} | {(level, index): one for level, index, one in completed}
        assert edge.root() == TREE_ROOTS[number + 1]
    assert nodes == stored(LEAVES)


@settings(deadline=None, max_examples=100)
@given(leaf_lists, st.data())
def test_a_few_stored_nodes_make_the_same_proofs(leaves: list[bytes], data: st.DataObject) -> None:
    everything = stored(leaves)
    size = data.draw(st.integers(0, len(leaves)))
    tree = leaves[:size]
    index = data.draw(st.integers(-1, size + 1))
    needed = [node for step in frontier.nodes_for_inclusion(index, size) for node in step]
    few = {node: everything[node] for node in needed}
    assert frontier.inclusion_proof_from(index, size, few) == merkle.inclusion_proof(tree, index)
    older = data.draw(st.integers(-1, size + 1))
    needed = [node for step in frontier.nodes_for_consistency(older, size) for node in step]
    few = {node: everything[node] for node in needed}
    assert frontier.consistency_proof_from(older, size, few) == merkle.consistency_proof(tree, older)
    if needed:
        few.popitem()
        with pytest.raises(KeyError):
            frontier.consistency_proof_from(older, size, few)


@given(st.integers(1, 2**63), st.data())
def test_a_proof_needs_few_nodes_however_large_the_tree(size: int, data: st.DataObject) -> None:
    few = 2 * size.bit_length()
    assert len(frontier.peaks(size)) <= few
    index = data.draw(st.integers(0, size - 1))
    for steps in (frontier.nodes_for_inclusion(index, size), frontier.nodes_for_consistency(index, size)):
        needed = [node for step in steps for node in step]
        assert len(needed) <= few
        assert all((place + 1) << level <= size for level, place in needed)


def test_the_tree_needs_neither_django_nor_recursion() -> None:
    code = """
import sys
sys.setrecursionlimit(60)
from audit import frontier, merkle
leaves = [merkle.leaf_hash(b"%d" % number) for number in range(3001)]
edge = frontier.Frontier()
edge.extend(leaves)
assert edge.root() == merkle.root(leaves)
proof = merkle.inclusion_proof(leaves, 1234)
assert merkle.verify_inclusion(1234, 3001, leaves[1234], proof, edge.root())
assert not {"django", "psycopg"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
