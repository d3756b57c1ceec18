"""Where the pool's bytes lie: a local folder or a bucket, behind obstore.

Names are ids in hex. A local folder is created 0700 with all above it that is missing, and what `put`
returned from is durable: file and folder are flushed. A put is atomic; nothing half-written is ever
seen under a name. A deleted file's blocks are freed, not wiped: who must rule out a look at the raw
disk encrypts the disk.
"""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, from_url

from chainnode.pool.container import MAX_CIPHERTEXT_BYTES, check_ciphertext
from chainnode.pool.errors import DISK_FULL, STORE_LOCATION, STORE_UNREACHABLE, ObjectError
from genesis.durable import sync_path
from genesis.errors import OperatorError, quoted
from genesis.private import private_folder

_NAME = re.compile(r"[0-9a-f]{32}")
_FULL = ("os error 28", "os error 122")
"""How obstore's errors spell ENOSPC and EDQUOT."""


class ObjectStore:
    """Immutable bytes by id (16 bytes). Every operation has an async twin that leaves the loop free.

    All raise OperatorError POL-01 (disk full) or POL-02 (store unreachable).
    """

    def __init__(self, backend: Any, location: str, folder: Path | None, limit_bytes: int) -> None:
        self.location = location
        self.limit_bytes = limit_bytes
        self._backend = backend
        self._folder = folder

    @classmethod
    def open(cls, location: str, *, limit_bytes: int = MAX_CIPHERTEXT_BYTES) -> "ObjectStore":
        """A folder's path, or a URL (file, memory, s3, gs, az). Nothing above `limit_bytes` is stored
        or read. One process at a time may open a folder. Raises OperatorError POL-03."""
        try:
            address = urlsplit(location)
            if "://" in location and address.scheme != "file":
                return cls(from_url(location), location, None, limit_bytes)
            folder = Path(unquote(address.path) if address.scheme == "file" else location)
            private_folder(folder)
            for leftover in folder.glob("*#*"):
                # obstore writes beside the name first; a kill in between leaves that file.
                leftover.unlink()
            return cls(LocalStore(folder), location, folder, limit_bytes)
        except (OSError, BaseError, ValueError) as error:
            raise OperatorError(
                STORE_LOCATION,
                f"the object store {location} cannot be used: {_first_line(error)}",
                unchanged="Nothing was read or written.",
                next_step="Correct the location in the configuration, or the folder's permissions.",
            ) from None

    def put(self, object_id: bytes, data: bytes, *, durable: bool = True) -> bool:
        """Store durably (or, not `durable`, for the caller to sync later); False where the same bytes lay
        there already. Raises ObjectError `object-exists` where others do, `object-too-large`."""
        if len(data) > self.limit_bytes:
            raise ObjectError("object-too-large", f"{len(data)} bytes, at most {self.limit_bytes} are taken")
        name = object_id.hex()
        try:
            obstore.put(self._backend, name, data, mode="create", use_multipart=False)
            if durable:
                self._flush(name)
        except AlreadyExistsError:
            if self.get(object_id) != data:
                raise ObjectError("object-exists", f"other bytes lie under {name}") from None
            return False
        except (OSError, BaseError) as error:
            raise self._failure(f"{name} was not stored", error) from None
        return True

    def get(self, object_id: bytes) -> bytes:
        """Raises ObjectError `object-missing`, `object-too-large`."""
        name = object_id.hex()
        try:
            found = obstore.get(self._backend, name)
            if found.meta["size"] > self.limit_bytes:
                raise ObjectError("object-too-large", f"{found.meta['size']} bytes lie under {name}")
            return bytes(found.bytes())
        except FileNotFoundError:
            raise ObjectError("object-missing", f"nothing lies under {name}") from None
        except (OSError, BaseError) as error:
            raise self._failure(f"{name} was not read", error) from None

    def get_checked(self, object_id: bytes, *, root: bytes, length_bytes: int) -> bytes:
        """A ciphertext that is as anchored. Raises ObjectError: of `get`, or `length-mismatch`,
        `root-mismatch`."""
        ciphertext = self.get(object_id)
        check_ciphertext(ciphertext, root=root, length_bytes=length_bytes)
        return ciphertext

    def exists(self, object_id: bytes) -> bool:
        try:
            obstore.head(self._backend, object_id.hex())
        except FileNotFoundError:
            return False
        except (OSError, BaseError) as error:
            raise self._failure(f"{object_id.hex()} was not looked up", error) from None
        return True

    @property
    def is_local(self) -> bool:
        """Whether the bytes lie in a folder of this machine."""
        return self._folder is not None

    def listed(self) -> Iterator[tuple[bytes, int]]:
        """Id and bytes of all that lies here, in no order; what comes or goes meanwhile may be missing."""
        try:
            for metas in obstore.list(self._backend):
                for meta in metas:
                    if _NAME.fullmatch(meta["path"]):
                        yield bytes.fromhex(meta["path"]), meta["size"]
        except (OSError, BaseError) as error:
            raise self._failure("the names were not listed", error) from None

    def delete(self, object_id: bytes) -> bool:
        """Delete durably; False where nothing lay there. Deleting W_h is the erasure of its object."""
        name = object_id.hex()
        if not self.exists(object_id):
            return False
        try:
            obstore.delete(self._backend, name)
            if self._folder is not None:
                sync_path(self._folder)
        except (OSError, BaseError) as error:
            raise self._failure(f"{name} may not be deleted", error) from None
        return True

    async def put_async(self, object_id: bytes, data: bytes) -> bool:
        return await asyncio.to_thread(self.put, object_id, data)

    async def get_async(self, object_id: bytes) -> bytes:
        return await asyncio.to_thread(self.get, object_id)

    async def get_checked_async(self, object_id: bytes, *, root: bytes, length_bytes: int) -> bytes:
        return await asyncio.to_thread(self.get_checked, object_id, root=root, length_bytes=length_bytes)

    async def exists_async(self, object_id: bytes) -> bool:
        return await asyncio.to_thread(self.exists, object_id)

    async def delete_async(self, object_id: bytes) -> bool:
        return await asyncio.to_thread(self.delete, object_id)

    def _flush(self, name: str) -> None:
        """obstore leaves a local file to the page cache. Raises OSError, the file is gone then."""
        if self._folder is None:
            return
        path = self._folder / name
        try:
            sync_path(path)
            sync_path(self._folder)
        except OSError:
            path.unlink(missing_ok=True)
            raise

    def _failure(self, what: str, error: Exception) -> OperatorError:
        reason = _first_line(error)
        if any(mark in reason for mark in _FULL) or getattr(error, "errno", None) in (28, 122):
            return OperatorError(
                DISK_FULL,
                f"disk full: {what} in {self.location}",
                unchanged="Nothing half-written is left; what was stored before is intact.",
                next_step=f"Free space, then run it again: df {quoted(self.location)}",
            )
        return OperatorError(
            STORE_UNREACHABLE,
            f"{what} in {self.location}: {reason}",
            unchanged="What was stored before is intact.",
            next_step="Check that the store is reachable and its permissions, then run it again.",
        )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
