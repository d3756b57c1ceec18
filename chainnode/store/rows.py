"""Personal rows that can be erased, in a database of their own, by digest.

    r <digest>   32 bytes of salt, then the data
    e <digest>   erased: b"\\x01" the bytes may still be in LevelDB's files, b"\\x02" they are gone

A delete alone leaves the bytes in LevelDB's files. An erasure flushes what is in memory, deletes, and
compacts the row's own range, so that a file with the row and a file with its deletion are merged.
What an erased digest names never comes back: `put` does not take it again. Values are not compressed.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Lock

from chainnode.ledger.transaction import Row
from chainnode.store.database import Database, Write
from consensus.domain import DIGEST_BYTES
from consensus.types import Digest

FORMAT = 1
SALT_BYTES = 32
_ROW, _ERASED = b"r", b"e"
_PENDING, _GONE = b"\x01", b"\x02"
_MANY = 64


class RowStore:
    """Raises OperatorError as Database does."""

    def __init__(self, path: Path, chain_id: bytes) -> None:
        """Open or make it, and finish the erasures that a crash cut short."""
        self._database = Database(path, held_by_peers=True, compression=None)
        self._writing = Lock()
        """Batches come in one thread, erasures are carried out in another: what is erased between a look and
        a write would come back."""
        self._database.bind(chain_id, FORMAT)
        pending = [key[1:] for key, state in self._database.items(_ERASED) if state == _PENDING]
        if pending:
            self._purge(pending)

    def put(self, rows: Iterable[Row]) -> list[Digest]:
        """Keep rows, durable when this returns; their digests in order. Erased ones are not taken."""
        digests, writes = [], []
        with self._writing:
            for row in rows:
                assert len(row.salt) == SALT_BYTES
                digest = row.digest()
                digests.append(digest)
                if not self.is_erased(digest):
                    writes.append((_ROW + digest, row.salt + row.data))
            if writes:
                self._database.write(writes)
        return digests

    def get(self, digest: Digest) -> Row | None:
        """The row, None where it was never here or is erased (`is_erased` tells).

        Raises OperatorError STO-02 where the stored bytes do not have this digest.
        """
        value = self._database.get(_ROW + digest)
        if value is None:
            return None
        row = Row(value[:SALT_BYTES], value[SALT_BYTES:])
        if row.digest() != digest:
            raise self._database.damaged(f"the row {digest.hex()} has other bytes than it was stored with")
        return row

    def is_erased(self, digest: Digest) -> bool:
        return self._database.get(_ERASED + digest) is not None

    def erase(self, digests: Sequence[Digest]) -> None:
        """Make these rows unreadable here, for good; when this returns, LevelDB's files do not hold
        their bytes any more. Rows that were never here are barred from coming."""
        assert all(len(digest) == DIGEST_BYTES for digest in digests)
        # What is still in memory goes to a file first: flushed together with its deletion, the row
        # would land in a file that no compaction of this range has a reason to rewrite.
        self._compact(digests)
        writes: list[Write] = []
        for digest in digests:
            writes += [(_ROW + digest, None), (_ERASED + digest, _PENDING)]
        with self._writing:
            self._database.write(writes)
        self._purge(digests)

    def close(self) -> None:
        self._database.close()

    def _purge(self, digests: Sequence[Digest]) -> None:
        self._compact(digests)
        self._database.write([(_ERASED + digest, _GONE) for digest in digests])

    def _compact(self, digests: Sequence[Digest]) -> None:
        """A range each, or one over all where they are many."""
        keys = sorted(_ROW + digest for digest in digests)
        if len(keys) > _MANY:
            self._database.compact(keys[0], keys[-1])
            return
        for key in keys:
            self._database.compact(key, key)
