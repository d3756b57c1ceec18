"""Taking over a snapshot from the peers: for a node that is too far behind to follow block by block.

    ask      every peer is asked for a snapshot above this node's height; what a peer claims counts for
             nothing, its offer is believed for the header's certificate
    state    parts of the tree from all who have that snapshot, each proven by itself, then long values
    rest     transactions that the state rests on, blocks back to where replays end, personal rows
    complete tree and index are built from all entries, the root is compared, and `on_complete` is called:
             the node starts anew on what was gathered

Everything is on disk as it comes (store/staging.py); a process that was killed goes on where it was.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from enum import StrEnum

from structlog.stdlib import BoundLogger

from chainnode.net.wire import (
    Frame,
    Piece,
    PieceMissing,
    PieceRequest,
    SnapshotOffer,
    SnapshotRequest,
)
from chainnode.node.clock import now
from chainnode.node.joinjudge import UnfitError
from chainnode.node.joinkeeper import Keeper
from chainnode.node.joinplan import Ask, Plan, Wanted
from chainnode.node.offers import Offered
from chainnode.node.threads import in_thread
from chainnode.store.staging import StagingError, Target
from consensus.codec import encode
from consensus.types import Now, ReplicaId

ASK_EVERY_MS = 2_000
CHOOSE_MS = 1_000
"""So long after the first offer those of others are waited for."""
LOST_MS = 10_000
"""Without anybody who has the snapshot for so long, another one is chosen."""
LOOK_EVERY_MS = 200
HOPE_MS = 5_000
"""So long blocks are not fetched because a snapshot may be offered, where f + 1 peers are far ahead."""


class Phase(StrEnum):
    ASK = "asking for a snapshot"
    STATE = "fetching the state"
    REST = "fetching what the state rests on"
    COMPLETE = "checking everything once more"
    DONE = "starting anew on it"


class Joining:
    def __init__(
        self,
        *,
        gap: int,
        faulty: Callable[[], int],
        keeper: Keeper,
        judge: Callable[[SnapshotOffer], Offered],
        height: Callable[[], int],
        claimed: Callable[[], Mapping[ReplicaId, int]],
        offer: Callable[[ReplicaId, Frame], object],
        name: Callable[[ReplicaId], str],
        on_complete: Callable[[Offered], None],
        log: BoundLogger,
        clock: Callable[[], Now] = now,
    ) -> None:
        """`gap`: blocks behind from which on this is done, 0 for never; `faulty`: f; `judge`: proves an offer
        or raises UnfitError; `height`, `claimed`: this node's certified height, and what its peers say theirs
        is; `on_complete`: called once, when everything is ready to be put in place."""
        self._gap = gap
        self._faulty = faulty
        self._keeper = keeper
        self._judge = judge
        self._height = height
        self._claimed = claimed
        self._offer = offer
        self._name = name
        self._on_complete = on_complete
        self._log = log
        self._clock = clock
        self._plan = Plan()
        self._chosen: Offered | None = None
        self._phase = Phase.ASK
        self._offers: dict[ReplicaId, Offered] = {}
        self._offered_ms = 0
        self._asked_ms: int | None = None
        self._served_ms = 0
        self._pruned_at: int | None = None
        self._hoped_since_ms: int | None = None
        self._arrived: deque[tuple[ReplicaId, Wanted, bytes]] = deque()
        self._wake = asyncio.Event()

    @property
    def _target(self) -> Target | None:
        return None if self._chosen is None else self._chosen.target

    # What others look at

    @property
    def is_active(self) -> bool:
        """A snapshot is being taken over."""
        return self._target is not None

    @property
    def makes_blocks_needless(self) -> bool:
        """It is active, or there is hope for a while that it will be. The lie of f peers raises no hope."""
        claims = sorted(self._claimed().values(), reverse=True)
        faulty = self._faulty()
        if self._gap == 0 or len(claims) <= faulty or claims[faulty] - self._height() <= self._gap:
            self._hoped_since_ms = None
            return self.is_active
        current = self._clock().monotonic_ms
        if self._hoped_since_ms is None:
            self._hoped_since_ms = current
        return self.is_active or current - self._hoped_since_ms < HOPE_MS

    def progress(self) -> str:
        """One line for `status`; empty where nothing is under way and nobody was dropped."""
        dropped = "; ".join(f"dropped {self._name(peer)}: {why}" for peer, why in self._plan.dropped.items())
        if self._target is None:
            return dropped
        plan, sources = self._plan, ", ".join(self._name(peer) for peer in self._plan.sources) or "nobody now"
        line = (
            f"taking over the state at height {self._target.header.height}, {self._phase.value}: "
            f"{plan.done} of {plan.total} pieces, from {sources}"
        )
        return f"{line}; {dropped}" if dropped else line

    def pruned(self, peer: ReplicaId) -> None:
        """`peer` no longer has the blocks that this node needs next."""
        self._pruned_at = self._height()
        self._wake.set()

    # Frames

    async def on_link(self, peer: ReplicaId, up: bool) -> None:
        self._plan.link(peer, up)
        self._offers.pop(peer, None)
        self._wake.set()

    async def on_offer(self, peer: ReplicaId, frame: SnapshotOffer) -> None:
        if self._asked_ms is None or peer in self._plan.dropped:
            return  # nobody has signatures checked here at will
        try:
            offered = self._judge(frame)
        except UnfitError as error:
            self._drop(peer, str(error))
            return
        if offered.target.header.height <= self._height():
            return
        if not self._offers:
            self._offered_ms = self._clock().monotonic_ms
        self._offers[peer] = offered
        if self._target is not None and self._target.header == offered.target.header:
            self._plan.add_source(peer)
        self._wake.set()

    async def on_piece(self, peer: ReplicaId, frame: Piece) -> None:
        known = peer in self._plan.dropped
        current = self._clock().monotonic_ms
        outcome = self._plan.piece(peer, frame.ticket, frame.offset, frame.total, frame.data, current)
        if isinstance(outcome, Ask):
            self._send(outcome)
        elif outcome is not None:
            self._arrived.append((peer, *outcome))
        elif peer in self._plan.dropped and not known:
            self._complain(peer, self._plan.dropped[peer])
        self._wake.set()

    async def on_missing(self, peer: ReplicaId, frame: PieceMissing) -> None:
        if self._plan.missing(peer, frame.ticket):
            self._offers.pop(peer, None)
        self._wake.set()

    # The loop

    async def run(self) -> None:
        """Until cancelled. Raises OperatorError where the disk fails."""
        try:
            while self._phase is not Phase.DONE:
                self._ask()
                self._choose()
                if self._target is not None:
                    await self._work(self._target)
                try:
                    async with asyncio.timeout(0 if self._arrived else LOOK_EVERY_MS / 1000):
                        await self._wake.wait()
                except TimeoutError:
                    continue
                finally:
                    self._wake.clear()
        finally:
            self._keeper.close()

    def _is_wanted(self) -> bool:
        height = self._height()
        if self._pruned_at is not None and self._pruned_at != height:
            self._pruned_at = None
        if self._gap == 0:
            return False
        furthest = max(self._claimed().values(), default=0)
        return furthest - height > self._gap or (self._pruned_at is not None and furthest > height)

    def _ask(self) -> None:
        """Also while one is taken over: who was not linked then may have the same."""
        current = self._clock().monotonic_ms
        if self._target is None and not self._is_wanted():
            self._asked_ms = None
            self._offers.clear()
        elif self._asked_ms is None or current - self._asked_ms >= ASK_EVERY_MS:
            self._asked_ms = current
            above = self._height() + (0 if self._pruned_at is not None else self._gap)
            for peer in self._plan.linked:
                if peer not in self._offers and peer not in self._plan.dropped:
                    self._offer(peer, SnapshotRequest(above))

    def _choose(self) -> None:
        """The snapshot that most peers have; of two the later one."""
        waited_ms = self._clock().monotonic_ms - self._offered_ms
        if self._target is not None or not self._offers or waited_ms < CHOOSE_MS:
            return
        headers = [one.target.header for one in self._offers.values()]
        self._begin(
            max(
                self._offers.values(),
                key=lambda one: (headers.count(one.target.header), one.target.header.height),
            )
        )

    def _begin(self, chosen: Offered) -> None:
        target = chosen.target
        parts = self._keeper.begin(target)
        self._chosen, self._phase = chosen, Phase.STATE
        self._served_ms = self._clock().monotonic_ms
        self._plan.restart()
        self._arrived.clear()
        for peer, offered in self._offers.items():
            if offered.target.header == target.header:
                self._plan.add_source(peer)
        self._plan.want(parts)
        self._plan.done = self._keeper.count_parts()
        self._log.info(
            "taking over a snapshot",
            height=target.header.height,
            sources=[self._name(peer) for peer in self._plan.sources],
            pieces_here=self._plan.done,
        )

    async def _work(self, target: Target) -> None:
        current = self._clock().monotonic_ms
        if self._plan.sources:
            self._served_ms = current
        if self._height() >= target.header.height or current - self._served_ms >= LOST_MS:
            # Blocks came after all, or nobody has this one any more; what was gathered stays for the next.
            self._log.info("snapshot given up", height=target.header.height)
            self._give_up()
            return
        for ask in self._plan.pump(current):
            self._send(ask)
        if self._arrived:
            await self._take(*self._arrived.popleft())
        elif self._plan.is_idle:
            await self._next_phase(target)

    def _send(self, ask: Ask) -> None:
        assert self._target is not None
        height = self._target.header.height
        self._offer(ask.peer, PieceRequest(ask.ticket, height, encode(ask.item), ask.offset))

    async def _take(self, peer: ReplicaId, wanted: Wanted, content: bytes) -> None:
        """Judge, keep, and want what follows from it; in a thread, for it verifies and syncs."""
        try:
            follows = await in_thread(lambda: self._keeper.keep(peer, wanted, content))
        except UnfitError as error:
            self._drop(peer, str(error))
            self._plan.again(wanted)
            return
        self._plan.done += 1
        for item in follows:
            self._plan.again(item)

    async def _next_phase(self, target: Target) -> None:
        keeper = self._keeper
        if self._phase is Phase.STATE:
            values = keeper.values()
            if not values:
                self._phase = Phase.REST
            self._plan.want(values or await in_thread(keeper.rest, interrupt=keeper.interrupt))
            return
        self._phase = Phase.COMPLETE
        try:
            await in_thread(keeper.complete, interrupt=keeper.interrupt)
        except StagingError as error:
            self._log.error("what was gathered is not the snapshot; beginning anew", reason=str(error))
            self._give_up()
            return
        self._phase = Phase.DONE
        self._log.info("snapshot complete", height=target.header.height, pieces=self._plan.done)
        assert self._chosen is not None
        self._on_complete(self._chosen)

    def _give_up(self) -> None:
        self._chosen, self._asked_ms, self._phase = None, None, Phase.ASK
        self._offers.clear()

    def _drop(self, peer: ReplicaId, reason: str) -> None:
        self._offers.pop(peer, None)
        known = peer in self._plan.dropped
        self._plan.drop(peer, reason)
        if not known:
            self._complain(peer, reason)

    def _complain(self, peer: ReplicaId, reason: str) -> None:
        """Once of each peer: it is dropped."""
        self._log.warning("peer dropped from the snapshot", member=self._name(peer), peer=peer, reason=reason)
