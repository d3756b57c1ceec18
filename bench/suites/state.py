"""The state root after a block's changes, by key, at growing sizes: in memory and over LevelDB. The floor is
the hashing alone: the same keys, values, buckets and nodes through hashlib."""

import random
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from itertools import count
from pathlib import Path

from bench.suite import Group, Sizes, Suite
from bench.timing import Case
from chainnode.ledger.tree import RawGet, RawPuts, StateTree
from chainnode.store.database import Database

VALUE_BYTES = 120
LOAD_KEYS = 10_000
"""Keys of an update while the tree is filled."""
TOUCH_KEYS = 20_000
"""So many random keys touch nearly every node of the upper levels: after that they are in memory."""

Write = Callable[[RawPuts], None]


def key_of(number: int) -> bytes:
    return b"consent/" + sha256(b"key %d" % number).digest()[:16]


class _Tree:
    """A filled tree; every update rewrites keys that are there, or adds new ones, behind `first_new`."""

    def __init__(self, get: RawGet, write: Write, *, cache_bytes: int | None = None) -> None:
        self._tree = StateTree(get) if cache_bytes is None else StateTree(get, cache_bytes)
        self._write = write
        self._puts: RawPuts = {}
        self._random = random.Random(1)
        self._values = count()

    def _value(self) -> bytes:
        return next(self._values).to_bytes(8, "big").ljust(VALUE_BYTES, b"v")

    def flush(self) -> None:
        self._write(self._puts)
        self._puts = {}

    def fill(self, first: int, last: int) -> None:
        for start in range(first, last, LOAD_KEYS):
            numbers = range(start, min(start + LOAD_KEYS, last))
            self.update({key_of(number): self._value() for number in numbers})
            self.flush()

    def rewritten(self, keys: int, changes: int) -> dict[bytes, bytes | None]:
        """Changes of the next update; what the last one returned is written first."""
        self.flush()
        return {key_of(n): self._value() for n in self._random.sample(range(keys), min(changes, keys))}

    def added(self, numbers: Iterator[int], changes: int) -> dict[bytes, bytes | None]:
        self.flush()
        return {key_of(next(numbers)): self._value() for _ in range(changes)}

    def update(self, changes: dict[bytes, bytes | None]) -> None:
        self._puts = self._tree.update(changes)

    def preimages(self, changes: dict[bytes, bytes | None]) -> list[bytes]:
        """What an update with these changes hashes."""
        self.update(changes)
        values = [value for value in changes.values() if value is not None]
        return [*changes, *values, *(raw for raw in self._puts.values() if raw is not None)]


def _hash_raw(preimages: list[bytes]) -> None:
    for preimage in preimages:
        sha256(preimage).digest()


def _write_to(backend: dict[bytes, bytes]) -> Write:
    def write(puts: RawPuts) -> None:
        for name, raw in puts.items():
            if raw is None:
                backend.pop(name, None)
            else:
                backend[name] = raw

    return write


def _database(path: Path, backend: dict[bytes, bytes]) -> Database:
    """The tree's entries in LevelDB, with the chain store's settings."""
    database = Database(path, held_by_peers=True, bloom_bits=10)
    database.write(backend.items())
    return database


def _write_into(database: Database) -> Write:
    def write(puts: RawPuts) -> None:
        database.write(puts.items(), sync=False)

    return write


def _case(name: str, tree: _Tree, keys: int, changes: int, floor: str) -> Case:
    return Case(name, "key", changes, tree.update, prepare=lambda: tree.rewritten(keys, changes), floor=floor)


def _group(keys: int, changes: int, folder: Path) -> Iterator[Group]:
    changes = min(changes, keys)
    backend: dict[bytes, bytes] = {}
    memory = _Tree(backend.get, _write_to(backend))
    memory.fill(0, keys)
    preimages = memory.preimages(memory.rewritten(keys, changes))
    with (
        closing(_database(folder / f"cached-{keys}", backend)) as cached_in,
        closing(_database(folder / f"read-{keys}", backend)) as read_from,
    ):
        cached = _Tree(cached_in.get, _write_into(cached_in))
        cached.fill(0, keys)
        reading = _Tree(read_from.get, _write_into(read_from), cache_bytes=0)
        reading.update(reading.rewritten(keys, TOUCH_KEYS))
        floor = "hashing alone"
        yield Group(
            f"{keys} rewritten",
            f"{changes:,} keys rewritten among {keys:,}, values of {VALUE_BYTES} bytes",
            [
                Case(floor, "key", changes, lambda _: _hash_raw(preimages)),
                _case("in memory", memory, keys, changes, floor),
                _case("over LevelDB, buckets cached", cached, keys, changes, floor),
                _case("over LevelDB, buckets read", reading, keys, changes, floor),
            ],
        )


def _growing(keys: int, changes: int) -> Group:
    backend: dict[bytes, bytes] = {}
    tree = _Tree(backend.get, _write_to(backend))
    tree.fill(0, keys)
    numbers = count(keys)
    preimages = tree.preimages(tree.added(numbers, changes))
    floor = "hashing alone"
    return Group(
        f"{keys} growing",
        f"{changes:,} keys added to {keys:,} and those added before",
        [
            Case(floor, "key", changes, lambda _: _hash_raw(preimages)),
            Case(
                "in memory",
                "key",
                changes,
                tree.update,
                prepare=lambda: tree.added(numbers, changes),
                floor=floor,
            ),
        ],
    )


def build(sizes: Sizes, folder: Path) -> Iterator[Group]:
    for keys in sizes.state_keys:
        yield from _group(keys, sizes.state_changes, folder)
    yield _growing(max(sizes.state_keys), sizes.state_changes)


SUITE = Suite("state", "Authenticated state: root update per key", build)
