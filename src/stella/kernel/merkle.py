"""Merkle trees of RFC 6962 section 2: roots, inclusion and consistency proofs, all over SHA-256.

Rules:
- A leaf is hashed with the prefix 0x00 and a node with 0x01, so a leaf can never be mistaken for a node.
- n leaves split at the largest power of two below n; the empty tree is SHA-256 of nothing.
- Hashes are raw 32-byte strings; callers turn them into hex.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

EMPTY = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """Hash of one leaf: SHA-256(0x00 || data)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Root over leaf *data* in order, in O(log n) memory."""
    stack: list[bytes] = []
    sha = hashlib.sha256
    for count, data in enumerate(leaves):
        node = sha(b"\x00" + data).digest()
        merges = count
        while merges & 1:
            node = sha(b"\x01" + stack.pop() + node).digest()
            merges >>= 1
        stack.append(node)
    if not stack:
        return EMPTY
    node = stack.pop()
    while stack:
        node = sha(b"\x01" + stack.pop() + node).digest()
    return node


class Frontier:
    """The right edge of a tree that grows: all that is needed to add leaves and to say the root, O(log n) hashes.

    `nodes` are the roots of the full subtrees from the left, one for each bit of `size`; raises ValueError otherwise.
    """

    def __init__(self, size: int = 0, nodes: Iterable[bytes] = ()) -> None:
        self.size, self.nodes = size, list(nodes)
        if size < 0 or len(self.nodes) != size.bit_count() or any(len(node) != len(EMPTY) for node in self.nodes):
            raise ValueError(f"{len(self.nodes)} nodes are no frontier of {size} leaves")

    def push(self, data: bytes) -> None:
        """Add the data of a leaf."""
        node, merges = leaf_hash(data), self.size
        while merges & 1:
            node = node_hash(self.nodes.pop(), node)
            merges >>= 1
        self.nodes.append(node)
        self.size += 1

    def root(self) -> bytes:
        """Root over all leaves that were added."""
        if not self.nodes:
            return EMPTY
        *left, node = self.nodes
        for other in reversed(left):
            node = node_hash(other, node)
        return node


def _split(size: int) -> int:
    return 1 << ((size - 1).bit_length() - 1)


def _root_of_hashes(hashes: Sequence[bytes]) -> bytes:
    if not hashes:
        return EMPTY
    if len(hashes) == 1:
        return hashes[0]
    cut = _split(len(hashes))
    return node_hash(_root_of_hashes(hashes[:cut]), _root_of_hashes(hashes[cut:]))


def inclusion_proof(hashes: Sequence[bytes], index: int) -> list[bytes]:
    """Audit path of leaf `index` (RFC 6962 2.1.1) over leaf hashes; raises IndexError outside the tree."""
    if not 0 <= index < len(hashes):
        raise IndexError(index)
    if len(hashes) == 1:
        return []
    cut = _split(len(hashes))
    if index < cut:
        return [*inclusion_proof(hashes[:cut], index), _root_of_hashes(hashes[cut:])]
    return [*inclusion_proof(hashes[cut:], index - cut), _root_of_hashes(hashes[:cut])]


def consistency_proof(hashes: Sequence[bytes], old_size: int) -> list[bytes]:
    """Proof that the tree of the first `old_size` leaves is a prefix of this one (RFC 6962 2.1.2)."""
    if not 0 <= old_size <= len(hashes):
        raise IndexError(old_size)
    if old_size in (0, len(hashes)):
        return []
    return _subproof(hashes, old_size, complete=True)


def _subproof(hashes: Sequence[bytes], old_size: int, *, complete: bool) -> list[bytes]:
    if old_size == len(hashes):
        return [] if complete else [_root_of_hashes(hashes)]
    cut = _split(len(hashes))
    if old_size <= cut:
        return [*_subproof(hashes[:cut], old_size, complete=complete), _root_of_hashes(hashes[cut:])]
    return [*_subproof(hashes[cut:], old_size - cut, complete=False), _root_of_hashes(hashes[:cut])]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `leaf` (a leaf hash) is leaf `index` of the tree of `size` leaves with `root` (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    first, last, node = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if first & 1 or first == last:
            node = node_hash(sibling, node)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        first, last = first >> 1, last >> 1
    return last == 0 and node == root


def verify_consistency(old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the tree (`size`, `root`) extends the tree (`old_size`, `old_root`) (RFC 9162 2.1.4.2)."""
    if old_size > size or old_size < 0:
        return False
    if old_size == size:
        return not proof and old_root == root
    if old_size == 0:
        return not proof and old_root == EMPTY
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    first, last = old_size - 1, size - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    old_node = new_node = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if first & 1 or first == last:
            old_node, new_node = node_hash(sibling, old_node), node_hash(sibling, new_node)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            new_node = node_hash(new_node, sibling)
        first, last = first >> 1, last >> 1
    return last == 0 and old_node == old_root and new_node == root
