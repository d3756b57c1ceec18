"""`python -m bench peers`: chainnode, CometBFT and etcd, each under the load of the network suite.

What a peer needs and is not there is named with what to install, and the others are measured.
"""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.network.chain import ChainSystem
from bench.network.contest import Entry, Plan, Say, contest
from bench.network.run import MESSAGE_BYTES, describe_load
from bench.network.systems import FloorSystem, System
from bench.peers.build import MissingError
from bench.peers.systems import CometBft, Etcd, comet_program, feed_of_etcd, settings
from bench.results import VERSION, Config, Results

SUITE = "peers"


async def run_peers(folder: Path, plan: Plan, say: Say) -> Results:
    """Raises RuntimeError where a system does not start."""
    config = describe_load(plan, folder)
    started, began = datetime.now(UTC), time.monotonic()
    with TemporaryDirectory(dir=folder, prefix=".peers-") as own:
        home = Path(own)
        systems: list[System] = [FloorSystem(home / "floor", MESSAGE_BYTES), ChainSystem(home / "chain")]
        for name, find in (("cometbft", _comet), ("etcd", _etcd)):
            try:
                found, more = await asyncio.to_thread(find, home)
            except MissingError as error:
                say(f"{name} is left out. {error}")
                config[name] = f"left out: {error}"
                continue
            systems += found
            config |= more
        sweeps, figures = await contest(SUITE, [Entry(one) for one in systems], plan, say)
    return Results(
        VERSION,
        started.isoformat(timespec="seconds"),
        round(time.monotonic() - began, 1),
        config,
        tuple(figures),
        tuple(sweeps),
    )


Found = tuple[list[System], Config]


def _comet(home: Path) -> Found:
    program = comet_program()
    systems: list[System] = [
        CometBft(home / ("tuned" if tuned else "default"), MESSAGE_BYTES, program, tuned=tuned)
        for tuned in (False, True)
    ]
    return systems, settings(program)


def _etcd(home: Path) -> Found:
    etcd = Etcd(home / "etcd", MESSAGE_BYTES, feed_of_etcd())
    return [etcd], {"etcd's guarantees": "crash faults only, no signatures: not the same work"}
