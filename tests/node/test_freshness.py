"""Acting on fresh certificates alone, and getting one where the chain is idle."""

import asyncio

from chainnode.ledger.payloads import Barrier, Payload
from chainnode.node.freshness import AGAIN_MS, FRESH_MS, Freshness
from tests.ledger.world import GENESIS_MS, Chain
from tests.node.stand_ins import Clock, Log, SceneExecutor


class House:
    """`makes_blocks`: whether the chain answers a barrier with a certified block at the clock's time."""

    def __init__(self, *, makes_blocks: bool = True) -> None:
        self.chain, self.clock, self.log = Chain(), Clock(GENESIS_MS), Log()
        self.executor = SceneExecutor(self.chain)
        self.makes_blocks = makes_blocks
        self.submitted: list[Payload] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.freshness = Freshness(
            member=1, executor=self.executor, submit_own=self.submit_own, log=self.log, clock=self.clock
        )

    async def submit_own(self, payload: Payload) -> str:
        self.submitted.append(payload)
        await self.gate.wait()
        if not self.makes_blocks:
            return "pending"
        self.chain.commit(time_ms=self.clock.wall_ms)
        return "ok"


async def test_a_certificate_of_the_last_minute_is_fresh_and_makes_no_block():
    house = House()
    house.clock.pass_ms(FRESH_MS)
    assert await house.freshness.ensure()
    assert not house.submitted


async def test_on_an_idle_chain_a_barrier_makes_a_fresh_block():
    house = House()
    house.clock.pass_ms(FRESH_MS + 1)
    assert not house.freshness.is_fresh()
    assert await house.freshness.ensure()
    assert house.submitted == [Barrier(1)]


async def test_one_barrier_serves_all_who_ask_meanwhile():
    house = House()
    house.clock.pass_ms(FRESH_MS + 1)
    house.gate.clear()
    asking = [asyncio.create_task(house.freshness.ensure()) for _ in range(5)]
    await asyncio.sleep(0)
    house.gate.set()
    assert await asyncio.gather(*asking) == [True] * 5
    assert len(house.submitted) == 1


async def test_an_executed_block_counts_once_it_is_certified():
    house = House()
    house.clock.pass_ms(FRESH_MS + 1)
    house.executor.certified_height = 0
    assert not await house.freshness.ensure()
    assert house.executor.tip.height == 1


async def test_a_node_that_is_cut_off_is_not_fresh_and_does_not_ask_without_end():
    house = House(makes_blocks=False)
    house.clock.pass_ms(FRESH_MS + 1)
    assert not await house.freshness.ensure()
    assert not await house.freshness.ensure()
    assert len(house.submitted) == 1
    house.clock.pass_ms(AGAIN_MS)
    assert not await house.freshness.ensure()
    assert len(house.submitted) == 1, "the first one still waits to be ordered"
    house.chain.commit()
    assert not await house.freshness.ensure()
    assert len(house.submitted) == 2


async def test_a_clock_far_behind_the_chain_cannot_tell_an_old_block():
    house = House(makes_blocks=False)
    house.clock.wall_ms -= FRESH_MS + 1
    assert not await house.freshness.ensure()
    assert house.log.said("no fresh certificate, or a wrong clock: nothing is delivered meanwhile") == 1
