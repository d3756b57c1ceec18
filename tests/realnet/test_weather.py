"""Real nodes on a bad network: delay, loss, partitions, links that carry one way only."""

import asyncio
from collections.abc import Sequence

import pytest

from tests.demo.world import World
from tests.e2e.load import Load, nothing_is_lost
from tests.e2e.town import eventually, level
from tests.realnet.conftest import SEED, Field
from tests.realnet.testimony import Testimony

pytestmark = pytest.mark.asyncio(loop_scope="module")

STILL_S = 2.5
"""How long nothing may move without a quorum: more than two timeouts of a view."""


async def heights(world: World, numbers: Sequence[int]) -> list[int]:
    return [(await world.nodes.status(number)).height for number in numbers]


async def settled(ground: Field) -> None:
    """The network is whole again: links come up, everybody levels, nothing committed is missing."""
    ground.lan.heal()
    await ground.world.nodes.ready()
    await nothing_is_lost(ground.world, ground.told)


async def test_fifty_milliseconds_and_five_percent_of_packets_lost_only_slow_the_chain(ground: Field) -> None:
    before = (await level(ground.world))[0]
    ground.lan.weather(delay_ms=50, loss=0.05)
    async with Load(ground.world, ground.told, SEED) as load:
        await load.more(24)
    after = (await level(ground.world))[0]
    assert after.height > before.height
    await settled(ground)


async def test_of_two_halves_neither_commits_and_the_healed_chain_goes_on(ground: Field) -> None:
    async with Load(ground.world, ground.told, SEED + 1) as load:
        await load.more(8)
    ground.lan.partition([0, 1], [2, 3])
    before = max(await heights(ground.world, range(4)))
    async with Load(ground.world, ground.told, SEED + 2) as load:
        await asyncio.sleep(STILL_S)
        still = await heights(ground.world, range(4))
        # A block whose votes were under way when the cut came may still have been certified on one side.
        assert max(still) <= before + 1
        ground.lan.heal()
        await load.more(8)
    await settled(ground)


async def test_a_member_that_is_cut_off_misses_blocks_and_catches_up(ground: Field) -> None:
    before = (await level(ground.world))[0].height
    ground.lan.partition([0, 1, 2], [3])
    async with Load(ground.world, ground.told, SEED + 3) as load:
        await load.more(16)
        assert (
            (await ground.world.nodes.status(3)).height
            <= before + 1
            < max(await heights(ground.world, range(3)))
        )
    await settled(ground)


async def test_a_primary_that_hears_and_is_not_heard_is_replaced(ground: Field) -> None:
    before = (await level(ground.world))[0]
    others = [number for number in range(4) if number != before.primary]
    ground.lan.weather(cut=[(before.primary, other) for other in others])
    async with Load(ground.world, ground.told, SEED + 4) as load:
        await load.more(12)

        async def replaced() -> bool:
            return (await ground.world.nodes.status(others[0])).view > before.view

        await eventually(replaced)
    await settled(ground)


async def test_nobody_signed_two_things_for_one_place_in_all_of_this(ground: Field) -> None:
    heard = Testimony(ground.world.chain_id).read(one.home for one in ground.world.hospitals)
    assert heard.messages > 100
    assert not heard.conflicts
