"""Batches at work: carries out what the dissemination wants: store, send, check, fetch.

A batch is ready only when its rows and its body are on disk; only then may it be ordered here.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

from structlog.stdlib import BoundLogger

from chainnode.ledger.admission import check_batch
from chainnode.ledger.rules import Refusal
from chainnode.ledger.transaction import BatchBody, SignedBatch, Submission, batch_digest, batch_ref
from chainnode.net.actions import Actions, Hold, Serve, merge
from chainnode.net.dissemination import Dissemination
from chainnode.net.wire import Batch, BatchMissing, BatchOffer, BatchRequest
from chainnode.node import turn as inputs
from chainnode.node.clock import now
from chainnode.node.complaints import Complaints
from chainnode.node.driver import Driver
from chainnode.node.executor import Executor
from chainnode.node.members import NodeKey
from chainnode.node.network import Network
from chainnode.store.chain import ChainStore
from chainnode.store.rows import RowStore
from chainnode.vault.keys import valid_point
from consensus.codec import DecodeError, decode, encode
from consensus.ready import Fetch, Relay
from consensus.types import BatchRef, Digest, ReplicaId
from genesis.document import Genesis

THREAD_FROM_BYTES = 8_192
"""A longer batch is checked in a thread, if the configuration says so: about 25 signatures."""
IDLE_MS = 1_000
REQUESTS_PER_TURN = 128
"""Of one peer. An honest one has fewer under way."""


class Batches:
    def __init__(
        self,
        *,
        member: ReplicaId,
        genesis: Genesis,
        validator: NodeKey,
        store: ChainStore,
        rows: RowStore,
        executor: Executor,
        driver: Driver,
        network: Network,
        verify: Callable[[bytes, bytes, bytes], bool],
        threaded: bool,
        log: BoundLogger,
    ) -> None:
        self._chain_id = genesis.chain_id
        self._parameters = genesis.parameters
        self._store = store
        self._rows = rows
        self._executor = executor
        self._driver = driver
        self._network = network
        self._verify = verify
        self._threaded = threaded
        self._log = log
        self._pending: list[Actions] = []
        self._here: list[BatchRef] = []
        self._certified: dict[Digest, None] = {}
        """Batches that proven blocks name, and that are not here yet."""
        self._lacking: dict[Digest, set[ReplicaId]] = {}
        """Who answered that it does not have one of these."""
        self.on_lost: Callable[[ReplicaId], None] = lambda _: None
        """Told of the last of f + 1 peers that do not have a batch of a proven block: a row of it was erased,
        and that block cannot be executed here any more."""
        self._requests: Counter[ReplicaId] = Counter()
        self._complaints = Complaints(log)
        self._watchers: list[Callable[[], None]] = []
        self._wake = asyncio.Event()
        self._rules = Dissemination(
            member=member,
            chain_id=genesis.chain_id,
            parameters=genesis.parameters,
            sign=validator.sign,
            # Above whatever was used before a crash: no member makes a thousand batches a second for long.
            first_sequence=now().wall_ms,
            height=executor.tip.height,
        )

    def register(self) -> None:
        """Take the frames that concern batches, and the links' coming and going."""
        self._network.handle(Batch, self._on_batch)
        self._network.handle(BatchRequest, self._on_request)
        self._network.handle(BatchMissing, self._on_missing)
        self._network.handle(BatchOffer, self._on_offer)
        self._network.watch_links(self._on_link)

    def watch_arrivals(self, watcher: Callable[[], None]) -> None:
        """Called when batches came to be on disk."""
        self._watchers.append(watcher)

    def sizes(self) -> tuple[int, int]:
        """Bytes of own transactions that are in no batch yet, and of everybody's batches that are here and in
        no block yet."""
        return self._rules.waiting_bytes, sum(self._rules.unordered().values())

    async def recover(self) -> None:
        """Batches that are on disk and in no block are ready again."""
        for digest in list(self._store.unordered_batches()):
            batch = self._signed(digest)
            if batch is None:
                continue  # a row of it was erased: it comes again from whoever still orders it
            if self._store.batch_height(digest) is not None:
                continue  # ordered since this began
            body = decode(batch.body, BatchBody, limit_bytes=len(batch.body))
            ref = batch_ref(body, batch.body)
            self._do(self._rules.restore(batch, ref, now()))
            await self._driver.put(inputs.BatchStored(ref))

    def submit(self, submission: Submission, client: str, valid_until_height: int) -> str:
        """Queue an admitted transaction; "" or why it was not taken: "busy", "too-large"."""
        actions = self._rules.submit(
            submission, client=client, valid_until_height=valid_until_height, now=now()
        )
        self._do(actions)
        return actions.refused[0].rule if actions.refused else ""

    def want(self, refs: Sequence[BatchRef], sources: Sequence[ReplicaId]) -> None:
        """Fetch batches that are not here, from these peers in turn. The replica is told of those that are:
        it may have forgotten one that was ordered long ago."""
        for ref in refs:
            if self._store.has_batch(ref.digest):
                self._here.append(ref)
                self._wake.set()
            else:
                self._do(self._rules.fetch(Fetch(ref, tuple(sources)), now()))

    def want_certified(self, refs: Sequence[BatchRef], sources: Sequence[ReplicaId]) -> None:
        """The same for batches that proven blocks name. They are taken whoever made them: a node that is
        behind may not know the origin's key yet, or no longer, and would never get past that block."""
        self._certified = {ref.digest: None for ref in refs}
        self._lacking = {digest: self._lacking.get(digest, set()) for digest in self._certified}
        self.want(refs, sources)

    def relay(self, relays: Sequence[Relay]) -> None:
        """Hand batches to a primary that leaves them waiting."""
        for one in relays:
            self._do(self._rules.relay([one.ref.digest], one.to, now()))

    def executed(self, refs: Sequence[BatchRef], height: int) -> None:
        """A block was executed: its batches, and those that expired, are no longer to be ordered."""
        self._do(self._rules.block_executed(height, refs, now()))

    def _do(self, actions: Actions) -> None:
        self._pending.append(actions)
        self._wake.set()

    async def run(self) -> None:
        """Carry out what was asked for, and tick. Until cancelled."""
        wake_at_ms: int | None = None
        while True:
            current = now().monotonic_ms
            wait_ms = IDLE_MS if wake_at_ms is None else max(0, min(IDLE_MS, wake_at_ms - current))
            try:
                async with asyncio.timeout(wait_ms / 1000):
                    await self._wake.wait()
            except TimeoutError:
                pass  # nothing asked: a tick is due
            self._wake.clear()
            pending, self._pending = self._pending, []
            here, self._here = self._here, []
            self._requests.clear()
            for ref in here:
                await self._driver.put(inputs.BatchStored(ref))
            actions = merge([*pending, self._rules.tick(now())])
            await self._carry_out(actions)
            wake_at_ms = actions.wake_at_ms

    async def _carry_out(self, actions: Actions) -> None:
        """In the order of Actions: what is announced is on disk."""
        if actions.hold:
            await asyncio.to_thread(self._keep, actions.hold)
            for hold in actions.hold:
                await self._driver.put(inputs.BatchStored(hold.ref))
            for watch in self._watchers:
                watch()
        for push in actions.push:
            frame = Batch(encode(push.batch))
            for peer in push.to:
                if not self._network.offer(peer, frame):
                    self._rules.not_sent(peer, batch_digest(push.batch.body))
        await self._serve(actions.serve)
        for offer in actions.offer:
            self._network.offer(offer.to, BatchOffer(offer.digests))
        for request in actions.request:
            self._network.offer(request.to, BatchRequest(request.digest))
        for dropped in actions.dropped:
            self._complaints.warn(dropped.peer, "batch dropped", rule=dropped.rule)
        for transaction_id in actions.expired:
            self._log.warning("own transaction expired unordered", transaction=transaction_id.hex())
        if actions.forget:
            self._store.delete_unordered(actions.forget)

    async def _serve(self, serves: Sequence[Serve]) -> None:
        """Once each, and no more to a peer whose queue is full: it asks again."""
        full: set[ReplicaId] = set()
        for serve in dict.fromkeys(serves):
            if serve.to not in full:
                batch = self._signed(serve.digest)
                answer = BatchMissing(serve.digest) if batch is None else Batch(encode(batch))
                if self._network.offer(serve.to, answer):
                    await asyncio.sleep(0)  # each reads from the disk
                    continue
                full.add(serve.to)
            self._rules.not_sent(serve.to, serve.digest)

    def _keep(self, holds: Sequence[Hold]) -> None:
        """Rows first: a batch that is here is complete."""
        self._rows.put(row for hold in holds for row in hold.batch.rows)
        self._store.put_batches(hold.batch for hold in holds)

    async def _on_batch(self, peer: ReplicaId, frame: Batch) -> None:
        try:
            batch = decode(frame.batch, SignedBatch, limit_bytes=len(frame.batch))
        except DecodeError as error:
            self._complaints.warn(peer, "batch refused", rule=error.code)
            return
        digest = batch_digest(batch.body)
        if self._store.has_batch(digest):
            return
        checked = await self._check(batch)
        if isinstance(checked, Refusal):
            self._complaints.warn(peer, "batch refused", rule=checked.rule, detail=checked.detail)
            self._do(self._rules.missing_from_peer(peer, digest, now()))
            return
        ref, body = checked
        self._executor.keep_body(ref.digest, body)
        self._do(self._rules.batch_from_peer(peer, batch, ref, now()))

    async def _check(self, batch: SignedBatch) -> tuple[BatchRef, BatchBody] | Refusal:
        known = self._executor.origin_keys

        certified = batch_digest(batch.body) in self._certified

        def check_under(turn: int) -> tuple[BatchRef, BatchBody] | Refusal:
            return check_batch(
                batch,
                origin_key=None if certified else lambda origin: next(iter(known(origin)[turn:]), None),
                chain_id=self._chain_id,
                parameters=self._parameters,
                verify=self._verify,
                valid_point=valid_point,
            )

        def check() -> tuple[BatchRef, BatchBody] | Refusal:
            """Where the origin's key was rotated not long ago, under the former one too."""
            first, turn = check_under(0), 1
            checked = first
            while isinstance(checked, Refusal) and checked.rule == "bad-signature":
                checked, turn = check_under(turn), turn + 1
            return first if isinstance(checked, Refusal) else checked

        if self._threaded and len(batch.body) > THREAD_FROM_BYTES:
            return await asyncio.to_thread(check)
        return check()

    def _signed(self, digest: Digest) -> SignedBatch | None:
        """A stored batch with its rows; None where it, or a row of it, is missing or erased."""
        stored = self._store.get_batch(digest)
        if stored is None:
            return None
        rows = [self._rows.get(row_digest) for row_digest in stored.row_digests]
        here = tuple(row for row in rows if row is not None)
        return SignedBatch(stored.body, stored.signature, here) if len(here) == len(rows) else None

    async def _on_request(self, peer: ReplicaId, frame: BatchRequest) -> None:
        self._requests[peer] += 1
        if self._requests[peer] <= REQUESTS_PER_TURN:
            self._do(self._rules.request_from_peer(peer, frame.digest, now()))

    async def _on_missing(self, peer: ReplicaId, frame: BatchMissing) -> None:
        self._do(self._rules.missing_from_peer(peer, frame.digest, now()))
        said = self._lacking.get(frame.digest)
        if said is not None:
            said.add(peer)
            if len(said) > self._executor.replica_sets(self._executor.tip.height + 1).f:
                self.on_lost(peer)

    async def _on_offer(self, peer: ReplicaId, frame: BatchOffer) -> None:
        unknown = [digest for digest in frame.digests if not self._store.has_batch(digest)]
        self._do(self._rules.offer_from_peer(peer, unknown, now()))

    async def _on_link(self, peer: ReplicaId, up: bool) -> None:
        self._do(self._rules.link_up(peer, now()) if up else self._rules.link_down(peer, now()))
