"""Parts of the authenticated tree that prove themselves: what a snapshot is sent in.

A part is everything below a prefix of the key hash (nibbles, one a byte, the root's prefix is empty):
either all entries there, in the order of their key hashes, or, where these are too many, the preimage of the
node at that prefix, whose children are parts in their turn. Its hash follows from the content alone, so a
part is checked against the hash that its parent (at last the header's state root) names, and against
nothing else.
"""

from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from chainnode.ledger.proof import (
    EMPTY,
    ENTRY_BYTES,
    FIXED_LEVELS,
    MAX_BUCKET_ENTRIES,
    bucket_hash,
    child_of,
    key_hash,
    nibble,
    node_hash,
    pack_node,
    value_hash,
)
from chainnode.ledger.tree import BRANCH, BRANCH_HEAD_BYTES, RawGet
from consensus.types import Digest

DIGEST_BYTES = 32
MAX_DEPTH = 2 * DIGEST_BYTES
INLINE_SHARE = 2 * MAX_BUCKET_ENTRIES
"""A value longer than this part of the limit travels by itself, so that a bucket always fits."""

RawItems = Callable[[bytes, bytes], Iterator[tuple[bytes, bytes]]]
"""(prefix, start): raw entries whose name begins with `prefix`, in order, from `start` on."""


class SubTreeError(ValueError):
    """A part does not have the hash that was promised, or not the form of one."""


class Entry(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`data`: the value, or its value hash (32 bytes) where it is `large` and travels by itself."""

    key: bytes
    large: bool
    data: bytes

    def value_hash(self) -> Digest:
        return self.data if self.large else value_hash(self.data)


class SubTree(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Either `node`, the preimage of the node at the prefix, or all `entries` below it."""

    node: bytes
    entries: tuple[Entry, ...]


def hash_below(entries: bytes, depth: int) -> Digest:
    """Hash of the sub-tree that holds these sorted (key hash, value hash) pairs, 64 bytes each, whose key
    hashes agree in the first `depth` nibbles."""
    if not entries:
        return EMPTY
    if depth >= FIXED_LEVELS and len(entries) <= MAX_BUCKET_ENTRIES * ENTRY_BYTES:
        return bucket_hash(entries)
    children, at = [EMPTY] * 16, 0
    while at < len(entries):
        start, which = at, nibble(entries[at : at + DIGEST_BYTES], depth)
        while at < len(entries) and nibble(entries[at : at + DIGEST_BYTES], depth) == which:
            at += ENTRY_BYTES
        children[which] = hash_below(entries[start:at], depth + 1)
    return node_hash(pack_node(children))


def is_below(hashed: Digest, prefix: bytes) -> bool:
    """Whether a key hash begins with these nibbles."""
    return all(nibble(hashed, depth) == which for depth, which in enumerate(prefix))


def check_prefix(prefix: bytes) -> None:
    """Raises SubTreeError: not nibbles, or too many."""
    if len(prefix) > MAX_DEPTH or any(which > 15 for which in prefix):
        raise SubTreeError("not a prefix of a key hash")


def check_subtree(part: SubTree, prefix: bytes, expected: Digest) -> list[tuple[bytes, Digest]]:
    """The children (prefix, hash) of a part that is a node; [] for one that has all entries.

    Raises SubTreeError: anything in it is not what `expected` promises, or it has more than it needs.
    """
    check_prefix(prefix)
    if part.node:
        return _check_node(part, prefix, expected)
    packed: list[bytes] = []
    before = b""
    for entry in part.entries:
        hashed = key_hash(entry.key)
        if hashed <= before or not is_below(hashed, prefix):
            raise SubTreeError("its entries are out of order or of another place")
        if entry.large and len(entry.data) != DIGEST_BYTES:
            raise SubTreeError("what stands for a large value is no hash")
        before = hashed
        packed.append(hashed + entry.value_hash())
    if not packed or hash_below(b"".join(packed), len(prefix)) != expected:
        raise SubTreeError("its entries do not give the hash that was promised")
    return []


def _check_node(part: SubTree, prefix: bytes, expected: Digest) -> list[tuple[bytes, Digest]]:
    if part.entries or len(prefix) >= MAX_DEPTH or node_hash(part.node) != expected:
        raise SubTreeError("it is not the node that was promised")
    return children_of(part.node, prefix)


def children_of(node: bytes, prefix: bytes) -> list[tuple[bytes, Digest]]:
    """(prefix, hash) of the children that a node's preimage names. Raises SubTreeError: it is none."""
    found = []
    for which in range(16):
        try:
            child = child_of(node, which)
        except ValueError as error:
            raise SubTreeError(str(error)) from None
        if child is not None:
            found.append((prefix + bytes([which]), child))
    return found


def keys_below(items: RawItems, prefix: bytes) -> Iterator[tuple[Digest, bytes]]:
    """(key hash, key) of all entries below a prefix, in order, from the state's raw entries."""
    whole = bytes(high << 4 | low for high, low in zip(prefix[::2], prefix[1::2], strict=False))
    start = whole + (bytes([prefix[-1] << 4]) if len(prefix) % 2 else b"")
    for name, key in items(b"k" + whole, b"k" + start):
        hashed = name[1:]
        if not is_below(hashed, prefix):
            return
        yield hashed, key


def cut_subtree(get: RawGet, items: RawItems, prefix: bytes, limit_bytes: int) -> SubTree:
    """The part at a prefix, of about `limit_bytes` at most: all entries, or the node.

    Raises SubTreeError: `prefix` is none.
    """
    check_prefix(prefix)
    entries: list[Entry] = []
    size = 0
    for _, key in keys_below(items, prefix):
        value = get(b"s" + key)
        assert value is not None, "what has a key has a value"
        large = len(value) > limit_bytes // INLINE_SHARE
        entries.append(Entry(key, large, value_hash(value) if large else value))
        size += len(key) + len(entries[-1].data) + 8
        if size > limit_bytes:
            node = node_at(get, prefix)
            if node:
                return SubTree(node, ())
    return SubTree(b"", tuple(entries))


def node_at(get: RawGet, prefix: Sequence[int]) -> bytes:
    """Preimage of the node at a prefix, from the tree's raw entries; empty where a bucket or nothing is."""
    index = 0
    for which in prefix[:FIXED_LEVELS]:
        index = index << 4 | which
    if len(prefix) < FIXED_LEVELS:
        return get(b"t%c%c%c" % (len(prefix), index >> 8, index & 255)) or b""
    raw = get(b"b" + index.to_bytes(2, "big") + bytes(prefix[FIXED_LEVELS:]))
    return raw[BRANCH_HEAD_BYTES:] if raw is not None and raw[:1] == BRANCH else b""
