"""A trustee's shares on its own disk: one file each, so that one can be erased without the others.

A file holds the share sealed to the trustee's own key: the disk alone, without the key file's passphrase,
opens nothing. Erasing overwrites the file, flushes, and removes it. What a file system, a snapshot or a drive
keeps of an overwritten block is beyond a program's reach: encrypt the disk of a node that hosts a trustee.
Shares are no part of a backup: one that was lost is dealt again by the patient, one that was erased stays so.
"""

import os
import re
from pathlib import Path

from chainnode.store.errors import from_os_error
from chainnode.vault.errors import SealingError
from chainnode.vault.keys import KemKey
from chainnode.vault.sealing import open_sealed, seal
from consensus.codec import encode
from genesis.durable import sync_path
from genesis.private import private_folder

_NAME = re.compile(r"([0-9a-f]{64})-([a-z]+)-([0-9]{1,10})")

Name = tuple[bytes, str, int]
"""Digest of the dealing's shares, data class, epoch."""


def _info(name: Name) -> bytes:
    return encode(("share-at-rest", *name))


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
        return self._folder / f"{name[0].hex()}-{name[1]}-{name[2]}"

    def put(self, shares_digest: bytes, data_class: str, epoch: int, share: bytes) -> None:
        """Keep a share, durably when this returns."""
        name = (shares_digest, data_class, epoch)
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

    def get(self, shares_digest: bytes, data_class: str, epoch: int) -> bytes | None:
        """The share (a scalar), None where it is not here or the file is damaged."""
        name = (shares_digest, data_class, epoch)
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
        return tuple((bytes.fromhex(one[1]), one[2], int(one[3])) for one in found if one is not None)

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
