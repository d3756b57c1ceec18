"""A copied home beside the first one, then two members whose votes are gone: everybody is told."""

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from chainnode.cli.actions.base import submit
from chainnode.gateway.client import GatewayClient
from chainnode.ledger.payloads import AddDepartment
from genesis.errors import OperatorError
from tests.demo.world import World
from tests.e2e.cli import chainnode
from tests.e2e.town import RUN, eventually, town
from tests.genesis.consortium import public
from tests.localnet.consortium import Consortium, free_ports

pytestmark = pytest.mark.asyncio(loop_scope="module")

COPIED, PEER, LOST = 0, 1, (1, 2)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(consortium: Consortium) -> AsyncIterator[World]:
    async with town(consortium) as made:
        yield made


def original(world: World) -> Path:
    """The first one's home, whole and as it was when its node last voted."""
    return world.hospitals[LOST[0]].home.with_name("original")


async def blocks(world: World, number: int, count: int) -> None:
    for _ in range(count):
        ended = await chainnode("status", "--strong", "--home", world.hospitals[number].home)
        assert ended.exit_code == 0, ended


async def alarm(socket: Path, words: str) -> str:
    """The alarm with these words, once it is there."""

    async def found() -> str:
        try:
            async with GatewayClient(socket) as client:
                return next((one for one in (await client.status()).alarms if words in one), "")
        except OperatorError:  # it is still starting
            return ""

    return await eventually(found)


async def test_a_copied_home_is_told_on_both_ends_and_the_first_ones_links_stay(world: World) -> None:
    first = world.hospitals[COPIED]
    before = (await world.nodes.status(PEER)).links
    copy = first.home.with_name("copy")
    shutil.copytree(first.home, copy, ignore=shutil.ignore_patterns("run", "*.lock", "LOCK"))
    config = copy / "chainnode.toml"
    text = config.read_text()
    assert text.count(f"port = {first.port}") == 1
    config.write_text(text.replace(f"port = {first.port}", f"port = {free_ports(1)[0]}"))
    with (copy / "node.log").open("wb") as log:
        second = await asyncio.create_subprocess_exec(
            sys.executable, *RUN, "--home", str(copy), stdout=log, stderr=log
        )
    try:
        await alarm(copy / "run" / "sysadmin.sock", "another process uses this member's key")
        said = await alarm(world.hospitals[PEER].socket("sysadmin"), "connects from two processes")
        assert said.startswith(first.id)
        after = (await world.nodes.status(PEER)).links
        assert [(one.slug, one.up) for one in after] == [(one.slug, one.up) for one in before]
        await blocks(world, PEER, 1)
        log_lines = await asyncio.to_thread(world.nodes.log_file(first).read_text)
        assert '"link down"' not in log_lines, "the first one never lost a link"
    finally:
        second.terminate()
        await second.wait()


async def test_two_members_without_their_votes_are_named_by_the_others(world: World) -> None:
    await blocks(world, 0, 2)
    names = [world.hospitals[number].id for number in LOST]
    world.nodes.stop(*LOST)
    shutil.copytree(world.hospitals[LOST[0]].home, original(world), ignore=shutil.ignore_patterns("run"))
    for number in LOST:
        shutil.rmtree(world.hospitals[number].home / "store" / "votes")
    world.nodes.start(LOST[0])
    world.forget_clients(LOST[0])
    said = await alarm(world.hospitals[3].socket("sysadmin"), f"{names[0]} follows without voting")
    assert "restore, resync or re-image no other member" in said
    world.nodes.start(LOST[1])
    world.forget_clients(LOST[1])
    await alarm(world.hospitals[0].socket("sysadmin"), f"{names[0]} and {names[1]} follow without voting")
    report = await world.nodes.status(0)
    assert report.quorum_lost.startswith(f"quorum lost: 2 of 4 members vote, 3 are needed: {names[0]} and")
    why = await chainnode("status", "--why", "--home", world.hospitals[0].home)
    assert "nothing is waited for" not in why.stdout and "quorum lost: 2 of 4 members vote" in why.stdout
    with pytest.raises(OperatorError, match=r"CLI-03.*2 of 4 members vote"):
        async with GatewayClient(world.hospitals[0].socket("steward")) as client:
            payload = AddDepartment(0, "cardiology", public("head"))
            await submit(client, payload, world.stewards[0].signing, timeout_ms=1_000)
    for number in LOST:
        assert "its vote log was lost" in (await world.nodes.status(number)).why
        lines = world.nodes.log_file(world.hospitals[number]).read_text().splitlines()
        errors = [one for one in map(json.loads, lines) if one["level"] == "error"]
        assert [one["event"] for one in errors] == ["own votes missing"]


async def test_the_original_home_ends_it_and_the_other_member_votes_again_at_its_height(world: World) -> None:
    home = world.hospitals[LOST[0]].home
    world.nodes.stop(LOST[0])
    home.rename(home.with_name("aside"))
    original(world).rename(home)
    world.nodes.start(LOST[0])
    world.forget_clients(LOST[0])

    async def quorum() -> bool:
        return not (await world.nodes.status(0)).quorum_lost

    await eventually(quorum)
    await blocks(world, 0, 17)

    async def votes() -> bool:
        return (await world.nodes.status(LOST[1])).voting

    await eventually(votes)
    for number in range(4):
        async with GatewayClient(world.hospitals[number].socket("sysadmin")) as client:
            assert await client.evidence() == ()
