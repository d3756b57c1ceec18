"""`make killsoak MINUTES=10`: nodes under load, killed with -9 in turn, then everything compared."""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from tests.demo.stage import Stage
from tests.demo.world import World
from tests.e2e.load import Ledger, Load, nothing_is_lost, revive
from tests.e2e.town import TAPPED, level, synthetic, town
from tests.localnet.consortium import found
from tests.realnet.testimony import Testimony

SEED = 5
PATIENTS = 8
BETWEEN_S = 4.0
"""From a node's return to the next kill."""
DOWN_S = (0.0, 6.0)
"""How long a killed node stays away: at random, so that it misses nothing or many blocks."""


async def killing(world: World, told: Ledger, stage: Stage, minutes: float, random: Random) -> list[int]:
    """How often each node was killed."""
    kills = [0] * len(world.hospitals)
    ends = time.monotonic() + minutes * 60
    async with Load(world, told, SEED) as load:
        while time.monotonic() < ends:
            turn = list(range(len(kills)))
            random.shuffle(turn)
            for victim in turn:
                world.nodes.kill(victim)
                kills[victim] += 1
                await asyncio.sleep(random.uniform(*DOWN_S))
                await revive(world, victim)
                await load.more(1)
                await asyncio.sleep(random.uniform(0, BETWEEN_S))
            left = max(0.0, ends - time.monotonic())
            stage.line(f"{sum(kills)} kills, {len(told.committed)} transactions committed, {left:.0f} s left")
    return kills


async def soak(folder: Path, minutes: float, seed: int, stage: Stage) -> bool:
    """Whether every promise held."""
    consortium = found(folder / "net")
    told = Ledger()
    async with town(consortium, synthetic(folder / "bundles", PATIENTS), command=TAPPED) as world:
        kills = await killing(world, told, stage, minutes, Random(seed))
        await nothing_is_lost(world, told)
        reports = await level(world)
        heard = Testimony(world.chain_id).read(one.home for one in world.hospitals)
    stage.table(
        f"kill -9 under load, {minutes:g} min, seed {seed}",
        ("hospital", "kills", "height", "state root"),
        [(one.slug, kills[one.member], one.height, one.state_root.hex()[:16]) for one in reports],
    )
    stage.line(f"{len(told.committed)} transactions answered as committed: all found on all nodes, as told")
    stage.line(
        f"{told.unknown} calls without an answer; {heard.messages} signed messages on the links looked at"
    )
    stage.line(f"keys that signed two things for one place: {len(heard.conflicts)}")
    return not heard.conflicts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=SEED)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chainnode-soak-") as folder:
        held = asyncio.run(soak(Path(folder), asked.minutes, asked.seed, Stage()))
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
