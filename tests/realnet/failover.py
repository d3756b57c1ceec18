"""`make failover TRIALS=30`: the primary gets kill -9; how long until a client has a certificate again."""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from chainnode.cli.actions import consents
from chainnode.gateway.client import GatewayClient
from chainnode.ledger.documents import ConsentDocument, Provision
from chainnode.ledger.fields import SCOPE_CONSENT
from chainnode.ledger.payloads import PERMIT
from tests.demo.stage import Stage
from tests.demo.world import PURPOSE, World
from tests.e2e.load import Ledger, Load, revive
from tests.e2e.town import level, synthetic, town
from tests.localnet.consortium import found

SEED = 6
PATIENTS = 8
"""Two of each hospital: one makes load, with the other one it is measured."""


async def commit_ms(world: World, number: int) -> float:
    """Milliseconds from a consent's submission at a hospital's node to its certificate."""
    patient = world.patients_of(number)[-1]
    async with GatewayClient(world.hospitals[number].socket("steward")) as client:
        document = ConsentDocument(
            "active",
            "research",
            time.time_ns() // 1_000_000,
            Provision(PERMIT, purposes=(PURPOSE.permission,)),
        )
        started = time.monotonic()
        consent_id, _ = await consents.consent_standing(client, patient.wallet.wallet, number, document)
        took = (time.monotonic() - started) * 1e3
        await consents.revoke(client, patient.wallet.wallet, number, SCOPE_CONSENT, consent_id)
    return took


async def trial(world: World) -> tuple[float, float]:
    """Milliseconds to a certificate before the kill, and from the kill on."""
    primary = (await level(world))[0].primary
    witness = (primary + 1) % len(world.hospitals)
    usual = await commit_ms(world, witness)
    killed = time.monotonic()
    world.nodes.kill(primary)
    first = (time.monotonic() - killed) * 1e3 + await commit_ms(world, witness)
    await revive(world, primary)
    return usual, first


async def trials(folder: Path, count: int, stage: Stage) -> None:
    consortium = found(folder / "net")
    told = Ledger()
    async with town(consortium, synthetic(folder / "bundles", PATIENTS)) as world:
        busy = [world.patients_of(number)[0] for number in range(len(world.hospitals))]
        found_ms = []
        with stage.progress("kills of the primary", count) as step:
            for done in range(1, count + 1):
                async with Load(world, told, SEED + done, busy):
                    found_ms.append(await trial(world))
                step(done)
    usual, first = zip(*found_ms, strict=True)
    stage.table(
        f"Submission to certificate, kill -9 of the primary, {count} trials, default parameters",
        ("", "p50 (ms)", "max (ms)"),
        [
            ("before the kill", round(median(usual)), round(max(usual))),
            ("from the kill on", round(median(first)), round(max(first))),
        ],
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=30)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chainnode-failover-") as folder:
        asyncio.run(trials(Path(folder), asked.trials, Stage()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
