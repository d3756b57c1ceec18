"""A node that has nothing takes over a snapshot from real peers, some of which lie, and votes again."""

import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from chainnode.cli.actions.departments import add_department
from chainnode.node.api import NotFound, StatusReport
from chainnode.node.config import CONFIG_NAME
from chainnode.vault.keys import SigningKey
from genesis.errors import OperatorError
from tests.demo.world import World
from tests.e2e.impostor import Log
from tests.e2e.lying_node import tell
from tests.e2e.town import RUN, eventually, level, synthetic, town
from tests.localnet.consortium import Consortium

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENTS = 2
BLOCKS = 60
JOINER, OTHER = 2, 3
OTHERS = (0, 1, 3)
MAY_LIE = ("-m", "tests.e2e.lying_node")


def configure(consortium: Consortium, number: int, key: str, value: int | str) -> None:
    """Set a key that the file shows as a comment."""
    file = consortium.hospitals[number].home / CONFIG_NAME
    lines = file.read_text().splitlines()
    [at] = [n for n, line in enumerate(lines) if line.lstrip("# ").startswith(f"{key} = ")]
    lines[at] = f"{key} = {value}" if isinstance(value, int) else f'{key} = "{value}"'
    file.write_text("\n".join(lines) + "\n")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(consortium: Consortium, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    configure(consortium, JOINER, "join_gap", 40)
    bundles = synthetic(tmp_path_factory.mktemp("bundles"), PATIENTS)
    async with town(consortium, bundles, command=MAY_LIE) as made:
        made.nodes.command = RUN  # the node that joins is none that could lie
        await commits(made, BLOCKS, "before")
        yield made


async def commits(world: World, count: int, label: str) -> None:
    """So many blocks more, by departments of hospital D."""
    client = await world.client(OTHER)
    for number in range(count):
        await add_department(client, world.stewards[OTHER], SigningKey.generate().public, f"{label}-{number}")


def forget_everything(world: World) -> Path:
    """Stop the node and empty its folder: chain, votes, rows."""
    home = world.hospitals[JOINER].home
    world.nodes.stop(JOINER)
    world.forget_clients(JOINER)
    shutil.rmtree(home / "store")
    return home


async def report_of(world: World) -> StatusReport | None:
    """None while it is being opened anew."""
    try:
        return await world.nodes.status(JOINER)
    except OperatorError:
        return None


async def votes_again(world: World, label: str) -> None:
    number = 0

    async def voting() -> bool:
        nonlocal number
        number += 1
        await commits(world, 4, f"{label}-{number}")
        now = await report_of(world)
        return now is not None and now.voting

    await eventually(voting)
    await level(world)


def said(log: Log, what: str) -> int:
    return sum(line["event"] == what for line in log.lines())


async def report_of_height(world: World, height: int) -> bool:
    report = await report_of(world)
    return report is not None and report.height >= height


@pytest.mark.parametrize("lie", ["height", "certificate"])
async def test_peers_that_lie_about_a_snapshot_are_dropped_and_named_and_another_serves(
    world: World, lie: str
) -> None:
    before = (await level(world))[0]
    homes = [hospital.home for hospital in world.hospitals]
    tell(homes[0], "chunk")
    tell(homes[1], lie)
    tell(homes[OTHER], "silent")  # so that the liars are asked, however slow they are
    forget_everything(world)
    log = Log(world.nodes.log_file(world.hospitals[JOINER]))
    world.nodes.start(JOINER)

    def dropped() -> list[tuple[object, str]]:
        lines = [line for line in log.lines() if line["event"] == "peer dropped from the snapshot"]
        return sorted((line["member"], line["reason"].partition(":")[0]) for line in lines)

    async def both() -> bool:
        return len(dropped()) >= 2

    try:
        await eventually(both)
        tell(homes[OTHER], "")
        await eventually(lambda: report_of_height(world, before.height))
    finally:
        for home in homes:
            tell(home, "")
    names = [hospital.id for hospital in world.hospitals]
    assert dropped() == [(names[0], "a part of the state"), (names[1], "an offer that proves nothing")]
    await level(world)


async def test_a_node_with_an_empty_folder_joins_by_snapshot_and_votes(world: World) -> None:
    before = (await level(world))[0]
    forget_everything(world)
    log = Log(world.nodes.log_file(world.hospitals[JOINER]))
    world.nodes.start(JOINER)

    async def complete() -> bool:
        return said(log, "snapshot complete") == 1

    await eventually(complete)
    await eventually(lambda: report_of_height(world, before.height))
    await level(world)
    own = await world.client(JOINER)
    with pytest.raises(NotFound, match="pruned"):
        await own.block(1)
    await votes_again(world, "after")
    assert await report_of_height(world, before.height + 1)


async def test_a_node_that_was_killed_while_it_joined_goes_on(world: World) -> None:
    before = (await level(world))[0]
    forget_everything(world)
    log = Log(world.nodes.log_file(world.hospitals[JOINER]))
    world.nodes.start(JOINER)

    async def begun() -> bool:
        return said(log, "taking over a snapshot") >= 1

    await eventually(begun)
    for number in OTHERS:
        os.kill(world.nodes.pid(number), signal.SIGSTOP)
    try:
        world.nodes.kill(JOINER)
    finally:
        for number in OTHERS:
            os.kill(world.nodes.pid(number), signal.SIGCONT)
    world.nodes.start(JOINER)
    await eventually(lambda: report_of_height(world, before.height))
    await level(world)
    await votes_again(world, "killed")


async def test_a_damaged_chain_is_moved_aside_and_taken_over_anew(world: World) -> None:
    before = (await level(world))[0]
    home = world.hospitals[JOINER].home
    world.nodes.stop(JOINER)
    world.forget_clients(JOINER)
    votes = sorted(path.name for path in (home / "store" / "votes").iterdir())
    (home / "store" / "chain" / "CURRENT").write_bytes(b"no such file\n")
    log = Log(world.nodes.log_file(world.hospitals[JOINER]))
    world.nodes.start(JOINER)
    await eventually(lambda: report_of_height(world, before.height))
    [line] = [line for line in log.lines() if line["event"] == "chain damaged: moved aside and fetched anew"]
    aside = Path(line["aside"])
    assert aside in list((home / "store").iterdir())
    assert votes, "they are not touched"
    report = await eventually(lambda: report_of(world))
    assert report is not None and any(str(aside) in alarm for alarm in report.alarms)

    async def held() -> bool:
        now = await report_of(world)
        return now is not None and not now.voting and "not before height" in now.why

    # The log is newer than the chain was. What the silence is for is not kept: it is not said any more where
    # the snapshot that came was as new as the log.
    await eventually(held)
    await votes_again(world, "damaged")
