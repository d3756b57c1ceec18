"""The authenticated tree (form and hashes: proof.py), updated in one sorted pass per block.

Its root depends on the content alone, not on the order in which it came. The hashes of the upper four
levels are in memory (2 MB of bytearrays, filled node by node as they are touched); of the buckets those
used last, up to a bound: read from LevelDB each time they cost six times as much at a million keys. Raw
names in the backend: b"t" + level + index (2 bytes) for an upper node's preimage, b"b" + leaf (2 bytes) +
a byte for each further nibble for a bucket (b"\\0" + entries) or, where it was split, for a branch
(b"\\1" + number of entries below + preimage).
"""

from collections.abc import Callable, Mapping
from itertools import groupby

from chainnode.ledger.proof import (
    EMPTY,
    ENTRY_BYTES,
    FIXED_LEVELS,
    MAX_BUCKET_ENTRIES,
    StateProof,
    bucket_hash,
    child_of,
    find_entry,
    key_hash,
    nibble,
    node_hash,
    pack_node,
    value_hash,
)

RawGet = Callable[[bytes], bytes | None]
RawPuts = dict[bytes, bytes | None]
Change = tuple[bytes, bytes | None]
"""Key hash and new value hash; None takes the entry away."""

_BUCKET, BRANCH = b"\0", b"\1"
_BELOW = ord("b")
_COUNT_BYTES = 4
BRANCH_HEAD_BYTES = 1 + _COUNT_BYTES
"""Of a branch's raw entry, in front of its preimage."""
_NODE_BYTES = 16 * 32
_FULL_MASK = b"\xff\xff"
CACHE_BYTES = 96 * 1024 * 1024


def _merge(entries: bytes, changes: list[Change]) -> bytes:
    for hashed, value in changes:
        at, found = find_entry(entries, hashed)
        after = at + ENTRY_BYTES if found else at
        entries = entries[:at] + (b"" if value is None else hashed + value) + entries[after:]
    return entries


def _by_nibble(entries: bytes, depth: int) -> dict[int, bytes]:
    parts: dict[int, bytes] = {}
    for at in range(0, len(entries), ENTRY_BYTES):
        entry = entries[at : at + ENTRY_BYTES]
        which = nibble(entry, depth)
        parts[which] = parts.get(which, b"") + entry
    return parts


class StateTree:
    """The tree over a backend's `get`. What `update` returns must be in the backend before the next
    `update`; until then reads go through it."""

    def __init__(self, get: RawGet, cache_bytes: int = CACHE_BYTES) -> None:
        """`cache_bytes` bounds the buckets that are kept in memory."""
        self._get = get
        self._written: RawPuts = {}
        self._cache: dict[bytes, bytes] = {}
        self._cached_bytes, self._cache_bytes = 0, cache_bytes
        # Hashes by level: 1, 16, 256, 4,096 and 65,536 slots; a zero slot is empty or not loaded.
        self._hashes = [bytearray(32 * 16**level) for level in range(FIXED_LEVELS + 1)]
        self._loaded = [bytearray(16**level) for level in range(FIXED_LEVELS)]
        self._load(0, 0)
        self._hashes[0][:] = self._node(0, 0)[1]

    @property
    def root(self) -> bytes:
        """32 bytes; all zero for the empty tree."""
        return bytes(self._hashes[0])

    def read(self, name: bytes) -> bytes | None:
        """A raw entry, as the last update left it."""
        return self._written[name] if name in self._written else self._get(name)

    def update(self, changes: Mapping[bytes, bytes | None]) -> RawPuts:
        """Write `changes` (key to value; None deletes) and return the tree's raw entries to be put.

        Entries come in a fixed order; None stands for an entry to be deleted.
        """
        hashed: list[Change] = [
            (key_hash(key), None if value is None else value_hash(value)) for key, value in changes.items()
        ]
        hashed.sort()
        puts: RawPuts = {}
        leaves, loaded = self._hashes[FIXED_LEVELS], self._loaded[FIXED_LEVELS - 1]
        touched: list[int] = []
        at = 0
        while at < len(hashed):
            name, start = hashed[at][0][:2], at
            while at < len(hashed) and hashed[at][0][:2] == name:
                at += 1
            leaf = name[0] << 8 | name[1]
            if not loaded[leaf >> 4]:
                self._load_way(leaf)
            leaves[leaf * 32 : leaf * 32 + 32] = self._update_below(name, hashed[start:at], puts)[0]
            touched.append(leaf)
        for level in range(FIXED_LEVELS - 1, -1, -1):
            touched = list(dict.fromkeys([index >> 4 for index in touched]))
            slots = self._hashes[level]
            for index in touched:
                preimage, hash_ = self._node(level, index)
                slots[index * 32 : index * 32 + 32] = hash_
                puts[b"t%c%c%c" % (level, index >> 8, index & 255)] = preimage or None
        self._written = puts
        self._remember(puts)
        return puts

    def prove(self, key: bytes) -> StateProof:
        """Proof of what stands at `key`, or that nothing does."""
        hashed = key_hash(key)
        leaf = int.from_bytes(hashed[:2], "big")
        self._load_way(leaf)
        nodes: list[bytes] = []
        for level in range(FIXED_LEVELS):
            preimage, _ = self._node(level, leaf >> (4 * (FIXED_LEVELS - level)))
            if preimage:
                nodes.append(preimage)
            if not preimage or child_of(preimage, nibble(hashed, level)) is None:
                return StateProof(tuple(nodes), b"")
        name = b"b" + hashed[:2]
        for depth in range(FIXED_LEVELS, 64):
            raw = self.read(name)
            assert raw is not None, "the tree's backend lost an entry"
            if raw[:1] == _BUCKET:
                return StateProof(tuple(nodes), raw[1:])
            nodes.append(raw[1 + _COUNT_BYTES :])
            which = nibble(hashed, depth)
            if child_of(nodes[-1], which) is None:
                break
            name += bytes([which])
        return StateProof(tuple(nodes), b"")

    def _fetch(self, name: bytes) -> bytes | None:
        raw = self._cache.get(name)
        return self._get(name) if raw is None else raw

    def _remember(self, puts: RawPuts) -> None:
        """Keep what a block wrote below the upper levels; what was written longest ago goes first."""
        cache = self._cache
        for name, raw in puts.items():
            if name[0] != _BELOW:
                continue
            before = cache.pop(name, None)
            if before is not None:
                self._cached_bytes -= len(before)
            if raw is not None:
                cache[name] = raw
                self._cached_bytes += len(raw)
        while self._cached_bytes > self._cache_bytes:
            self._cached_bytes -= len(cache.pop(next(iter(cache))))

    def _node(self, level: int, index: int) -> tuple[bytes, bytes]:
        """Preimage and hash of an upper node from its children's slots."""
        blob = bytes(self._hashes[level + 1][index * _NODE_BYTES : (index + 1) * _NODE_BYTES])
        if EMPTY in blob:
            preimage = pack_node([blob[at : at + 32] for at in range(0, _NODE_BYTES, 32)])
        else:
            preimage = _FULL_MASK + blob
        return preimage, node_hash(preimage) if preimage else EMPTY

    def _load_way(self, leaf: int) -> None:
        for level in range(FIXED_LEVELS):
            index = leaf >> (4 * (FIXED_LEVELS - level))
            if not self._loaded[level][index]:
                self._load(level, index)

    def _load(self, level: int, index: int) -> None:
        preimage = self.read(b"t%c%c%c" % (level, index >> 8, index & 255))
        self._loaded[level][index] = 1
        if preimage is None:
            return
        slots = self._hashes[level + 1]
        for which in range(16):
            at = (index * 16 + which) * 32
            slots[at : at + 32] = child_of(preimage, which) or EMPTY

    def _update_below(self, path: bytes, changes: list[Change], puts: RawPuts) -> tuple[bytes, int]:
        """Apply sorted `changes` to the subtree at `path` (leaf and nibbles); its hash and size."""
        raw = self._fetch(b"b" + path)
        if raw is None or raw[:1] == _BUCKET:
            entries = _merge(raw[1:] if raw else b"", changes)
            return self._write(path, entries, raw is not None, puts)
        depth = FIXED_LEVELS + len(path) - 2
        count = int.from_bytes(raw[1 : 1 + _COUNT_BYTES], "big")
        preimage = raw[1 + _COUNT_BYTES :]
        children = [child_of(preimage, which) or EMPTY for which in range(16)]
        for which, group in groupby(changes, lambda change: nibble(change[0], depth)):
            below = path + bytes([which])
            count -= self._size(below)
            children[which], size = self._update_below(below, list(group), puts)
            count += size
        if count > MAX_BUCKET_ENTRIES:
            return self._put_branch(path, count, children, puts)
        return self._collapse(path, children, puts)

    def _size(self, path: bytes) -> int:
        raw = self._fetch(b"b" + path)
        if raw is None:
            return 0
        if raw[:1] == _BUCKET:
            return len(raw) // ENTRY_BYTES
        return int.from_bytes(raw[1 : 1 + _COUNT_BYTES], "big")

    def _collapse(self, path: bytes, children: list[bytes], puts: RawPuts) -> tuple[bytes, int]:
        """A branch that fits a bucket again becomes one: the root tells nothing of the past."""
        entries = b""
        for which, child in enumerate(children):
            name = b"b" + path + bytes([which])
            raw = puts[name] if name in puts else self._fetch(name)
            if child != EMPTY:
                assert raw is not None and raw[:1] == _BUCKET, "a child is smaller than its parent"
                entries += raw[1:]
            if raw is not None:
                puts[name] = None
        return self._write(path, entries, True, puts)

    def _write(self, path: bytes, entries: bytes, existed: bool, puts: RawPuts) -> tuple[bytes, int]:
        count = len(entries) // ENTRY_BYTES
        if count <= MAX_BUCKET_ENTRIES:
            if entries or existed:
                puts[b"b" + path] = _BUCKET + entries if entries else None
            return bucket_hash(entries), count
        children = [EMPTY] * 16
        for which, part in _by_nibble(entries, FIXED_LEVELS + len(path) - 2).items():
            children[which], _ = self._write(path + bytes([which]), part, False, puts)
        return self._put_branch(path, count, children, puts)

    def _put_branch(self, path: bytes, count: int, children: list[bytes], puts: RawPuts) -> tuple[bytes, int]:
        preimage = pack_node(children)
        puts[b"b" + path] = BRANCH + count.to_bytes(_COUNT_BYTES, "big") + preimage
        return node_hash(preimage), count
