"""A trustee's shares on its own disk: one file each, so that one can be erased without the others.

A file holds the share sealed to the trustee's own key: the disk alone, without the key file's passphrase,
opens nothing. Erasing overwrites the file, flushes, and removes it. What a file system, a snapshot or a drive
keeps of an overwritten block is beyond a program's reach: encrypt the disk of a node that hosts a trustee.
Shares are no part of a backup: one that was lost is dealt again by the patient, one that was erased stays so.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

from chainnode.store.errors import from_os_error
from chainnode.vault.errors import SealingError
from chainnode.vault.keys import KemKey
from chainnode.vault.sealing import open_sealed, seal
from consensus.codec import encode
from genesis.durable import sync_path
from genesis.private import private_folder

SHARES_FOLDER = "shares"
"""Beside the store, in the node's home."""
_NAME = re.compile(r"([0-9a-f]{32})-([0-9a-f]{64})-([a-z]+)-([0-9]{1,10})")


class Name(NamedTuple):
    """Which share: the patient's handle, the digest of the dealing's shares, data class and epoch."""

    handle: bytes
    shares_digest: bytes
    data_class: str
    epoch: int


def _info(name: Name) -> bytes:
    return encode(("share-at-rest", tuple(name)))


class ShareStore:
    """All raise OperatorError STO-03, STO-04."""

    def __init__(self, folder: Path, kem: KemKey) -> None:
        self._folder = folder
        self._kem = kem
        try:
            private_folder(folder)
        except OSError as error:
            raise from_os_error(folder, error) from None

    def _path(self, name: Name) -> Path:
        return self._folder / f"{name.handle.hex()}-{name.shares_digest.hex()}-{name.data_class}-{name.epoch}"

    def put(self, name: Name, share: bytes) -> None:
        """Keep a share, durably when this returns."""
        path = self._path(name)
        temporary = path.with_suffix(".new")
        try:
            with temporary.open("wb") as stream:
                stream.write(seal(self._kem.public, share, _info(name)))
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
            sync_path(self._folder)
        except OSError as error:
            raise from_os_error(path, error) from None

    def get(self, name: Name) -> bytes | None:
        """The share (a scalar), None where it is not here or the file is damaged."""
        try:
            return open_sealed(self._kem, self._path(name).read_bytes(), _info(name))
        except (FileNotFoundError, SealingError):
            return None
        except OSError as error:
            raise from_os_error(self._path(name), error) from None

    def names(self) -> tuple[Name, ...]:
        """What is here, in order."""
        try:
            found = [_NAME.fullmatch(entry.name) for entry in sorted(self._folder.iterdir())]
        except OSError as error:
            raise from_os_error(self._folder, error) from None
        return tuple(
            Name(bytes.fromhex(one[1]), bytes.fromhex(one[2]), one[3], int(one[4]))
            for one in found
            if one is not None
        )

    def erase(self, name: Name) -> None:
        """Overwrite, flush, remove. Nothing happens where it is not here."""
        path = self._path(name)
        try:
            with path.open("r+b") as stream:
                stream.write(bytes(path.stat().st_size))
                stream.flush()
                os.fsync(stream.fileno())
            path.unlink()
            sync_path(self._folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise from_os_error(path, error) from None
