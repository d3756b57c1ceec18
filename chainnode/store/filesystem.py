"""What the vote log asks of a disk. The simulator puts a disk that loses pages behind the same port."""

import os
from pathlib import Path
from typing import Protocol

from genesis.durable import sync_path
from genesis.private import private_folder


class AppendFile(Protocol):
    """A file open for appending. `append` may raise OSError after writing a part."""

    def append(self, data: bytes) -> None: ...

    def fdatasync(self) -> None:
        """Data and length are on the disk when this returns. After a failure nothing is known."""
        ...

    def close(self) -> None: ...


class FileSystem(Protocol):
    """Operations raise OSError. What is not synced may be lost, in part and in any order."""

    def make_folder(self, folder: Path) -> None: ...

    def list(self, folder: Path) -> list[str]:
        """Names in `folder`, in ascending order."""
        ...

    def read(self, path: Path) -> bytes: ...

    def open(self, path: Path) -> AppendFile:
        """Open for appending; made where it is not there."""
        ...

    def truncate(self, path: Path, length_bytes: int) -> None: ...

    def rename(self, old: Path, new: Path) -> None: ...

    def remove(self, path: Path) -> None: ...

    def fsync_dir(self, folder: Path) -> None:
        """Names made, changed and removed in `folder` are on the disk when this returns."""
        ...


class RealAppendFile:
    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def append(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]

    def fdatasync(self) -> None:
        os.fdatasync(self._fd)

    def close(self) -> None:
        os.close(self._fd)


class RealFileSystem:
    def make_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            private_folder(folder)
            self.fsync_dir(folder.parent)

    def list(self, folder: Path) -> list[str]:
        return sorted(entry.name for entry in folder.iterdir())

    def read(self, path: Path) -> bytes:
        return path.read_bytes()

    def open(self, path: Path) -> RealAppendFile:
        return RealAppendFile(path)

    def truncate(self, path: Path, length_bytes: int) -> None:
        os.truncate(path, length_bytes)

    def rename(self, old: Path, new: Path) -> None:
        old.rename(new)

    def remove(self, path: Path) -> None:
        path.unlink()

    def fsync_dir(self, folder: Path) -> None:
        sync_path(folder)
