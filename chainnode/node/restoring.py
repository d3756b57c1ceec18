"""From a backup to a new home: everything or nothing, and never over anything that is there.

The home is filled under another name beside it and renamed when the end of the backup has vouched for all of
it, and a member has signed that. Until then nothing is written elsewhere (placing.py).
"""

import os
import re
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from chainnode.node.archive import MAGIC, ArchiveError, Header, Incoming, Reader, Source
from chainnode.node.backup import CONFIG, GENESIS, KEYSTORE, MEMBERSHIP, NEXT_KEYSTORE
from chainnode.node.config import CONFIG_NAME, MAX_CONFIG_BYTES, NodeConfig, load_config
from chainnode.node.errors import NOD_BACKUP_KEY, NOD_BAD_BACKUP, NOD_FOREIGN_BACKUP
from chainnode.node.identity import admitted_member, founding_member
from chainnode.node.placing import (
    GENESIS_FILE,
    KEYSTORE_FILE,
    MEMBERSHIP_FILE,
    NEXT_KEYSTORE_FILE,
    POOL_FOLDER,
    STORE_FOLDER,
    WAITING,
    Places,
    require_free,
    taken,
)
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
from genesis.document import Genesis, parse_genesis
from genesis.durable import sync_path
from genesis.errors import OperatorError
from genesis.private import private_files, private_folder

MAX_GENESIS_BYTES = 16 * 1024 * 1024
HOME_MODE = 0o711
"""Others pass through it to the sockets."""
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


def restore(
    reader: Reader,
    home: Path,
    progress: Progress,
    *,
    allow_outside: bool = False,
    membership: Path | None = None,
) -> Outcome:
    """Fill `home`, which must not be there or be empty. A node started in it follows without voting until
    that is safe (restored.py).

    `allow_outside`: what the configuration places outside of the home goes there. `membership`: the change
    that gave the node its keys, where the configuration names none. Raises OperatorError NOD-06 (no member
    signed it), NOD-07 (the backup), NOD-08 (something is there), NOD-11 (outside), GEN-01 to GEN-05, GEN-14,
    STO-03, STO-04, POL-xx.
    """
    require_free(home)
    home = home.resolve()
    staging = home.with_name(f".{home.name}.restoring")
    if os.path.lexists(staging):
        remark = "if no restore runs now, one that was cut off left it: remove it"
        raise taken(staging, remark)
    with ExitStack() as undo, private_files():
        try:
            private_folder(home.parent, HOME_MODE)
            staging.mkdir()
            undo.callback(shutil.rmtree, staging, True)
            staging.chmod(HOME_MODE)
            filling = _Filling(reader, staging, home, progress, allow_outside)
            filling.run(membership)
            filling.move_outside(undo)
            # Once for everything: a sync for each of a million small files would take hours.
            os.sync()
            if home.exists():
                home.rmdir()
            staging.rename(home)
            sync_path(home.parent)
        except (ArchiveError, ObjectError) as error:
            raise bad(str(error)) from None
        except SealingError as error:
            raise _sealing_error(error) from None
        except OSError as error:
            raise from_os_error(home, error) from error
        undo.pop_all()
    return Outcome(reader.header, filling.entries, filling.size_bytes, load_config(home))


class _Filling:
    def __init__(
        self, reader: Reader, staging: Path, home: Path, progress: Progress, allow_outside: bool
    ) -> None:
        self._reader = reader
        self._staging = staging
        self._home = home
        self._progress = progress
        self._allow_outside = allow_outside
        self.entries = self.size_bytes = 0

    def run(self, membership: Path | None) -> None:
        """Fill `staging` with all of it, to an end that vouches for it."""
        header = self._reader.header
        entries = self._reader.entries()
        config = self._configuration(next(entries, None))
        self._places = places = Places(config, self._staging, self._home)
        places.check(allow_outside=self._allow_outside)
        genesis = self._genesis(next(entries, None), places[GENESIS_FILE])
        self._small(next(entries, None), KEYSTORE, places[KEYSTORE_FILE], MAX_FILE_BYTES)
        pool = Pool.open(places[POOL_FOLDER])
        rows = LocalRows(places[STORE_FOLDER], header.chain_id)
        try:
            for entry in entries:
                path = self._optional(entry.name)
                if path is not None:
                    _write(path, _read(entry, MAX_GENESIS_BYTES))
                else:
                    self._put(entry, pool, rows.write)
                self._told(entry)
            # Behind the good end: a home with the mark is a whole one.
            change = places.get(MEMBERSHIP_FILE)
            if membership is None and change is not None and change.exists():
                membership = change
            _require_member(replace(config, membership_file=membership), genesis, header)
            mark = Mark(ASKING, header.validator_key, header.created_ms, header.height)
            rows.write([(MARK_KEY, encode(mark))])
        finally:
            rows.close()

    def move_outside(self, undo: ExitStack) -> None:
        """What waits goes where it belongs, folders before what lies in them."""
        for place, waiting in sorted(self._places.outside.items()):
            if waiting.exists():
                require_free(place)
                private_folder(place.parent)
                if place.exists():
                    place.rmdir()
                undo.callback(_remove, place)
                shutil.move(waiting, place)
        if self._places.outside:
            shutil.rmtree(self._staging / WAITING, ignore_errors=True)

    def _told(self, entry: Incoming) -> None:
        self.entries += 1
        self.size_bytes += entry.size_bytes
        self._progress(self._reader.header, self.entries, self.size_bytes)

    def _configuration(self, entry: Incoming | None) -> NodeConfig:
        """First, for it says where the rest goes."""
        self._small(entry, CONFIG, self._staging / CONFIG_NAME, MAX_CONFIG_BYTES)
        try:
            return load_config(self._staging)
        except OperatorError as error:
            said = error.what.replace(str(self._staging / CONFIG_NAME), CONFIG_NAME)
            raise bad(f"its configuration cannot be used: {said}") from None

    def _genesis(self, entry: Incoming | None, path: Path) -> Genesis:
        data = self._small(entry, GENESIS, path, MAX_GENESIS_BYTES)
        genesis = parse_genesis(data, source="the genesis document in the backup")
        header = self._reader.header
        if (genesis.chain_id, genesis.network) != (header.chain_id, header.network):
            raise ArchiveError("its header is another network's than the genesis document in it")
        return genesis

    def _small(self, entry: Incoming | None, name: str, path: Path, limit_bytes: int) -> bytes:
        data = _expected(entry, name, limit_bytes)
        assert entry is not None
        _write(path, data)
        self._told(entry)
        return data

    def _optional(self, name: str) -> Path | None:
        """Where a file goes that the configuration may name."""
        key = {MEMBERSHIP: MEMBERSHIP_FILE, NEXT_KEYSTORE: NEXT_KEYSTORE_FILE}.get(name, "")
        return self._places.get(key)

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
                raise ArchiveError(f"{entry.name[:80]!r} cannot be read: {error}") from None
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
        raise ArchiveError(f"{entry.name[:80]!r} is longer than it may be")
    return b"".join(entry.data)


def _require_member(config: NodeConfig, genesis: Genesis, header: Header) -> None:
    """Raises OperatorError NOD-06, GEN-01, GEN-14."""
    held = [header.validator_key]
    if founding_member(genesis, held) is None and admitted_member(config, genesis, held) is None:
        raise OperatorError(
            NOD_FOREIGN_BACKUP,
            f"the backup was signed by a key that is no member's of {genesis.network}, as far as it says",
            unchanged="nothing was restored; no folder was made",
            next_step="chainnode backup restore --help  # if the node's keys came with a change of members, "
            "name its file: --membership; if not, somebody else made this backup: do not use it",
        )


def _write(path: Path, data: bytes) -> None:
    try:
        private_folder(path.parent)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except (FileExistsError, NotADirectoryError):
        raise ArchiveError("two parts of it would go to one place") from None
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
