"""Snapshots of the state, made while the node runs, and served in pieces.

A snapshot is a moment of the chain folder (LevelDB keeps what is replaced meanwhile), the header of its
height and that block's own certificate. One is made at every height that divides by `every`, so that peers
have the same one, and when somebody asks and the last is too far back. At most two are alive.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from structlog.stdlib import BoundLogger

from chainnode.ledger.epochs import EpochProof
from chainnode.ledger.subtree import SubTreeError, cut_subtree
from chainnode.ledger.transaction import BatchBody, Row, SignedTransaction
from chainnode.net.wire import (
    Frame,
    Piece,
    PieceMissing,
    PieceRequest,
    SnapshotOffer,
    SnapshotRequest,
)
from chainnode.node.clock import now
from chainnode.node.complaints import Complaints
from chainnode.node.executor import Executor
from chainnode.node.items import (
    History,
    Item,
    PersonalRows,
    StatePart,
    StateValue,
    Transactions,
    rows_at_once,
)
from chainnode.node.threads import in_thread
from chainnode.store.chain import ChainStore
from chainnode.store.port import RowStorePort
from chainnode.store.reading import FrozenChain, StoredBody
from consensus.codec import DecodeError, decode, encode
from consensus.messages import QuorumCertificate
from consensus.types import BlockHeader, Digest, Now, ReplicaId

ALIVE = 2
ALIGN = 8
"""One that is asked for is made at a height that divides by this, so that peers which are asked at the same
time make the same one; on a chain that stands still, at its tip."""
FRESH_BLOCKS = 1_000
"""One that is at most so many blocks old, and at most `every`, is offered rather than a new one made: else
whoever asks again and again would take the snapshot away from those that are fetching it."""
STILL_MS = 500
UNUSED_MS = 3_600_000
"""One that nobody asked for in this time is given up."""
QUEUED_REQUESTS = 16
"""Of each peer. An honest one has a few under way, and asks again."""
SERVE_QUEUE_BYTES = 1_048_576
"""Nothing more goes into the queue to a peer that has not taken out so much yet."""
LOOK_EVERY_MS, FULL_PAUSE_MS = 250, 20
CACHED_BATCHES = 8


@dataclass(slots=True)
class Snapshot:
    """`certificate` is None until it came; nothing is offered before."""

    header: BlockHeader
    chain: FrozenChain
    certificate: QuorumCertificate | None
    used_ms: int


class Snapshots:
    def __init__(
        self,
        *,
        store: ChainStore,
        rows: RowStorePort,
        executor: Executor,
        every: int,
        frame_bytes: int,
        epochs: Callable[[int], EpochProof | None],
        offer: Callable[[ReplicaId, Frame], bool],
        queued_bytes: Callable[[ReplicaId], int],
        log: BoundLogger,
        clock: Callable[[], Now] = now,
    ) -> None:
        """`epochs`: the proof of an epoch; `queued_bytes`: what waits in the queue to a peer."""
        self._store = store
        self._rows = rows
        self._executor = executor
        self._every = every
        self._limit = frame_bytes // 2
        self._epochs = epochs
        self._offer = offer
        self._queued_bytes = queued_bytes
        self._log = log
        self._clock = clock
        self._complaints = Complaints(log, clock)
        self._alive: list[Snapshot] = []
        self._pending: Snapshot | None = None
        self._given_up: list[Snapshot] = []
        self._asking: dict[ReplicaId, int] = {}
        self._requests: dict[ReplicaId, deque[PieceRequest]] = {}
        self._wanted = False
        self._floor = 0
        self._moved_ms = clock().monotonic_ms
        self._batches: dict[Digest, BatchBody] = {}
        self._last_body: tuple[FrozenChain, int, StoredBody | None] | None = None
        self._wake = asyncio.Event()

    @property
    def heights(self) -> tuple[int, ...]:
        """Of the snapshots that are alive."""
        return tuple(snapshot.header.height for snapshot in self._alive)

    # Making

    def executed(self, header: BlockHeader) -> None:
        """A block was executed and stored, and nothing more: the store is that of its height."""
        self._moved_ms = self._clock().monotonic_ms
        due = header.height % self._every == 0 or (self._wanted and header.height % ALIGN == 0)
        if due and self._pending is None:
            self._pending = self._frozen(header)

    def certified(self, certificate: QuorumCertificate) -> None:
        pending = self._pending
        if pending is None or certificate.height < pending.header.height:
            return
        self._pending = None
        if certificate.height == pending.header.height:
            self._publish(pending, certificate)
        else:
            # A later block's vouches for it, and a snapshot is offered with its own: the next one will do.
            self._given_up.append(pending)
            self._wanted = True

    def raise_floor(self, height: int) -> None:
        """Rows were erased at `height`: who takes over an older snapshot would have to execute blocks that
        need them. None of before is offered or served any more."""
        self._floor = max(self._floor, height)
        self._given_up += [one for one in self._alive if one.header.height < self._floor]
        self._alive = [one for one in self._alive if one.header.height >= self._floor]

    def _frozen(self, header: BlockHeader) -> Snapshot:
        return Snapshot(header, self._store.freeze(), None, self._clock().monotonic_ms)

    def _publish(self, snapshot: Snapshot, certificate: QuorumCertificate) -> None:
        snapshot.certificate = certificate
        self._alive.append(snapshot)
        self._given_up += self._alive[:-ALIVE]
        del self._alive[:-ALIVE]
        self._wanted = False
        self._log.info("snapshot made", height=certificate.height)
        self._wake.set()

    def _make_at_rest(self) -> None:
        """On a chain that stands still the tip is certified, and no block will come to make one at."""
        tip, certified = self._executor.tip, self._executor.certified
        still = self._clock().monotonic_ms - self._moved_ms >= STILL_MS
        if not self._wanted or self._pending is not None or not still or certified is None:
            return
        if certified.height == tip.height:
            self._publish(self._frozen(tip), certified)

    def _give_up_unused(self) -> None:
        """Called by `run` alone, between two pieces: nobody reads what is closed."""
        limit_ms = self._clock().monotonic_ms - UNUSED_MS
        self._given_up += [one for one in self._alive if one.used_ms < limit_ms]
        self._alive = [one for one in self._alive if one.used_ms >= limit_ms]
        given_up, self._given_up = self._given_up, []
        for snapshot in given_up:
            snapshot.chain.close()

    # Serving

    async def on_snapshot_request(self, peer: ReplicaId, frame: SnapshotRequest) -> None:
        self._asking[peer] = frame.above
        self._wake.set()

    async def on_request(self, peer: ReplicaId, frame: PieceRequest) -> None:
        """Answered by `run`, one of each peer in turn."""
        queue = self._requests.setdefault(peer, deque())
        if len(queue) < QUEUED_REQUESTS:
            queue.append(frame)
            self._wake.set()

    async def on_link(self, peer: ReplicaId, up: bool) -> None:
        self._asking.pop(peer, None)
        self._requests.pop(peer, None)

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                self._give_up_unused()
                self._make_at_rest()
                self._answer_askers()
                if await self._serve_round():
                    continue
                waiting = any(self._requests.values())
                try:
                    async with asyncio.timeout((FULL_PAUSE_MS if waiting else LOOK_EVERY_MS) / 1000):
                        await self._wake.wait()
                except TimeoutError:
                    continue
                finally:
                    self._wake.clear()
        finally:
            pending = [] if self._pending is None else [self._pending]
            for snapshot in [*self._alive, *self._given_up, *pending]:
                snapshot.chain.close()
            self._alive, self._given_up, self._pending = [], [], None

    def _answer_askers(self) -> None:
        certified = self._executor.certified
        height = 0 if certified is None else certified.height
        newest = self._alive[-1] if self._alive else None
        for peer, above in list(self._asking.items()):
            if height <= above:
                del self._asking[peer]
            elif newest is None or self._is_stale(newest, height) or self._brings_nothing(newest, above):
                self._wanted = True
            elif newest.header.height > above:
                newest.used_ms = self._clock().monotonic_ms
                del self._asking[peer]
                self._offer_to(peer, newest)

    def _is_stale(self, newest: Snapshot, height: int) -> bool:
        behind = height - newest.header.height
        return newest.header.height < self._floor or behind > min(self._every, FRESH_BLOCKS)

    def _brings_nothing(self, newest: Snapshot, above: int) -> bool:
        """Whoever stands at the newest snapshot, or between it and the lowest block here, gets neither."""
        return newest.header.height <= above and above + 1 < self._store.whole

    def _offer_to(self, peer: ReplicaId, snapshot: Snapshot) -> None:
        proof = self._epochs(snapshot.header.epoch)
        if proof is None:
            self._log.warning("no snapshot is offered: steps of its epochs are not here", peer=peer)
        else:
            header, certificate = encode(snapshot.header), encode(snapshot.certificate)
            self._offer(peer, SnapshotOffer(header, certificate, encode(proof)))

    async def _serve_round(self) -> bool:
        """One answer to each peer that has room for it; whether any went out."""
        served = False
        for peer in list(self._requests):
            if self._requests.get(peer) and self._queued_bytes(peer) < SERVE_QUEUE_BYTES:
                request = self._requests[peer].popleft()
                self._offer(peer, await self._answer(peer, request))
                served = True
        return served

    async def _answer(self, peer: ReplicaId, request: PieceRequest) -> Frame:
        try:
            item: Item = decode(request.item, Item, limit_bytes=len(request.item))  # type: ignore[arg-type]
            snapshot = next((one for one in self._alive if one.header.height == request.height), None)
            if isinstance(item, PersonalRows):
                found = await in_thread(lambda: encode(list(self._found_rows(item))))
                return Piece(request.ticket, 0, len(found), found)
            if snapshot is None:
                return PieceMissing(request.ticket)
            snapshot.used_ms = self._clock().monotonic_ms
            chosen, part = snapshot, item
            content = await in_thread(lambda: self._content(chosen, part))
        except (DecodeError, SubTreeError) as error:
            self._complaints.warn(peer, "a peer asked for no item of a snapshot", reason=str(error))
            return PieceMissing(request.ticket)
        piece = content[request.offset : request.offset + self._limit]
        if not piece:
            return PieceMissing(request.ticket)
        return Piece(request.ticket, request.offset, len(content), piece)

    def _found_rows(self, item: PersonalRows) -> Iterator[Row]:
        for digest in item.digests[: rows_at_once(self._limit)]:
            row = self._rows.get(digest)
            if row is not None:
                yield row

    def _content(self, snapshot: Snapshot, item: StatePart | StateValue | History | Transactions) -> bytes:
        """Whole; b"" where it is not in the snapshot. In a thread."""
        chain = snapshot.chain
        if isinstance(item, StatePart):
            part = cut_subtree(chain.state_get, chain.state_items, item.prefix, self._limit)
            return encode(part) if part.node or part.entries else b""
        if isinstance(item, StateValue):
            return chain.state_get(b"s" + item.key) or b""
        if isinstance(item, History):
            return _joined(self._history(snapshot, item.top), self._limit)
        found = (self._transaction(chain, id_) for id_ in item.ids)
        return _joined((one for one in found if one is not None), self._limit)

    @staticmethod
    def _history(snapshot: Snapshot, top: int) -> Iterator[object]:
        height = min(top, snapshot.header.height)
        while height > 0:
            header, body = snapshot.chain.header(height), snapshot.chain.body(height)
            if header is None or body is None:
                return
            yield header, body
            height -= 1

    def _transaction(self, chain: FrozenChain, id_: Digest) -> SignedTransaction | None:
        found = chain.find_transaction(id_)
        body = None if found is None else self._body(chain, found[0])
        if found is None or body is None:
            return chain.kept_transaction(id_)
        index = found[1]
        for ref in body.refs:
            batch = self._batch(chain, ref.digest)
            if batch is None:
                return chain.kept_transaction(id_)
            if index < len(batch.transactions):
                return batch.transactions[index]
            index -= len(batch.transactions)
        return None

    def _body(self, chain: FrozenChain, height: int) -> StoredBody | None:
        """The last one is kept, for neighbours are asked for together."""
        last = self._last_body
        if last is None or last[0] is not chain or last[1] != height:
            self._last_body = last = (chain, height, chain.body(height))
        return last[2]

    def _batch(self, chain: FrozenChain, digest: Digest) -> BatchBody | None:
        """Decoded; the last ones are kept, as of blocks."""
        batch = self._batches.pop(digest, None)
        if batch is None:
            stored = chain.get_batch(digest)
            if stored is None:
                return None
            batch = decode(stored.body, BatchBody, limit_bytes=len(stored.body))
        self._batches[digest] = batch
        if len(self._batches) > CACHED_BATCHES:
            del self._batches[next(iter(self._batches))]
        return batch


def _joined(items: Iterator[object], limit_bytes: int) -> bytes:
    """An encoded list of the first items, of `limit_bytes` or one item at most; b"" for none."""
    taken: list[object] = []
    size = 0
    for item in items:
        size += len(encode(item))
        if taken and size > limit_bytes:
            break
        taken.append(item)
    return encode(taken) if taken else b""
