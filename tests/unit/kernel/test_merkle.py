"""Merkle trees: the published vectors, and proofs that nothing false passes."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stella.kernel import merkle

# inputs and roots of the reference test data of RFC 6962 implementations
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.parametrize("size", range(9))
def test_known_roots(size: int) -> None:
    assert merkle.root_of(LEAVES[:size]).hex() == ROOTS[size]


def test_a_leaf_is_never_a_node() -> None:
    left, right = merkle.leaf_hash(b"l"), merkle.leaf_hash(b"r")
    assert merkle.node_hash(left, right) == sha256(b"\x01" + left + right).digest()
    assert merkle.leaf_hash(left + right) != merkle.node_hash(left, right)
    assert merkle.root_of([]) == merkle.EMPTY == sha256(b"").digest()


def test_known_proofs() -> None:
    hashes = [merkle.leaf_hash(leaf) for leaf in LEAVES]
    assert [node.hex() for node in merkle.inclusion_proof(hashes, 0)] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]
    assert [node.hex() for node in merkle.consistency_proof(hashes, 6)] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


def tree(size: int) -> list[bytes]:
    return [merkle.leaf_hash(b"%d" % number) for number in range(size)]


def root(size: int) -> bytes:
    return merkle.root_of(b"%d" % number for number in range(size))


SIZES = st.integers(1, 70)


@given(st.data(), SIZES)
def test_every_leaf_is_proved(data: st.DataObject, size: int) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(tree(size), index)
    assert merkle.verify_inclusion(tree(size)[index], index, size, proof, root(size))
    assert len(proof) <= (size - 1).bit_length()


@given(st.data(), SIZES)
def test_no_other_leaf_place_or_root_is_proved(data: st.DataObject, size: int) -> None:
    index = data.draw(st.integers(0, size - 1))
    leaf, proof = tree(size)[index], merkle.inclusion_proof(tree(size), index)
    assert not merkle.verify_inclusion(merkle.leaf_hash(b"x"), index, size, proof, root(size))
    assert not merkle.verify_inclusion(leaf, index, size, proof, root(size + 1))
    other = data.draw(st.integers(-1, size).filter(lambda place: place != index))
    assert not merkle.verify_inclusion(leaf, other, size, proof, root(size))
    assert not merkle.verify_inclusion(leaf, index, size, [*proof, bytes(32)], root(size))
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        assert not merkle.verify_inclusion(leaf, index, size, proof[:at] + proof[at + 1 :], root(size))
        swapped = [*proof[:at], bytes(32), *proof[at + 1 :]]
        assert not merkle.verify_inclusion(leaf, index, size, swapped, root(size))


@given(st.data(), SIZES)
def test_every_growth_is_proved(data: st.DataObject, size: int) -> None:
    old = data.draw(st.integers(0, size))
    proof = merkle.consistency_proof(tree(size), old)
    assert merkle.verify_consistency(old, root(old), size, root(size), proof)
    assert bool(proof) == (0 < old < size)


@given(st.data(), SIZES)
def test_no_other_history_is_proved(data: st.DataObject, size: int) -> None:
    old = data.draw(st.integers(0, size))
    proof, forged = merkle.consistency_proof(tree(size), old), bytes(32)
    assert not merkle.verify_consistency(old, forged, size, root(size), proof)
    if old > 0:
        assert not merkle.verify_consistency(old, root(old), size, forged, proof)
    assert not merkle.verify_consistency(old, root(old), size, root(size), [*proof, forged])
    assert not merkle.verify_consistency(size + 1, root(size + 1), size, root(size), proof)
    assert not merkle.verify_consistency(-1, root(old), size, root(size), proof)
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        swapped = [*proof[:at], forged, *proof[at + 1 :]]
        assert not merkle.verify_consistency(old, root(old), size, root(size), swapped)
        assert not merkle.verify_consistency(old, root(old), size, root(size), proof[:at] + proof[at + 1 :])
        assert not merkle.verify_consistency(old, root(old), size, root(size), [])


@pytest.mark.parametrize("index", [-1, 3, 4])
def test_there_is_no_proof_outside_the_tree(index: int) -> None:
    with pytest.raises(IndexError):
        merkle.inclusion_proof(tree(3), index)
    with pytest.raises(IndexError):
        merkle.consistency_proof(tree(3), index if index < 0 else index + 1)
    assert not merkle.verify_inclusion(tree(3)[0], index, 3, [], root(3))


def test_the_empty_tree_has_grown_into_every_tree() -> None:
    assert merkle.verify_consistency(0, merkle.EMPTY, 5, root(5), [])
    assert not merkle.verify_consistency(0, root(1), 5, root(5), [])
    assert not merkle.verify_inclusion(merkle.EMPTY, 0, 0, [], merkle.EMPTY)


def test_a_proof_that_ends_below_the_top_proves_nothing() -> None:
    """The path fits the root, and the claimed size asks for a longer path."""
    leaf = tree(1)[0]
    assert merkle.verify_inclusion(leaf, 0, 1, [], root(1))
    assert not merkle.verify_inclusion(leaf, 0, 2, [], root(1))
    eight = merkle.inclusion_proof(tree(8), 0)
    assert merkle.verify_inclusion(leaf, 0, 8, eight, root(8))
    assert not merkle.verify_inclusion(leaf, 0, 9, eight, root(8))
    grown = merkle.consistency_proof(tree(2), 1)
    assert merkle.verify_consistency(1, root(1), 2, root(2), grown)
    assert not merkle.verify_consistency(1, root(1), 3, root(2), grown)


@given(st.lists(st.binary(max_size=8), max_size=70), st.integers(0, 70))
def test_a_frontier_grows_to_the_same_root(leaves: list[bytes], pause: int) -> None:
    growing = merkle.Frontier()
    for number, leaf in enumerate(leaves):
        if number == pause:
            growing = merkle.Frontier(growing.size, growing.nodes)
        assert growing.root() == merkle.root_of(leaves[:number])
        growing.push(leaf)
    assert (growing.size, growing.root()) == (len(leaves), merkle.root_of(leaves))


@pytest.mark.parametrize(("size", "nodes"), [(1, 0), (0, 1), (3, 1), (4, 2), (-1, 0), (-1, 1)])
def test_what_is_no_frontier_is_refused(size: int, nodes: int) -> None:
    with pytest.raises(ValueError, match="no frontier"):
        merkle.Frontier(size, [merkle.EMPTY] * nodes)


def test_a_node_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="no frontier"):
        merkle.Frontier(1, [b"short"])
