"""A node that takes over a snapshot, and peers that serve it: the real parts over links in memory."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from chainnode.net.wire import (
    Frame,
    Piece,
    PieceMissing,
    PieceRequest,
    SnapshotOffer,
    SnapshotRequest,
    decode_frame,
    encode_frame,
)
from chainnode.node.joining import Joining
from chainnode.node.joinkeeper import Keeper
from chainnode.node.offers import Offered, judge_offer
from chainnode.node.snapshots import Snapshots
from chainnode.store.staging import Staging
from chainnode.store.swap import put_in_place
from consensus.types import ReplicaId
from tests.ledger.world import verify
from tests.node.grown import Grown
from tests.node.stand_ins import Log, until

FRAME_BYTES = 65_536
Tamper = Callable[[Frame], Frame | None]


def honest(frame: Frame) -> Frame | None:
    return frame


@dataclass
class Peer:
    """`tamper` sees each frame that it sends, and returns the one that arrives."""

    number: ReplicaId
    grown: Grown
    tamper: Tamper = honest
    claims: int | None = None
    every: int = 1_000
    log: Log = field(default_factory=Log)
    asked: list[Frame] = field(default_factory=list)

    def start(self, joiner: "Joiner", frame_bytes: int) -> None:
        self.snapshots = Snapshots(
            store=self.grown.store,
            rows=self.grown.stored_rows,
            executor=self.grown.executor,
            every=self.every,
            frame_bytes=frame_bytes,
            epochs=lambda epoch: () if epoch == 0 else None,
            offer=lambda _, frame: joiner.arrives(self, frame),
            queued_bytes=lambda _: 0,
            log=self.log,  # type: ignore[arg-type]
        )
        self.running = asyncio.create_task(self.snapshots.run())

    @property
    def height(self) -> int:
        return self.grown.executor.tip.height if self.claims is None else self.claims

    async def receive(self, frame: Frame) -> None:
        self.asked.append(frame)
        if isinstance(frame, SnapshotRequest):
            await self.snapshots.on_snapshot_request(0, frame)
        else:
            assert isinstance(frame, PieceRequest)
            await self.snapshots.on_request(0, frame)


class Joiner:
    def __init__(self, grown: Grown, *peers: Peer, gap: int = 5, frame_bytes: int = FRAME_BYTES) -> None:
        self.grown, self.log = grown, Log()
        self.peers = {peer.number: peer for peer in peers}
        self.completed = 0
        self._frame_bytes = frame_bytes
        self._tasks: set[asyncio.Task[None]] = set()
        members = grown.founding.replica_set()
        self.joining = Joining(
            gap=gap,
            faulty=lambda: members.f,
            keeper=Keeper(
                chain_id=grown.chain_id,
                staging=lambda: Staging(grown.folder, grown.chain_id),
                store=grown.store,
                rows=grown.stored_rows,
                validity_heights=grown.parameters.validity_heights,
                faulty=lambda: members.f,
                frame_bytes=frame_bytes,
                verify=verify,
            ),
            judge=lambda frame: judge_offer(frame, grown.founding, verify),
            height=lambda: grown.executor.tip.height,
            claimed=lambda: {one.number: one.height for one in self.peers.values()},
            offer=self.offer,
            name=lambda peer: f"hospital-{peer}",
            on_complete=self.complete,
            log=self.log,  # type: ignore[arg-type]
        )

    def complete(self, _: Offered) -> None:
        self.completed += 1

    def offer(self, peer: ReplicaId, frame: Frame) -> bool:
        frame = decode_frame(encode_frame(frame), limit_bytes=self._frame_bytes)
        self._soon(self.peers[peer].receive(frame))
        return True

    def arrives(self, peer: Peer, frame: Frame) -> bool:
        tampered = peer.tamper(frame)
        if tampered is not None:
            frame = decode_frame(encode_frame(tampered), limit_bytes=self._frame_bytes)
            self._soon(self._deliver(peer.number, frame))
        return True

    async def _deliver(self, peer: ReplicaId, frame: Frame) -> None:
        if isinstance(frame, SnapshotOffer):
            await self.joining.on_offer(peer, frame)
        elif isinstance(frame, Piece):
            await self.joining.on_piece(peer, frame)
        else:
            assert isinstance(frame, PieceMissing)
            await self.joining.on_missing(peer, frame)

    def _soon(self, work) -> None:  # type: ignore[no-untyped-def]
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def start(self) -> None:
        for peer in self.peers.values():
            peer.start(self, self._frame_bytes)
            await self.joining.on_link(peer.number, True)
        self.running = asyncio.create_task(self.joining.run())

    async def stop(self) -> None:
        """As a kill does, but for what is in LevelDB's memory, which is in the page cache then."""
        tasks = [self.running, *(peer.running for peer in self.peers.values()), *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def join(self) -> None:
        """From the start until it is complete and stopped."""
        await self.start()
        await until(lambda: self.completed == 1 or self.running.done())
        if not self.completed:
            self.running.result()
        await self.stop()

    def put_in_place(self) -> None:
        self.grown.close()
        put_in_place(self.grown.folder)
        self.grown.reopen()

    def stands_as(self, source: Grown) -> bool:
        """After it was put in place: the same tip, state, replays and rows."""
        self.put_in_place()
        own, theirs = self.grown, source
        assert own.executor.tip == theirs.executor.tip
        assert dict(own.store.state_items(b"")) == dict(theirs.store.state_items(b""))
        first = own.store.first
        assert list(own.store.recent_results(first)) == list(theirs.store.recent_results(first))
        return True
