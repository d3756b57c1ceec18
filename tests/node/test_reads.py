"""Reading for local users: every answer waits for the certificate of what it was read from."""

import asyncio

import pytest

from chainnode.ledger import keys
from chainnode.node.api import BlockView, EventView, NotFound, ReadTimeout
from chainnode.node.reads import MAX_ENTRIES, Reads
from chainnode.node.waiters import Waiters
from consensus.codec import decode, encode
from consensus.messages import QuorumCertificate
from genesis import cbor
from tests.ledger.world import digest32, id16
from tests.node.lone import Lone
from tests.node.stand_ins import stopped, until
from tests.store.memory import MemoryChainStore

SOON_MS, FOREVER_MS = 1, 60_000


class Store(MemoryChainStore):
    def state_items(self, prefix: bytes):  # type: ignore[no-untyped-def]
        return iter(sorted((key, value) for key, value in self._state.items() if key.startswith(prefix)))


class Node:
    def __init__(self) -> None:
        self.lone = Lone()
        self.lone.store = Store()
        self.lone.opened()
        self.waiters = Waiters(0)
        self.lone.executor.watchers.append(
            lambda _, header, outcome, __: self.waiters.executed(header, outcome)
        )
        self.reads = Reads(self.lone.store, self.lone.executor, self.waiters)  # type: ignore[arg-type]

    def execute(self, name: str) -> bytes:
        submission = self.lone.department(name)
        self.lone.execute(submission)
        return submission.transaction.id()

    def certify(self) -> None:
        self.waiters.certified(self.lone.certify().height)

    async def state(
        self,
        key: bytes,
        *,
        prefix: bool = False,
        limit: int = 100,
        min_height: int = 0,
        timeout_ms: int = FOREVER_MS,
    ):  # type: ignore[no-untyped-def]
        return await self.reads.state(
            key, prefix=prefix, limit=limit, min_height=min_height, timeout_ms=timeout_ms
        )


@pytest.fixture
def node() -> Node:
    return Node()


SURGERY = keys.department(0, "surgery")


async def test_a_read_carries_the_certificate_of_what_it_was_read_from(node: Node):
    node.execute("surgery")
    reading = asyncio.create_task(node.state(SURGERY))
    await asyncio.sleep(0)
    assert not reading.done(), "executed is not certified"
    node.certify()
    result = await reading
    assert [entry.key for entry in result.entries] == [SURGERY]
    certificate = decode(result.stamp.certificate, QuorumCertificate, limit_bytes=100_000)
    header = node.lone.executor.tip
    assert (result.stamp.height, result.stamp.header_hash) == (1, header.hash())
    assert certificate.header_hash == header.hash()


async def test_a_later_certificate_stamps_what_lies_below_it(node: Node):
    node.execute("surgery")
    reading = asyncio.create_task(node.state(SURGERY))
    await asyncio.sleep(0)
    node.execute("oncology")
    node.certify()
    stamp = (await reading).stamp
    assert stamp.height == 1
    assert decode(stamp.certificate, QuorumCertificate, limit_bytes=100_000).height == 2


async def test_genesis_needs_no_certificate(node: Node):
    result = await node.state(SURGERY)
    assert result.entries == () and result.stamp.height == 0 and result.stamp.certificate == b""


async def test_a_height_that_does_not_come_in_time_is_a_timeout(node: Node):
    node.execute("surgery")
    with pytest.raises(ReadTimeout) as caught:
        await node.state(SURGERY, min_height=1, timeout_ms=SOON_MS)
    assert caught.value.rule == "min-height"
    with pytest.raises(ReadTimeout) as caught:
        await node.state(SURGERY, timeout_ms=SOON_MS)
    assert caught.value.rule == "no-certificate"
    reading = asyncio.create_task(node.state(SURGERY, min_height=1))
    await asyncio.sleep(0)
    node.certify()
    assert (await reading).stamp.height == 1


async def test_a_prefix_gives_entries_in_order_up_to_the_limit(node: Node):
    for name in ("c", "a", "b"):
        node.execute(name)
    node.certify()
    prefix = keys.department(0, "")
    everything = (await node.state(prefix, prefix=True)).entries
    assert [entry.key for entry in everything] == [keys.department(0, name) for name in "abc"]
    for limit in (0, 1, 2):
        assert (await node.state(prefix, prefix=True, limit=limit)).entries == everything[:limit]
    assert (await node.state(prefix, prefix=True, limit=MAX_ENTRIES * 2)).entries == everything


async def test_what_is_not_certified_or_not_there_is_not_found(node: Node):
    id_ = node.execute("surgery")
    for ask in (
        lambda: node.reads.block(1),
        lambda: node.reads.block(2),
        lambda: node.reads.transaction(id_),
        lambda: node.reads.transaction(digest32("none")),
        lambda: node.reads.row(digest32("none")),
        lambda: node.reads.object(id16("none")),
        lambda: node.reads.receipt_body(id16("none"), 0),
    ):
        with pytest.raises(NotFound):
            ask()
    node.certify()
    found = node.reads.transaction(id_)
    assert (found.height, found.code) == (1, "ok") and found.transaction.id() == id_
    assert node.reads.block(1).transactions == ((id_, "add-department", "ok"),)


async def test_receipts_are_found_by_height_or_the_latest_and_only_when_certified(node: Node):
    for name in ("a", "b", "c"):
        node.execute(name)
    bodies = [cbor.encode({"height": height, "rows": []}) for height in range(4)]
    for height in (1, 2, 3):
        node.lone.store.put_receipt(id16("r"), height, bodies[height])
    header = node.lone.store.header(2)
    assert header is not None
    node.waiters.certified(2)
    assert node.reads.receipt_body(id16("r"), 0) == (2, bodies[2])
    assert node.reads.receipt_body(id16("r"), 1) == (1, bodies[1])
    with pytest.raises(NotFound):
        node.reads.receipt_body(id16("r"), 3)


async def test_blocks_stream_from_a_height_on_and_end_with_who_reads_them(node: Node):
    for name in ("a", "b"):
        node.execute(name)
        node.certify()
    got: list[BlockView] = []

    async def read() -> None:
        async for block in node.reads.blocks(2):
            got.append(block)

    reading = asyncio.create_task(read())
    await until(lambda: len(got) == 1)
    node.execute("c")
    await asyncio.sleep(0)
    assert len(got) == 1
    node.certify()
    await until(lambda: len(got) == 2)
    assert [block.height for block in got] == [2, 3]
    assert got[1].header == encode(node.lone.executor.tip)
    await stopped(reading)


async def test_events_stream_in_order_and_end_with_who_reads_them(node: Node):
    got: list[EventView] = []

    async def read() -> None:
        async for event in node.reads.events(0):
            got.append(event)

    reading = asyncio.create_task(read())
    for name in ("a", "b"):
        node.execute(name)
    node.certify()
    await until(lambda: len(got) == 2)
    assert [(event.height, event.index, event.kind) for event in got] == [
        (1, 0, "department-added"), (2, 0, "department-added"),
    ]  # fmt: skip
    assert got[0].text == "department-added member=0 department=a"
    await stopped(reading)


async def test_a_stream_that_is_closed_leaves_nobody_waiting(node: Node):
    stream = node.reads.blocks(1)
    waiting = asyncio.create_task(anext(stream))
    await asyncio.sleep(0)
    await stopped(waiting)
    await stream.aclose()
    node.execute("a")
    node.certify()


async def test_what_was_pruned_is_said_to_be(node: Node):
    first, second = node.execute("one"), node.execute("two")
    node.certify()
    node.lone.store.whole = 2  # type: ignore[misc]
    assert node.reads.block(2).height == 2 and node.reads.transaction(second).height == 2
    assert node.reads.block(0).height == 0
    with pytest.raises(NotFound) as caught:
        node.reads.block(1)
    assert caught.value.rule == "pruned" and "the lowest is 2" in caught.value.detail
    with pytest.raises(NotFound) as caught:
        node.reads.transaction(first)
    assert caught.value.rule == "pruned"
    with pytest.raises(NotFound) as caught:
        node.reads.transaction(digest32("unknown"))
    assert caught.value.rule == "unknown-transaction" and "pruned" in caught.value.detail
    with pytest.raises(NotFound, match="pruned"):
        await anext(node.reads.blocks(1))
