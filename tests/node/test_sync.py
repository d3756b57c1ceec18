"""Catch-up over links: proven blocks, their batches, and nothing for peers that ask for work."""

import asyncio
from collections.abc import Sequence

import pytest

from chainnode.ledger.transaction import SignedBatch
from chainnode.net.wire import Blocks, BlocksPruned, BlocksRequest, Frame, Status
from chainnode.node import catchup as catchup_module
from chainnode.node import sync as sync_module
from chainnode.node.driver import Synced
from chainnode.node.sync import Sync
from chainnode.node.turn import Input
from consensus.codec import decode
from consensus.ready import Behind
from consensus.types import BatchRef, ReplicaId
from tests.ledger.world import verify
from tests.node.lone import Lone
from tests.node.stand_ins import Log, stopped, until


class Node:
    """A node with its chain in memory. Blocks that are put in are executed, as the driver does."""

    def __init__(self, blocks: int = 0) -> None:
        self.lone, self.log = Lone(), Log()
        self.offered: list[tuple[ReplicaId, Frame]] = []
        self.wanted: list[list[BatchRef]] = []
        self.runs: list[int] = []
        self.checked = 0
        self.unlinked: set[ReplicaId] = set()
        for number in range(blocks):
            self.lone.execute(self.lone.department(f"d{number}"))
            self.lone.certify()
        self.sync = Sync(
            chain_id=self.lone.chain.chain_id,
            replica_sets=lambda _: self.lone.chain.founding.replica_set(),
            parameters=self.lone.parameters,
            store=self.lone.store,  # type: ignore[arg-type]
            executor=self.lone.executor,
            driver=self,  # type: ignore[arg-type]
            verify=self.verify,
            offer=self.offer,
            want=self.want,
            log=self.log,
        )

    def verify(self, key: bytes, signed: bytes, signature: bytes) -> bool:
        self.checked += 1
        return verify(key, signed, signature)

    def offer(self, peer: ReplicaId, frame: Frame) -> bool:
        if peer in self.unlinked:
            return False
        self.offered.append((peer, frame))
        return True

    def want(self, refs: Sequence[BatchRef], sources: Sequence[ReplicaId]) -> None:
        self.wanted.append(list(refs))

    async def put(self, item: Input | Synced) -> None:
        assert isinstance(item, Synced)
        self.runs.append(len(item.run))
        for block in item.run:
            if block.header.height == self.lone.executor.tip.height + 1:
                self.lone.executor.execute(block.decided())
        certificate = item.run[-1].certificate
        assert certificate is not None
        self.lone.executor.certify(certificate)
        self.sync.wake()

    @property
    def asked(self) -> list[tuple[ReplicaId, BlocksRequest]]:
        return [(peer, frame) for peer, frame in self.offered if isinstance(frame, BlocksRequest)]

    def has(self, other: "Node", ref: BatchRef) -> None:
        """The batch arrives, as it was asked for."""
        stored = other.lone.store.get_batch(ref.digest)
        assert stored is not None
        self.lone.store.put_batches([SignedBatch(stored.body, stored.signature, ())])
        self.sync.wake()


async def answer(node: Node, source: Node, peer: ReplicaId, request: BlocksRequest) -> None:
    await source.sync.on_request(0, request)
    running = asyncio.create_task(source.sync.run())
    await until(lambda: any(isinstance(frame, Blocks) for _, frame in source.offered))
    await stopped(running)
    [blocks] = [frame for _, frame in source.offered if isinstance(frame, Blocks)]
    source.offered.clear()
    await node.sync.on_blocks(peer, blocks)


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gap is fetched at once, and looked for often."""
    monkeypatch.setattr(sync_module, "STALL_MS", 0)
    monkeypatch.setattr(sync_module, "LOOK_EVERY_MS", 5)


async def test_a_node_behind_asks_fetches_the_batches_and_installs_up_to_the_same_root():
    node, source = Node(), Node(blocks=5)
    running = asyncio.create_task(node.sync.run())
    await node.sync.on_status(2, Status(5, 0))
    await until(lambda: bool(node.asked))
    assert node.asked[0] == (2, BlocksRequest(1, 64))
    await answer(node, source, 2, node.asked[0][1])
    await until(lambda: bool(node.wanted))
    assert len(node.wanted[0]) == 5, "of all blocks that are here at once"
    for ref in node.wanted[0]:
        node.has(source, ref)
    await until(lambda: node.sync.height == 5)
    assert node.lone.executor.tip == source.lone.executor.tip
    await stopped(running)


async def test_a_node_that_is_not_behind_asks_nobody():
    node = Node(blocks=3)
    running = asyncio.create_task(node.sync.run())
    await node.sync.on_status(1, Status(3, 0))
    await node.sync.on_status(2, Status(1, 0))
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert not node.offered
    await stopped(running)


async def test_a_replica_that_saw_others_further_has_them_asked_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sync_module, "STALL_MS", 3_600_000)
    node = Node()
    running = asyncio.create_task(node.sync.run())
    await node.sync.on_status(1, Status(9, 0))
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert not node.asked, "consensus itself closes small gaps"
    node.sync.behind(Behind(9, 3))
    await until(lambda: bool(node.asked))
    await stopped(running)


async def test_a_peer_whose_blocks_prove_nothing_is_passed_over():
    node, source = Node(), Node(blocks=2)
    running = asyncio.create_task(node.sync.run())
    await node.sync.on_status(2, Status(9, 0))
    await node.sync.on_status(3, Status(2, 0))
    await until(lambda: bool(node.asked))
    await node.sync.on_blocks(2, Blocks((b"\xc1",), 9))
    await until(lambda: len(node.asked) == 2)
    assert node.asked[1][0] == 3 and node.log.said("a peer sent an unproven block") == 1
    await answer(node, source, 3, node.asked[1][1])
    await until(lambda: bool(node.wanted))
    await stopped(running)


async def test_a_peer_that_cannot_be_asked_now_is_not_waited_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(catchup_module, "ANSWER_TIMEOUT_MS", 3_600_000)
    node = Node()
    node.unlinked = {1}
    node.sync.behind(Behind(9, 1))
    await node.sync.on_status(2, Status(5, 0))
    running = asyncio.create_task(node.sync.run())
    await until(lambda: bool(node.asked))
    assert node.asked == [(2, BlocksRequest(1, 64))] and node.log.said("catching up") == 1
    await stopped(running)


async def test_blocks_that_nobody_asked_for_are_not_even_verified():
    node, source = Node(), Node(blocks=2)
    await answer(node, source, 1, BlocksRequest(1, 64))
    assert node.checked == 0 and node.sync.claimed(1) == 2


async def test_a_claim_is_only_a_reason_to_ask():
    node = Node()
    await node.sync.on_status(1, Status(2**53, 0))
    assert node.sync.height == 0 and node.sync.claimed(1) == 2**53
    await node.sync.on_link(1, False)
    assert node.sync.claimed(1) == 0


async def test_a_flood_of_requests_is_one_answer_to_each_peer_at_a_time():
    node = Node(blocks=3)
    for first in (1, 2, 3):
        await node.sync.on_request(1, BlocksRequest(first, 64))
    await node.sync.on_request(2, BlocksRequest(1, 1))
    running = asyncio.create_task(node.sync.run())
    await until(lambda: len(node.offered) == 2)
    counts = {peer: len(frame.blocks) for peer, frame in node.offered if isinstance(frame, Blocks)}
    assert counts == {1: 1, 2: 1}, "the last one counts"
    await stopped(running)


async def test_requests_beyond_the_tip_get_the_height_alone():
    node = Node(blocks=2)
    await node.sync.on_request(1, BlocksRequest(3, 64))
    await node.sync.on_request(2, BlocksRequest(2**53, 256))
    await node.sync.on_request(3, BlocksRequest(0, 256))
    running = asyncio.create_task(node.sync.run())
    await until(lambda: len(node.offered) == 3)
    assert node.offered[:2] == [(1, Blocks((), 2)), (2, Blocks((), 2))]
    assert len(node.offered[2][1].blocks) == 2  # type: ignore[union-attr]
    await stopped(running)


def test_served_blocks_are_those_of_the_store():
    node = Node(blocks=1)
    node.sync._serve(1, BlocksRequest(1, 1))
    [(_, frame)] = node.offered
    from_store = node.lone.store.block(1)
    assert isinstance(frame, Blocks) and from_store is not None
    assert decode(frame.blocks[0], list, limit_bytes=100_000) is not None


async def test_blocks_that_were_pruned_are_said_to_be_and_nobody_waits_for_them():
    node, source = Node(), Node(blocks=5)
    source.lone.store.whole = 4  # type: ignore[misc]
    await source.sync.on_request(0, BlocksRequest(1, 64))
    await source.sync.on_request(1, BlocksRequest(4, 64))
    serving = asyncio.create_task(source.sync.run())
    await until(lambda: len(source.offered) == 2)
    await stopped(serving)
    assert source.offered[0] == (0, BlocksPruned(4, 5))
    assert len(source.offered[1][1].blocks) == 2  # type: ignore[union-attr]
    told: list[int] = []
    node.sync.on_pruned = told.append
    await node.sync.on_blocks_pruned(2, BlocksPruned(4, 5))
    assert told == [], "nobody asked it"
    running = asyncio.create_task(node.sync.run())
    await node.sync.on_status(2, Status(5, 0))
    await until(lambda: bool(node.asked))
    await node.sync.on_blocks_pruned(2, BlocksPruned(4, 5))
    assert told == [2]
    await stopped(running)


async def test_an_answer_without_blocks_sends_the_asker_to_the_next_peer_at_once(
    monkeypatch: pytest.MonkeyPatch,
):
    """As a node of the first version takes it, which pruned peers answer so: it has no other word for it."""
    monkeypatch.setattr(catchup_module, "ANSWER_TIMEOUT_MS", 3_600_000)
    node = Node()
    running = asyncio.create_task(node.sync.run())
    await node.sync.on_status(2, Status(9, 0))
    await node.sync.on_status(3, Status(9, 0))
    await until(lambda: bool(node.asked))
    await node.sync.on_blocks(2, Blocks((), 9))
    await until(lambda: len(node.asked) == 2)
    assert [peer for peer, _ in node.asked] == [2, 3] and not node.log.said("a peer sent an unproven block")
    await stopped(running)


async def test_no_block_is_asked_for_while_a_snapshot_is_taken_over():
    node = Node()
    node.sync.is_paused = lambda: True
    running = asyncio.create_task(node.sync.run())
    await node.sync.on_status(2, Status(5, 0))
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert not node.asked
    await stopped(running)
