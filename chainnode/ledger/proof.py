"""Proofs against a state root, small enough to be written again by somebody else.

The tree (frozen form). Key hash = digest("state-key", key), value hash = digest("state-value", value).
A *bucket* is the sorted concatenation of (key hash, value hash), 64 bytes each, hashed as
digest("state-bucket", bucket). A *node* has 16 children, one for each next nibble of the key hash; its
preimage is a mask (2 bytes, big-endian, bit n set where child n is not empty) and the hashes of those
children in order, hashed as digest("state-node", preimage). Something empty has the hash of 32 zero
bytes. The upper four levels are always nodes; below, what holds at most 64 entries is a bucket.
A proof is the preimages on the way from the root to the bucket; it ends early where a child is missing.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import pairwise

from msgspec import Struct

from consensus.domain import SUITE

EMPTY = bytes(32)
ENTRY_BYTES = 64
FIXED_LEVELS = 4
MAX_BUCKET_ENTRIES = 64


def _lead(tag: str) -> bytes:
    name = tag.encode("ascii")
    return b"chainnode" + bytes([SUITE, len(name)]) + name


# digest() with its constant part joined once: these four run for every key of every block.
_KEY, _VALUE = _lead("state-key"), _lead("state-value")
_NODE, _BUCKET = _lead("state-node"), _lead("state-bucket")


def key_hash(key: bytes) -> bytes:
    """digest("state-key", key)."""
    return sha256(_KEY + len(key).to_bytes(4, "big") + key).digest()


def value_hash(value: bytes) -> bytes:
    """digest("state-value", value)."""
    return sha256(_VALUE + len(value).to_bytes(4, "big") + value).digest()


def node_hash(preimage: bytes) -> bytes:
    """digest("state-node", preimage); `preimage` is mask and children."""
    return sha256(_NODE + len(preimage).to_bytes(4, "big") + preimage).digest()


def bucket_hash(entries: bytes) -> bytes:
    """digest("state-bucket", entries); EMPTY for no entries."""
    return sha256(_BUCKET + len(entries).to_bytes(4, "big") + entries).digest() if entries else EMPTY


def nibble(hashed: bytes, depth: int) -> int:
    """Nibble of a key hash at `depth` (0 is the high half of the first byte)."""
    byte = hashed[depth >> 1]
    return byte & 15 if depth & 1 else byte >> 4


def pack_node(children: Sequence[bytes]) -> bytes:
    """Preimage of the node over 16 child hashes; empty when they all are."""
    mask, present = 0, []
    for which, child in enumerate(children):
        if child != EMPTY:
            mask |= 1 << which
            present.append(child)
    return mask.to_bytes(2, "big") + b"".join(present) if mask else b""


def child_of(preimage: bytes, which: int) -> bytes | None:
    """Hash of child `which` in a node's preimage, None where it is empty.

    Raises ValueError: the preimage has not the length that its mask asks for.
    """
    mask = int.from_bytes(preimage[:2], "big")
    if len(preimage) != 2 + 32 * mask.bit_count() or not mask:
        raise ValueError("not a node")
    if not mask >> which & 1:
        return None
    start = 2 + 32 * (mask & ((1 << which) - 1)).bit_count()
    return preimage[start : start + 32]


def find_entry(entries: bytes, hashed: bytes) -> tuple[int, bool]:
    """Byte offset at which `hashed` stands in a bucket, or would; and whether it does."""
    low, high = 0, len(entries) // ENTRY_BYTES
    while low < high:
        middle = (low + high) >> 1
        if entries[middle * ENTRY_BYTES : middle * ENTRY_BYTES + 32] < hashed:
            low = middle + 1
        else:
            high = middle
    at = low * ENTRY_BYTES
    return at, entries[at : at + 32] == hashed


def _in_order(entries: bytes) -> bool:
    """In another order an entry could be there and not be found."""
    hashes = [entries[at : at + 32] for at in range(0, len(entries), ENTRY_BYTES)]
    return all(first < second for first, second in pairwise(hashes))


class StateProof(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Preimages from the root down; `bucket` is empty where the way ends at a missing child."""

    nodes: tuple[bytes, ...]
    bucket: bytes


class StateWitness:
    """Preimages shared by many proofs under one root; remembers which were used.

    `nodes` and `buckets` may come from anybody: every step is checked by its hash.
    """

    def __init__(self, root: bytes, nodes: Iterable[bytes], buckets: Iterable[bytes]) -> None:
        self._root = root
        self._nodes = {node_hash(node): node for node in nodes}
        self._buckets = {bucket_hash(bucket): bucket for bucket in buckets}
        self.used_nodes: dict[bytes, None] = {}
        self.used_buckets: dict[bytes, None] = {}

    def value_hash(self, key: bytes) -> bytes | None:
        """The value hash that stands under `key`, None where it is proven absent.

        Raises ValueError: a preimage on the way is missing or is none.
        """
        hashed, expected = key_hash(key), self._root
        if expected == EMPTY:
            return None
        for depth in range(2 * len(hashed)):
            node = self._nodes.get(expected)
            if node is None:
                break
            self.used_nodes[node] = None
            child = child_of(node, nibble(hashed, depth))
            if child is None:
                return None
            expected = child
        bucket = self._buckets.get(expected)
        if not bucket or len(bucket) % ENTRY_BYTES:
            raise ValueError("a step of the proof is missing")
        if bucket not in self.used_buckets and not _in_order(bucket):
            raise ValueError("a bucket is not in order")
        self.used_buckets[bucket] = None
        at, found = find_entry(bucket, hashed)
        return bucket[at + 32 : at + ENTRY_BYTES] if found else None


def verify_state_proof(root: bytes, key: bytes, value: bytes | None, proof: StateProof) -> bool:
    """Whether under `root` the state holds `value` at `key`; None asks whether it holds nothing there.

    A proof with more in it than the way needs does not pass.
    """
    buckets = (proof.bucket,) if proof.bucket else ()
    witness = StateWitness(root, proof.nodes, buckets)
    try:
        proven = witness.value_hash(key)
    except ValueError:
        return False
    used = (tuple(witness.used_nodes), tuple(witness.used_buckets))
    return used == (proof.nodes, buckets) and proven == (None if value is None else value_hash(value))
