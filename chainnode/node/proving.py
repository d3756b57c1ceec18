"""What proves to an outsider how the chain stood: entries of the state, and blocks, under certificates."""

from collections.abc import AsyncIterator, Sequence

from chainnode.ledger.answer import prove_entries
from chainnode.ledger.stretch import Certification, ProvenBlock
from chainnode.node.api import NotFound, ReadTimeout
from chainnode.node.epochs import EpochSteps
from chainnode.node.executor import Executor
from chainnode.node.waiters import Waiters
from chainnode.store.chain import ChainStore
from consensus.codec import encode


class Proving:
    def __init__(
        self, *, store: ChainStore, executor: Executor, waiters: Waiters, epochs: EpochSteps
    ) -> None:
        self._store = store
        self._executor = executor
        self._waiters = waiters
        self._epochs = epochs

    async def entries(self, names: Sequence[bytes], *, min_height: int, timeout_ms: int) -> bytes:
        """Encoded StateProofs at the newest executed block, once that is certified. Raises ReadTimeout,
        NotFound (there is no block yet)."""
        if not await self._waiters.height(min_height, timeout_ms):
            raise ReadTimeout("min-height", f"height {min_height} was not certified within {timeout_ms} ms")
        tip = self._executor.tip
        if tip.height == 0:
            raise NotFound("unknown-block", "the chain has no block yet, and nobody votes on genesis")
        proofs = prove_entries(self._executor.state, tip, names)
        if not await self._waiters.height(tip.height, timeout_ms):
            raise ReadTimeout(
                "no-certificate", f"height {tip.height} was not certified within {timeout_ms} ms"
            )
        return encode(proofs)

    async def stretch(self, first: int, last: int, *, headers_only: bool) -> AsyncIterator[bytes]:
        """Encoded ProvenBlocks of the heights from `first` to `last`, then an encoded Certification of the
        last. Raises NotFound: no certified block, or one that was pruned."""
        if not 1 <= first <= last <= self._waiters.certified_height:
            raise NotFound("unknown-block", f"no certified blocks from height {first} to {last}")
        for height in range(first, last + 1):
            yield encode(self._block(height, headers_only))
        yield encode(self._certification(last))

    def _block(self, height: int, headers_only: bool) -> ProvenBlock:
        lowest = self._store.first if headers_only else self._store.whole
        block = self._store.block(height)
        if block is None or height < lowest:
            raise NotFound(
                "pruned", f"block {height} is not kept here, the lowest is {lowest}; ask another member"
            )
        if headers_only:
            return ProvenBlock(block.header, (), ())
        bodies = []
        for ref in block.refs:
            batch = self._store.get_batch(ref.digest)
            assert batch is not None, "a block that is kept whole has its batches"
            bodies.append(batch.body)
        return ProvenBlock(block.header, tuple(bodies), block.results)

    def _certification(self, height: int) -> Certification:
        above = []
        while (certificate := self._store.certificate(height)) is None:
            height += 1
            header = self._store.header(height)
            assert header is not None, "below a certificate there is no gap"
            above.append(header)
        proof = self._epochs.proof(certificate.epoch)
        assert proof is not None, "every epoch that began here has its steps"
        return Certification(tuple(above), certificate, proof)
