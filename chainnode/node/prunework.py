"""Old blocks go, every now and then, in steps, beside everything else."""

import asyncio
import threading
from collections.abc import Callable

from structlog.stdlib import BoundLogger

from chainnode.node.threads import in_thread
from chainnode.store.chain import ChainStore
from chainnode.store.pruning import Pruner
from consensus.parameters import Parameters

PRUNE_EVERY_MS = 10_000
PRUNE_STEP = 1_000
"""Blocks that are taken away at once, at most, or a quarter of those that are kept: looking through the state
for what it rests on takes long."""


class PruneWork:
    def __init__(
        self,
        store: ChainStore,
        keep_blocks: int,
        parameters: Parameters,
        height: Callable[[], int],
        log: BoundLogger,
    ) -> None:
        """`keep_blocks`: 0 for all; as many as replays need and a window stay in any case. `height`: the
        latest certified one."""
        self._store = store
        self._wanted = keep_blocks > 0
        self._kept = max(keep_blocks, parameters.validity_heights + parameters.window)
        self._step = min(PRUNE_STEP, max(1, self._kept // 4))
        self._height = height
        self._log = log

    async def run(self) -> None:
        """Until cancelled; at once where all blocks are kept. Raises OperatorError where the disk fails."""
        pruner, stopping = Pruner(self._store), threading.Event()
        while self._wanted:
            below = self._height() - self._kept
            if below - max(1, self._store.first) >= self._step:
                count = await in_thread(
                    lambda below=below: pruner.prune(below, stopping.is_set),  # type: ignore[misc]
                    interrupt=stopping.set,
                )
                self._log.info("pruned", blocks=count, lowest=self._store.whole)
            await asyncio.sleep(PRUNE_EVERY_MS / 1_000)
