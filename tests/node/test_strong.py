"""Strong reads: few barriers for many readers, and none that was ordered before its reader asked."""

import asyncio

import pytest

from chainnode.ledger.payloads import Barrier, Payload
from chainnode.node.api import Outcome, ReadTimeout, Refused, SubmitResult
from chainnode.node.strong import StrongReads

FOREVER_MS = 60_000


class Chain:
    """Orders each barrier when the test opens the gate."""

    def __init__(self) -> None:
        self.height = 10
        self.submitted: list[Payload] = []
        self.gate = asyncio.Event()
        self.answer: SubmitResult | None = None

    async def submit(self, payload: Payload, timeout_ms: int) -> SubmitResult:
        self.submitted.append(payload)
        await self.gate.wait()
        self.height += 1
        return self.answer or SubmitResult(b"", Outcome.COMMITTED, self.height, "ok")


async def test_all_who_wait_when_a_barrier_is_submitted_share_it():
    chain = Chain()
    reads = StrongReads(2, chain.submit)
    asking = [asyncio.create_task(reads.height(FOREVER_MS)) for _ in range(200)]
    await asyncio.sleep(0)
    chain.gate.set()
    assert set(await asyncio.gather(*asking)) == {11}
    assert chain.submitted == [Barrier(2)]


async def test_who_comes_while_a_barrier_is_under_way_waits_for_the_next_one():
    chain = Chain()
    reads = StrongReads(2, chain.submit)
    first = asyncio.create_task(reads.height(FOREVER_MS))
    await asyncio.sleep(0.01)
    later = [asyncio.create_task(reads.height(FOREVER_MS)) for _ in range(200)]
    await asyncio.sleep(0.01)
    assert len(chain.submitted) == 1, "one at a time"
    chain.gate.set()
    assert await first == 11
    assert set(await asyncio.gather(*later)) == {12}
    assert reads.barriers == len(chain.submitted) == 2
    assert await reads.height(FOREVER_MS) == 13, "and it begins again after a pause"


async def test_a_reader_who_gives_up_does_not_hold_up_the_others():
    chain = Chain()
    reads = StrongReads(2, chain.submit)
    with pytest.raises(ReadTimeout) as gone:
        await reads.height(5)
    assert gone.value.rule == "no-barrier"
    waiting = asyncio.create_task(reads.height(FOREVER_MS))
    await asyncio.sleep(0)
    chain.gate.set()
    assert await waiting == 12


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (SubmitResult(b"", Outcome.PENDING), ReadTimeout),
        (SubmitResult(b"", Outcome.BUSY, detail="full"), Refused),
        (SubmitResult(b"", Outcome.TURNED_AWAY, code="not-permitted"), Refused),
        (SubmitResult(b"", Outcome.COMMITTED, 11, "replayed"), Refused),
    ],
)
async def test_without_a_certified_barrier_nothing_is_answered(answer: SubmitResult, error: type[Refused]):
    chain = Chain()
    chain.answer = answer
    chain.gate.set()
    with pytest.raises(Refused) as refused:
        await StrongReads(2, chain.submit).height(FOREVER_MS)
    assert type(refused.value) is error and refused.value.rule == "no-barrier"
