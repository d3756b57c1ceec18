"""LevelDB with paranoid checks, its errors turned into the operator's, and nothing more.

A database that reports corruption is never repaired in place: LevelDB's repair was seen to hand back
an altered record as whole.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import plyvel

from chainnode.store.errors import (
    FULL_TEXTS,
    STO_IN_USE,
    damaged,
    damaged_alone,
    full,
    io_error,
    newer_format,
    older_format,
    other_chain,
)
from genesis.errors import OperatorError, quoted
from genesis.private import private_folder

Write = tuple[bytes, bytes | None]
"""A key and its new value; None deletes."""

META_CHAIN, META_FORMAT = b"m/chain", b"m/format"
_FORMAT_BYTES = 4
_FAILURES = (plyvel.Error, OSError)


def prefix_end(prefix: bytes) -> bytes | None:
    """The first key behind all keys that begin with `prefix`; None where there is no such key."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else None


class Readable:
    """What is read the same way from a LevelDB and from a moment of it. Every method raises OperatorError:
    STO-02 (damaged), STO-03 (disk full), STO-04 (other failures)."""

    def __init__(self, path: Path, source: Any, damaged: Callable[[Path, str], OperatorError]) -> None:
        self._path = path
        self._source = source
        self._damaged = damaged

    def get(self, key: bytes) -> bytes | None:
        """The value; its block's checksum is verified, which paranoid checks alone do not do."""
        try:
            value: bytes | None = self._source.get(key, verify_checksums=True)
        except _FAILURES as error:
            raise self._translated(error) from error
        return value

    def items(
        self, prefix: bytes, *, start: bytes | None = None, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Pairs whose key begins with `prefix`, in the order of the keys, from the full key `start` on
        (or, reversed, from `start` down, itself included). Checksums are verified."""
        bounds = {"start": prefix, "stop": prefix_end(prefix)}
        if start is not None:
            bounds["stop" if reverse else "start"] = start + b"\x00" if reverse else start
        try:
            with self._source.iterator(reverse=reverse, verify_checksums=True, **bounds) as iterator:
                yield from iterator
        except _FAILURES as error:
            raise self._translated(error) from error

    def close(self) -> None:
        self._source.close()

    def damaged(self, reason: str) -> OperatorError:
        """For a value that LevelDB takes for whole and that cannot be ours."""
        return self._damaged(self._path, reason)

    def _translated(self, error: Exception) -> OperatorError:
        reason = error.args[0] if error.args else error
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(error)
        if isinstance(error, plyvel.CorruptionError):
            return self._damaged(self._path, text)
        if any(full_text in text for full_text in FULL_TEXTS):
            return full(self._path)
        if f"lock {self._path}/LOCK" in text:  # any other complaint of that file is about opening it
            return OperatorError(
                STO_IN_USE,
                f"{self._path} is in use by another process",
                unchanged="nothing was changed",
                next_step=f"find it (fuser {quoted(self._path)}/LOCK) and stop it",
            )
        return io_error(self._path, text)


class Database(Readable):
    """One LevelDB folder."""

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
        super().__init__(path, None, damaged if held_by_peers else damaged_alone)
        try:
            private_folder(path)
            self._source = plyvel.DB(
                str(path),
                create_if_missing=True,
                paranoid_checks=True,
                compression=compression,
                bloom_filter_bits=bloom_bits,
            )
        except _FAILURES as error:
            raise self._translated(error) from error

    def bind(self, chain_id: bytes, format_number: int) -> None:
        """Write chain id and format into a new database, compare them in an old one.

        Raises OperatorError STO-05 (another chain's), STO-06 (a newer format) and STO-08 (an older one).
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
        if number_found < format_number:
            raise older_format(self._path, number_found, format_number)
        if found_chain != chain_id:
            raise other_chain(self._path)

    def is_empty(self) -> bool:
        return next(self.items(b""), None) is None

    def write(self, writes: Iterable[Write], *, sync: bool = True) -> None:
        """All of it or nothing. With `sync` it is on the disk when this returns; without, a later
        synced write carries it there."""
        try:
            batch = self._source.write_batch(sync=sync)
            for key, value in writes:
                if value is None:
                    batch.delete(key)
                else:
                    batch.put(key, value)
            batch.write()
        except _FAILURES as error:
            raise self._translated(error) from error

    def compact(self, start: bytes, stop: bytes) -> None:
        """Write the files that hold keys of this range anew, without what was deleted or replaced.
        Without a range LevelDB leaves deleted bytes in its files."""
        try:
            self._source.compact_range(start=start, stop=stop)
        except _FAILURES as error:
            raise self._translated(error) from error

    def freeze(self) -> Readable:
        """What is here now, as long as it is not closed; LevelDB keeps what is replaced meanwhile."""
        return Readable(self._path, self._source.snapshot(), self._damaged)
