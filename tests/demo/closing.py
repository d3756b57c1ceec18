"""Steps 11 and 12: receipts with all nodes down; what it took, and where to look."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chainnode.node.api import StatusReport
from tests.demo.faults import Killed
from tests.demo.stage import Stage
from tests.demo.world import World
from tests.localnet.shown import chainnode, shown


@dataclass(frozen=True, slots=True)
class Figures:
    """At the end, before the nodes go down: what each says of itself, and what the chain holds."""

    reports: list[StatusReport]
    blocks: int
    transactions: int


async def figures(world: World) -> Figures:
    reports = [await world.nodes.status(one.number) for one in world.hospitals]
    blocks, kinds = await count(world)
    return Figures(reports, blocks, sum(kinds.values()))


def show_figures(
    stage: Stage, title: str, latencies: Sequence[StatusReport], reports: Sequence[StatusReport]
) -> None:
    """What a node cost, and how long a commit took as its own clients saw it, by hospital; the latencies
    may be of an earlier report."""
    rows = [
        (
            now.slug,
            *map(round, then.commit_latency_ms),
            round(now.rss_bytes / 1e6),
            round(now.disk_bytes / 1e6, 1),
            round(now.first_commit_ms / 1e3, 1),
        )
        for then, now in zip(latencies, reports, strict=True)
    ]
    columns = ("hospital", "p50 ms", "p95 ms", "p99 ms", "RSS MB", "disk MB", "first commit s")
    stage.table(title, columns, rows)
    stage.line("p50, p95, p99: latency of a commit, from submission to the certificate")
    stage.line("first commit: from the start of the process")


def what_it_took(world: World, killed: Killed, found: Figures) -> None:
    stage = world.stage
    stage.title(12, "What it took")
    show_figures(
        stage,
        f"{found.blocks} blocks, {found.transactions} transactions",
        killed.before,
        found.reports,
    )
    victim = world.hospitals[killed.victim].id
    stage.line(f"these latencies end at the kill of step 8; the commit after it took {killed.took_s:.1f} s")
    stage.line(f"first commit of {victim}: from its restart in step 8")


def look_around(world: World, workspace: Path) -> None:
    """Commands that need no node."""
    stage, genesis = world.stage, world.consortium.genesis_file
    stage.gap()
    stage.line("The main job is done and the nodes are down. What still works:")
    stage.look(chainnode("genesis", "show", genesis))
    for name in ("both", "hospital-alone"):
        stage.look(chainnode("verify", world.receipts[name], "--genesis", genesis))
    stage.look(f"ls {shown(workspace)}")
    stage.look(f"head -c 400 {shown(sorted(workspace.rglob('*.ndjson'))[0])}")
    stage.look(f"tail -n 3 {shown(world.nodes.log_file(world.hospitals[0]))}")
    stage.line("For nodes that keep running: make localnet, then the tour in README.md")


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
    # In a session of its own: Ctrl-C is for the demo, which then says so in one line.
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, start_new_session=True
    )


async def offline(world: World) -> None:
    """All nodes down: the genesis file and a receipt are all that is needed."""
    stage = world.stage
    stage.title(11, "Receipts, with all nodes down")
    world.stop()
    rows = []
    for name in ("hospital-alone", "both"):
        ended = await asyncio.to_thread(_verify, world.receipts[name], world.consortium.genesis_file)
        assert ended.returncode == 0, ended.stderr
        rows.append((world.receipts[name].name, "verified", ended.returncode))
    flipped = world.receipts["both"].with_name("flipped.receipt")
    data = bytearray(world.receipts["both"].read_bytes())
    data[len(data) // 2] ^= 1
    flipped.write_bytes(data)
    ended = await asyncio.to_thread(_verify, flipped, world.consortium.genesis_file)
    assert ended.returncode == 8, (ended.returncode, ended.stderr)
    rows.append((f"{flipped.name} (one bit of byte {len(data) // 2})", "does not verify", ended.returncode))
    stage.table("chainnode verify, offline", ("receipt", "answer", "exit code"), rows)
