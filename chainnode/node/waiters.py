"""Who waits for what: callers for their transaction's certificate, streams and reads for a height."""

import asyncio
from collections import deque
from dataclasses import dataclass

from chainnode.ledger.machine import Execution
from chainnode.ledger.records import Result
from consensus.types import BlockHeader, Digest

OUTCOME_OK = "ok"


@dataclass(frozen=True, slots=True)
class Included:
    """A transaction in a certified block. `code`: "ok", the rule that refused it, or for a release the
    outcome's rule; `outcome`: AUTHORISED or REFUSED for a RequestRelease, else empty."""

    height: int
    code: str
    outcome: str


def included(height: int, result: Result) -> Included:
    return Included(height, result.code or result.rule or OUTCOME_OK, result.outcome)


class Waiters:
    """Resolves on the certificate, never on execution alone. Lives on the node's event loop."""

    def __init__(self, certified_height: int) -> None:
        self.certified_height = certified_height
        self._executed: deque[tuple[int, tuple[Result, ...]]] = deque()
        self._transactions: dict[Digest, list[asyncio.Future[Included]]] = {}
        self._changed = asyncio.Event()

    def executed(self, header: BlockHeader, execution: Execution) -> None:
        """A block was executed; its results count once it is certified."""
        self._executed.append((header.height, execution.results))

    def certified(self, height: int) -> None:
        """The block at `height`, and with it every block below, is certified."""
        self.certified_height = max(self.certified_height, height)
        while self._executed and self._executed[0][0] <= height:
            at, results = self._executed.popleft()
            for result in results:
                for future in self._transactions.pop(result.transaction_id, ()):
                    if not future.done():
                        future.set_result(included(at, result))
        self._changed.set()
        self._changed = asyncio.Event()

    async def transaction(self, transaction_id: Digest, timeout_ms: int) -> Included | None:
        """The transaction's place once certified; None when the time is over."""
        future: asyncio.Future[Included] = asyncio.get_running_loop().create_future()
        self._transactions.setdefault(transaction_id, []).append(future)
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                return await future
        except TimeoutError:
            return None
        finally:
            waiting = self._transactions.get(transaction_id)
            if waiting is not None and future in waiting:
                waiting.remove(future)
                if not waiting:
                    del self._transactions[transaction_id]

    async def height(self, height: int, timeout_ms: int | None) -> bool:
        """Whether a block at `height` or above was certified in time; None waits for ever."""

        try:
            async with asyncio.timeout(None if timeout_ms is None else timeout_ms / 1000):
                while self.certified_height < height:
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True
