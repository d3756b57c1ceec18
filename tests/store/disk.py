"""A disk in memory that can lose what was not synced, for the vote log's crash tests."""

import errno
from dataclasses import dataclass, field
from pathlib import Path

CONTENTS = ("lost", "kept", "half", "hole")
"""What a power cut leaves of unsynced bytes: nothing, all, the first half, zeros and then the end."""


class Crash(BaseException):
    """Power is cut, or the process killed, before an operation is carried out."""


@dataclass
class Inode:
    cached: bytes = b""
    durable: bytes = b""


def _after_power_cut(inode: Inode, contents: str) -> bytes:
    fresh = inode.cached[len(inode.durable) :]
    if contents == "lost" or not inode.cached.startswith(inode.durable):
        return inode.durable
    if contents == "kept":
        return inode.cached
    half = len(fresh) // 2
    return inode.durable + (fresh[:half] if contents == "half" else bytes(half) + fresh[half:])


@dataclass
class FakeDisk:
    """A FileSystem. `crash_at`: number of the operation before which Crash is raised; `fail_at`: the one
    that fails with `failure` after writing half of its data."""

    crash_at: int | None = None
    fail_at: int | None = None
    failure: int = errno.ENOSPC
    operations: list[str] = field(default_factory=list)
    names: dict[Path, Inode] = field(default_factory=dict)
    durable_names: dict[Path, Inode] = field(default_factory=dict)

    def killed(self) -> "FakeDisk":
        """The process died; what it wrote is in the page cache, synced or not."""
        return FakeDisk(names=dict(self.names), durable_names=dict(self.durable_names))

    def power_cut(self, contents: str, names: str) -> "FakeDisk":
        """`contents`: see CONTENTS; `names`: "durable" loses unsynced names, "cached" keeps them."""
        kept = self.names if names == "cached" else self.durable_names
        after = {path: _after_power_cut(inode, contents) for path, inode in kept.items()}
        inodes = {path: Inode(data, data) for path, data in after.items()}
        return FakeDisk(names=dict(inodes), durable_names=dict(inodes))

    def step(self, operation: str) -> None:
        if self.crash_at == len(self.operations):
            raise Crash
        self.operations.append(operation)
        if self.fail_at == len(self.operations) - 1 and operation != "append":
            raise OSError(self.failure, "made to fail")

    def make_folder(self, folder: Path) -> None:
        self.step("make_folder")

    def list(self, folder: Path) -> list[str]:
        return sorted(path.name for path in self.names if path.parent == folder)

    def read(self, path: Path) -> bytes:
        return self.names[path].cached

    def open(self, path: Path) -> "FakeAppendFile":
        self.step("open")
        return FakeAppendFile(self, self.names.setdefault(path, Inode()))

    def truncate(self, path: Path, length_bytes: int) -> None:
        self.step("truncate")
        self.names[path].cached = self.names[path].cached[:length_bytes]

    def rename(self, old: Path, new: Path) -> None:
        self.step("rename")
        self.names[new] = self.names.pop(old)

    def remove(self, path: Path) -> None:
        self.step("remove")
        del self.names[path]

    def fsync_dir(self, folder: Path) -> None:
        self.step("fsync_dir")
        self.durable_names = dict(self.names)


@dataclass
class FakeAppendFile:
    disk: FakeDisk
    inode: Inode

    def append(self, data: bytes) -> None:
        self.disk.step("append")
        if self.disk.fail_at == len(self.disk.operations) - 1:
            self.inode.cached += data[: len(data) // 2]
            raise OSError(self.disk.failure, "made to fail")
        self.inode.cached += data

    def fdatasync(self) -> None:
        self.disk.step("fdatasync")
        self.inode.durable = self.inode.cached

    def close(self) -> None:
        pass
