"""A node's chain folders on its simulated disk: the product's stores over tables in memory in the place of
LevelDB.

A write is all there or not at all. What was not synced may be lost by a power cut, the last first, and a
synced write carries what came before it. A folder's new name is durable at once.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random

from chainnode.store.chain import FORMAT, ChainStore
from chainnode.store.database import Database, Readable, Write, prefix_end
from chainnode.store.errors import damaged
from chainnode.store.localrows import LOCAL, LOCAL_FORMAT, LocalRows
from chainnode.store.reading import APPLIED, HEIGHT_BYTES, STATE, ChainReader
from chainnode.store.staging import INCOMING, Staging
from chainnode.store.swap import CHAIN, REPLACED
from consensus.messages import QuorumCertificate
from tests.sim.disk import Crash, Fuse
from tests.store.memory import MemoryRowStore

_WRITES = b"m/writes"


class Table:
    """One folder's entries, in the order of their keys."""

    def __init__(self, entries: dict[bytes, bytes] | None = None) -> None:
        self.entries = {} if entries is None else entries
        self._keys = sorted(self.entries)
        self._undo: list[list[Write]] = []
        """Of each write that is not synced: what was there before."""

    def copied(self) -> "Table":
        return Table(dict(self.entries))

    def write(self, writes: Iterable[Write], sync: bool) -> None:
        before: list[Write] = []
        for key, value in writes:
            before.append((key, self.entries.get(key)))
            self._put(key, value)
        if sync:
            self._undo.clear()
        else:
            self._undo.append(before)

    def _put(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            if self.entries.pop(key, None) is not None:
                del self._keys[bisect_left(self._keys, key)]
        else:
            if key not in self.entries:
                insort(self._keys, key)
            self.entries[key] = value

    def power_cut(self, random: Random) -> None:
        kept = random.randint(0, len(self._undo))
        while len(self._undo) > kept:
            for key, value in reversed(self._undo.pop()):
                self._put(key, value)
        self._undo.clear()

    def between(self, start: bytes, stop: bytes | None) -> list[tuple[bytes, bytes]]:
        last = len(self._keys) if stop is None else bisect_left(self._keys, stop)
        return [(key, self.entries[key]) for key in self._keys[bisect_left(self._keys, start) : last]]


class Folders:
    """The folders of one node by name, with the fuse that stops the node between two operations."""

    def __init__(self, fuse: Fuse) -> None:
        self.fuse = fuse
        self.tables: dict[str, Table] = {}

    def step(self) -> None:
        # A store that finds no room ends the node as a crash does.
        if self.fuse.step():
            raise Crash

    def table(self, name: str) -> Table:
        return self.tables.setdefault(name, Table())

    def rename(self, old: str, new: str) -> None:
        self.step()
        self.tables[new] = self.tables.pop(old)

    def remove(self, name: str) -> None:
        self.step()
        self.tables.pop(name, None)

    def power_cut(self, random: Random) -> None:
        for name in sorted(self.tables):
            self.tables[name].power_cut(random)

    def copied(self) -> "Folders":
        """What a copy of the disk holds."""
        copy = Folders(self.fuse)
        copy.tables = {name: table.copied() for name, table in self.tables.items()}
        return copy


class _Reading(Readable):
    def __init__(self, name: str, table: Table) -> None:
        Readable.__init__(self, Path(name), None, damaged)
        self._table = table

    def get(self, key: bytes) -> bytes | None:
        return self._table.entries.get(key)

    def items(
        self, prefix: bytes, *, start: bytes | None = None, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        low, high = prefix, prefix_end(prefix)
        if start is not None:
            low, high = (low, start + b"\0") if reverse else (start, high)
        found = self._table.between(low, high)
        return iter(reversed(found)) if reverse else iter(found)

    def close(self) -> None:
        pass


class SimDatabase(_Reading, Database):
    """A Database on a node's disk."""

    def __init__(self, folders: Folders, name: str) -> None:
        _Reading.__init__(self, name, folders.table(name))
        self._folders = folders

    def write(self, writes: Iterable[Write], *, sync: bool = True) -> None:
        self._folders.step()
        self._table.write(writes, sync)

    def compact(self, start: bytes, stop: bytes) -> None:
        self._folders.step()

    def freeze(self) -> Readable:
        return _Reading(str(self._path), self._table.copied())


class _SimLocalRows(LocalRows):
    def __init__(self, folders: Folders, chain_id: bytes) -> None:
        self._database = SimDatabase(folders, LOCAL)
        self._database.bind(chain_id, LOCAL_FORMAT)
        self.writes = int.from_bytes(self._database.get(_WRITES) or b"", "big")


class SimStore(ChainStore):
    """The product's chain store; opened anew at each start of a node."""

    def __init__(self, folders: Folders, chain_id: bytes) -> None:
        self._chain_id = chain_id
        self._chain = SimDatabase(folders, CHAIN)
        self._chain.bind(chain_id, FORMAT)
        ChainReader.__init__(self, self._chain)
        self._tip = self._read_tip()
        self._kept = self.kept()
        self._local = _SimLocalRows(folders, chain_id)

    def raw_state(self) -> list[tuple[bytes, bytes]]:
        """To be compared."""
        return list(self._chain.items(STATE))


class SimStaging(Staging):
    """The product's staging folder."""

    def __init__(self, folders: Folders, chain_id: bytes) -> None:
        self.path = Path(INCOMING)
        self.interrupted = False
        self._chain_id = chain_id
        self._folders = folders
        self._open()

    def _open(self) -> None:
        self._db = SimDatabase(self._folders, INCOMING)
        self._db.bind(self._chain_id, FORMAT)
        self.target = self._stored_target()

    def restart(self) -> None:
        self._folders.remove(INCOMING)
        self._open()


def settle(folders: Folders, log: Callable[[QuorumCertificate], None]) -> int | None:
    """As chainnode.node.takeover: put a snapshot that was gathered whole in place; its height. `log` makes
    sure first that the vote log has the certificate."""
    found = folders.tables.get(INCOMING)
    applied = None if found is None else found.entries.get(APPLIED)
    if found is None or applied is None:
        return _clear_replaced(folders)
    assert len(applied) == HEIGHT_BYTES
    certificate = ChainReader(_Reading(INCOMING, found)).certificate(int.from_bytes(applied, "big"))
    assert certificate is not None, "it is written together with the height"
    log(certificate)
    if CHAIN in folders.tables:
        if REPLACED in folders.tables:
            folders.remove(REPLACED)
        folders.rename(CHAIN, REPLACED)
    folders.rename(INCOMING, CHAIN)
    _clear_replaced(folders)
    return certificate.height


def _clear_replaced(folders: Folders) -> None:
    if CHAIN in folders.tables and REPLACED in folders.tables:
        folders.remove(REPLACED)


class SimRows(MemoryRowStore):
    """Personal rows; a copy is what a backup holds."""

    def copied(self) -> "SimRows":
        copy = SimRows()
        copy._rows, copy._erased = dict(self._rows), set(self._erased)
        return copy
