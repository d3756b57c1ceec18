"""Whether what this node knows is young enough to act on, and how it gets young.

A node that is cut off does not know that it is: its last certificate shows no revocation because none
reached it. So a holder lets a part go only on a certificate that is younger than a bound. On an idle chain
nothing makes one, so the node has a block made: a Barrier of its own, one for all who ask.
"""

import asyncio
from collections.abc import Callable

from structlog.stdlib import BoundLogger

from chainnode.ledger.payloads import Barrier
from chainnode.node.clock import now
from chainnode.node.executor import Executor
from chainnode.node.filing import PENDING, SubmitOwn
from consensus.types import Now, ReplicaId

FRESH_MS = 60_000
AGAIN_MS = 5_000
"""After a barrier that brought nothing."""


class Freshness:
    def __init__(
        self,
        *,
        member: ReplicaId,
        executor: Executor,
        submit_own: SubmitOwn,
        log: BoundLogger,
        clock: Callable[[], Now] = now,
    ) -> None:
        self._member = member
        self._executor = executor
        self._submit_own = submit_own
        self._log = log
        self._clock = clock
        self._making = asyncio.Lock()
        self._not_before_ms = 0
        self._waiting_at: int | None = None

    def is_fresh(self) -> bool:
        """Whether the latest certified block is at most FRESH_MS away from this node's wall clock.

        In either direction: a clock that is behind the chain's by more cannot tell an old block.
        """
        return abs(self._clock().wall_ms - self._executor.certified_header.time_ms) <= FRESH_MS

    async def ensure(self) -> bool:
        """Whether it is fresh now; where it was not, one barrier was made for all who wait here."""
        if self.is_fresh():
            return True
        async with self._making:
            # While the chain stands still an earlier barrier waits to be ordered, and cannot have expired.
            waiting = self._waiting_at == self._executor.certified_header.height
            if not self.is_fresh() and not waiting and self._clock().monotonic_ms >= self._not_before_ms:
                await self._make()
        return self.is_fresh()

    async def _make(self) -> None:
        height = self._executor.certified_header.height
        code = await self._submit_own(Barrier(self._member))
        self._waiting_at = height if code == PENDING else None
        if not self.is_fresh():
            self._not_before_ms = self._clock().monotonic_ms + AGAIN_MS
            self._log.warning(
                "no fresh certificate, or a wrong clock: nothing is delivered meanwhile",
                code=code,
                certified_ms=self._executor.certified_header.time_ms,
                clock_ms=self._clock().wall_ms,
            )
