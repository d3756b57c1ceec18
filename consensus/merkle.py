"""Merkle trees in the shape of RFC 9162 section 2.1: the left subtree holds the largest power of two.

Leaves and nodes have domains of their own and a leaf's hash contains its index, so that neither a
node passes for a leaf nor one leaf for its neighbour. The root is hashed with the number of leaves.
"""

from collections.abc import Sequence

from consensus.domain import digest


def _leaf(tag: str, index: int, data: bytes) -> bytes:
    return digest(tag + "/leaf", index.to_bytes(4, "big"), data)


def _node(tag: str, left: bytes, right: bytes) -> bytes:
    return digest(tag + "/node", left, right)


def _close(tag: str, count: int, top: bytes) -> bytes:
    return digest(tag + "/root", count.to_bytes(4, "big"), top)


def _levels(tag: str, leaves: Sequence[bytes]) -> list[list[bytes]]:
    level = [_leaf(tag, index, data) for index, data in enumerate(leaves)]
    levels = [level]
    while len(level) > 1:
        # An odd last node moves up unhashed: the same tree as RFC 9162's recursive split.
        above = [_node(tag, level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            above.append(level[-1])
        level = above
        levels.append(level)
    return levels


def merkle_root(tag: str, leaves: Sequence[bytes]) -> bytes:
    """Root (32 bytes) over `leaves` in order; an empty sequence has a root too."""
    if not leaves:
        return _close(tag, 0, b"")
    return _close(tag, len(leaves), _levels(tag, leaves)[-1][0])


def merkle_proof(tag: str, leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Sibling hashes from the leaf at `index` up to the top.

    Raises IndexError where there is no such leaf.
    """
    return merkle_proofs(tag, leaves, (index,))[0]


def merkle_proofs(tag: str, leaves: Sequence[bytes], indexes: Sequence[int]) -> list[tuple[bytes, ...]]:
    """`merkle_proof` of each of `indexes`, hashing the tree once.

    Raises IndexError where there is no such leaf.
    """
    levels = _levels(tag, leaves)
    paths = []
    for index in indexes:
        if not 0 <= index < len(leaves):
            raise IndexError(index)
        path: list[bytes] = []
        for level in levels[:-1]:
            sibling = index ^ 1
            if sibling < len(level):
                path.append(level[sibling])
            index >>= 1
        paths.append(tuple(path))
    return paths


def merkle_verify(tag: str, root: bytes, count: int, index: int, data: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `data` is the leaf at `index` of the `count` leaves below `root`."""
    if not 0 <= index < count < 2**32:
        return False
    node, width, rest = _leaf(tag, index, data), count, list(proof)
    while width > 1:
        if index ^ 1 < width:
            if not rest:
                return False
            sibling = rest.pop(0)
            node = _node(tag, sibling, node) if index & 1 else _node(tag, node, sibling)
        index >>= 1
        width = (width + 1) >> 1
    return not rest and _close(tag, count, node) == root
