"""Blocks for a change of members to take effect on.

A change counts its delay in heights, and an idle chain makes none. So while one waits and nothing else moves
the chain, each validator has a block made now and then: a Barrier of its own.
"""

import asyncio
from collections.abc import Callable

from chainnode.ledger.payloads import Barrier
from chainnode.node.executor import Executor
from chainnode.node.filing import SubmitOwn
from consensus.types import ReplicaId

LOOK_EVERY_MS = 500


class Passage:
    def __init__(
        self,
        *,
        member: ReplicaId,
        executor: Executor,
        settled_height: Callable[[], int],
        submit_own: SubmitOwn,
    ) -> None:
        """`settled_height`: from which height on no change of members waits any more."""
        self._member = member
        self._executor = executor
        self._settled_height = settled_height
        self._submit_own = submit_own

    async def run(self) -> None:
        """Until cancelled."""
        seen = -1
        while True:
            await asyncio.sleep(LOOK_EVERY_MS / 1_000)
            height = self._executor.certified_header.height
            waits = self._settled_height() > height + 1
            if waits and height == seen and self._votes(height + 1):
                await self._submit_own(Barrier(self._member))
            seen = height

    def _votes(self, height: int) -> bool:
        return self._executor.replica_sets(height).key(self._member) is not None
