"""The provider's side of a release: parts and ciphertexts go over the direct link, nothing on chain.

What is due follows from the state alone: releases with this member among the providers and without its
ShareReceipt. So a restart forgets nothing, and a delivery that was lost is made again. Before anything
leaves, this node looks for itself: the decision is certified, it still stands on the newest state and on
this node's clock, and what shows that is fresh.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from structlog.stdlib import BoundLogger

from chainnode.ledger import view
from chainnode.ledger.fields import SHARE_PROVIDER
from chainnode.ledger.payloads import ROLE_HEAD, ROLE_PATIENT, ShareReceipt
from chainnode.net.wire import (
    Frame,
    ObjectChunk,
    ObjectMissing,
    ObjectRequest,
    Part,
    PartAck,
    PartDelivery,
    Pseudonym,
)
from chainnode.node.clock import now
from chainnode.node.executor import Executor
from chainnode.node.filing import Filing
from chainnode.node.freshness import Freshness
from chainnode.node.releases import Release, Released, Releases
from chainnode.node.stash import Stash
from chainnode.node.wraps import ROLE_WRAP, Wraps, is_standing
from chainnode.pool.errors import ObjectError
from chainnode.pool.objectstore import ObjectStore
from chainnode.vault.derive import pseudonym
from consensus.codec import encode
from consensus.domain import digest
from consensus.types import Now
from genesis.errors import OperatorError

CHUNK_BYTES = 262_144
PART_OVERHEAD_BYTES = 64
"""Of a part or a pseudonym in a frame, beside what is sealed."""
RESEND_MS = 5_000
STANDS_MS = 1_000
"""An evaluation holds so long at the same height: expiry and consents' periods follow the clock."""
_HALVES: tuple[tuple[str, Literal["provider", "patient", "wrap"]], ...] = (
    (ROLE_HEAD, "provider"),
    (ROLE_PATIENT, "patient"),
)
"""Whose grant brought which part."""

Linked = Callable[[int], bool]
Send = Callable[[int, Frame], Awaitable[bool]]
"""Send on the bulk channel, waiting for room; False where there is no link."""


def delivery_digest(parts: list[Part]) -> bytes:
    """Digest of delivered parts in any order; what PartAck and ShareReceipt carry."""
    ordered = sorted((part.object_id, part.role, part.sealed) for part in parts)
    return digest("delivery", encode(ordered))


@dataclass(slots=True)
class _Sent:
    """The last delivery for a request. `complete`: both halves of all objects that stand were in it."""

    at_ms: int
    release_height: int
    digest: bytes
    complete: bool
    acknowledged: bool = False


@dataclass(frozen=True, slots=True)
class _Bundle:
    """One object's two parts, and its pseudonym."""

    parts: tuple[Part, Part]
    name: Pseudonym

    @property
    def size_bytes(self) -> int:
        return sum(len(part.sealed) + PART_OVERHEAD_BYTES for part in self.parts) + PART_OVERHEAD_BYTES


class Courier:
    def __init__(
        self,
        *,
        member: int,
        local_key: bytes,
        frame_bytes: int,
        releases: Releases,
        executor: Executor,
        stash: Stash,
        objects: ObjectStore,
        wraps: Wraps,
        freshness: Freshness,
        filing: Filing,
        linked: Linked,
        send: Send,
        log: BoundLogger,
        clock: Callable[[], Now] = now,
    ) -> None:
        self._member = member
        self._local_key = local_key
        self._payload_bytes = frame_bytes // 2
        self._releases = releases
        self._executor = executor
        self._stash = stash
        self._objects = objects
        self._wraps = wraps
        self._freshness = freshness
        self._filing = filing
        self._linked = linked
        self._send = send
        self._log = log
        self._clock = clock
        self._sent: dict[bytes, _Sent] = {}
        self._standing: dict[bytes, tuple[tuple[int, int], Release | None]] = {}
        self.due: dict[bytes, int] = {}

    def note(self, request_id: bytes, release_height: int) -> None:
        """A release names this member as a provider."""
        self.due[request_id] = release_height

    async def work(self) -> None:
        """Send what is due and was not sent lately."""
        for request_id in list(self.due):
            # What is due may have been done, or have become another release, while others were sent.
            height = self.due.get(request_id)
            if height is None:
                continue
            if self._shared(request_id, height):
                self._done(request_id)
                continue
            sent = self._sent.get(request_id)
            if sent is not None and sent.release_height != height:
                del self._sent[request_id]
            elif sent is not None and sent.acknowledged and sent.complete:
                self._file(request_id, sent)
                continue
            elif sent is not None and self._clock().monotonic_ms - sent.at_ms < RESEND_MS:
                continue
            if not self._linked(self._requester(request_id)):
                continue
            await self._deliver(request_id)

    @property
    def _certified_height(self) -> int:
        return self._executor.certified_header.height

    def _done(self, request_id: bytes) -> None:
        self.due.pop(request_id, None)
        self._sent.pop(request_id, None)

    def _requester(self, request_id: bytes) -> int:
        request = view.request(self._executor.state, request_id)
        assert request is not None, "what is due was applied for"
        return request.member

    def _shared(self, request_id: bytes, height: int) -> bool:
        role, peer = SHARE_PROVIDER, self._requester(request_id)
        return view.share(self._executor.state, request_id, height, role, self._member, peer) is not None

    def _still_standing(self, request_id: bytes) -> Release | None:
        """`Releases.still_standing` with objects of this member, if the decision is certified."""
        current, tip = self._clock(), self._executor.tip
        moment = (tip.height, current.monotonic_ms // STANDS_MS)
        known = self._standing.get(request_id)
        if known is None or known[0] != moment:
            self._standing = {name: one for name, one in self._standing.items() if one[0] == moment}
            known = self._standing[request_id] = (
                moment,
                self._releases.still_standing(request_id, tip.height, tip.time_ms),
            )
        release = known[1]
        if release is None or release.record.height > self._certified_height:
            return None
        return release if release.of(self._member) else None

    async def _deliver(self, request_id: bytes) -> None:
        plan = await self._plan(request_id)
        if plan is not None and not self._freshness.is_fresh():
            # A barrier only where there is something to send, and somebody to take it.
            plan = await self._plan(request_id) if await self._freshness.ensure() else None
        if plan is None or request_id not in self.due:
            return
        release, bundles, current = plan
        self._sent[request_id] = current
        sent_ids = {bundle.name.object_id for bundle in bundles}
        for frame in self._frames(release, bundles):
            if not self._all_stand(request_id, sent_ids):
                current.at_ms -= RESEND_MS
                return
            if not await self._send(release.request.member, frame):
                return
        self._log.info(
            "parts sent",
            request=request_id.hex(),
            to=release.request.member,
            objects=len(bundles),
            of=len(release.of(self._member)),
        )

    async def _plan(self, request_id: bytes) -> tuple[Release, list[_Bundle], _Sent] | None:
        """What is to be sent now, None for nothing. A release of which nothing stands is due no longer."""
        release = self._still_standing(request_id)
        if release is None:
            self._give_up(request_id)
            return None
        own = release.of(self._member)
        bundles = await self._bundles(release, own)
        parts = [part for bundle in bundles for part in bundle.parts]
        before, complete = self._sent.get(request_id), len(bundles) == len(own)
        at_ms = self._clock().monotonic_ms
        current = _Sent(at_ms, release.record.last_authorised_height, delivery_digest(parts), complete)
        if before is not None and before.digest == current.digest and before.acknowledged and not complete:
            before.at_ms = at_ms  # a half is still missing here, and the requester has the others
            return None
        if not bundles:
            current.acknowledged = True  # of nothing: looked at again when the time is over
            self._sent[request_id] = current
            self._log.info("no object has both its parts here", request=request_id.hex(), objects=len(own))
            return None
        return release, bundles, current

    def _give_up(self, request_id: bytes) -> None:
        """Unless that nothing stands is said by a clock that may be wrong, or of what is not certified."""
        latest = view.release(self._executor.state, request_id)
        assert latest is not None, "what is due was decided"
        if latest.height > self._certified_height:
            return
        if self._freshness.is_fresh():
            self._done(request_id)
            self._log.info("release no longer stands, nothing sent", request=request_id.hex())
            return
        nothing = _Sent(0, self.due[request_id], b"", complete=False)
        # Looked at again when the time is over.
        self._sent.setdefault(request_id, nothing).at_ms = self._clock().monotonic_ms

    def _all_stand(self, request_id: bytes, object_ids: set[bytes]) -> bool:
        """Blocks come while a frame waits for room: a revocation stops those behind it."""
        release = self._still_standing(request_id)
        return release is not None and object_ids <= {one.object_id for one in release.of(self._member)}

    async def _bundles(self, release: Release, own: tuple[Released, ...]) -> list[_Bundle]:
        """Both halves, sealed to the project, of every object for which both are here. Of one that a standing
        consent releases the patient's goes as it lies here: the trustees open it."""
        bundles: list[_Bundle] = []
        stashed: dict[bytes, dict[bytes, bytes]] = {}
        for one in own:
            handle, slug = one.pointer.handle, one.batch.department
            halves = []
            for role, part_role in _HALVES:
                grant = view.grant(
                    self._executor.state,
                    release.request_id,
                    role,
                    handle=handle,
                    number=self._member,
                    slug=slug,
                )
                key = grant.parts_digest if grant is not None else b""
                if key not in stashed:
                    stashed[key] = self._stash.parts(key)
                sealed = stashed[key].get(one.object_id)
                if sealed is None and part_role == ROLE_PATIENT and is_standing(one):
                    sealed, part_role = await self._wraps.of(one), ROLE_WRAP
                if sealed is not None:
                    halves.append(Part(one.object_id, part_role, sealed))
            if len(halves) == 2:
                name = pseudonym(self._local_key, release.request_id, handle)
                bundles.append(_Bundle((halves[0], halves[1]), Pseudonym(one.object_id, name)))
        return bundles

    def _frames(self, release: Release, bundles: list[_Bundle]) -> Iterator[PartDelivery]:
        left = list(bundles)
        while left:
            taken, size = 0, 0
            while taken < len(left) and (not taken or size + left[taken].size_bytes <= self._payload_bytes):
                size += left[taken].size_bytes
                taken += 1
            here, left = left[:taken], left[taken:]
            yield PartDelivery(
                release.record.height,
                release.request_id,
                tuple(part for bundle in here for part in bundle.parts),
                tuple(bundle.name for bundle in here),
                not left,
            )

    async def acknowledged(self, peer: int, ack: PartAck) -> None:
        """The requester holds the parts: file the provider's receipt, once everything was sent."""
        sent, height = self._sent.get(ack.request_id), self.due.get(ack.request_id)
        request = view.request(self._executor.state, ack.request_id)
        if sent is None or sent.release_height != height or request is None or request.member != peer:
            return
        if sent.digest != ack.digest:
            return
        if not sent.acknowledged:
            self._log.info("parts acknowledged", request=ack.request_id.hex(), by=peer)
        sent.acknowledged = True
        if sent.complete:
            self._file(ack.request_id, sent)

    def _file(self, request_id: bytes, sent: _Sent) -> None:
        height, peer = sent.release_height, self._requester(request_id)
        self._filing.file(ShareReceipt(request_id, height, self._member, SHARE_PROVIDER, peer, sent.digest))

    async def serve(self, peer: int, asked: ObjectRequest) -> None:
        """Send a ciphertext in chunks to the member whose release entitles it, or say it is missing."""
        one = self._entitled(peer, asked)
        if one is None:
            await self._send(peer, ObjectMissing(asked.object_id))
            self._log.warning("object asked for without a release", peer=peer, object=asked.object_id.hex())
            return
        data = await self._ciphertext(one) if await self._freshness.ensure() else None
        if data is None:
            await self._send(peer, ObjectMissing(asked.object_id))
            return
        size = min(CHUNK_BYTES, self._payload_bytes)
        total = -(-len(data) // size)
        for index in range(total):
            if self._entitled(peer, asked) is None:
                await self._send(peer, ObjectMissing(asked.object_id))
                return
            chunk = data[index * size : (index + 1) * size]
            if not await self._send(peer, ObjectChunk(asked.object_id, index, total, chunk)):
                return

    def _entitled(self, peer: int, asked: ObjectRequest) -> Released | None:
        """The object, if a release that stands now gives it to `peer`."""
        release = self._still_standing(asked.request_id)
        if release is None or release.request.member != peer:
            return None
        return next((one for one in release.of(self._member) if one.object_id == asked.object_id), None)

    async def _ciphertext(self, one: Released) -> bytes | None:
        """As anchored; None, with a line in the log, where the pool does not give it."""
        pointer = one.pointer
        try:
            return await self._objects.get_checked_async(
                one.object_id, root=pointer.root, length_bytes=pointer.length_bytes
            )
        except (ObjectError, OperatorError) as error:
            self._log.error(
                "an anchored object cannot be served", object=one.object_id.hex(), reason=str(error)
            )
            return None
