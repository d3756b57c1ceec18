"""A node's disk: the vote log's files and the stores, with a fuse that stops the node in between.

What was synced survives a power cut; of the rest the cut leaves all, nothing, a half, or a hole.
"""

import errno
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from chainnode.ledger.transaction import SignedBatch
from chainnode.store.frames import frame_at
from consensus.messages import QuorumCertificate
from consensus.types import Digest
from tests.store.disk import CONTENTS, Crash, FakeAppendFile, FakeDisk, Inode
from tests.store.memory import MemoryChainStore

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


class SimStore(MemoryChainStore):
    """A chain store whose synced writes survive. Certificates are not synced: a power cut takes the last
    ones, and a synced write carries the earlier ones with it."""

    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self._fuse = fuse
        self._unsynced: list[int] = []

    def put_batches(self, batches: list[SignedBatch]) -> list[Digest]:  # type: ignore[override]
        self._fuse_step()
        self._unsynced.clear()
        return super().put_batches(batches)

    def commit_block(self, *args, **kwargs) -> None:  # type: ignore[no-untyped-def]
        self._fuse_step()
        super().commit_block(*args, **kwargs)
        self._unsynced.clear()

    def put_certificate(self, certificate: QuorumCertificate) -> None:
        self._fuse_step()
        super().put_certificate(certificate)
        self._unsynced.append(certificate.height)

    def _fuse_step(self) -> None:
        # A store that finds no room ends the node as a crash does.
        if self._fuse.step():
            raise Crash

    def power_cut(self, random: Random) -> None:
        kept = random.randint(0, len(self._unsynced))
        for height in self._unsynced[kept:]:
            self._certificates.pop(height, None)
        self._unsynced.clear()

    def copied(self) -> "SimStore":
        """What a copy of the disk holds."""
        copy = SimStore(self._fuse)
        copy.__dict__.update({name: _copy(value) for name, value in self.__dict__.items()})
        return copy

    def state(self) -> dict[bytes, bytes]:
        """The raw state, to be compared."""
        return self._state


def _copy(value):  # type: ignore[no-untyped-def]
    return value.copy() if isinstance(value, dict | list) else value
