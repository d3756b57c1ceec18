"""Steps 10 and 11: receipts with all nodes down; the closing table."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

from chainnode.node.api import StatusReport
from tests.demo.stage import Stage
from tests.demo.world import World


async def figures(world: World) -> list[StatusReport]:
    return [await world.nodes.status(one.number) for one in world.hospitals]


def show_figures(stage: Stage, reports: list[StatusReport], blocks: int, transactions: int) -> None:
    """What a node cost and how long a commit took, as its own clients saw it."""
    rows = []
    for one in reports:
        # A node that was restarted and has taken nothing in since has no latencies of its own.
        p50, p95, p99 = (round(value) or None for value in one.commit_latency_ms)
        rows.append(
            (
                one.slug,
                p50,
                p95,
                p99,
                round(one.rss_bytes / 1e6),
                round(one.disk_bytes / 1e6, 1),
                round(one.first_commit_ms / 1e3, 1),
            )
        )
    stage.table(
        f"{blocks} blocks, {transactions} transactions; commit latency to the certificate, by hospital",
        (
            "hospital",
            "p50 (ms)",
            "p95 (ms)",
            "p99 (ms)",
            "RSS (MB)",
            "disk (MB)",
            "start to first commit (s)",
        ),
        rows,
    )


async def count(world: World) -> tuple[int, Counter[str]]:
    """Blocks, and transactions by kind, read from the chain."""
    client = await world.client(world.hospitals[-1].number, "sysadmin")
    height = (await client.status()).height
    kinds: Counter[str] = Counter()
    for at in range(1, height + 1):
        kinds.update(kind for _, kind, _ in (await client.block(at)).transactions)
    return height, kinds


def _verify(receipt: Path, genesis: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "chainnode.cli.main", "verify", str(receipt), "--genesis", str(genesis)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def offline(world: World) -> None:
    """All nodes down: the genesis file and a receipt are all that is needed."""
    stage = world.stage
    stage.title(10, "Receipts, with all nodes down")
    world.nodes.stop()
    rows = []
    for name in ("hospital-alone", "both"):
        ended = _verify(world.receipts[name], world.consortium.genesis_file)
        assert ended.returncode == 0, ended.stderr
        rows.append((world.receipts[name].name, "verified", ended.returncode))
    flipped = world.receipts["both"].with_name("flipped.receipt")
    data = bytearray(world.receipts["both"].read_bytes())
    data[len(data) // 2] ^= 1
    flipped.write_bytes(data)
    ended = _verify(flipped, world.consortium.genesis_file)
    assert ended.returncode == 8, (ended.returncode, ended.stderr)
    rows.append((f"{flipped.name} (one bit of byte {len(data) // 2})", "does not verify", ended.returncode))
    stage.table("chainnode verify, offline", ("receipt", "answer", "exit code"), rows)
    stage.look(f"chainnode verify {world.receipts['both']} --genesis {world.consortium.genesis_file}")
