"""The vote log over a disk that loses what was not synced, cut off before every single operation."""

import errno
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainnode.store.frames import FRAME_OVERHEAD_BYTES
from chainnode.store.votelog import Damage, VoteLog
from genesis.errors import OperatorError
from tests.store.disk import CONTENTS, Crash, FakeDisk, Inode

FOLDER = Path("/votes")
CHAIN_ID = bytes(32)
POWER_CUTS = tuple(product(CONTENTS, ("durable", "cached")))


@dataclass
class Promise:
    """What a later start must find: `synced` and perhaps, in order, the beginning of `appended`; or,
    while a rotation is under way, `rotating` alone."""

    synced: list[bytes] = field(default_factory=list)
    appended: list[bytes] = field(default_factory=list)
    rotating: list[bytes] | None = None

    def allows(self, found: list[bytes]) -> bool:
        fresh = found[len(self.synced) :]
        kept = found[: len(self.synced)] == self.synced and fresh == self.appended[: len(fresh)]
        return kept or found == self.rotating


def work(log: VoteLog, promise: Promise) -> None:
    """Appends, syncs and rotations; `promise` says at every moment what must survive."""

    def append(*records: bytes) -> None:
        promise.appended += records
        log.append(records)

    def sync() -> None:
        log.sync()
        promise.synced, promise.appended = promise.synced + promise.appended, []

    def rotate(*kept: bytes) -> None:
        promise.rotating = list(kept)
        log.rotate(kept)
        promise.synced, promise.appended, promise.rotating = list(kept), [], None

    append(b"a1" * 40, b"a2" * 40)
    sync()
    append(b"b1" * 90)
    append(b"b2" * 90, b"b3" * 9)
    sync()
    rotate(b"a2" * 40, b"b3" * 9)
    append(b"c1" * 20)
    sync()
    append(b"c2" * 20)
    rotate()
    append(b"d1", b"d2" * 300)


def start(disk: FakeDisk, promise: Promise) -> VoteLog:
    """Open; from then on everything that was handed back must survive."""
    log, records, damage = VoteLog.open(FOLDER, CHAIN_ID, disk)
    assert damage is None
    assert promise.allows(records)
    promise.synced, promise.appended, promise.rotating = records, [], None
    return log


def operations_of(disk: FakeDisk) -> int:
    work(start(disk, Promise()), Promise())
    return len(disk.operations)


def crashed(at: int) -> tuple[FakeDisk, Promise]:
    disk, promise = FakeDisk(crash_at=at), Promise()
    with pytest.raises(Crash):
        work(start(disk, promise), promise)
    return disk, promise


TOTAL = operations_of(FakeDisk())


@pytest.mark.parametrize(("contents", "names"), POWER_CUTS)
def test_a_power_cut_at_any_operation_loses_nothing_that_was_synced(contents, names):
    for at in range(TOTAL):
        disk, promise = crashed(at)
        after = disk.power_cut(contents, names)
        log = start(after, promise)
        log.append([b"more"])
        log.sync()
        promise.synced.append(b"more")
        start(after.power_cut("lost", "durable"), promise)


def test_what_a_start_handed_back_after_a_kill_survives_a_power_cut():
    for at in range(TOTAL):
        disk, promise = crashed(at)
        killed = disk.killed()
        log = start(killed, promise)
        log.append([b"more"])
        log.sync()
        promise.synced.append(b"more")
        start(killed.power_cut("lost", "durable"), promise)


@pytest.mark.parametrize(("contents", "names"), POWER_CUTS)
def test_a_second_power_cut_during_the_start_loses_nothing(contents, names):
    for at in range(TOTAL):
        disk, promise = crashed(at)
        for second in range(6):
            again = disk.power_cut(contents, names)
            again.crash_at = second
            held = Promise(promise.synced, promise.appended, promise.rotating)
            try:
                start(again, held)
            except Crash:
                start(again.power_cut(contents, names), held)


@pytest.mark.parametrize("failure", [errno.ENOSPC, errno.EIO])
def test_a_failed_operation_poisons_the_log_and_a_new_start_finds_what_was_synced(failure):
    code = "STO-03" if failure == errno.ENOSPC else "STO-04"
    for at in range(TOTAL):
        disk, promise = FakeDisk(fail_at=at, failure=failure), Promise()
        log = None
        with pytest.raises(OperatorError, match=code):
            log = start(disk, promise)
            work(log, promise)
        if log is not None:
            for refused in (log.sync, lambda log=log: log.append([b"x"]), lambda log=log: log.rotate([])):
                with pytest.raises(OperatorError, match="STO-07"):
                    refused()
        start(disk.killed(), promise)


def test_a_sync_is_one_fdatasync_and_nothing_else():
    disk = FakeDisk()
    log = start(disk, Promise())
    done = len(disk.operations)
    log.append([b"one", b"two"])
    log.sync()
    assert disk.operations[done:] == ["append", "fdatasync"]


def test_a_rotation_syncs_the_new_file_and_its_name_before_the_old_one_goes():
    disk = FakeDisk()
    log = start(disk, Promise())
    done = len(disk.operations)
    log.rotate([b"kept"])
    assert disk.operations[done:] == [
        "open",
        "append",
        "fdatasync",
        "rename",
        "fsync_dir",
        "remove",
        "fsync_dir",
    ]


@settings(deadline=None)
@given(where=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255), cut=st.booleans())
def test_a_changed_byte_never_comes_back_as_a_record(where, mask, cut):
    disk = FakeDisk()
    log, _, _ = VoteLog.open(FOLDER, CHAIN_ID, disk)
    written = [bytes([i]) * (10 * i) for i in range(1, 9)]
    for record in written:
        log.append([record])
        log.sync()
    ((_, inode),) = disk.names.items()
    at = int(where * len(inode.cached))
    changed = bytes([inode.cached[at] ^ mask])
    inode.cached = inode.cached[:at] + changed + (b"" if cut else inode.cached[at + 1 :])
    _, records, damage = VoteLog.open(FOLDER, CHAIN_ID, disk)
    assert records == written[: len(records)]
    if not cut and at < len(inode.cached) - len(written[-1]) - FRAME_OVERHEAD_BYTES:
        # A later record vouches that the changed one had been synced.
        assert damage is not None


@settings(deadline=None)
@given(data=st.binary(max_size=200))
def test_a_file_of_any_bytes_is_damage_and_nothing_worse(data):
    path = FOLDER / "votes-0000000001.log"
    disk = FakeDisk(names={path: Inode(data, data)})
    _, records, damage = VoteLog.open(FOLDER, CHAIN_ID, disk)
    assert (records, damage) == ([], Damage(path.name, 0, 0))
