"""This node's receipts on their way to the chain, apart from the work that they tell of.

A certificate may take long, and the peers' frames must not wait for it. Nothing is kept on disk: who
files looks at the state whether the receipt stands, and files again where it does not.
"""

import asyncio
from collections.abc import Awaitable, Callable

from structlog.stdlib import BoundLogger

from chainnode.ledger.payloads import Payload, ShareReceipt
from chainnode.node.clock import now
from consensus.types import Now

WORKERS = 4
AGAIN_MS = 5_000
"""A receipt that did not come to stand is not tried again before."""
PENDING = "pending"
"""Submitted, and no certificate in time: it may still be included."""

SubmitOwn = Callable[[Payload], Awaitable[str]]
"""Sign with the validator key and submit; the result's code once certified, "pending" in time, or "busy"."""


class Filing:
    def __init__(
        self,
        submit_own: SubmitOwn,
        height: Callable[[], int],
        log: BoundLogger,
        clock: Callable[[], Now] = now,
    ) -> None:
        """`height`: the latest certified one."""
        self._submit_own = submit_own
        self._height = height
        self._log = log
        self._clock = clock
        self._waiting: asyncio.Queue[ShareReceipt] = asyncio.Queue()
        self._under_way: set[ShareReceipt] = set()
        self._tried: dict[ShareReceipt, tuple[int, int | None]] = {}

    def file(self, receipt: ShareReceipt) -> None:
        """See to it that it gets on chain. One that is under way, or was tried lately, is not taken again."""
        current, height = self._clock().monotonic_ms, self._height()
        # While the chain stands still what is pending waits to be ordered, and cannot have expired.
        self._tried = {
            one: tried for one, tried in self._tried.items() if tried[0] > current or tried[1] == height
        }
        if receipt not in self._tried and receipt not in self._under_way:
            self._under_way.add(receipt)
            self._waiting.put_nowait(receipt)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as workers:
            for _ in range(WORKERS):
                workers.create_task(self._work())

    async def _work(self) -> None:
        while True:
            receipt = await self._waiting.get()
            height = self._height()
            code = await self._submit_own(receipt)
            self._under_way.discard(receipt)
            until_ms = self._clock().monotonic_ms + AGAIN_MS
            self._tried[receipt] = (until_ms, height if code == PENDING else None)
            self._log.info(
                "receipt filed",
                request=receipt.request_id.hex(),
                role=receipt.role,
                peer=receipt.peer,
                code=code,
            )
