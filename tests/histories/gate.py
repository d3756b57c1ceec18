"""What answers clients at a simulated node: the real Waiters, Reads, StrongReads and Service.read.

Not here is the look that admission takes before a transaction is passed on: it reads the machine's clock and
its randomness. What it would turn away is refused in a block instead.
"""

from typing import TYPE_CHECKING, Any, cast

from chainnode.ledger.payloads import Payload
from chainnode.ledger.transaction import Submission, sign_transaction
from chainnode.node.api import Outcome, ReadResult, SubmitResult
from chainnode.node.reads import Reads
from chainnode.node.service import Service
from chainnode.node.strong import StrongReads
from chainnode.node.waiters import Waiters
from tests.ledger.world import id16
from tests.sim.simloop import SimLoop

if TYPE_CHECKING:
    from tests.sim.node import SimNode

OWN_VALIDITY_HEIGHTS = 10


class Gate:
    """One life of a node towards its clients, made as soon as its chain is open."""

    def __init__(self, node: "SimNode") -> None:
        self._node = node
        self.life = node.life
        self.loop = SimLoop(  # type: ignore[abstract]
            node.later, lambda: node.world.scheduler.now_ms
        )
        certified = node.executor.certified
        self.waiters = Waiters(certified.height if certified else 0)
        self.reads = Reads(cast(Any, node.store), node.executor, self.waiters)
        self.strong = StrongReads(node.number, self._submit_own)
        node.executor.watchers.append(lambda _, header, outcome, __: self.waiters.executed(header, outcome))

    async def read(self, key: bytes, *, strong: bool, min_height: int, timeout_ms: int) -> ReadResult:
        return await Service.read(
            cast(Service, self),
            key,
            prefix=False,
            limit=1,
            min_height=min_height,
            strong=strong,
            timeout_ms=timeout_ms,
        )

    async def submit(
        self, submission: Submission, client: str, valid_until_height: int, timeout_ms: int
    ) -> SubmitResult:
        """As Admissions does it."""
        id_ = submission.transaction.id()
        self._node.peers.batches.submit(submission, client, valid_until_height)
        found = await self.waiters.transaction(id_, timeout_ms)
        if found is None:
            return SubmitResult(id_, Outcome.PENDING)
        return SubmitResult(id_, Outcome.COMMITTED, found.height, found.code)

    async def _submit_own(self, payload: Payload, timeout_ms: int) -> SubmitResult:
        node = self._node
        signer = node.world.chain.corpus.validators[node.number]
        valid_until_height = node.executor.tip.height + OWN_VALIDITY_HEIGHTS
        submission = sign_transaction(
            payload,
            chain_id=node.world.chain.chain_id,
            valid_until_height=valid_until_height,
            nonce=id16(f"barrier {node.number} {node.life} {self.strong.barriers}"),
            signer=signer.public,
            sign=signer.sign,
        )
        return await self.submit(submission, "node", valid_until_height, timeout_ms)
