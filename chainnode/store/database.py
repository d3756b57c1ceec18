"""LevelDB with paranoid checks, its errors turned into the operator's, and nothing more.

A database that reports corruption is never repaired in place: LevelDB's repair was seen to hand back
an altered record as whole.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import plyvel

from chainnode.store.errors import (
    FULL_TEXTS,
    STO_IN_USE,
    damaged,
    damaged_alone,
    full,
    io_error,
    newer_format,
    other_chain,
)
from genesis.errors import OperatorError

Write = tuple[bytes, bytes | None]
"""A key and its new value; None deletes."""

META_CHAIN, META_FORMAT = b"m/chain", b"m/format"
_FORMAT_BYTES = 4


def prefix_end(prefix: bytes) -> bytes | None:
    """The first key behind all keys that begin with `prefix`; None where there is no such key."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else None


class Database:
    """One LevelDB folder. Every method raises OperatorError: STO-02 (damaged), STO-03 (disk full),
    STO-04 (other failures)."""

    def __init__(
        self,
        path: Path,
        *,
        held_by_peers: bool,
        compression: str | None = "snappy",
        bloom_bits: int = 0,
    ) -> None:
        """Open or make it. `held_by_peers`: what is damaged here can be fetched anew.

        Raises OperatorError STO-01 too, where another process has it open.
        """
        self._path = path
        self._damaged = damaged if held_by_peers else damaged_alone
        with self._translated():
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._db = plyvel.DB(
                str(path),
                create_if_missing=True,
                paranoid_checks=True,
                compression=compression,
                bloom_filter_bits=bloom_bits,
            )

    @property
    def path(self) -> Path:
        return self._path

    def bind(self, chain_id: bytes, format_number: int) -> None:
        """Write chain id and format into a new database, compare them in an old one.

        Raises OperatorError STO-05 (another chain's) and STO-06 (a newer format).
        """
        found_format, found_chain = self.get(META_FORMAT), self.get(META_CHAIN)
        if found_format is None and found_chain is None and self.is_empty():
            number = format_number.to_bytes(_FORMAT_BYTES, "big")
            self.write([(META_FORMAT, number), (META_CHAIN, chain_id)])
            return
        if found_format is None or found_chain is None:
            raise self._damaged(self._path, "it does not say which chain it belongs to")
        number_found = int.from_bytes(found_format, "big")
        if number_found > format_number:
            raise newer_format(self._path, number_found, format_number)
        if found_chain != chain_id:
            raise other_chain(self._path)

    def is_empty(self) -> bool:
        return next(self.items(b""), None) is None

    def get(self, key: bytes) -> bytes | None:
        """The value; its block's checksum is verified, which paranoid checks alone do not do."""
        with self._translated():
            value: bytes | None = self._db.get(key, verify_checksums=True)
            return value

    def write(self, writes: Iterable[Write], *, sync: bool = True) -> None:
        """All of it or nothing. With `sync` it is on the disk when this returns; without, a later
        synced write carries it there."""
        with self._translated():
            batch = self._db.write_batch(sync=sync)
            for key, value in writes:
                if value is None:
                    batch.delete(key)
                else:
                    batch.put(key, value)
            batch.write()

    def items(
        self, prefix: bytes, *, start: bytes | None = None, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Pairs whose key begins with `prefix`, in the order of the keys, from the full key `start` on
        (or, reversed, from `start` down, itself included). Checksums are verified."""
        bounds = {"start": prefix, "stop": prefix_end(prefix)}
        if start is not None:
            bounds["stop" if reverse else "start"] = start + b"\x00" if reverse else start
        with self._translated():
            iterator = self._db.iterator(reverse=reverse, verify_checksums=True, **bounds)
        try:
            while True:
                with self._translated():
                    pair = next(iterator, None)
                if pair is None:
                    return
                yield pair
        finally:
            iterator.close()

    def compact(self, start: bytes, stop: bytes) -> None:
        """Write the files that hold keys of this range anew, without what was deleted or replaced.
        Without a range LevelDB leaves deleted bytes in its files."""
        with self._translated():
            self._db.compact_range(start=start, stop=stop)

    def close(self) -> None:
        self._db.close()

    def damaged(self, reason: str) -> OperatorError:
        """For a value that LevelDB takes for whole and that cannot be ours."""
        return self._damaged(self._path, reason)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except plyvel.CorruptionError as error:
            raise self._damaged(self._path, str(error)) from error
        except (plyvel.Error, OSError) as error:
            text = str(error)
            if any(reason in text for reason in FULL_TEXTS):
                raise full(self._path) from error
            if "/LOCK" in text:
                raise OperatorError(
                    STO_IN_USE,
                    f"{self._path} is in use by another process",
                    unchanged="nothing was changed",
                    next_step=f"find it (fuser {self._path}/LOCK) and stop it",
                ) from error
            raise io_error(self._path, text) from error
