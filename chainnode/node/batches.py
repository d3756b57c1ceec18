"""Batches at work: packing, storing, sending, checking and fetching them for the dissemination's rules.

A batch is ready only when its rows and its body are on disk; only then may it be ordered here.
"""

import asyncio
from collections.abc import Callable, Sequence

from structlog.stdlib import BoundLogger

from chainnode.ledger.admission import check_batch
from chainnode.ledger.rules import Refusal
from chainnode.ledger.transaction import (
    BatchBody,
    Row,
    SignedBatch,
    Submission,
    batch_ref,
    batch_signed_bytes,
)
from chainnode.net.wire import Batch, BatchMissing, BatchOffer, BatchRequest
from chainnode.node import turn as inputs
from chainnode.node.clock import now
from chainnode.node.driver import Driver
from chainnode.node.executor import Executor
from chainnode.node.network import Network
from chainnode.node.packing import Fetches, Packer
from chainnode.store.chain import ChainStore
from chainnode.store.rows import RowStore
from chainnode.vault.keys import SigningKey, valid_point
from consensus.codec import DecodeError, decode, encode
from consensus.types import BatchRef, Digest, ReplicaId, ReplicaSets
from genesis.document import Genesis

INLINE_TRANSACTIONS = 25
"""More signatures than this are checked in a thread, if the configuration says so."""
LOOK_EVERY_MS = 250
BATCH_VALIDITY_HEIGHTS = 200
"""A batch that was not proposed by then is dropped; its transactions may come again."""
OFFERED = 1_024


class Batches:
    def __init__(
        self,
        *,
        member: ReplicaId,
        genesis: Genesis,
        validator: SigningKey,
        replica_sets: ReplicaSets,
        store: ChainStore,
        rows: RowStore,
        executor: Executor,
        driver: Driver,
        network: Network,
        verify: Callable[[bytes, bytes, bytes], bool],
        threaded: bool,
        log: BoundLogger,
    ) -> None:
        self._member = member
        self._chain_id = genesis.chain_id
        self._parameters = genesis.parameters
        self._validator = validator
        self._sets = replica_sets
        self._store = store
        self._rows = rows
        self._executor = executor
        self._driver = driver
        self._network = network
        self._verify = verify
        self._threaded = threaded
        self._log = log
        self._packer = Packer(genesis.parameters)
        self._fetches = Fetches()
        self._unordered: dict[Digest, BatchRef] = {}
        self._wake = asyncio.Event()
        self._sequence = 0

    def register(self) -> None:
        """Take the frames that concern batches, and the links' coming up."""
        self._network.handle(Batch, self._on_batch)
        self._network.handle(BatchRequest, self._on_request)
        self._network.handle(BatchMissing, self._on_missing)
        self._network.handle(BatchOffer, self._on_offer)
        self._network.watch_links(self._on_link)

    async def recover(self) -> None:
        """Batches that are on disk and in no block are ready again."""
        for digest in list(self._store.unordered_batches()):
            stored = self._store.get_batch(digest)
            assert stored is not None, "a listed batch is there"
            body = decode(stored.body, BatchBody, limit_bytes=len(stored.body))
            if body.origin == self._member:
                self._sequence = max(self._sequence, body.origin_sequence)
            await self._ready(batch_ref(body, stored.body), body)
        self._sequence = max(self._sequence, now().wall_ms)

    def submit(self, submission: Submission, client: str) -> bool:
        """Queue an admitted transaction; False where this node's unordered bytes are at their bound."""
        size = sum(ref.size_bytes for ref in self._unordered.values() if ref.origin == self._member)
        if (
            size + self._packer.queued_bytes + len(submission.transaction.body)
            > self._parameters.unordered_bytes
        ):
            return False
        self._packer.add(submission, client)
        self._wake.set()
        return True

    def want(self, refs: Sequence[BatchRef], sources: Sequence[ReplicaId]) -> None:
        """Fetch batches that are not here: from the sources in turn, then from anybody."""
        others = [one for one in self._sets(0).ids if one not in sources]
        for ref in refs:
            if not self._store.has_batch(ref.digest):
                peers = [one for one in (*sources, *others) if one != self._member]
                self._fetches.want(ref.digest, peers)
        self._wake.set()

    def executed(self, refs: Sequence[BatchRef], height: int) -> None:
        """A block was executed: its batches, and those that expired, are no longer to be ordered."""
        for ref in refs:
            self._unordered.pop(ref.digest, None)
        expired = [digest for digest, ref in self._unordered.items() if ref.expiry_height < height]
        if expired:
            for digest in expired:
                del self._unordered[digest]
            self._store.delete_unordered(expired)

    async def run(self) -> None:
        """Pack and fetch. Until cancelled."""
        while True:
            current = now().monotonic_ms
            for peer, digest in self._fetches.due(current):
                if not self._store.has_batch(digest):
                    self._network.offer(peer, BatchRequest(digest))
            if self._packer.queued_bytes:
                if any(ref.origin == self._member for ref in self._unordered.values()):
                    # One is under way already: let this one fill.
                    await asyncio.sleep(self._parameters.batch_delay_ms / 1000)
                await self._pack()
                continue
            try:
                async with asyncio.timeout(LOOK_EVERY_MS / 1000):
                    await self._wake.wait()
            except TimeoutError:
                continue
            finally:
                self._wake.clear()

    async def _pack(self) -> None:
        submissions = self._packer.take()
        self._sequence += 1
        body = BatchBody(
            self._member,
            self._sequence,
            self._executor.tip.height + BATCH_VALIDITY_HEIGHTS,
            tuple(one.transaction for one in submissions),
        )
        data = encode(body)
        rows = tuple(row for one in submissions for row in one.rows)
        signature = self._validator.sign(batch_signed_bytes(self._chain_id, data))
        batch = SignedBatch(data, signature, rows)
        await self._keep(batch)
        frame = Batch(encode(batch))
        for peer in self._sets(0).ids:
            if peer != self._member:
                self._network.offer(peer, frame)
        await self._ready(batch_ref(body, data), body)

    async def _keep(self, batch: SignedBatch) -> None:
        def write() -> None:
            self._rows.put(batch.rows)
            self._store.put_batches([batch])

        await asyncio.to_thread(write)

    async def _ready(self, ref: BatchRef, body: BatchBody) -> None:
        self._executor.keep_body(ref.digest, body)
        if self._store.batch_height(ref.digest) is None:
            self._unordered[ref.digest] = ref
        await self._driver.put(inputs.BatchStored(ref))

    async def _on_batch(self, peer: ReplicaId, frame: Batch) -> None:
        try:
            batch = decode(frame.batch, SignedBatch, limit_bytes=len(frame.batch))
        except DecodeError as error:
            self._log.warning("batch refused", peer=peer, rule=error.code)
            return
        checked = await self._check(batch)
        if isinstance(checked, Refusal):
            self._log.warning("batch refused", peer=peer, rule=checked.rule, detail=checked.detail)
            return
        ref, body = checked
        if self._store.has_batch(ref.digest) or not self._has_room(ref):
            return
        await self._keep(batch)
        self._fetches.done(ref.digest)
        await self._ready(ref, body)

    def _has_room(self, ref: BatchRef) -> bool:
        """Unordered bytes are bounded for each origin; what was asked for always finds room."""
        if self._fetches.wants(ref.digest):
            return True
        held = sum(one.size_bytes for one in self._unordered.values() if one.origin == ref.origin)
        return held + ref.size_bytes <= self._parameters.unordered_bytes

    async def _check(self, batch: SignedBatch) -> tuple[BatchRef, BatchBody] | Refusal:
        members = self._sets(self._executor.tip.height + 1)

        def check() -> tuple[BatchRef, BatchBody] | Refusal:
            return check_batch(
                batch,
                origin_key=members.key,
                chain_id=self._chain_id,
                parameters=self._parameters,
                verify=self._verify,
                valid_point=valid_point,
            )

        if self._threaded and len(batch.body) > INLINE_TRANSACTIONS * 300:
            return await asyncio.to_thread(check)
        return check()

    def _signed(self, digest: Digest) -> SignedBatch | None:
        """A stored batch with its rows; None where it, or a row that is not erased, is missing."""
        stored = self._store.get_batch(digest)
        if stored is None:
            return None
        rows: list[Row] = []
        for row_digest in stored.row_digests:
            row = self._rows.get(row_digest)
            if row is None:
                return None
            rows.append(row)
        return SignedBatch(stored.body, stored.signature, tuple(rows))

    async def _on_request(self, peer: ReplicaId, frame: BatchRequest) -> None:
        batch = self._signed(frame.digest)
        answer = BatchMissing(frame.digest) if batch is None else Batch(encode(batch))
        await self._network.send(peer, answer)

    async def _on_missing(self, peer: ReplicaId, frame: BatchMissing) -> None:
        self._fetches.refused(frame.digest, peer)
        self._wake.set()

    async def _on_offer(self, peer: ReplicaId, frame: BatchOffer) -> None:
        for digest in frame.digests:
            if not self._store.has_batch(digest):
                self._fetches.want(digest, [peer])
        self._wake.set()

    async def _on_link(self, peer: ReplicaId, up: bool) -> None:
        """A link that broke lost what was under way: offer what this node knows to be unordered."""
        digests = tuple(self._unordered)[:OFFERED]
        if up and digests:
            self._network.offer(peer, BatchOffer(digests))
