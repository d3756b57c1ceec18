"""Snapshots are made beside the work, a few at a time, and served in small pieces to who asks for them."""

import asyncio
from pathlib import Path

import pytest

from chainnode.ledger.subtree import SubTree
from chainnode.net.wire import Frame, Piece, PieceMissing, PieceRequest, SnapshotOffer, SnapshotRequest
from chainnode.node import snapshots as snapshots_module
from chainnode.node.items import (
    Blocks,
    Bodies,
    FoundRows,
    History,
    Item,
    PersonalRows,
    StatePart,
    StateValue,
    Transactions,
)
from chainnode.node.snapshots import QUEUED_REQUESTS, Snapshots
from chainnode.store.pruning import Pruner
from consensus.codec import decode, encode
from consensus.types import BlockHeader, ReplicaId
from tests.node.grown import Grown, told
from tests.node.stand_ins import Clock, Log, stopped, until

FRAME_BYTES = 65_536


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots_module, "LOOK_EVERY_MS", 5)
    monkeypatch.setattr(snapshots_module, "FULL_PAUSE_MS", 5)


@pytest.fixture
def grown(tmp_path: Path):
    made = told(tmp_path / "store")
    yield made
    made.close()


class Server:
    """A node's snapshots, fed with the blocks that `grow` adds."""

    def __init__(self, grown: Grown, *, every: int = 1_000) -> None:
        self.grown, self.log, self.clock = grown, Log(), Clock()
        self.sent: list[tuple[ReplicaId, Frame]] = []
        self.queued = 0
        self.snapshots = Snapshots(
            store=grown.store,
            rows=grown.stored_rows,
            executor=grown.executor,
            every=every,
            frame_bytes=FRAME_BYTES,
            epochs=lambda epoch: () if epoch == 0 else None,
            offer=self.offer,
            queued_bytes=lambda _: self.queued,
            log=self.log,  # type: ignore[arg-type]
            clock=self.clock,
        )

    def offer(self, peer: ReplicaId, frame: Frame) -> bool:
        self.sent.append((peer, frame))
        return True

    def grow(self, count: int, *, certified: bool = True) -> None:
        for _ in range(count):
            self.grown.departments(1)
            self.snapshots.executed(self.grown.executor.tip)
            if certified:
                self.snapshots.certified(self.grown.certificate())

    def to_multiple(self, of: int) -> int:
        """Blocks until the height divides."""
        self.grow(of - self.grown.height % of)
        return self.grown.height

    async def offered(self, peer: ReplicaId = 1, above: int = 0) -> BlockHeader:
        self.sent.clear()
        await self.snapshots.on_snapshot_request(peer, SnapshotRequest(above))
        await until(lambda: bool(self.sent))
        [(to, frame)] = self.sent
        assert isinstance(frame, SnapshotOffer) and to == peer
        self.sent.clear()
        return decode(frame.header, BlockHeader, limit_bytes=4_096)

    async def content(self, height: int, item: Item) -> bytes:
        """An item, piece by piece; b"" where it is missing."""
        data, total = b"", 1
        while len(data) < total:
            self.sent.clear()
            await self.snapshots.on_request(1, PieceRequest(7, height, encode(item), len(data)))
            await until(lambda: bool(self.sent))
            [(_, frame)] = self.sent
            if isinstance(frame, PieceMissing):
                return b""
            assert isinstance(frame, Piece) and frame.offset == len(data)
            data, total = data + frame.data, frame.total
        return data


@pytest.fixture
async def server(grown: Grown):
    made = Server(grown, every=16)
    running = asyncio.create_task(made.snapshots.run())
    yield made
    await stopped(running)


async def test_one_is_made_at_every_so_many_blocks_and_two_are_alive(server: Server):
    last = server.to_multiple(16)
    server.grow(32)
    assert server.snapshots.heights == (last + 16, last + 32)


async def test_nothing_is_offered_before_its_certificate_came(server: Server):
    height = server.to_multiple(16)
    server.grow(15)
    server.grow(1, certified=False)
    assert server.snapshots.heights == (height,)
    server.snapshots.certified(server.grown.certificate())
    assert server.snapshots.heights == (height, height + 16)


async def test_where_a_later_block_was_certified_instead_the_next_one_is_taken(server: Server):
    height = server.to_multiple(16)
    server.grow(15)
    server.grow(1, certified=False)
    server.grow(1)
    assert server.snapshots.heights == (height,)
    server.grow(8)
    assert server.snapshots.heights == (height, height + 24), "at the next that divides by eight"


async def test_at_rest_the_tip_is_taken_when_somebody_asks(server: Server):
    assert server.snapshots.heights == ()
    asking = asyncio.create_task(server.offered())
    await asyncio.sleep(0.02)
    assert not asking.done(), "the chain may be moving"
    server.clock.pass_ms(500)
    header = await asking
    assert header == server.grown.headers[-1]
    assert await server.offered(2) == header, "the same for the next one"


async def test_who_is_not_behind_gets_no_offer(server: Server):
    server.to_multiple(16)
    await server.snapshots.on_snapshot_request(1, SnapshotRequest(server.grown.height))
    await server.offered(2)
    assert server.sent == []


async def test_an_old_one_is_not_offered_and_a_fresh_one_made(server: Server):
    old = server.to_multiple(16)
    server.grow(5)
    server.snapshots._every = 4
    server.clock.pass_ms(500)
    assert (await server.offered()).height == old + 5


async def test_asking_again_and_again_makes_no_new_ones(server: Server):
    height = server.to_multiple(16)
    server.grow(9)
    await server.snapshots.on_snapshot_request(1, SnapshotRequest(height))
    await server.offered(2)
    server.clock.pass_ms(500)
    await asyncio.sleep(0.05)
    assert server.snapshots.heights == (height,) and server.sent == []
    server.grow(7)
    await until(lambda: bool(server.sent))
    assert isinstance(server.sent[0][1], SnapshotOffer), "the next one is above what was asked for"


async def test_who_stands_at_the_newest_one_gets_another_where_the_blocks_above_it_are_gone(server: Server):
    height = server.to_multiple(16)
    server.grow(9)
    assert Pruner(server.grown.store).prune(height + 3, lambda: False)
    server.clock.pass_ms(500)
    assert (await server.offered(above=height)).height == height + 9


async def test_one_that_nobody_asked_for_is_given_up(server: Server):
    server.to_multiple(16)
    server.clock.pass_ms(snapshots_module.UNUSED_MS + 1)
    await until(lambda: server.snapshots.heights == ())


async def test_every_item_is_that_of_the_snapshots_height_while_the_chain_moves_on(server: Server):
    height = server.to_multiple(16)
    header = server.grown.headers[height]
    root = decode(await server.content(height, StatePart(b"")), SubTree, limit_bytes=10**6)
    server.grow(3)
    assert decode(await server.content(height, StatePart(b"")), SubTree, limit_bytes=10**6) == root
    blocks: Blocks = decode(await server.content(height, History(height)), Blocks, limit_bytes=10**7)  # type: ignore[arg-type]
    assert blocks[0][0] == header and len(blocks) > 1
    assert decode(await server.content(height, History(height + 3)), Blocks, limit_bytes=10**7) == blocks  # type: ignore[arg-type]
    genesis = server.grown.store.state_get(b"sgenesis")
    assert await server.content(height, StateValue(b"genesis")) == genesis
    assert await server.content(height, StateValue(b"nothing")) == b""
    assert await server.content(height + 1, StateValue(b"genesis")) == b"", "no snapshot of that height"


async def test_transactions_come_from_blocks_and_from_what_pruning_left(server: Server):
    height = server.to_multiple(16)
    ids = tuple(server.grown.transactions)[:40]
    data = await server.content(height, Transactions(ids))
    found: Bodies = decode(data, Bodies, limit_bytes=10**7)  # type: ignore[arg-type]
    assert [one.id() for one in found] == list(ids[: len(found)]) and found
    Pruner(server.grown.store).prune(height - 4, lambda: False)
    server.to_multiple(16)
    data = await server.content(server.grown.height, Transactions(ids))
    after: Bodies = decode(data, Bodies, limit_bytes=10**7)  # type: ignore[arg-type]
    assert 0 < len(after) < len(ids) and {one.id() for one in after} < set(ids)


async def test_rows_need_no_snapshot_and_erased_ones_are_absent(server: Server):
    first, second = list(server.grown.rows)[:2]
    server.grown.stored_rows.erase([first])
    found: list[bytes] = []
    for one in (first, second):
        rows: FoundRows = decode(
            await server.content(0, PersonalRows((one,))),
            FoundRows,  # type: ignore[arg-type]
            limit_bytes=10**6,
        )
        found += [row.digest() for row in rows]
    assert found == [second]


async def test_a_peer_that_does_not_read_gets_no_more_and_holds_up_nobody(server: Server):
    height = server.to_multiple(16)
    server.queued = snapshots_module.SERVE_QUEUE_BYTES
    for ticket in range(3 * QUEUED_REQUESTS):
        await server.snapshots.on_request(1, PieceRequest(ticket, height, encode(StatePart(b"")), 0))
    await asyncio.sleep(0.05)
    assert server.sent == []
    server.queued = 0
    await until(lambda: len(server.sent) == QUEUED_REQUESTS)
    await asyncio.sleep(0.05)
    assert len(server.sent) == QUEUED_REQUESTS, "what was too much is asked for again"


async def test_what_is_no_item_is_answered_as_missing_and_logged(server: Server):
    height = server.to_multiple(16)
    for bad in (b"\xc1", encode(StatePart(b"\x10")), encode(History(1))[:-1]):
        server.sent.clear()
        await server.snapshots.on_request(1, PieceRequest(9, height, bad, 0))
        await until(lambda: bool(server.sent))
        assert server.sent == [(1, PieceMissing(9))]
    assert server.log.said("a peer asked for no item of a snapshot") == 3


async def test_an_offset_beyond_the_end_is_missing(server: Server):
    height = server.to_multiple(16)
    await server.snapshots.on_request(1, PieceRequest(9, height, encode(StateValue(b"genesis")), 10**6))
    await until(lambda: bool(server.sent))
    assert server.sent == [(1, PieceMissing(9))]


async def test_no_snapshot_of_before_an_erasure_is_offered_or_served(server: Server):
    height = server.to_multiple(16)
    part = StatePart(b"")
    assert await server.content(height, part)
    server.grow(2)
    server.snapshots.raise_floor(height + 1)
    assert await server.content(height, part) == b""
    asking = asyncio.create_task(server.offered())
    await asyncio.sleep(0.02)
    server.clock.pass_ms(500)
    assert (await asking).height == height + 2
