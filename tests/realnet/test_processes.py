"""Real nodes whose machines misbehave: frozen, their disk full, their folder put back to an earlier time."""

import asyncio
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from chainnode.node.config import load_config
from chainnode.store.errors import STO_FULL
from chainnode.store.votelog import VoteLog
from consensus.codec import decode
from consensus.ready import HoldRecord, Record
from genesis.document import load_genesis
from genesis.errors import OperatorError
from tests.demo.world import World
from tests.e2e.load import Load, nothing_is_lost, revive
from tests.e2e.town import eventually, level
from tests.localnet.consortium import configure
from tests.realnet.conftest import SEED, Field
from tests.realnet.testimony import Testimony

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_frozen_primary_is_replaced_and_comes_back_as_one_of_all(ground: Field) -> None:
    world = ground.world
    before = (await level(world))[0]
    pid = world.nodes.pid(before.primary)
    witness = (before.primary + 1) % 4
    async with Load(world, ground.told, SEED) as load:
        await load.more(8)
        os.kill(pid, signal.SIGSTOP)
        try:

            async def replaced() -> bool:
                return (await world.nodes.status(witness)).view > before.view

            await eventually(replaced)
            await load.more(8)
        finally:
            os.kill(pid, signal.SIGCONT)
        await load.more(8)
    await nothing_is_lost(world, ground.told)


async def test_a_folder_from_an_earlier_time_keeps_silent_until_its_votes_are_safe(
    ground: Field, tmp_path: Path
) -> None:
    world, victim = ground.world, 2
    await level(world)
    folder = load_config(world.hospitals[victim].home).store_folder
    world.nodes.stop(victim)
    shutil.copytree(folder, tmp_path / "earlier")
    await revive(world, victim)
    async with Load(world, ground.told, SEED + 1) as load:
        await load.more(24)
        world.nodes.kill(victim)
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "earlier", folder)
        world.nodes.start(victim)
        world.forget_clients(victim)

        await eventually(lambda: votes(world, victim))
    world.nodes.stop(victim)
    # It may have been over between two looks at its status: the vote log has it for good.
    chain_id = load_genesis(load_config(world.hospitals[victim].home).genesis_file).chain_id
    assert holds(folder / "votes", chain_id) > holds(tmp_path / "earlier" / "votes", chain_id)
    await revive(world, victim)
    await nothing_is_lost(world, ground.told)


def holds(folder: Path, chain_id: bytes) -> set[tuple[int, int, int]]:
    """Epoch, view and height before which the log says that its node does not vote."""
    log, records, _ = VoteLog.open(folder, chain_id, must_exist=True)
    log.close()
    said: list[Record] = [decode(one, Record, limit_bytes=len(one)) for one in records]  # type: ignore[arg-type]
    return {(one.epoch, one.view, one.height) for one in said if isinstance(one, HoldRecord)}


async def votes(world: World, number: int) -> bool:
    """Whether the node votes. The socket of one that was killed outlives it."""
    try:
        return (await world.nodes.status(number)).voting
    except OperatorError:
        return False


def mount_small(folder: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], check=True)


def unmount(folder: Path) -> None:
    subprocess.run(["umount", str(folder)], check=True)


async def test_a_node_whose_disk_is_full_stops_and_the_others_go_on(ground: Field) -> None:
    world, victim = ground.world, 1
    await level(world)
    # The reserve would stop the node before its disk is full, and that disk is smaller than the reserve.
    configure(world.hospitals[victim], "reserve_mb", 0)
    folder = load_config(world.hospitals[victim].home).store_folder
    world.nodes.stop(victim)
    aside = folder.with_name("aside")
    folder.rename(aside)
    folder.mkdir()
    mount_small(folder)
    try:
        shutil.copytree(aside, folder, dirs_exist_ok=True)
        await revive(world, victim)
        (folder / "ballast").write_bytes(bytes(shutil.disk_usage(folder).free - 65_536))
        async with Load(world, ground.told, SEED + 2) as load:
            code = await asyncio.to_thread(world.nodes.wait, victim)
            assert code == STO_FULL.exit_code
            assert STO_FULL.code in world.nodes.log_file(world.hospitals[victim]).read_text()[-2_000:]
            await load.more(12)
            (folder / "ballast").unlink()
            await revive(world, victim)
            await load.more(4)
        await nothing_is_lost(world, ground.told)
        world.nodes.stop(victim)
        shutil.rmtree(aside)
        shutil.copytree(folder, aside)
    finally:
        unmount(folder)
    folder.rmdir()
    aside.rename(folder)
    await revive(world, victim)


async def test_every_node_is_restarted_in_turn_under_load(ground: Field) -> None:
    world = ground.world
    async with Load(world, ground.told, SEED + 3) as load:
        for number in range(4):
            world.nodes.stop(number)
            await load.more(4)
            await revive(world, number)
    await nothing_is_lost(world, ground.told)


async def test_nobody_signed_two_things_for_one_place_in_all_of_this(ground: Field) -> None:
    heard = Testimony(ground.world.chain_id).read(one.home for one in ground.world.hospitals)
    assert heard.messages > 100
    assert not heard.conflicts
