"""`python -m bench network`: four nodes against the floor, with the gateway's curve and a commit's stages."""

import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.config import describe_machine
from bench.curves import NodeStages, Sweep
from bench.network.chain import PATIENTS, ChainSystem, GatewayRoad
from bench.network.contest import Entry, Plan, Say, contest, measure_point, sweep
from bench.network.systems import FloorSystem, System
from bench.results import VERSION, Config, Results

MESSAGE_BYTES = 206
"""As long as a patient's revocation with its signature: every system is given messages of this length."""
SUITE = "network"


def describe_load(plan: Plan, folder: Path) -> Config:
    return {
        **describe_machine(folder),
        "replicas": "4 processes on the loopback, the load's process on the same cores",
        "load": f"open loop, {plan.warm_s:g} s warm, {plan.measured_s:g} s measured, "
        f"{plan.rounds} interleaved rounds; latency from the moment a transaction was due",
        "transaction bytes": MESSAGE_BYTES,
        "chainnode's transactions": f"revocations by {PATIENTS} patients, each signed and checked",
    }


async def run_network(folder: Path, plan: Plan, say: Say) -> Results:
    """Raises RuntimeError where a system does not start."""
    config = describe_load(plan, folder)
    started, began = datetime.now(UTC), time.monotonic()
    stages: list[NodeStages] = []
    roads: list[Sweep] = []
    with TemporaryDirectory(dir=folder, prefix=".network-") as own:
        chain = ChainSystem(Path(own) / "chain")
        floor: System = FloorSystem(Path(own) / "floor", MESSAGE_BYTES)

        async def while_up(found: Sweep) -> None:
            await chain.begin_stages()
            await measure_point(chain, plan.load(found.knee_per_s / 2), say, "stages at half the knee")
            stages.extend(await chain.stages())
            async with GatewayRoad(chain) as gateway:
                roads.append(await sweep(SUITE, gateway, plan, say))

        entries = [Entry(floor), Entry(chain, while_up)]
        sweeps, figures = await contest(SUITE, entries, plan, say)
    return Results(
        VERSION,
        started.isoformat(timespec="seconds"),
        round(time.monotonic() - began, 1),
        config,
        tuple(figures),
        tuple([*sweeps, *roads]),
        tuple(stages),
    )
