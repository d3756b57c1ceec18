"""Catch-up over the links: asks for certified blocks, proves them, fetches their batches, installs."""

import asyncio
from collections.abc import Callable, Sequence

from structlog.stdlib import BoundLogger

from chainnode.net.wire import Blocks, BlocksPruned, BlocksRequest, Frame, Status
from chainnode.node.catchup import ASK_BLOCKS, CatchUp
from chainnode.node.certified import LATER_EPOCH, CertifiedBlock, Verify, decode_blocks, encode_blocks
from chainnode.node.clock import now
from chainnode.node.complaints import Complaints
from chainnode.node.driver import Driver, Synced
from chainnode.node.executor import Executor
from chainnode.store.chain import ChainStore
from consensus.parameters import Parameters
from consensus.ready import Behind
from consensus.types import BatchRef, ReplicaId, ReplicaSets

LOOK_EVERY_MS = 250
STALL_MS = 1_000
"""Consensus itself closes small gaps; only a gap that stays is fetched."""
FETCH_BLOCKS = 64
"""Of how many blocks ahead the batches are fetched at once."""

WantBatches = Callable[[Sequence[BatchRef], Sequence[ReplicaId]], None]
"""Fetch batches that proven blocks name and that are not here, from these peers; those alone."""


class Sync:
    def __init__(
        self,
        *,
        chain_id: bytes,
        replica_sets: ReplicaSets,
        parameters: Parameters,
        store: ChainStore,
        executor: Executor,
        driver: Driver,
        verify: Verify,
        offer: Callable[[ReplicaId, Frame], bool],
        want: WantBatches,
        log: BoundLogger,
    ) -> None:
        self._chain_id = chain_id
        self._sets = replica_sets
        self._parameters = parameters
        self._store = store
        self._executor = executor
        self._driver = driver
        self._verify = verify
        self._offer = offer
        self._want = want
        self._log = log
        self._complaints = Complaints(log)
        self._catchup = CatchUp()
        self._requests: dict[ReplicaId, BlocksRequest] = {}
        self._wake = asyncio.Event()
        self._moved_at_ms = now().monotonic_ms
        self._last_height = self.height
        self.is_paused: Callable[[], bool] = lambda: False
        """Whether a snapshot is being taken over, so that blocks need not be fetched."""
        self.on_pruned: Callable[[ReplicaId], None] = lambda _: None
        """Told of a peer that no longer has the blocks that this node needs next."""

    @property
    def height(self) -> int:
        """The latest certified height."""
        certified = self._executor.certified
        return certified.height if certified else 0

    def claimed(self, peer: ReplicaId) -> int:
        """What a peer last said its certified height is; 0 where it said nothing."""
        return self._catchup.claimed.get(peer, 0)

    def claims(self) -> dict[ReplicaId, int]:
        """The same of all peers that are linked and said anything."""
        return self._catchup.claimed

    async def on_link(self, peer: ReplicaId, up: bool) -> None:
        if not up:
            self._catchup.gone(peer)

    async def on_status(self, peer: ReplicaId, frame: Status) -> None:
        self._catchup.heard(peer, frame.height)
        self.wake()

    async def on_request(self, peer: ReplicaId, frame: BlocksRequest) -> None:
        """Answered by `run`, one of each peer at a time: a short question costs a long answer."""
        self._requests[peer] = frame
        self.wake()

    def _serve(self, peer: ReplicaId, frame: BlocksRequest) -> None:
        """Certified blocks, as many as fit half a frame. A peer that does not read them asks again."""
        first = max(1, frame.from_height)
        if first < self._store.whole:
            self._offer(peer, BlocksPruned(self._store.whole, self.height))
            return
        heights = range(first, min(frame.from_height + frame.count, self.height + 1))
        found = encode_blocks(self._store.block, heights, self._parameters.frame_bytes // 2)
        self._offer(peer, Blocks(found, self.height))

    async def on_blocks(self, peer: ReplicaId, frame: Blocks) -> None:
        self._catchup.heard(peer, frame.tip_height)
        if not self._catchup.expects(peer):
            return  # nobody has signatures checked here at will
        window = self._parameters.window
        blocks, rule = decode_blocks(
            frame.blocks[:ASK_BLOCKS], self._chain_id, self._sets, self._verify, window
        )
        if rule == LATER_EPOCH and not blocks:
            self._catchup.postpone(peer, now().monotonic_ms)
            return
        if rule and rule != LATER_EPOCH:
            self._complaints.warn(peer, "a peer sent an unproven block", rule=rule)
        self._catchup.answered(peer, blocks, now().monotonic_ms)
        self.wake()

    async def on_blocks_pruned(self, peer: ReplicaId, frame: BlocksPruned) -> None:
        self._catchup.heard(peer, frame.tip_height)
        if not self._catchup.expects(peer):
            return
        self._log.info("a peer no longer has the blocks", peer=peer, lowest=frame.lowest)
        self._catchup.shun(peer, now().monotonic_ms)
        if frame.lowest > self.height + 1:
            self.on_pruned(peer)

    def behind(self, behind: Behind) -> None:
        """The replica saw that others are further than it can follow."""
        known = self._catchup.claimed.get(behind.source, 0)
        self._catchup.heard(behind.source, max(known, behind.height))
        self._moved_at_ms = 0
        self.wake()

    def wake(self) -> None:
        """Something changed: a block was certified, a batch came, a peer said more."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            requests, self._requests = self._requests, {}
            for peer, request in requests.items():
                self._serve(peer, request)
            await self._work()
            try:
                async with asyncio.timeout(LOOK_EVERY_MS / 1000):
                    await self._wake.wait()
            except TimeoutError:
                continue
            finally:
                self._wake.clear()

    async def _work(self) -> None:
        """Install what can be installed, ask for what is missing."""
        if self.is_paused():
            return
        current = now().monotonic_ms
        if self.height != self._last_height:
            self._last_height, self._moved_at_ms = self.height, current
        run = self._catchup.next_run(self.height)
        if run:
            if not self._missing(run):
                await self._driver.put(Synced(run))
                return
            # Those behind it too: a round trip for each block would be slower than the chain moves on.
            missing = self._missing(self._catchup.upcoming(self.height, max(FETCH_BLOCKS, len(run))))
            self._want(missing, sorted(self._catchup.claimed))
        if current - self._moved_at_ms >= STALL_MS or self._catchup.held:
            ask = self._catchup.ask(self.height, current)
            if ask is None:
                return
            if self._offer(ask.peer, BlocksRequest(ask.from_height, ask.count)):
                self._log.info("catching up", peer=ask.peer, from_height=ask.from_height)
            else:
                # No link yet (votes that others passed on name their signer), or no room: no answer comes.
                self._catchup.postpone(ask.peer, current)
                self.wake()

    def _missing(self, blocks: Sequence[CertifiedBlock]) -> list[BatchRef]:
        refs = [ref for block in blocks for ref in block.refs]
        return [ref for ref in refs if not self._executor.holds(ref.digest)]
