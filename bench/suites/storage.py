"""Synced writes: LevelDB through chainnode.store against plyvel, plyvel against a file, the vote log against
a file. All on the disk of the results folder."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import shake_256
from itertools import count
from pathlib import Path

import plyvel

from bench.suite import Group, Sizes, Suite
from bench.timing import Case
from bench.world import CHAIN_ID
from chainnode.store.database import Database, Write
from chainnode.store.votelog import VoteLog
from consensus.codec import encode
from consensus.domain import digest
from consensus.messages import Commit, Prepare

ENTRY_BYTES = 350
TURN_RECORDS = 4


@contextmanager
def _file(path: Path) -> Iterator[Callable[[bytes], None]]:
    """Append and fdatasync."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def write(data: bytes) -> None:
        written = os.write(handle, data)
        assert written == len(data)
        os.fdatasync(handle)

    try:
        yield write
    finally:
        os.close(handle)


def _database(size_bytes: int, folder: Path) -> Iterator[Group]:
    entries = max(size_bytes // ENTRY_BYTES, 1)
    noise = shake_256(b"bench").digest(entries * ENTRY_BYTES)
    serials = count()

    def writes() -> list[Write]:
        """Fresh keys every time, as a block's are."""
        serial = next(serials)
        return [
            (digest("key", b"%d/%d" % (serial, at)), noise[at * ENTRY_BYTES : (at + 1) * ENTRY_BYTES])
            for at in range(entries)
        ]

    raw = plyvel.DB(str(folder / "raw"), create_if_missing=True, paranoid_checks=True, bloom_filter_bits=10)

    def write_raw(pairs: list[Write]) -> None:
        with raw.write_batch(sync=True) as batch:
            for key, value in pairs:
                batch.put(key, value)

    database = Database(folder / "database", held_by_peers=True, bloom_bits=10)
    with closing(raw), closing(database), _file(folder / "block") as append:
        yield Group(
            "block",
            f"{entries * ENTRY_BYTES / 1e3:,.0f} kB in {entries:,} entries, one synced write",
            [
                Case("write and fdatasync", "write", 1, lambda _: append(noise), clock="wall"),
                Case(
                    "plyvel, synced batch",
                    "write",
                    1,
                    write_raw,
                    prepare=writes,
                    floor="write and fdatasync",
                    clock="wall",
                ),
                Case(
                    "store.Database.write, synced",
                    "write",
                    1,
                    database.write,
                    prepare=writes,
                    floor="plyvel, synced batch",
                    clock="wall",
                ),
            ],
        )


def _vote_log(folder: Path) -> Iterator[Group]:
    slot, signature = digest("slot", b"bench"), bytes(64)
    votes: list[Prepare | Commit] = []
    for sequence in range(TURN_RECORDS // 2):
        votes.append(Prepare(0, 0, sequence, slot, 1, signature))
        votes.append(Commit(0, 0, sequence, slot, 1, signature))
    records = [encode(vote) for vote in votes]
    joined = b"".join(records)
    log, _, damage = VoteLog.open(folder / "votes", CHAIN_ID)
    assert damage is None

    def turn(_: object) -> None:
        log.append(records)
        log.sync()

    with closing(log), _file(folder / "turns") as append:
        yield Group(
            "turn",
            f"a turn of {TURN_RECORDS} votes, {len(joined)} bytes",
            [
                Case("write and fdatasync", "turn", 1, lambda _: append(joined), clock="wall"),
                Case(
                    "vote log, append and sync",
                    "turn",
                    1,
                    turn,
                    floor="write and fdatasync",
                    clock="wall",
                ),
            ],
        )


def build(sizes: Sizes, folder: Path) -> Iterator[Group]:
    yield from _database(sizes.write_bytes, folder)
    yield from _vote_log(folder)


SUITE = Suite("storage", "Synced writes", build)
