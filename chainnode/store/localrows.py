"""This node's own rows, beside the chain and never part of the state: no peer has them.

    m/chain m/format  chain id; format (see Database.bind)
    m/writes          how often rows were written (8 bytes, big-endian)
    l <name>          a row

LevelDB takes a log whose end is missing for one that was being written, and a folder that is gone for a new
one. So every write is counted, and each block carries the count of its time into `chain` (m/local): a `local`
that has counted fewer has lost rows.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from chainnode.store.database import META_FORMAT, Database, prefix_end
from chainnode.store.errors import lost_alone

LOCAL = "local"
LOCAL_FORMAT = 1
COUNT_BYTES = 8
_ROW, _WRITES = b"l", b"m/writes"


class LocalRows:
    """Reads may come from any thread, writes from one at a time. Raises OperatorError as Database does."""

    def __init__(self, store_folder: Path, chain_id: bytes, *, seen: int | None = None) -> None:
        """Open or make them; the caller holds the home's lock, or the home is not there yet.

        `seen`: the count of writes that the chain beside them carries, None where it has no block yet. Raises
        STO-05, STO-06 and, where rows are missing that a block came after, STO-10: nothing is made then.
        """
        path = store_folder / LOCAL
        if seen is not None and not (path / "CURRENT").exists():
            raise lost_alone(path, "it is not there, although the chain beside it has blocks")
        self._database = Database(path, held_by_peers=False)
        try:
            if seen is not None and self._database.get(META_FORMAT) is None:
                raise lost_alone(path, "it is empty, although the chain beside it has blocks")
            self._database.bind(chain_id, LOCAL_FORMAT)
            self.writes = int.from_bytes(self._database.get(_WRITES) or b"", "big")
            if seen is not None and self.writes < seen:
                raise lost_alone(path, f"the last {seen - self.writes} writes before the last block are gone")
        except BaseException:
            self._database.close()
            raise

    def get(self, key: bytes) -> bytes | None:
        return self._database.get(_ROW + key)

    def items(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Pairs whose key begins with `prefix`, in order, of the moment of the first step."""
        for key, value in self._database.items(_ROW + prefix):
            yield key[len(_ROW) :], value

    def write(self, pairs: Iterable[tuple[bytes, bytes | None]]) -> None:
        """All of it or nothing, durable when this returns; None deletes."""
        count = (self.writes + 1).to_bytes(COUNT_BYTES, "big")
        self._database.write([*((_ROW + key, value) for key, value in pairs), (_WRITES, count)])
        self.writes += 1

    def compact(self, prefix: bytes) -> None:
        """Rid LevelDB's files of what was deleted or replaced below a prefix. From any thread; before a
        deletion too, for what is in memory has to be in a file of its own then (rows.py)."""
        stop = prefix_end(_ROW + prefix)
        assert stop is not None, "a name never is all 0xff"
        self._database.compact(_ROW + prefix, stop)

    def close(self) -> None:
        self._database.close()
