"""The chain as a whole: snapshots for others, taking one over, and letting old blocks go."""

from collections.abc import Callable, Coroutine
from typing import Any

from structlog.stdlib import BoundLogger

from chainnode.ledger.founding import founding_of
from chainnode.net import wire
from chainnode.node.epochs import EpochSteps
from chainnode.node.joining import Joining
from chainnode.node.joinkeeper import Keeper
from chainnode.node.network import Network
from chainnode.node.offers import Offered, judge_offer
from chainnode.node.opening import Opened
from chainnode.node.prunework import PruneWork
from chainnode.node.snapshots import Snapshots
from chainnode.node.sync import Sync
from chainnode.node.takeover import aside_alarm
from chainnode.store.staging import Staging
from consensus.messages import QuorumCertificate
from consensus.types import BlockHeader, ReplicaId


class ChainKeeping:
    def __init__(
        self,
        opened: Opened,
        network: Network,
        sync: Sync,
        epochs: EpochSteps,
        queued_bytes: Callable[[ReplicaId], int],
        begin_anew: Callable[[], None],
        log: BoundLogger,
    ) -> None:
        """`queued_bytes`: what waits in the queue to a peer; `begin_anew`: a snapshot is ready, the node is
        to be closed and opened on it."""
        genesis, config, parameters = opened.genesis, opened.config.chain, opened.genesis.parameters
        founding = founding_of(genesis)
        self._opened = opened
        self._sync = sync
        self._epochs = epochs
        self._begin_anew = begin_anew
        self._pruning = PruneWork(opened.store, config.keep_blocks, parameters, lambda: sync.height, log)
        self.snapshots = Snapshots(
            store=opened.store,
            rows=opened.rows,
            executor=opened.executor,
            every=config.snapshot_every,
            frame_bytes=parameters.frame_bytes,
            epochs=epochs.proof,
            offer=network.offer,
            queued_bytes=queued_bytes,
            log=log,
        )

        def faulty() -> int:
            return opened.replica_sets(opened.executor.tip.height + 1).f

        self.joining = Joining(
            gap=config.join_gap,
            faulty=faulty,
            keeper=Keeper(
                chain_id=genesis.chain_id,
                staging=lambda: Staging(opened.config.store_folder, genesis.chain_id),
                store=opened.store,
                rows=opened.rows,
                validity_heights=parameters.validity_heights,
                faulty=faulty,
                frame_bytes=parameters.frame_bytes,
                verify=opened.verify,
            ),
            judge=lambda frame: judge_offer(frame, founding, opened.verify),
            height=lambda: sync.height,
            claimed=sync.claims,
            offer=network.offer,
            name=self._name,
            on_complete=self._joined,
            log=log,
        )
        sync.is_paused = lambda: self.joining.makes_blocks_needless
        sync.on_pruned = self.joining.pruned

    def register(self, network: Network) -> None:
        """Take the frames that concern snapshots, and the links' coming and going."""
        network.handle(wire.SnapshotRequest, self.snapshots.on_snapshot_request)
        network.handle(wire.PieceRequest, self.snapshots.on_request)
        network.handle(wire.SnapshotOffer, self.joining.on_offer)
        network.handle(wire.Piece, self.joining.on_piece)
        network.handle(wire.PieceMissing, self.joining.on_missing)
        network.handle(wire.BlocksPruned, self._sync.on_blocks_pruned)
        network.watch_links(self.snapshots.on_link)
        network.watch_links(self.joining.on_link, speaking=wire.SnapshotRequest)

    def executed(self, header: BlockHeader) -> None:
        """A block was executed and stored."""
        self.snapshots.executed(header)

    def certified(self, certificate: QuorumCertificate) -> None:
        self.snapshots.certified(certificate)

    def alarms(self) -> tuple[str, ...]:
        """What `status` says of it, a sentence each."""
        said = (self.joining.progress(), aside_alarm(self._opened.config.store_folder))
        return tuple(filter(None, said))

    def work(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """What runs until it is cancelled. Raises OperatorError."""
        return self.snapshots.run(), self.joining.run(), self._pruning.run()

    def _name(self, peer: ReplicaId) -> str:
        known = self._opened.members.get(peer)
        return f"member {peer}" if known is None else known.id

    def _joined(self, chosen: Offered) -> None:
        self._epochs.keep(chosen.epochs)
        self._begin_anew()
