"""Where a commit's time goes in a node: moments of its own transactions, stage by stage.

The product is not changed for it: the process that is measured (bench/network/node.py) puts watchers around
the functions at which a stage ends. What is kept is bounded, the oldest transactions are forgotten.
"""

import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any
from unittest.mock import patch

from bench.curves import Stage
from bench.spread import percentile
from chainnode.ledger.transaction import Submission
from chainnode.net.batching import Batcher, OwnBatch
from chainnode.node.admissions import Admissions
from chainnode.node.batches import Batches
from chainnode.node.executor import Executor
from chainnode.node.waiters import Waiters
from consensus.ready import Decided
from consensus.types import BlockHeader

STAGES = (
    ("admit", "form, signature, and what execution would say"),
    ("batch", "waiting for its batch to close"),
    ("store", "batch and rows written and synced here"),
    ("order", "PRE-PREPARE, PREPARE, COMMIT with their synced votes"),
    ("execute", "ledger, state root, one synced write"),
    ("certify", "a quorum's BLOCK-VOTEs"),
    ("answer", "back to whoever waits"),
)
"""Names, and what happens from the end of the stage before it."""
KEPT = 32_768
_RECEIVED = 0


class Moments:
    """Nanoseconds at which each transaction ended each stage; index 0 is its arrival."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._by_id: OrderedDict[bytes, list[int]] = OrderedDict()

    def clear(self) -> None:
        self._by_id.clear()

    def note(self, ids: Iterable[bytes], stage: int, at_ns: int) -> None:
        """Out of order or of an unknown transaction: not noted."""
        for one in ids:
            if stage == _RECEIVED:
                self._by_id[one] = [at_ns]
                if len(self._by_id) > self._kept:
                    self._by_id.popitem(last=False)
            else:
                moments = self._by_id.get(one)
                if moments is not None and len(moments) == stage:
                    moments.append(at_ns)

    def stages(self) -> tuple[Stage, ...]:
        whole = [one for one in self._by_id.values() if len(one) == len(STAGES) + 1]
        found = []
        for at, (name, what) in enumerate(STAGES):
            spent = [(one[at + 1] - one[at]) / 1e6 for one in whole]
            mean = sum(spent) / len(spent) if spent else 0.0
            found.append(Stage(name, what, percentile(spent, 50), percentile(spent, 95), mean))
        return tuple(found)


class Watch:
    """Watchers around one node's stages; `patches` are in force for as long as the node runs."""

    def __init__(self) -> None:
        self.moments = Moments()
        self._ids: OrderedDict[bytes, tuple[bytes, ...]] = OrderedDict()
        self._executed: OrderedDict[int, list[bytes]] = OrderedDict()

    def note(self, ids: Iterable[bytes], stage: str) -> None:
        """The end of `stage`, "receive" for the arrival."""
        names = ["receive", *(name for name, _ in STAGES)]
        self.moments.note(ids, names.index(stage), time.monotonic_ns())

    def _batched(self, batch: OwnBatch) -> None:
        ids = tuple(item.id for item in batch.content)
        self._ids[batch.ref.digest] = ids
        if len(self._ids) > KEPT:
            self._ids.popitem(last=False)
        self.note(ids, "batch")

    def _stored(self, holds: Iterable[Any]) -> None:
        for hold in holds:
            self.note(self._ids.get(hold.ref.digest, ()), "store")

    def _ordered(self, decided: Decided) -> list[bytes]:
        ids = [one for ref in decided.refs for one in self._ids.pop(ref.digest, ())]
        self.note(ids, "order")
        return ids

    def _certified(self, height: int) -> None:
        while self._executed and next(iter(self._executed)) <= height:
            self.note(self._executed.popitem(last=False)[1], "certify")

    def patches(self) -> list[Any]:
        submit, close, keep = Batches.submit, Batcher.close, Batches._keep
        execute, certified, take = Executor.execute, Waiters.certified, Admissions._take

        async def watched_take(own: Admissions, submission: Submission, *rest: Any) -> Any:
            ids = (submission.transaction.id(),)
            self.note(ids, "receive")
            result = await take(own, submission, *rest)
            self.note(ids, "answer")
            return result

        def watched_submit(own: Batches, submission: Submission, *rest: Any) -> str:
            self.note((submission.transaction.id(),), "admit")
            return submit(own, submission, *rest)

        def watched_close(own: Batcher, *rest: Any) -> OwnBatch:
            batch = close(own, *rest)
            self._batched(batch)
            return batch

        def watched_keep(own: Batches, holds: Any) -> None:
            keep(own, holds)
            self._stored(holds)

        def watched_execute(own: Executor, decided: Decided) -> BlockHeader:
            ids = self._ordered(decided)
            header = execute(own, decided)
            self.note(ids, "execute")
            self._executed[header.height] = ids
            return header

        def watched_certified(own: Waiters, height: int) -> None:
            self._certified(height)
            certified(own, height)

        return [
            patch.object(Admissions, "_take", watched_take),
            patch.object(Batches, "submit", watched_submit),
            patch.object(Batcher, "close", watched_close),
            patch.object(Batches, "_keep", watched_keep),
            patch.object(Executor, "execute", watched_execute),
            patch.object(Waiters, "certified", watched_certified),
        ]
