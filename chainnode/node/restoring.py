"""From a backup to a new home: everything or nothing, and never over anything that is there.

The home is filled under another name beside it and renamed when the end of the backup has vouched for all of
it. What the configuration places outside of the home goes there directly, and is taken away again on failure.
"""

import os
import re
import shlex
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from chainnode.node.archive import MAGIC, ArchiveError, Header, Incoming, Reader, Source
from chainnode.node.backup import CONFIG, GENESIS, KEYSTORE, MEMBERSHIP, NEXT_KEYSTORE
from chainnode.node.config import CONFIG_NAME, MAX_CONFIG_BYTES, NodeConfig, load_config
from chainnode.node.errors import NOD_BACKUP_KEY, NOD_BAD_BACKUP, NOD_HOME_TAKEN
from chainnode.node.restored import ASKING, MARK_KEY, Mark
from chainnode.pool.container import MAX_CIPHERTEXT_BYTES
from chainnode.pool.errors import ObjectError
from chainnode.pool.pool import MAX_WRAP_BYTES, Pool
from chainnode.pool.recipients import MAX_RECIPIENTS_BYTES
from chainnode.store.errors import from_os_error
from chainnode.store.localrows import LocalRows
from chainnode.vault.errors import SealingError
from chainnode.vault.keys import verify
from chainnode.vault.sealedstream import MAGIC as SEALED_MAGIC
from chainnode.vault.sealedstream import SealedReader
from chainnode.vault.secretformat import MAX_FILE_BYTES
from consensus.codec import DecodeError, decode, encode
from genesis.errors import OperatorError

MAX_GENESIS_BYTES = 16 * 1024 * 1024
MAX_ROWS_BYTES = 64 * 1024 * 1024
_KEY_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}\.key")
_ID = re.compile(r"[0-9a-f]{32}")

assert len(MAGIC) == len(SEALED_MAGIC)

Progress = Callable[[Header, int, int], None]
"""Told after each entry: the header, entries and bytes so far."""


@dataclass(frozen=True, slots=True)
class Outcome:
    header: Header
    entries: int
    size_bytes: int
    config: NodeConfig


def bad(reason: str) -> OperatorError:
    return OperatorError(
        NOD_BAD_BACKUP,
        f"this is no whole and unaltered backup: {reason}",
        unchanged="nothing was restored; no folder was made",
        next_step="take another copy of the file, or the backup before it",
    )


def open_archive(source: Source, passphrase: bytes | None) -> Reader:
    """A reader of the file's bytes, decrypted if need be. Raises OperatorError NOD-07, NOD-09."""
    try:
        magic = source.read(len(MAGIC))
        if magic == SEALED_MAGIC:
            if passphrase is None:
                raise _key_error("the backup is encrypted and no passphrase was given")
            source = SealedReader(source, passphrase)
            magic = source.read(len(MAGIC))
        if magic != MAGIC:
            raise bad("it does not begin as one")
        return Reader(source, verify)
    except ArchiveError as error:
        raise bad(str(error)) from None
    except SealingError as error:
        raise _sealing_error(error) from None


def _key_error(what: str) -> OperatorError:
    return OperatorError(
        NOD_BACKUP_KEY,
        what,
        unchanged="nothing was restored; no folder was made",
        next_step="name the file of the passphrase that the backup was made with: --passphrase-file FILE",
    )


def _sealing_error(error: SealingError) -> OperatorError:
    if error.rule == "not-for-this-key":
        return _key_error(f"the passphrase does not open the backup: {error.detail}")
    return bad(error.detail)


def restore(reader: Reader, home: Path, progress: Progress) -> Outcome:
    """Fill `home`, which must not be there or be empty. A node started in it follows without voting until
    that is safe (restored.py).

    Raises OperatorError NOD-07 (the backup), NOD-08 (something is there), STO-03, STO-04, POL-xx, CFG-xx.
    """
    home = home.absolute()
    _require_free(home)
    staging = home.with_name(f".{home.name}.restoring")
    if staging.exists():
        remark = "if no restore runs now, one that was cut off left it: remove it"
        raise _taken(staging, remark)
    with ExitStack() as undo:
        try:
            undo.callback(shutil.rmtree, staging, True)
            staging.mkdir(mode=0o711, parents=True)
            outcome = _Filling(reader, staging, home, progress, undo).run()
            # Once for everything: a sync for each of a million small files would take hours.
            os.sync()
            if home.exists():
                home.rmdir()
            staging.rename(home)
            _sync(home.parent)
        except (ArchiveError, ObjectError) as error:
            raise bad(str(error)) from None
        except SealingError as error:
            raise _sealing_error(error) from None
        except OSError as error:
            raise from_os_error(home, error) from error
        undo.pop_all()
    return Outcome(outcome[0], outcome[1], outcome[2], load_config(home))


def _taken(path: Path, remark: str) -> OperatorError:
    return OperatorError(
        NOD_HOME_TAKEN,
        f"{path} is there and not empty",
        unchanged="nothing was restored, and nothing there was touched",
        next_step=f"ls -la {shlex.quote(str(path))}  # {remark}",
    )


def _require_free(path: Path) -> None:
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise _taken(path, "a backup is never restored over anything: name another --home")


class _Filling:
    def __init__(
        self, reader: Reader, staging: Path, home: Path, progress: Progress, undo: ExitStack
    ) -> None:
        self._reader = reader
        self._staging = staging
        self._home = home
        self._progress = progress
        self._undo = undo
        self._entries = self._size_bytes = 0

    def run(self) -> tuple[Header, int, int]:
        header = self._reader.header
        entries = self._reader.entries()
        config = self._configuration(next(entries, None))
        self._small(config, next(entries, None), GENESIS, config.genesis_file, MAX_GENESIS_BYTES)
        self._small(config, next(entries, None), KEYSTORE, config.keystore_file, MAX_FILE_BYTES)
        pool = Pool.open(self._outside(config.pool.folder))
        rows = LocalRows(self._outside(config.store_folder), header.chain_id)
        try:
            for entry in entries:
                path = self._optional(config, entry.name)
                if path is not None:
                    _write(self._outside(path), _read(entry, MAX_GENESIS_BYTES))
                else:
                    self._put(entry, pool, rows.write)
                self._told(entry)
            # Behind the good end: a home with the mark is a whole one.
            mark = Mark(ASKING, header.validator_key, header.created_ms, header.height)
            rows.write([(MARK_KEY, encode(mark))])
        finally:
            rows.close()
        return header, self._entries, self._size_bytes

    def _told(self, entry: Incoming) -> None:
        self._entries += 1
        self._size_bytes += entry.size_bytes
        self._progress(self._reader.header, self._entries, self._size_bytes)

    def _configuration(self, entry: Incoming | None) -> NodeConfig:
        """First, for it says where the rest goes."""
        path = self._staging / CONFIG_NAME
        _write(path, _expected(entry, CONFIG, MAX_CONFIG_BYTES))
        assert entry is not None
        self._told(entry)
        return load_config(self._staging)

    def _small(
        self, config: NodeConfig, entry: Incoming | None, name: str, path: Path, limit_bytes: int
    ) -> None:
        data = _expected(entry, name, limit_bytes)
        assert entry is not None
        _write(self._outside(path), data)
        self._told(entry)

    @staticmethod
    def _optional(config: NodeConfig, name: str) -> Path | None:
        """Where a file goes that the configuration may name."""
        return {MEMBERSHIP: config.membership_file, NEXT_KEYSTORE: config.next_keystore_file}.get(name)

    def _outside(self, path: Path) -> Path:
        """`path`, looked over if the configuration places it elsewhere than in the home."""
        if not path.is_relative_to(self._staging):
            _require_free(path)
            self._undo.callback(_remove, path)
        return path

    def _put(self, entry: Incoming, pool: Pool, write: Callable[[list[tuple[bytes, bytes]]], None]) -> None:
        folder, _, name = entry.name.partition("/")
        stores = {
            "wraps": (pool.wraps, MAX_WRAP_BYTES),
            "recipients": (pool.recipients, MAX_RECIPIENTS_BYTES),
            "objects": (pool.objects, MAX_CIPHERTEXT_BYTES),
        }
        if folder == "rows":
            data = _read(entry, MAX_ROWS_BYTES)
            try:
                write(decode(data, list[tuple[bytes, bytes]], limit_bytes=MAX_ROWS_BYTES))
            except DecodeError as error:
                raise ArchiveError(f"{entry.name} cannot be read: {error}") from None
        elif folder in stores and _ID.fullmatch(name):
            store, limit_bytes = stores[folder]
            store.put(bytes.fromhex(name), _read(entry, limit_bytes), durable=False)
        elif folder == "keys" and _KEY_NAME.fullmatch(name) and not (self._staging / name).exists():
            _write(self._staging / name, _read(entry, MAX_FILE_BYTES))
        else:
            raise ArchiveError(f"an entry {entry.name[:80]!r} does not belong into a backup")


def _expected(entry: Incoming | None, name: str, limit_bytes: int) -> bytes:
    if entry is None or entry.name != name:
        raise ArchiveError(f"the entry {name!r} is missing")
    return _read(entry, limit_bytes)


def _read(entry: Incoming, limit_bytes: int) -> bytes:
    if entry.size_bytes > limit_bytes:
        raise ArchiveError(f"{entry.name} is longer than it may be")
    return b"".join(entry.data)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
