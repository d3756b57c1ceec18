"""A node's catch-up: `chainnode.node.sync` without its loop. The decisions are CatchUp's."""

from collections.abc import Callable, Sequence

from chainnode.net.wire import Blocks, BlocksPruned, BlocksRequest, Frame, Status
from chainnode.node.catchup import ASK_BLOCKS, CatchUp
from chainnode.node.certified import LATER_EPOCH, CertifiedBlock, decode_blocks, encode_blocks
from chainnode.node.executor import Executor
from chainnode.node.sync import FETCH_BLOCKS, STALL_MS
from consensus.ready import Behind
from consensus.types import BatchRef, ReplicaId
from tests.sim.chain import SharedChain, fake_verify
from tests.sim.tables import SimStore


class Syncing:
    """`want` fetches batches, `install` hands proven blocks with all their batches to the driver."""

    def __init__(
        self,
        chain: SharedChain,
        store: SimStore,
        executor: Executor,
        now_ms: int,
        offer: Callable[[ReplicaId, Frame], bool],
        want: Callable[[Sequence[BatchRef], Sequence[ReplicaId]], None],
        install: Callable[[tuple[CertifiedBlock, ...]], None],
    ) -> None:
        self._chain = chain
        self._store = store
        self._executor = executor
        self._offer = offer
        self._requests: dict[ReplicaId, BlocksRequest] = {}
        self._want = want
        self._install = install
        self.catchup = CatchUp()
        self._moved_ms = now_ms
        self._last_height = self.height
        self.is_paused: Callable[[], bool] = lambda: False
        self.on_pruned: Callable[[ReplicaId], None] = lambda _: None

    @property
    def height(self) -> int:
        certified = self._executor.certified
        return certified.height if certified else 0

    def link_down(self, peer: ReplicaId) -> None:
        self.catchup.gone(peer)

    def on_status(self, peer: ReplicaId, frame: Status, now_ms: int) -> None:
        self.catchup.heard(peer, frame.height)

    def on_request(self, peer: ReplicaId, frame: BlocksRequest) -> None:
        self._requests[peer] = frame

    def _serve(self, peer: ReplicaId, frame: BlocksRequest) -> None:
        first = max(1, frame.from_height)
        if first < self._store.whole:
            self._offer(peer, BlocksPruned(self._store.whole, self.height))
            return
        heights = range(first, min(frame.from_height + frame.count, self.height + 1))
        found = encode_blocks(self._store.block, heights, self._chain.parameters.frame_bytes // 2)
        self._offer(peer, Blocks(found, self.height))

    def on_blocks(self, peer: ReplicaId, frame: Blocks, now_ms: int) -> None:
        self.catchup.heard(peer, frame.tip_height)
        if not self.catchup.expects(peer):
            return
        chain = self._chain
        data = frame.blocks[:ASK_BLOCKS]
        blocks, rule = decode_blocks(
            data, chain.chain_id, self._executor.replica_sets, fake_verify, chain.parameters.window
        )
        if rule == LATER_EPOCH and not blocks:
            self.catchup.postpone(peer, now_ms)
            return
        self.catchup.answered(peer, blocks, now_ms)

    def on_blocks_pruned(self, peer: ReplicaId, frame: BlocksPruned, now_ms: int) -> None:
        self.catchup.heard(peer, frame.tip_height)
        if not self.catchup.expects(peer):
            return
        self.catchup.shun(peer, now_ms)
        if frame.lowest > self.height + 1:
            self.on_pruned(peer)

    def behind(self, behind: Behind) -> None:
        known = self.catchup.claimed.get(behind.source, 0)
        self.catchup.heard(behind.source, max(known, behind.height))
        self._moved_ms = -STALL_MS

    def work(self, now_ms: int) -> None:
        """Serve, install what can be installed, ask for what is missing."""
        requests, self._requests = self._requests, {}
        for peer, request in requests.items():
            self._serve(peer, request)
        if self.is_paused():
            return
        if self.height != self._last_height:
            self._last_height, self._moved_ms = self.height, now_ms
        run = self.catchup.next_run(self.height)
        if run:
            if not self._missing(run):
                self._install(run)
                return
            missing = self._missing(self.catchup.upcoming(self.height, max(FETCH_BLOCKS, len(run))))
            self._want(missing, sorted(self.catchup.claimed))
        if now_ms - self._moved_ms >= STALL_MS or self.catchup.held:
            ask = self.catchup.ask(self.height, now_ms)
            if ask is not None:
                self._offer(ask.peer, BlocksRequest(ask.from_height, ask.count))

    def _missing(self, blocks: Sequence[CertifiedBlock]) -> list[BatchRef]:
        refs = [ref for block in blocks for ref in block.refs]
        return [ref for ref in refs if not self._executor.holds(ref.digest)]
