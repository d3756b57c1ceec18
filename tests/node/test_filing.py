"""Receipts get on chain without anybody's waiting for it."""

import asyncio

import pytest

from chainnode.ledger.payloads import Payload, ShareReceipt
from chainnode.node.filing import AGAIN_MS, Filing
from genesis.errors import OperatorError
from tests.ledger.world import digest32, id16
from tests.node.failures import DISK_FULL
from tests.node.stand_ins import Clock, Log


def receipt(name: str) -> ShareReceipt:
    return ShareReceipt(id16(name), 5, 0, "provider", 3, digest32(name))


class Chain:
    """Takes note of what is submitted; answers as `code` says, once `open`."""

    def __init__(self, code: str = "ok") -> None:
        self.code = code
        self.submitted: list[Payload] = []
        self.open = asyncio.Event()
        self.clock, self.height = Clock(), 5
        self.filing = Filing(self.submit_own, lambda: self.height, Log(), self.clock)

    async def submit_own(self, payload: Payload) -> str:
        self.submitted.append(payload)
        await self.open.wait()
        return self.code


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_receipt_under_way_is_not_filed_again():
    chain = Chain()
    running = asyncio.create_task(chain.filing.run())
    for _ in range(3):
        chain.filing.file(receipt("one"))
        await settle()
    assert chain.submitted == [receipt("one")]
    running.cancel()
    assert isinstance((await asyncio.gather(running, return_exceptions=True))[0], asyncio.CancelledError)


async def test_one_that_waits_for_its_certificate_does_not_hold_up_another():
    chain = Chain()
    running = asyncio.create_task(chain.filing.run())
    chain.filing.file(receipt("one"))
    chain.filing.file(receipt("two"))
    await settle()
    assert chain.submitted == [receipt("one"), receipt("two")]
    running.cancel()


async def test_one_that_is_pending_is_not_filed_again_while_the_chain_stands_still():
    chain = Chain("pending")
    chain.open.set()
    running = asyncio.create_task(chain.filing.run())
    for _ in range(5):
        chain.filing.file(receipt("one"))
        await settle()
        chain.clock.pass_ms(AGAIN_MS)
    assert len(chain.submitted) == 1
    chain.height += 1
    chain.filing.file(receipt("one"))
    await settle()
    assert len(chain.submitted) == 2
    running.cancel()


@pytest.mark.parametrize("code", ["busy", "not-permitted", "ok"])
async def test_one_that_did_not_come_to_stand_is_taken_again_after_a_while(code: str):
    chain = Chain(code)
    chain.open.set()
    running = asyncio.create_task(chain.filing.run())
    chain.filing.file(receipt("one"))
    await settle()
    chain.filing.file(receipt("one"))
    await settle()
    assert len(chain.submitted) == 1
    chain.clock.pass_ms(AGAIN_MS)
    chain.filing.file(receipt("one"))
    await settle()
    assert len(chain.submitted) == 2
    running.cancel()


async def test_an_error_of_the_disk_ends_it():
    chain = Chain()

    async def fail(_: Payload) -> str:
        raise DISK_FULL

    chain.filing = Filing(fail, lambda: 5, Log(), chain.clock)
    chain.filing.file(receipt("one"))
    with pytest.raises(ExceptionGroup) as caught:
        await chain.filing.run()
    assert caught.group_contains(OperatorError)
