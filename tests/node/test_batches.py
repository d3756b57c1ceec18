"""Batches at work: on disk before they count, checked before they are kept, bounded for each peer."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest
from msgspec import structs

from chainnode.ledger.transaction import BatchBody, SignedBatch, Submission, batch_digest
from chainnode.net.wire import Batch, BatchMissing, BatchOffer, BatchRequest
from chainnode.node.batches import REQUESTS_PER_TURN, Batches
from chainnode.node.network import Network
from chainnode.node.peers import Peers
from chainnode.node.turn import BatchStored
from chainnode.vault.keys import verify
from consensus.codec import decode, encode
from consensus.ready import Relay
from consensus.types import BatchRef
from genesis.errors import OperatorError
from tests.ledger.scene import Scene
from tests.node.failures import DISK_FULL
from tests.node.lone import Lone
from tests.node.stand_ins import Log, signing_key, stopped, until
from tests.node.wires import Inputs, Wires


class Node:
    """Member 0 of four, with links to the others. `threaded`: long batches are checked in threads."""

    def __init__(self, lone: Lone | None = None, *, threaded: bool = False) -> None:
        self.lone = lone or Lone()
        self.wires, self.driver, self.log = Wires(3), Inputs(), Log()
        founding = self.lone.chain.founding
        self.network = Network(
            member=0,
            chain_id=founding.chain_id,
            replica_sets=lambda _: founding.replica_set(),
            frame_bytes=1_048_576,
            transport=self.wires,
            engine=SimpleNamespace(),  # type: ignore[arg-type]
            driver=self.driver,  # type: ignore[arg-type]
            verify=verify,
            peers=Peers((1, 2, 3), 2_000, self.log),  # type: ignore[arg-type]
            own_keys=[],
            log=self.log,
        )
        self.batches = Batches(
            member=0,
            genesis=SimpleNamespace(chain_id=founding.chain_id, parameters=self.lone.parameters),  # type: ignore[arg-type]
            validator=signing_key("validator 0"),
            store=self.lone.store,  # type: ignore[arg-type]
            rows=self.lone.rows,  # type: ignore[arg-type]
            executor=self.lone.executor,
            driver=self.driver,  # type: ignore[arg-type]
            network=self.network,
            verify=verify,
            threaded=threaded,
            log=self.log,
        )
        self.batches.register()

    async def link(self, *peers: int) -> None:
        for peer in peers:
            await self.batches._on_link(peer, True)

    @property
    def ready(self) -> list[BatchRef]:
        return [item.ref for item in self.driver.taken if isinstance(item, BatchStored)]

    def submit(self, submission: Submission) -> str:
        return self.batches.submit(submission, "steward", self.lone.chain.height + 100)

    async def comes(self, batch: SignedBatch, peer: int = 1) -> None:
        await self.batches._on_batch(peer, Batch(encode(batch)))


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    node = Node()
    await node.link(1, 2, 3)
    running = asyncio.create_task(node.batches.run())
    yield node
    await stopped(running)


def enrolment(node: Node) -> Submission:
    """A transaction with a row."""
    payload, row = Scene(node.lone.chain).enrolment("ada")
    return node.lone.chain.submission(node.lone.chain.stewards[0], payload, [row])


async def test_a_submission_is_stored_with_its_rows_then_ready_and_pushed_to_all(node: Node):
    submission = enrolment(node)
    assert node.submit(submission) == ""
    await until(lambda: len(node.wires.frames(Batch)) == 3)
    [ref] = node.ready
    stored = node.lone.store.get_batch(ref.digest)
    assert stored is not None and node.lone.rows.get(submission.rows[0].digest()) == submission.rows[0]
    pushed = decode(node.wires.frames(Batch, 2)[0].batch, SignedBatch, limit_bytes=1_000_000)
    assert pushed == SignedBatch(stored.body, stored.signature, submission.rows)


async def test_nothing_is_announced_that_a_crash_could_lose(monkeypatch: pytest.MonkeyPatch):
    node = Node()
    await node.link(1)
    order: list[str] = []
    put = node.lone.store.put_batches
    monkeypatch.setattr(node.lone.store, "put_batches", lambda b: order.append("stored") or put(b))
    offer = node.wires.try_send
    monkeypatch.setattr(node.wires, "try_send", lambda *a: order.append("sent") or offer(*a))
    running = asyncio.create_task(node.batches.run())
    node.submit(node.lone.department("surgery"))
    await until(lambda: len(order) >= 2)
    assert order[:2] == ["stored", "sent"]
    await stopped(running)


async def test_a_disk_that_is_full_ends_the_node_with_the_operators_error(monkeypatch: pytest.MonkeyPatch):
    node = Node()
    await node.link(1)

    def fail(_: object) -> None:
        raise DISK_FULL

    monkeypatch.setattr(node.lone.store, "put_batches", fail)
    node.submit(node.lone.department("surgery"))
    with pytest.raises(OperatorError):
        async with asyncio.timeout(60):
            await node.batches.run()
    assert not node.ready and not node.wires.frames(Batch), "nothing counts, nothing is announced"


@pytest.mark.parametrize("threaded", [False, True])
async def test_a_good_batch_of_a_peer_is_kept_and_ready(threaded: bool):
    node = Node(threaded=threaded)
    running = asyncio.create_task(node.batches.run())
    batch, ref = node.lone.batch(*(node.lone.department(f"d{n}") for n in range(60)), origin=1)
    await node.comes(batch)
    await until(lambda: node.ready == [ref])
    assert node.lone.store.has_batch(ref.digest)
    await node.comes(batch)
    assert node.ready == [ref], "once"
    await stopped(running)


async def test_a_batch_that_breaks_a_rule_is_not_kept(node: Node):
    good, _ = node.lone.batch(node.lone.department("surgery"), origin=1)
    with_row, _ = node.lone.batch(enrolment(node), origin=1)
    other, _ = node.lone.batch(node.lone.department("surgery"), origin=2)
    broken = [
        structs.replace(good, signature=bytes(64)),
        structs.replace(good, signature=other.signature),
        structs.replace(with_row, rows=()),
        structs.replace(good, body=good.body + b"\x00"),
        structs.replace(good, body=encode(BatchBody(9, 1, 50, ()))),
    ]
    for batch in broken:
        await node.comes(batch)
    await node.batches._on_batch(1, Batch(b"\xc1"))
    assert node.log.said("batch refused") == len(broken) + 1
    node.submit(node.lone.department("oncology"))
    await until(lambda: len(node.ready) == 1)
    assert all(not node.lone.store.has_batch(batch_digest(batch.body)) for batch in broken)


async def test_a_batch_that_is_asked_for_is_served_with_its_rows_or_said_to_be_missing(node: Node):
    node.submit(enrolment(node))
    await until(lambda: len(node.ready) == 1)
    digest = node.ready[0].digest
    node.wires.sent.clear()
    await node.batches._on_request(2, BatchRequest(digest))
    await node.batches._on_request(3, BatchRequest(bytes(32)))
    await until(lambda: len(node.wires.sent) == 2)
    served = decode(node.wires.frames(Batch, 2)[0].batch, SignedBatch, limit_bytes=1_000_000)
    assert batch_digest(served.body) == digest and len(served.rows) == 1
    assert node.wires.frames(BatchMissing, 3) == [BatchMissing(bytes(32))]


async def test_a_batch_with_an_erased_row_is_missing(node: Node):
    submission = enrolment(node)
    node.submit(submission)
    await until(lambda: len(node.ready) == 1)
    node.lone.rows.erase([submission.rows[0].digest()])
    node.wires.sent.clear()
    await node.batches._on_request(2, BatchRequest(node.ready[0].digest))
    await until(lambda: bool(node.wires.sent))
    assert node.wires.frames(BatchMissing, 2)


async def test_a_flood_of_requests_reads_a_batch_once_a_turn_and_stops_at_a_full_queue(
    monkeypatch: pytest.MonkeyPatch,
):
    node = Node()
    await node.link(1, 2, 3)
    refs = [node.lone.stored(node.lone.department(f"d{n}")) for n in range(3)]
    for _ in range(1_000):
        for ref in refs:
            await node.batches._on_request(1, BatchRequest(ref.digest))
    assert len(node.batches._pending) <= REQUESTS_PER_TURN + 3
    read: list[bytes] = []
    get = node.lone.store.get_batch
    monkeypatch.setattr(node.lone.store, "get_batch", lambda digest: read.append(digest) or get(digest))
    running = asyncio.create_task(node.batches.run())
    await until(lambda: len(node.wires.frames(Batch, 1)) == 3)
    assert len(read) == 3
    node.wires.full = {1}
    for ref in refs:
        await node.batches._on_request(1, BatchRequest(ref.digest))
    await node.batches._on_request(2, BatchRequest(refs[0].digest))
    await until(lambda: len(node.wires.frames(Batch, 2)) == 1)
    assert len(read) == 5, "one for the peer that takes nothing, one for the other"
    await stopped(running)


async def test_a_push_that_found_no_room_is_handed_over_when_the_primary_lacks_it(node: Node):
    node.wires.full = {1}
    node.submit(node.lone.department("surgery"))
    await until(lambda: len(node.wires.frames(Batch)) == 2)
    node.wires.full = set()
    node.batches.relay([Relay(node.ready[0], 1)])
    node.batches.relay([Relay(node.ready[0], 2)])
    await until(lambda: bool(node.wires.frames(Batch, 1)))
    assert len(node.wires.frames(Batch, 2)) == 1, "it has been given it"


async def test_offered_batches_are_asked_for_unless_they_are_here(node: Node):
    ref = node.lone.stored(node.lone.department("surgery"))
    await node.batches._on_offer(2, BatchOffer((ref.digest, bytes(32))))
    await until(lambda: bool(node.wires.frames(BatchRequest)))
    assert node.wires.frames(BatchRequest, 2) == [BatchRequest(bytes(32))]


async def test_a_wanted_batch_is_fetched_or_told_to_be_here(node: Node):
    here = node.lone.stored(node.lone.department("surgery"))
    batch, there = node.lone.batch(node.lone.department("oncology"), origin=1)
    node.batches.want([here, there], [1, 2])
    await until(lambda: node.ready == [here] and bool(node.wires.frames(BatchRequest, 1)))
    await node.comes(batch)
    await until(lambda: node.ready == [here, there])


async def test_a_batch_that_a_proven_block_names_is_taken_whoever_made_it(node: Node):
    """A node that is behind may know the origin's key no longer, or not yet: it would never get on."""
    batch, ref = node.lone.batch(node.lone.department("surgery"), origin=1)
    foreign = structs.replace(batch, signature=bytes(64))
    await node.comes(foreign)
    assert node.log.said("batch refused") == 1 and not node.ready
    node.batches.want_certified([ref], [1])
    await node.comes(foreign)
    await until(lambda: node.ready == [ref])
    other, _ = node.lone.batch(node.lone.department("oncology"), origin=1)
    await node.comes(structs.replace(other, signature=bytes(64)))
    assert node.log.said("batch refused") == 2, "no other batch is"


async def test_after_a_start_unordered_batches_are_ready_again_and_ordered_ones_are_not():
    lone = Lone()
    ordered = lone.stored(lone.department("surgery"))
    waiting = lone.stored(lone.department("oncology"))
    lone.executor.execute(lone.decided(ordered))
    node = Node(lone)
    await node.batches.recover()
    assert node.ready == [waiting]


async def test_a_batch_that_is_ordered_during_the_recovery_is_not_made_ready(monkeypatch: pytest.MonkeyPatch):
    lone = Lone()
    refs = sorted((lone.stored(lone.department(f"d{n}")) for n in range(2)), key=lambda ref: ref.digest)
    node = Node(lone)

    async def order_the_second(item: object) -> None:
        node.driver.taken.append(item)  # type: ignore[arg-type]
        lone.executor.execute(lone.decided(refs[1]))

    monkeypatch.setattr(node.driver, "put", order_the_second)
    await node.batches.recover()
    assert node.ready == [refs[0]]


async def test_what_f_and_one_peers_do_not_have_of_a_proven_block_is_lost(node: Node):
    lost: list[int] = []
    node.batches.on_lost = lost.append
    _, proven = Lone().batch(node.lone.department("d1"))
    _, other = Lone().batch(node.lone.department("d2"))
    node.batches.want_certified([proven], [1, 2, 3])
    for peer in (1, 1, 1):
        await node.batches._on_missing(peer, BatchMissing(proven.digest))
    for peer in (1, 2, 3):
        await node.batches._on_missing(peer, BatchMissing(other.digest))
    assert not lost, "one peer may lie, and what no proven block names may come yet"
    await node.batches._on_missing(3, BatchMissing(proven.digest))
    assert lost == [3]
