"""A process that is killed in the middle of its work loses nothing that it was told is stored."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from chainnode.ledger.transaction import Row
from chainnode.store.chain import ChainStore
from chainnode.store.rows import RowStore
from chainnode.store.votelog import VoteLog
from tests.store.blocks import CHAIN_ID, extend, start

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = 40


def row_of(height: int) -> Row:
    return Row(height.to_bytes(32, "big"), b"text of the row")


def work_until_killed(home: Path) -> None:
    """For ever: a vote, a row, a block; then its height on standard output."""
    log, _, _ = VoteLog.open(home / "votes", CHAIN_ID)
    rows = RowStore(home / "rows", CHAIN_ID)
    store = ChainStore(home / "store", CHAIN_ID)
    start(store)
    while True:
        height = store.tip().height + 1
        log.append([height.to_bytes(8, "big")])
        log.sync()
        rows.put([row_of(height)])
        extend(store, count=20)
        if height % 15 == 0:
            log.rotate([(height - 1).to_bytes(8, "big"), height.to_bytes(8, "big")])
        os.write(1, f"{height}\n".encode())


def test_votes_rows_and_blocks_survive_kill_9(tmp_path):
    script = f"from tests.store.test_kill import *; work_until_killed(Path({str(tmp_path)!r}))"
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as worker:
        acknowledged = 0
        while acknowledged < BLOCKS:
            acknowledged = int(worker.stdout.readline())
        worker.send_signal(signal.SIGKILL)
    log, records, damage = VoteLog.open(tmp_path / "votes", CHAIN_ID)
    voted = [int.from_bytes(record, "big") for record in records]
    rows = RowStore(tmp_path / "rows", CHAIN_ID)
    store = ChainStore(tmp_path / "store", CHAIN_ID)
    tip = store.tip()
    assert damage is None and tip.height >= acknowledged
    # A vote is durable before its block, and the block before the next vote.
    assert voted == list(range(voted[0], voted[-1] + 1)) and 0 <= voted[-1] - tip.height <= 1
    assert all(rows.get(row_of(height).digest()) for height in range(1, tip.height + 1))
    assert all(store.block(height).header.height == height for height in range(tip.height + 1))
    extend(store)
    for opened in (log, rows, store):
        opened.close()
