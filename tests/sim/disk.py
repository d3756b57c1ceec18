"""A node's disk: the vote log's files, with a fuse that stops the node in between; the chain is in tables.py.

What was synced survives a power cut; of the rest the cut leaves all, nothing, a half, or a hole.
"""

import errno
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from chainnode.store.frames import frame_at
from tests.store.disk import CONTENTS, Crash, FakeAppendFile, FakeDisk, Inode

FOLDER = Path("/votes")


@dataclass
class Fuse:
    """Burns before the operation that comes after `left` others: Crash, or ENOSPC where `full`."""

    left: int | None = None
    full: bool = False

    def step(self) -> bool:
        """Whether the operation is to fail. Raises Crash."""
        if self.left is None:
            return False
        if self.left > 0:
            self.left -= 1
            return False
        self.left = None
        if not self.full:
            raise Crash
        return True


@dataclass
class SimInode(Inode):
    parsed: int = 0
    """Up to here the durable frames were looked at."""


@dataclass
class SimDisk(FakeDisk):
    """A FileSystem. `spoken`: every record that was ever durable here, as the send check asks for it."""

    fuse: Fuse = field(default_factory=Fuse)
    spoken: dict[bytes, None] = field(default_factory=dict)

    def step(self, operation: str) -> None:
        if self.fuse.step():
            raise OSError(errno.ENOSPC, "made to fail")

    def open(self, path: Path) -> "SimAppendFile":
        self.step("open")
        return SimAppendFile(self, self.names.setdefault(path, SimInode()))

    def killed(self) -> "SimDisk":
        return SimDisk(
            names=dict(self.names), durable_names=dict(self.durable_names), fuse=self.fuse, spoken=self.spoken
        )

    def power_cut(self, contents: str, names: str) -> "SimDisk":
        left = FakeDisk.power_cut(self, contents, names)
        return self._made_of({path: inode.durable for path, inode in left.names.items()})

    def cut_at_random(self, random: Random) -> "SimDisk":
        return self.power_cut(random.choice(CONTENTS), random.choice(("durable", "cached")))

    def snapshot(self) -> dict[Path, bytes]:
        """What a copy of the disk holds."""
        return {path: inode.durable for path, inode in self.durable_names.items()}

    def rolled_back(self, snapshot: dict[Path, bytes]) -> "SimDisk":
        """The disk as a copy of earlier, put in its place."""
        return self._made_of(snapshot)

    def bit_flipped(self, random: Random) -> "SimDisk":
        """One bit of what is on the disk is another."""
        contents = self.snapshot()
        path = random.choice(sorted(contents))
        data = bytearray(contents[path])
        if data:
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)
        return self._made_of({**contents, path: bytes(data)})

    def _made_of(self, contents: dict[Path, bytes]) -> "SimDisk":
        inodes: dict[Path, Inode] = {path: SimInode(data, data) for path, data in contents.items()}
        return SimDisk(names=dict(inodes), durable_names=inodes, fuse=self.fuse, spoken=self.spoken)

    def note_durable(self, inode: Inode) -> None:
        """Take note of the records that a sync has just made durable."""
        assert isinstance(inode, SimInode)
        at = min(inode.parsed, len(inode.durable))
        while (frame := frame_at(inode.durable, at)) is not None:
            self.spoken[frame.payload] = None
            at += frame.size_bytes
        inode.parsed = at


@dataclass
class SimAppendFile(FakeAppendFile):
    disk: SimDisk

    def append(self, data: bytes) -> None:
        try:
            self.disk.step("append")
        except OSError:
            self.inode.cached += data[: len(data) // 2]
            raise
        self.inode.cached += data

    def fdatasync(self) -> None:
        self.disk.step("fdatasync")
        self.inode.durable = self.inode.cached
        self.disk.note_durable(self.inode)
