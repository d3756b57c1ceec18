"""The provider's side of a release: parts and ciphertexts go over the direct link, nothing on chain.

What is due follows from the state alone: releases with this member among the providers and without its
ShareReceipt. So a restart forgets nothing, and a delivery that was lost is made again.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from structlog.stdlib import BoundLogger

from chainnode.ledger import view
from chainnode.ledger.forms import SHARE_PROVIDER
from chainnode.ledger.payloads import ROLE_HEAD, ROLE_PATIENT, Payload, ShareReceipt
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
from chainnode.node.executor import Executor
from chainnode.node.releases import Release, Released, Releases
from chainnode.node.stash import Stash
from chainnode.pool.errors import ObjectError
from chainnode.pool.objectstore import ObjectStore
from chainnode.vault.derive import pseudonym
from consensus.codec import encode
from consensus.domain import digest

OBJECTS_PER_FRAME = 200
CHUNK_BYTES = 262_144
RESEND_MS = 5_000
_HALVES: tuple[tuple[str, Literal["provider", "patient"]], ...] = (
    (ROLE_HEAD, "provider"),
    (ROLE_PATIENT, "patient"),
)
"""Whose grant brought which part."""

Send = Callable[[int, Frame], Awaitable[bool]]
SubmitOwn = Callable[[Payload], Awaitable[str]]
"""Sign with the validator key and submit; the result's code once certified, "pending" in time."""


def delivery_digest(parts: list[Part]) -> bytes:
    """Digest of delivered parts in any order; what PartAck and ShareReceipt carry."""
    ordered = sorted((part.object_id, part.role, part.sealed) for part in parts)
    return digest("delivery", encode(ordered))


@dataclass(slots=True)
class _Sent:
    at_ms: int
    digest: bytes
    complete: bool
    acknowledged: bool = False


class Courier:
    def __init__(
        self,
        *,
        member: int,
        local_key: bytes,
        releases: Releases,
        executor: Executor,
        stash: Stash,
        objects: ObjectStore,
        send: Send,
        submit_own: SubmitOwn,
        log: BoundLogger,
    ) -> None:
        self._member = member
        self._local_key = local_key
        self._releases = releases
        self._executor = executor
        self._stash = stash
        self._objects = objects
        self._send = send
        self._submit_own = submit_own
        self._log = log
        self._sent: dict[bytes, _Sent] = {}
        self._standing: tuple[tuple[bytes, int], Release | None] | None = None
        self.due: dict[bytes, int] = {}

    def note(self, request_id: bytes, release_height: int) -> None:
        """A certified release names this member as a provider."""
        self.due[request_id] = release_height

    async def work(self, now_ms: int) -> None:
        """Send what is due and was not sent lately."""
        for request_id, height in list(self.due.items()):
            sent = self._sent.get(request_id)
            if sent is not None and now_ms - sent.at_ms < RESEND_MS:
                continue
            if self._shared(request_id, height):
                del self.due[request_id]
                continue
            await self._deliver(request_id, now_ms)

    def _shared(self, request_id: bytes, height: int) -> bool:
        request = view.request(self._executor.state, request_id)
        assert request is not None
        role, peer = SHARE_PROVIDER, request.member
        return view.share(self._executor.state, request_id, height, role, self._member, peer) is not None

    async def _deliver(self, request_id: bytes, now_ms: int) -> None:
        release = self._releases.still_standing(request_id, self._executor.tip.time_ms)
        if release is None:
            self.due.pop(request_id, None)
            self._log.info("release no longer stands, nothing sent", request=request_id.hex())
            return
        own = release.of(self._member)
        parts, names = self._parts(release, own)
        before, complete = self._sent.get(request_id), len(parts) == 2 * len(own)
        current = _Sent(now_ms, delivery_digest(parts), complete)
        if before is not None and before.digest == current.digest and before.acknowledged and not complete:
            before.at_ms = now_ms  # a half is still missing here, and the requester has the others
            return
        self._sent[request_id] = current
        for frame in self._frames(release, parts, names):
            if not await self._send(release.request.member, frame):
                return
        self._log.info(
            "parts sent",
            request=request_id.hex(),
            to=release.request.member,
            parts=len(parts),
            of=2 * len(own),
        )

    def _parts(self, release: Release, own: tuple[Released, ...]) -> tuple[list[Part], list[Pseudonym]]:
        """Both halves of every object for which both are here, sealed to the project."""
        parts: list[Part] = []
        names: list[Pseudonym] = []
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
                if sealed is not None:
                    halves.append(Part(one.object_id, part_role, sealed))
            if len(halves) == 2:
                parts += halves
                name = pseudonym(self._local_key, release.request_id, handle)
                names.append(Pseudonym(one.object_id, name))
        return parts, names

    def _frames(self, release: Release, parts: list[Part], names: list[Pseudonym]) -> Iterator[PartDelivery]:
        count = max(1, -(-len(names) // OBJECTS_PER_FRAME))
        for index in range(count):
            start = index * OBJECTS_PER_FRAME
            yield PartDelivery(
                release.record.height,
                release.request_id,
                tuple(parts[2 * start : 2 * (start + OBJECTS_PER_FRAME)]),
                tuple(names[start : start + OBJECTS_PER_FRAME]),
                index == count - 1,
            )

    async def acknowledged(self, peer: int, ack: PartAck) -> None:
        """The requester holds the parts: file the provider's receipt, once everything was sent."""
        sent, height = self._sent.get(ack.request_id), self.due.get(ack.request_id)
        request = view.request(self._executor.state, ack.request_id)
        if sent is None or height is None or request is None or request.member != peer:
            return
        if sent.digest != ack.digest:
            return
        sent.acknowledged = True
        if not sent.complete:
            return
        receipt = ShareReceipt(ack.request_id, height, self._member, SHARE_PROVIDER, peer, ack.digest)
        code = await self._submit_own(receipt)
        if code in ("ok", "already-done"):
            self.due.pop(ack.request_id, None)
            self._log.info("parts acknowledged", request=ack.request_id.hex(), by=peer)

    async def serve(self, peer: int, asked: ObjectRequest) -> None:
        """Send a ciphertext in chunks to the member whose release entitles it, or say it is missing."""
        release = self._still_standing(asked.request_id)
        entitled = release is not None and release.request.member == peer
        found = (
            [one for one in release.of(self._member) if one.object_id == asked.object_id] if release else []
        )
        if not entitled or not found:
            await self._send(peer, ObjectMissing(asked.object_id))
            self._log.warning("object asked for without a release", peer=peer, object=asked.object_id.hex())
            return
        pointer = found[0].pointer
        try:
            data = await self._objects.get_checked_async(
                asked.object_id, root=pointer.root, length_bytes=pointer.length_bytes
            )
        except ObjectError as error:
            self._log.error(
                "an anchored object cannot be served", object=asked.object_id.hex(), rule=error.rule
            )
            await self._send(peer, ObjectMissing(asked.object_id))
            return
        total = -(-len(data) // CHUNK_BYTES)
        for index in range(total):
            chunk = data[index * CHUNK_BYTES : (index + 1) * CHUNK_BYTES]
            if not await self._send(peer, ObjectChunk(asked.object_id, index, total, chunk)):
                return

    def _still_standing(self, request_id: bytes) -> Release | None:
        """The same as `Releases.still_standing`, evaluated once per height."""
        name = (request_id, self._executor.tip.height)
        if self._standing is None or self._standing[0] != name:
            release = self._releases.still_standing(request_id, self._executor.tip.time_ms)
            self._standing = (name, release)
        return self._standing[1]
