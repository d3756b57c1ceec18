"""A node's chain as a whole: the product's own coroutines that serve snapshots, take one over and prune, on
simulated time, links and folders. What chainnode.node.chainkeeping composes on real ones."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, cast

from structlog.stdlib import BoundLogger

from chainnode.net.wire import (
    BlocksPruned,
    Frame,
    Piece,
    PieceMissing,
    PieceRequest,
    SnapshotOffer,
    SnapshotRequest,
)
from chainnode.node.joining import Joining
from chainnode.node.joinkeeper import Keeper
from chainnode.node.offers import Offered, judge_offer
from chainnode.node.prunework import PruneWork
from chainnode.node.snapshots import Snapshots
from consensus.messages import QuorumCertificate
from consensus.types import BlockHeader, ReplicaId
from tests.sim.chain import fake_verify
from tests.sim.simloop import SimLoop
from tests.sim.syncing import Syncing
from tests.sim.tables import SimStaging

if TYPE_CHECKING:
    from tests.sim.node import SimNode

THREAD_MS = (0, 3)
"""What the product does in a thread takes so long."""


class _Log:
    """What the product logs, as lines of the trace."""

    def __init__(self, node: "SimNode") -> None:
        self._node = node

    def _say(self, what: str, **fields: object) -> None:
        self._node.trace(" ".join([what, *(f"{name}={value}" for name, value in fields.items())]))

    info = warning = error = _say


class ChainKeeping:
    """One life of a node."""

    def __init__(self, node: "SimNode", sync: Syncing, offer: Callable[[ReplicaId, Frame], bool]) -> None:
        world, store, executor = node.world, node.store, node.executor
        chain, plan = world.chain, world.plan.keeping
        assert plan is not None
        self._node = node
        self._sync = sync
        self._loop = SimLoop(  # type: ignore[abstract]
            node.later, lambda: world.scheduler.now_ms, lambda: node.random.randint(*THREAD_MS)
        )
        log = cast(BoundLogger, _Log(node))

        def faulty() -> int:
            return executor.replica_sets(executor.tip.height + 1).f

        self.snapshots = Snapshots(
            store=store,
            rows=node.rows,
            executor=executor,
            every=plan.snapshot_every,
            frame_bytes=chain.parameters.frame_bytes,
            epochs=node.epochs.proof,
            offer=offer,
            queued_bytes=lambda peer: 0,
            log=log,
            clock=node.now,
        )
        self.joining = Joining(
            gap=plan.join_gap,
            faulty=faulty,
            keeper=Keeper(
                chain_id=chain.chain_id,
                staging=lambda: SimStaging(node.folders, chain.chain_id),
                store=store,
                rows=node.rows,
                validity_heights=chain.parameters.validity_heights,
                faulty=faulty,
                frame_bytes=chain.parameters.frame_bytes,
                verify=chain.verify_once,
            ),
            judge=lambda frame: judge_offer(frame, chain.founding, fake_verify),
            height=lambda: sync.height,
            claimed=lambda: sync.catchup.claimed,
            offer=offer,
            name=lambda peer: f"member {peer}",
            on_complete=self._joined,
            log=log,
            clock=node.now,
        )
        self._pruning = PruneWork(
            store,
            0 if node.number == plan.whole else plan.keep_blocks,
            chain.parameters,
            lambda: sync.height,
            log,
        )
        sync.is_paused = lambda: self.joining.makes_blocks_needless
        sync.on_pruned = self.joining.pruned

    def start(self) -> None:
        for work in (self.snapshots.run(), self.joining.run(), self._pruning.run()):
            self._loop.create_task(work).add_done_callback(_raise)

    def abandon(self) -> None:
        """The process is gone."""
        self._loop.abandon()

    def link_changed(self, peer: ReplicaId, up: bool) -> None:
        _at_once(self.snapshots.on_link(peer, up))
        _at_once(self.joining.on_link(peer, up))

    def executed(self, header: BlockHeader) -> None:
        self.snapshots.executed(header)

    def certified(self, certificate: QuorumCertificate) -> None:
        self.snapshots.certified(certificate)

    def on_frame(self, peer: ReplicaId, frame: Frame) -> None:
        """Those that concern snapshots."""
        match frame:
            case SnapshotRequest():
                _at_once(self.snapshots.on_snapshot_request(peer, frame))
            case PieceRequest():
                _at_once(self.snapshots.on_request(peer, frame))
            case SnapshotOffer():
                _at_once(self.joining.on_offer(peer, frame))
            case Piece():
                _at_once(self.joining.on_piece(peer, frame))
                self._node.pieces += 1
                self._node.world.faults.pieced(self._node)
            case PieceMissing():
                _at_once(self.joining.on_missing(peer, frame))
            case BlocksPruned():
                self._sync.on_blocks_pruned(peer, frame, self._node.now().monotonic_ms)

    def _joined(self, chosen: Offered) -> None:
        self._node.epochs.keep(chosen.epochs)
        self._node.later(0, self._node.begin_anew)


def _at_once(handling: Coroutine[Any, Any, None]) -> None:
    """A handler of the product that waits for nothing."""
    try:
        handling.send(None)
    except StopIteration:
        return
    raise AssertionError("a handler does not wait")


def _raise(done: "asyncio.Task[None]") -> None:
    if not done.cancelled():
        done.result()
