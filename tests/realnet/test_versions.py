"""A rolling upgrade: nodes that speak only the older version of the frames are replaced one by one."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from chainnode.net.wire import NEWEST_VERSION, OLDEST_VERSION
from tests.demo.world import World
from tests.e2e.conftest import consortium
from tests.e2e.load import Ledger, Load, nothing_is_lost, revive
from tests.e2e.town import TAPPED, synthetic, town
from tests.localnet.consortium import Consortium
from tests.realnet.older_node import TOO_NEW_NAME
from tests.realnet.testimony import Testimony

__all__ = ["consortium"]

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEED = 31
OLDER = ("-m", "tests.realnet.older_node")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(consortium: Consortium, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    bundles = synthetic(tmp_path_factory.mktemp("bundles"), 4)
    async with town(consortium, bundles, command=OLDER) as made:
        yield made


async def test_a_network_is_upgraded_node_by_node_under_load(world: World) -> None:
    assert OLDEST_VERSION < NEWEST_VERSION
    told = Ledger()
    async with Load(world, told, SEED) as load:
        await load.more(8)
        world.nodes.command = TAPPED
        for number in range(4):
            world.nodes.stop(number)
            await load.more(4)
            await revive(world, number)
            await load.more(4)
    await nothing_is_lost(world, told)
    for hospital in world.hospitals:
        assert (hospital.home / TOO_NEW_NAME).read_text() == "", (
            "an older node was sent what it does not know"
        )
    heard = Testimony(world.chain_id).read(one.home for one in world.hospitals)
    assert heard.messages > 100 and not heard.conflicts
