"""A node's executor on stores in memory, over the founding of a test's chain; and what feeds it."""

from collections.abc import Sequence

from chainnode.ledger.payloads import AddDepartment
from chainnode.ledger.transaction import (
    BatchBody,
    Row,
    SignedBatch,
    Submission,
    batch_ref,
    batch_signed_bytes,
)
from chainnode.node.executor import Executor
from consensus.codec import encode
from consensus.messages import QuorumCertificate, Vote, block_vote_bytes
from consensus.parameters import Parameters
from consensus.ready import Decided
from consensus.types import BatchRef, BlockHeader
from tests.ledger.world import GENESIS_MS, Actor, Chain
from tests.store.memory import MemoryChainStore, MemoryRowStore


class Lone:
    """`chain` gives keys, founding and signed submissions; `executor` executes."""

    def __init__(self, members: int = 4, parameters: Parameters | None = None) -> None:
        self.parameters = parameters or Parameters()
        self.chain = Chain(members=members, parameters=self.parameters)
        self.store, self.rows = MemoryChainStore(), MemoryRowStore()
        self.sequence = 0
        self.executor = self.opened()

    def opened(self) -> Executor:
        """What a start makes of the stores."""
        self.executor = Executor(
            store=self.store,
            rows=self.rows,
            founding=self.chain.founding,
            created_ms=GENESIS_MS,
            parameters=self.parameters,
        )
        return self.executor

    def department(self, name: str, *, valid_for: int = 100) -> Submission:
        payload = AddDepartment(0, name, Actor("head of " + name).public)
        return self.chain.submission(self.chain.stewards[0], payload, valid_for=valid_for)

    def batch(self, *submissions: Submission, origin: int = 0) -> tuple[SignedBatch, BatchRef]:
        self.sequence += 1
        transactions = tuple(one.transaction for one in submissions)
        value = BatchBody(origin, self.sequence, self.executor.tip.height + 50, transactions)
        body = encode(value)
        signed = batch_signed_bytes(self.chain.chain_id, body)
        rows: Sequence[Row] = [row for one in submissions for row in one.rows]
        batch = SignedBatch(body, self.chain.validators[origin].sign(signed), tuple(rows))
        return batch, batch_ref(value, body)

    def stored(self, *submissions: Submission) -> BatchRef:
        batch, ref = self.batch(*submissions)
        self.rows.put(batch.rows)
        self.store.put_batches([batch])
        return ref

    def decided(self, *refs: BatchRef) -> Decided:
        tip = self.executor.tip
        return Decided(tip.height + 1, 0, 0, tip.time_ms + 1_000, refs)

    def execute(self, *submissions: Submission) -> BlockHeader:
        """A block of one batch."""
        return self.executor.execute(self.decided(self.stored(*submissions)))

    def certificate(self, header: BlockHeader) -> QuorumCertificate:
        return self.chain.certificate(header)

    def certify(self) -> QuorumCertificate:
        certificate = self.certificate(self.executor.tip)
        self.executor.certify(certificate)
        return certificate

    def vote(self, header: BlockHeader, replica: int) -> Vote:
        signed = block_vote_bytes(self.chain.chain_id, 0, header.height, header.hash(), replica)
        return Vote(replica, self.chain.validators[replica].sign(signed))
