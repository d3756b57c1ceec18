"""A node's batches: the real Dissemination, carried out as chainnode.node.batches does it."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from chainnode.ledger.payloads import ReportLeftViews
from chainnode.ledger.transaction import (
    BatchBody,
    SignedBatch,
    Submission,
    batch_digest,
    batch_ref,
    sign_transaction,
)
from chainnode.net.actions import Actions, Serve, merge
from chainnode.net.dissemination import Dissemination
from chainnode.net.wire import Batch, BatchMissing, BatchOffer, BatchRequest, Frame
from consensus.codec import DecodeError, decode, encode
from consensus.ready import Fetch, Relay
from consensus.types import BatchRef, Digest, ReplicaId
from tests.ledger.world import Actor, id16

if TYPE_CHECKING:
    from tests.sim.node import SimNode

SEQUENCES_PER_LIFE = 1_000_000
IDLE_MS = 1_000


class Batches:
    """One life of a node's dissemination. A batch that is stored goes to the replica as such."""

    def __init__(self, node: "SimNode", offer: Callable[[ReplicaId, Frame], bool]) -> None:
        self._node = node
        self._chain = node.world.chain
        self._store = node.store
        self._rows = node.rows
        self._offer = offer
        self._pending: list[Actions] = []
        self._certified: dict[Digest, None] = {}
        self._wakes = 0
        self._reports = 0
        self._rules = Dissemination(
            member=node.number,
            chain_id=self._chain.chain_id,
            parameters=self._chain.parameters,
            sign=lambda signed: self._chain.sign(self._actor(), signed),
            first_sequence=node.life * SEQUENCES_PER_LIFE,
            height=node.executor.tip.height,
        )

    def _actor(self) -> Actor:
        """With the key of the newest epoch."""
        actors = self._chain.corpus.keys_of(self._node.number)
        newest = next(iter(self._node.executor.origin_keys(self._node.number)), None)
        return actors.get(newest or b"", self._chain.corpus.validators[self._node.number])

    def report(self, payload: ReportLeftViews) -> None:
        """What this node itself has to say."""
        actor = self._actor()
        self._reports += 1
        until = self._node.executor.tip.height + self._chain.parameters.validity_heights // 2
        submission = sign_transaction(
            payload,
            chain_id=self._chain.chain_id,
            valid_until_height=until,
            nonce=id16(f"report {self._node.number} {self._node.life} {self._reports}"),
            signer=actor.public,
            sign=lambda signed: self._chain.sign(actor, signed),
            rows=(),
        )
        self.submit(submission, "node", until)

    def recover(self) -> None:
        """Batches that are on disk and in no block are ready again."""
        for digest in list(self._store.unordered_batches()):
            batch = self._signed(digest)
            if batch is None or self._store.batch_height(digest) is not None:
                continue
            ref = batch_ref(decode(batch.body, BatchBody, limit_bytes=len(batch.body)), batch.body)
            self._do(self._rules.restore(batch, ref, self._node.now()))
            self._node.stored(ref)

    def submit(self, submission: Submission, client: str, valid_until_height: int) -> None:
        """A transaction of one client of this node."""
        now = self._node.now()
        self._do(
            self._rules.submit(submission, client=client, valid_until_height=valid_until_height, now=now)
        )

    def executed(self, refs: Sequence[BatchRef], height: int) -> None:
        self._do(self._rules.block_executed(height, refs, self._node.now()))

    def want(self, refs: Sequence[BatchRef], sources: Sequence[ReplicaId]) -> None:
        for ref in refs:
            if self._store.has_batch(ref.digest):
                self._node.stored(ref)
            else:
                self._do(self._rules.fetch(Fetch(ref, tuple(sources)), self._node.now()))

    def want_certified(self, refs: Sequence[BatchRef], sources: Sequence[ReplicaId]) -> None:
        self._certified = {ref.digest: None for ref in refs}
        self.want(refs, sources)

    def relay(self, relays: Sequence[Relay]) -> None:
        for one in relays:
            self._do(self._rules.relay([one.ref.digest], one.to, self._node.now()))

    def unordered_bytes(self) -> dict[ReplicaId, int]:
        """Of each origin, what is here and in no block."""
        return self._rules.unordered()

    # --- peers ------------------------------------------------------------------------------------

    def link_changed(self, peer: ReplicaId, up: bool) -> None:
        changed = self._rules.link_up if up else self._rules.link_down
        self._do(changed(peer, self._node.now()))

    def on_batch(self, peer: ReplicaId, frame: Batch) -> None:
        checked = self._chain.checked_batch(frame.batch, self._node.executor.origin_keys, self._certified)
        if isinstance(checked, str):
            self._node.trace(f"refuses a batch of {peer}: {checked}")
            self._give_up(peer, frame)
            return
        batch, ref, _ = checked
        if not self._store.has_batch(ref.digest):
            self._do(self._rules.batch_from_peer(peer, batch, ref, self._node.now()))

    def _give_up(self, peer: ReplicaId, frame: Batch) -> None:
        """What a peer sent fails the checks: it counts as not having the batch."""
        try:
            batch = decode(frame.batch, SignedBatch, limit_bytes=len(frame.batch))
        except DecodeError:
            return
        self._do(self._rules.missing_from_peer(peer, batch_digest(batch.body), self._node.now()))

    def on_offer(self, peer: ReplicaId, frame: BatchOffer) -> None:
        unknown = [digest for digest in frame.digests if not self._store.has_batch(digest)]
        self._do(self._rules.offer_from_peer(peer, unknown, self._node.now()))

    def on_request(self, peer: ReplicaId, frame: BatchRequest) -> None:
        self._do(self._rules.request_from_peer(peer, frame.digest, self._node.now()))

    def on_missing(self, peer: ReplicaId, frame: BatchMissing) -> None:
        self._do(self._rules.missing_from_peer(peer, frame.digest, self._node.now()))

    # --- carrying out -----------------------------------------------------------------------------

    def _do(self, actions: Actions) -> None:
        self._pending.append(actions)
        if len(self._pending) == 1:
            self._node.later(self._node.random.randint(0, 1), self._run)

    def _run(self) -> None:
        pending, self._pending = self._pending, []
        actions = merge([*pending, self._rules.tick(self._node.now())])
        self._carry_out(actions)
        self._wakes += 1
        wakes = self._wakes

        def tick() -> None:
            if self._wakes == wakes and not self._pending:
                self._run()

        wait_ms = IDLE_MS
        if actions.wake_at_ms is not None:
            wait_ms = max(1, min(wait_ms, actions.wake_at_ms - self._node.now().monotonic_ms))
        self._node.later(wait_ms, tick)

    def _carry_out(self, actions: Actions) -> None:
        if actions.hold:
            # Rows first: a batch that is here is complete.
            self._rows.put(row for hold in actions.hold for row in hold.batch.rows)
            self._store.put_batches([hold.batch for hold in actions.hold])
            for hold in actions.hold:
                self._node.stored(hold.ref)
            self._node.peers.wake_sync()
        for push in actions.push:
            data = encode(push.batch)
            for peer in push.to:
                if not self._offer(peer, Batch(data)):
                    self._rules.not_sent(peer, batch_digest(push.batch.body))
        self._serve(actions.serve)
        for offer in actions.offer:
            self._offer(offer.to, BatchOffer(offer.digests))
        for request in actions.request:
            self._offer(request.to, BatchRequest(request.digest))
        self._store.delete_unordered(actions.forget)

    def _serve(self, serves: Sequence[Serve]) -> None:
        full: set[ReplicaId] = set()
        for serve in dict.fromkeys(serves):
            if serve.to not in full:
                batch = self._signed(serve.digest)
                if self._offer(
                    serve.to, BatchMissing(serve.digest) if batch is None else Batch(encode(batch))
                ):
                    continue
                full.add(serve.to)
            self._rules.not_sent(serve.to, serve.digest)

    def _signed(self, digest: Digest) -> SignedBatch | None:
        stored = self._store.get_batch(digest)
        if stored is None:
            return None
        rows = [self._rows.get(name) for name in stored.row_digests]
        here = tuple(row for row in rows if row is not None)
        return SignedBatch(stored.body, stored.signature, here) if len(here) == len(rows) else None
