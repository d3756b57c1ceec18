"""Reads that see whatever was certified anywhere before they began: the linearizable ones.

A plain read shows what this node knows, which may lag behind what another one has told its users. A strong
read first has a Barrier of this node ordered: whatever was certified before the barrier was submitted stands
below it. One barrier is made for all who waited when it was submitted; who comes while it is under way
waits for the next one, for it may have been ordered before they asked.
"""

import asyncio
from collections.abc import Awaitable, Callable

from chainnode.ledger.payloads import Barrier, Payload
from chainnode.node.api import Outcome, ReadTimeout, Refused, SubmitResult
from chainnode.node.waiters import OUTCOME_OK
from consensus.types import ReplicaId

SubmitFor = Callable[[Payload, int], Awaitable[SubmitResult]]
"""Sign with the validator key, submit, wait for the certificate at most so many ms."""

BARRIER_TIMEOUT_MS = 20_000


class StrongReads:
    def __init__(self, member: ReplicaId, submit: SubmitFor) -> None:
        self._member = member
        self._submit = submit
        self._waiting: list[asyncio.Future[int]] = []
        self._maker: asyncio.Task[None] | None = None
        self.barriers = 0
        """How many were made since the start."""

    async def height(self, timeout_ms: int) -> int:
        """A certified height that holds all that was certified before this call.

        Raises ReadTimeout("no-barrier") where none was certified in time, Refused("no-barrier") where the
        node's queues are full.
        """
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        if self._maker is None or self._maker.done():
            self._maker = asyncio.create_task(self._make())
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                return await future
        except TimeoutError:
            raise ReadTimeout("no-barrier", f"no barrier was certified within {timeout_ms} ms") from None

    async def _make(self) -> None:
        """One barrier after the other, as long as somebody waits."""
        while self._waiting:
            served, self._waiting = self._waiting, []
            self.barriers += 1
            result = await self._submit(Barrier(self._member), BARRIER_TIMEOUT_MS)
            stands = result.outcome is Outcome.COMMITTED and result.code == OUTCOME_OK
            for future in served:
                if future.done():
                    continue
                if stands:
                    future.set_result(result.height)
                elif result.outcome is Outcome.PENDING:
                    future.set_exception(ReadTimeout("no-barrier", "no barrier was certified in time"))
                else:
                    future.set_exception(Refused("no-barrier", result.detail or result.code))
