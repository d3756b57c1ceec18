"""Batches on their way to everybody, before they are ordered. Sans-IO: inputs and `now` in, Actions out.

Own submissions become signed batches; every batch goes to every member once, directly from its
origin; what a peer lacks it asks for. Nothing here waits for an answer: a push that was lost is healed by
the offers that follow, at every link that comes up and every `REOFFER_MS` for what is not executed yet.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Sequence

from chainnode.ledger.transaction import SignedBatch, Submission
from chainnode.net.actions import (
    Actions,
    Dropped,
    DropRule,
    Hold,
    Offer,
    Push,
    Refused,
    Request,
    Serve,
    merge,
)
from chainnode.net.batching import Batcher, OwnBatch, held_bytes, queued
from chainnode.net.fetching import Fetches
from chainnode.net.wire import MAX_OFFERED_DIGESTS
from consensus.parameters import Parameters
from consensus.ready import Fetch
from consensus.types import BatchRef, Digest, Now, ReplicaId

REOFFER_MS = 2_000
MAX_DELAY_FACTOR = 8
"""A batch waits `batch_delay_ms` for each own batch that is not executed yet, up to so many."""
PEER_CAP_FACTOR = 2
"""A peer may have this many times `unordered_bytes` here: it may have executed blocks that we have not."""


class _Held:
    """A batch that is here and not in a block yet. `has`: peers that are known to have it."""

    __slots__ = ("given", "has", "ref", "size_bytes")

    def __init__(self, ref: BatchRef, size_bytes: int, has: set[ReplicaId]) -> None:
        self.ref = ref
        self.size_bytes = size_bytes
        self.has = has
        self.given: set[ReplicaId] = set()  # sent by us over the link that is up now


class Dissemination:
    def __init__(
        self,
        *,
        member: ReplicaId,
        chain_id: bytes,
        parameters: Parameters,
        sign: Callable[[bytes], bytes],
        first_sequence: int,
        height: int,
    ) -> None:
        """`sign`: Ed25519 with the validator key. `first_sequence`: above every sequence this member
        ever used, also where the last ones were lost in a crash. `height`: last executed block."""
        self._member = member
        self._parameters = parameters
        self._height = height
        self._batcher = Batcher(
            member=member,
            chain_id=chain_id,
            parameters=parameters,
            sign=sign,
            first_sequence=first_sequence,
        )
        self._fetches = Fetches()
        self._linked: set[ReplicaId] = set()
        self._held: dict[Digest, _Held] = {}
        self._own: dict[Digest, OwnBatch] = {}
        self._origin_bytes: Counter[ReplicaId] = Counter()
        self._expiries: list[tuple[int, Digest]] = []
        self._executed: dict[Digest, int] = {}
        self._executed_expiries: list[tuple[int, Digest]] = []
        self._offer_at_ms = 0

    def submit(self, submission: Submission, *, client: str, valid_until_height: int, now: Now) -> Actions:
        """Take a transaction that admission found good. One that is under way already is not taken
        again and not refused. Batches leave in `tick`: call it at the end of the turn."""
        item = queued(submission, client, valid_until_height)
        if self._batcher.has(item.id):
            return self._done(now)
        if not self._batcher.fits_a_batch(item):
            detail = f"{item.size_bytes} bytes with its rows are more than a batch or a frame holds"
            return self._done(now, refused=(Refused(item.id, "too-large", detail),))
        if not self._batcher.has_room(item, len(self._own)):
            detail = f"too much of {client or 'this client'} waits to be ordered"
            return self._done(now, refused=(Refused(item.id, "busy", detail),))
        self._batcher.add(item, now.monotonic_ms)
        return self._done(now)

    def batch_from_peer(self, peer: ReplicaId, batch: SignedBatch, ref: BatchRef, now: Now) -> Actions:
        """A batch whose signatures and form were checked, and its ref."""
        held = self._held.get(ref.digest)
        if held is not None:
            held.has.add(peer)
            return self._done(now)
        if ref.digest in self._executed:
            return self._done(now)
        needed = self._fetches.drop(ref.digest)
        rule = None if needed else self._objection(batch, ref)
        if rule is not None:
            return self._done(now, dropped=(Dropped(peer, ref, rule),))
        self._hold(batch, ref, {peer, ref.origin})
        return self._done(now, hold=(Hold(ref, batch),))

    def restore(self, batch: SignedBatch, ref: BatchRef, now: Now) -> Actions:
        """A batch from the store that is in no block yet, at the start. It is ready without being held
        again; an own one is offered, not pushed."""
        if ref.digest in self._held or ref.expiry_height <= self._height:
            return self._done(now)
        self._hold(batch, ref, {ref.origin})
        if ref.origin == self._member:
            self._own[ref.digest] = OwnBatch(ref, batch, (), now.monotonic_ms)
        return self._done(now)

    def offer_from_peer(self, peer: ReplicaId, digests: Sequence[Digest], now: Now) -> Actions:
        """What is not here is asked for, a few at a time."""
        for digest in digests:
            held = self._held.get(digest)
            if held is not None:
                held.has.add(peer)
            elif digest not in self._executed:
                self._fetches.offered(digest, peer)
        return self._pump(now)

    def request_from_peer(self, peer: ReplicaId, digest: Digest, now: Now) -> Actions:
        """Bounded by the queue to that peer: the driver drops what finds no room there."""
        held = self._held.get(digest)
        if held is not None:
            held.given.add(peer)
        return self._done(now, serve=(Serve(peer, digest),))

    def missing_from_peer(self, peer: ReplicaId, digest: Digest, now: Now) -> Actions:
        """The peer answered that it has it not, or what it sent failed the checks."""
        self._fetches.failed(digest, peer)
        return self._pump(now)

    def not_sent(self, peer: ReplicaId, digest: Digest) -> None:
        """A push or a serve found no room in the queue to the peer: it was not given the batch."""
        held = self._held.get(digest)
        if held is not None:
            held.given.discard(peer)

    def fetch(self, wanted: Fetch, now: Now) -> Actions:
        """A proposal names a batch that is not here (Ready.fetch): ask until it is."""
        if wanted.ref.digest not in self._held and wanted.ref.digest not in self._executed:
            sources = [source for source in wanted.sources if source != self._member]
            self._fetches.need(wanted.ref.digest, sources, wanted.ref.expiry_height)
        return self._pump(now)

    def relay(self, digests: Sequence[Digest], primary: ReplicaId, now: Now) -> Actions:
        """Send the primary what it may lack, before it is suspected of censorship. What it sent itself,
        or was given over the link that is up, is not sent again."""
        serve: list[Serve] = []
        for digest in digests:
            held = self._held.get(digest)
            if held is None or primary == self._member or primary not in self._linked:
                continue
            if primary not in held.has and primary not in held.given:
                held.given.add(primary)
                serve.append(Serve(primary, digest))
        return self._done(now, serve=tuple(serve))

    def link_up(self, peer: ReplicaId, now: Now) -> Actions:
        """The peer may have lost what was sent before: offer it all own batches."""
        self._linked.add(peer)
        for held in self._held.values():
            held.given.discard(peer)
        return merge([self._done(now, offer=self._offers([peer], list(self._own))), self._pump(now)])

    def link_down(self, peer: ReplicaId, now: Now) -> Actions:
        self._linked.discard(peer)
        for held in self._held.values():
            held.given.discard(peer)
        self._fetches.link_down(peer)
        return self._pump(now)

    def block_executed(self, height: int, refs: Sequence[BatchRef], now: Now) -> Actions:
        """In order of the heights. What the block names is done, what expired is given up."""
        self._height = height
        for ref in refs:
            self._fetches.drop(ref.digest)
            self._release(ref.digest)
            if ref.digest not in self._executed:
                keep_until = min(ref.expiry_height, height + self._parameters.validity_heights)
                self._executed[ref.digest] = keep_until
                heapq.heappush(self._executed_expiries, (keep_until, ref.digest))
        while self._executed_expiries and self._executed_expiries[0][0] <= height:
            del self._executed[heapq.heappop(self._executed_expiries)[1]]
        forget, expired = self._expire(now)
        self._fetches.expire(height)
        return self._done(now, forget=forget, expired=expired)

    def tick(self, now: Now) -> Actions:
        """Close the batches that are due, ask the next source where an answer is late, offer again."""
        closed: list[OwnBatch] = []
        while (due := self._batch_due_ms()) is not None and due <= now.monotonic_ms:
            closed.append(self._close(now))
        offer: tuple[Offer, ...] = ()
        if self._own and now.monotonic_ms >= self._offer_at_ms:
            self._offer_at_ms = now.monotonic_ms + REOFFER_MS
            old = [
                digest for digest, own in self._own.items() if own.since_ms + REOFFER_MS <= now.monotonic_ms
            ]
            offer = self._offers(sorted(self._linked), old)
        actions = self._done(
            now,
            hold=tuple(Hold(own.ref, own.batch) for own in closed),
            push=tuple(Push(tuple(sorted(self._linked)), own.batch) for own in closed if self._linked),
            offer=offer,
        )
        return merge([actions, self._pump(now)])

    @property
    def waiting_bytes(self) -> int:
        """Of own submissions that are in no batch yet."""
        return self._batcher.waiting_bytes

    def unordered(self) -> dict[ReplicaId, int]:
        """Bytes of each origin that are here and in no block yet."""
        return {origin: size for origin, size in sorted(self._origin_bytes.items()) if size}

    def _close(self, now: Now) -> OwnBatch:
        # A quarter of the longest validity: long enough for any queue, and what is censored for so long
        # goes into a new batch while its transactions are still valid.
        expiry = self._height + max(1, self._parameters.validity_heights // 4)
        own = self._batcher.close(expiry, now.monotonic_ms)
        self._own[own.ref.digest] = own
        self._hold(own.batch, own.ref, {self._member})
        self._held[own.ref.digest].given.update(self._linked)
        return own

    def _batch_due_ms(self) -> int | None:
        """At once when idle or full; else the later, the more own batches are not executed yet."""
        since = self._batcher.waiting_since_ms
        if since is None or self._batcher.is_full:
            return since
        return since + self._parameters.batch_delay_ms * min(len(self._own), MAX_DELAY_FACTOR)

    def _objection(self, batch: SignedBatch, ref: BatchRef) -> DropRule | None:
        if ref.expiry_height <= self._height:
            return "expired"
        if ref.expiry_height > self._height + self._parameters.validity_heights:
            return "expiry-too-far"
        limit = PEER_CAP_FACTOR * self._parameters.unordered_bytes
        if self._origin_bytes[ref.origin] + held_bytes(batch) > limit:
            return "unordered-bytes"
        return None

    def _hold(self, batch: SignedBatch, ref: BatchRef, has: set[ReplicaId]) -> None:
        size = held_bytes(batch)
        self._held[ref.digest] = _Held(ref, size, has)
        self._origin_bytes[ref.origin] += size
        heapq.heappush(self._expiries, (ref.expiry_height, ref.digest))

    def _release(self, digest: Digest) -> None:
        held = self._held.pop(digest, None)
        if held is not None:
            self._origin_bytes[held.ref.origin] -= held.size_bytes
        own = self._own.pop(digest, None)
        if own is not None:
            self._batcher.release(own.content)

    def _expire(self, now: Now) -> tuple[tuple[Digest, ...], tuple[Digest, ...]]:
        """At `height` every slot that may name a batch with this expiry is decided, re-proposals
        included: they keep their sequence. So it may be forgotten, and an own one put together anew."""
        forget: list[Digest] = []
        while self._expiries and self._expiries[0][0] <= self._height:
            digest = heapq.heappop(self._expiries)[1]
            if digest not in self._held:
                continue
            own = self._own.pop(digest, None)
            self._release(digest)
            forget.append(digest)
            if own is not None:
                self._batcher.again(own.content, now.monotonic_ms)
        expired = self._batcher.expire(self._height) if self._batcher.waiting else []
        return tuple(forget), tuple(item.id for item in expired)

    @staticmethod
    def _offers(to: Sequence[ReplicaId], digests: list[Digest]) -> tuple[Offer, ...]:
        chunks = [
            tuple(digests[start : start + MAX_OFFERED_DIGESTS])
            for start in range(0, len(digests), MAX_OFFERED_DIGESTS)
        ]
        return tuple(Offer(peer, chunk) for peer in to for chunk in chunks)

    def _pump(self, now: Now) -> Actions:
        asked = self._fetches.pump(now.monotonic_ms, self._linked)
        return self._done(now, request=tuple(Request(peer, digest) for peer, digest in asked))

    def _done(self, now: Now, **actions: tuple[object, ...]) -> Actions:
        wakes = [self._batch_due_ms(), self._fetches.wake_at_ms()]
        if self._own:
            wakes.append(self._offer_at_ms)
        wake = min((at for at in wakes if at is not None), default=None)
        return Actions(**actions, wake_at_ms=wake)  # type: ignore[arg-type]
