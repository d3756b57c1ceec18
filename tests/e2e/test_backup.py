"""A hospital's machine is lost and restored from a backup that was made while its node worked."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from chainnode.gateway.client import GatewayClient
from chainnode.node.api import StatusReport
from genesis.errors import OperatorError
from tests.demo import applications, records, releasing
from tests.demo.world import PROVIDERS, Project, World
from tests.e2e.cli import Ended, chainnode
from tests.e2e.load import Ledger, Load, nothing_is_lost
from tests.e2e.town import eventually, synthetic, town
from tests.localnet.consortium import PASSPHRASE, Consortium

pytestmark = pytest.mark.asyncio(loop_scope="module")

VICTIM = PROVIDERS[0]
PATIENTS = 8
SEED = 77
GENEROUS_MS = 60_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(consortium: Consortium, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with town(consortium, synthetic(tmp_path_factory.mktemp("bundles"), PATIENTS)) as made:
        await records.intake(made)
        yield made


@pytest.fixture(scope="module")
def told() -> Ledger:
    return Ledger()


async def status(world: World, number: int = VICTIM) -> StatusReport:
    return await world.nodes.status(number)


async def test_a_lost_machine_comes_back_from_a_backup_of_the_running_node(
    world: World, told: Ledger, tmp_path: Path
) -> None:
    victim, file = world.hospitals[VICTIM], tmp_path / "backup"
    elsewhere = [one for one in world.patients if one.hospital != VICTIM]
    project = await _application(world)
    async with Load(world, told, SEED, elsewhere) as load:
        await load.more(6)
        made = await chainnode("backup", "create", "--home", victim.home, "--out", file, "--json")
        assert made.exit_code == 0, made
        assert made.data["node_was_running"] and made.data["slug"] == victim.id
        await load.more(12)
        at_loss = await status(world)
        world.nodes.kill(VICTIM)
        shutil.rmtree(victim.home)
        await load.more(12)
    await _restore(world, file)
    await _is_silent(world)
    async with Load(world, told, SEED + 1, elsewhere):

        async def votes() -> StatusReport | None:
            now = await status(world)
            return now if now.voting else None

        again = await eventually(votes, within_s=180.0)
        assert again.height >= at_loss.height + 16, "a window beyond what it may have voted on, at least"

        async def calm() -> bool:
            return (await status(world)).alarms == ()

        await eventually(calm)

    async def spared() -> bool:
        ended = await chainnode("status", "--home", world.hospitals[2].home, "--can-stop", "--json")
        return bool(ended.data["can_stop"])

    await eventually(spared)
    await nothing_is_lost(world, told)
    for hospital in world.hospitals:
        async with GatewayClient(hospital.socket("sysadmin")) as client:
            assert await client.evidence() == ()
    await releasing.both_sign(world, project)


async def _is_silent(world: World) -> None:
    """It follows, says why it does not vote, also after another start, and the others know that they need
    each other."""
    victim = world.hospitals[VICTIM]
    for _ in range(2):
        silent = await _started(world)
        assert not silent.voting and any("restored from a backup" in one for one in silent.alarms)
        why = await chainnode("status", "--home", victim.home, "--why", "--json")
        assert why.data["silent_because"] and len(why.data["peers"]) == 3
        spared = await eventually(lambda: _refusal(world))
        assert f"{victim.id} does not vote" in spared.stdout, spared
        world.nodes.stop(VICTIM)
    await _started(world)


async def _refusal(world: World) -> Ended | None:
    """What a neighbour answers once the victim has caught up, and it has heard that it does not vote."""
    ended = await chainnode("status", "--home", world.hospitals[2].home, "--can-stop")
    return ended if ended.exit_code == 5 and "blocks behind" not in ended.stdout else None


async def _application(world: World) -> Project:
    """Steward and heads have signed: their sealed parts lie in the provider's local rows alone."""
    project = await applications.application(world)
    for member in PROVIDERS:
        await applications.hospital_grants(world, project, member, world.of(member))
    return project


async def _restore(world: World, file: Path) -> None:
    victim = world.hospitals[VICTIM]
    ended = await chainnode("backup", "restore", file, "--home", victim.home)
    assert ended.exit_code == 0, ended
    assert "put the boot passphrase back" in ended.stdout
    (victim.home / "passphrase").write_bytes(PASSPHRASE + b"\n")
    twice = await chainnode("backup", "restore", file, "--home", victim.home)
    assert twice.error(2).code == "NOD-08"


async def _started(world: World) -> StatusReport:
    """Up and linked; it may not vote yet."""
    world.nodes.start(VICTIM)
    world.forget_clients(VICTIM)
    deadline = time.monotonic() + GENEROUS_MS / 1_000
    while True:
        try:
            report = await status(world)
            if sum(link.up for link in report.links) == 3:
                return report
        except OperatorError:  # the socket is not there yet
            assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
