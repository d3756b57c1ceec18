"""Four daemons whose genesis says that they link over TLS: they commit, one is killed, it catches up."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from chainnode.cli.actions.base import submit
from chainnode.gateway.client import GatewayClient
from chainnode.ledger.payloads import AddDepartment
from genesis import files
from genesis.document import encode_body, encode_file, load_genesis
from genesis.model import TLS
from tests.demo.world import World
from tests.e2e.load import revive
from tests.e2e.town import level, town
from tests.genesis.consortium import public
from tests.localnet.consortium import Consortium, hand_out, sign_genesis

pytestmark = pytest.mark.asyncio(loop_scope="module")

KILLED = 3


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(consortium: Consortium) -> AsyncIterator[World]:
    chosen = replace(load_genesis(consortium.genesis_file), transport=TLS)
    files.write_file(consortium.genesis_file, encode_file(encode_body(chosen), {}))
    for hospital in consortium.hospitals:
        sign_genesis(consortium.genesis_file, hospital)
    hand_out(consortium.genesis_file, consortium.hospitals)
    async with town(consortium) as made:
        yield made


async def department(world: World, name: str) -> int:
    """The height of a transaction of hospital 0's steward."""
    async with GatewayClient(world.hospitals[0].socket("steward")) as client:
        payload = AddDepartment(0, name, public(name))
        return (await submit(client, payload, world.stewards[0].signing)).height


async def test_a_network_over_tls_commits_and_a_member_that_was_killed_catches_up(world: World) -> None:
    await department(world, "cardiology")
    before = await level(world)
    assert all(link.up for one in before for link in one.links)
    world.nodes.kill(KILLED)
    for name in ("neurology", "oncology", "urology"):
        height = await department(world, name)
    await revive(world, KILLED)
    after = await level(world)
    assert all(one.height >= height > before[0].height for one in after)
    for hospital in world.hospitals:
        lines = map(json.loads, world.nodes.log_file(hospital).read_text().splitlines())
        assert not [one for one in lines if one["level"] == "error"]
