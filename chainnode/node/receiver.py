"""The requester's side of a release: takes the parts in, fetches the ciphertexts, decrypts.

What is awaited follows from the state: authorised releases to this member. A part or an object counts
only if the release of record authorises it and it comes from the member that provides it. What is still
to be fetched or filed follows from the state and from what is here, so that a restart goes on with it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from structlog.stdlib import BoundLogger

from chainnode.ledger import view
from chainnode.ledger.fields import SHARE_REQUESTER
from chainnode.ledger.payloads import ShareReceipt
from chainnode.net.wire import (
    Frame,
    ObjectChunk,
    ObjectMissing,
    ObjectRequest,
    Part,
    PartAck,
    PartDelivery,
)
from chainnode.node.api import Refused, ReleasedObject
from chainnode.node.clock import now
from chainnode.node.courier import delivery_digest
from chainnode.node.executor import Executor
from chainnode.node.filing import Filing
from chainnode.node.openings import Openings
from chainnode.node.releases import Release, Released, Releases
from chainnode.node.stash import Stash
from chainnode.node.wraps import ROLE_WRAP
from chainnode.pool.container import MAX_CIPHERTEXT_BYTES, check_ciphertext, open_object
from chainnode.pool.errors import ObjectError
from chainnode.pool.objectstore import ObjectStore
from chainnode.vault.errors import SealingError
from chainnode.vault.keys import SEED_BYTES, KemKey
from chainnode.vault.parts import ROLE_PATIENT, ROLE_PROVIDER, open_part
from consensus.types import Now
from genesis.errors import OperatorError

FETCH_TIMEOUT_MS = 10_000
ASK_AGAIN_MS = 10_000
"""An object that its provider does not serve, or not as anchored, must not hold up those behind it."""
CERTIFICATE_MS = 2_000
"""The provider may have the certificate of the release a moment before this node."""

Offer = Callable[[int, Frame], bool]
"""Send on the bulk channel if there is room."""
Reached = Callable[[int, int], Awaitable[bool]]
"""(height, timeout_ms): whether it was certified here in time."""


@dataclass(slots=True)
class _Incoming:
    """Frames of one delivery, until the last has come. A provider sends one at a time."""

    request_id: bytes
    parts: dict[tuple[bytes, str], Part] = field(default_factory=dict)
    names: dict[bytes, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class _Fetch:
    request_id: bytes
    one: Released
    at_ms: int
    chunks: int = 0
    data: bytearray = field(default_factory=bytearray)


@dataclass(slots=True)
class _Awaited:
    """What is still to be done for a release: ciphertexts to be fetched, receipts to be filed."""

    objects: dict[bytes, Released]
    receipts: list[ShareReceipt]


class Receiver:
    def __init__(
        self,
        *,
        member: int,
        chain_id: bytes,
        releases: Releases,
        executor: Executor,
        stash: Stash,
        objects: ObjectStore,
        filing: Filing,
        openings: Openings,
        offer: Offer,
        reached: Reached,
        log: BoundLogger,
        clock: Callable[[], Now] = now,
    ) -> None:
        self._member = member
        self._chain_id = chain_id
        self._releases = releases
        self._executor = executor
        self._stash = stash
        self._objects = objects
        self._filing = filing
        self._openings = openings
        self._offer = offer
        self._reached = reached
        self._log = log
        self._clock = clock
        self._incoming: dict[int, _Incoming] = {}
        self._fetching: dict[int, _Fetch] = {}
        self._put_off: dict[bytes, int] = {}
        self._working = asyncio.Lock()
        self.awaited: dict[bytes, _Awaited | None] = {}

    def note(self, request_id: bytes) -> None:
        """A release to this member, or parts for it: look what is to be done. None: not looked at yet."""
        self.awaited[request_id] = None

    async def delivered(self, peer: int, frame: PartDelivery) -> None:
        """Take in parts; once the last frame is here keep them, acknowledge, and go on with the objects."""
        if not await self._reached(frame.release_height, CERTIFICATE_MS):
            self._log.warning("parts of a release that is not here", peer=peer, height=frame.release_height)
            return
        release = self._releases.of_record(frame.request_id)
        expected = {one.object_id for one in release.of(peer)} if release else set()
        if release is None or release.request.member != self._member or not expected:
            self._log.warning("parts without a release", peer=peer, request=frame.request_id.hex())
            return
        incoming = self._incoming.get(peer)
        if incoming is None or incoming.request_id != frame.request_id:
            incoming = self._incoming[peer] = _Incoming(frame.request_id)
        for part in frame.parts:
            if part.object_id in expected:
                incoming.parts[part.object_id, part.role] = part
        for name in frame.pseudonyms:
            if name.object_id in expected:
                incoming.names[name.object_id] = name.pseudonym
        if not frame.last:
            return
        del self._incoming[peer]
        parts = list(incoming.parts.values())
        self._stash.deliver(
            frame.request_id,
            [(part.object_id, part.role, part.sealed) for part in parts],
            list(incoming.names.items()),
        )
        self._offer(peer, PartAck(frame.request_id, delivery_digest(parts)))
        self._log.info("parts received", request=frame.request_id.hex(), peer=peer, parts=len(parts))
        self.note(frame.request_id)
        self._openings.note(frame.request_id)
        await self.work()

    async def work(self) -> None:
        """Ask each provider for the next ciphertext that is missing, one at a time; file what is due."""
        async with self._working:
            current = self._clock().monotonic_ms
            for peer, fetch in list(self._fetching.items()):
                if current - fetch.at_ms > FETCH_TIMEOUT_MS:
                    self._put_aside(peer, fetch)
            self._put_off = {name: until for name, until in self._put_off.items() if until > current}
            for request_id in list(self.awaited):
                await self._work_on(request_id)

    async def _work_on(self, request_id: bytes) -> None:
        awaited = self.awaited[request_id]
        if awaited is None:
            # Taken out before the look: what is noted during it, for parts that came, is looked at again.
            del self.awaited[request_id]
            awaited = await self._look(request_id)
            self.awaited.setdefault(request_id, awaited)
        awaited.receipts = [receipt for receipt in awaited.receipts if self._to_file(receipt)]
        for receipt in awaited.receipts:
            self._filing.file(receipt)
        for one in awaited.objects.values():
            peer = one.batch.member
            if peer not in self._fetching and one.object_id not in self._put_off:
                self._fetching[peer] = _Fetch(request_id, one, self._clock().monotonic_ms)
                self._offer(peer, ObjectRequest(request_id, one.object_id))
        if not awaited.objects and not awaited.receipts and self.awaited.get(request_id) is awaited:
            del self.awaited[request_id]

    async def _look(self, request_id: bytes) -> _Awaited:
        """Authorised objects of others whose parts are here and whose ciphertext is not; and a receipt for
        each provider that has sent everything."""
        release, found = self._releases.of_record(request_id), _Awaited({}, [])
        if release is None or release.request.member != self._member:
            return found
        for peer in {one.batch.member: None for one in release.objects}:
            own, complete = release.of(peer), True
            parts: list[Part] = []
            for one in own:
                both = self._parts(request_id, one.object_id)
                if both is None:
                    complete = False
                    continue
                parts += both
                if peer != self._member and not await self._is_here(one.object_id):
                    found.objects[one.object_id] = one
            if complete:
                height, digest = release.record.height, delivery_digest(parts)
                receipt = ShareReceipt(request_id, height, self._member, SHARE_REQUESTER, peer, digest)
                found.receipts.append(receipt)
        return found

    def _to_file(self, receipt: ShareReceipt) -> bool:
        """Whether the receipt is about the latest authorised release and does not stand yet."""
        state, request_id, height = self._executor.state, receipt.request_id, receipt.release_height
        record = view.release(state, request_id)
        if record is None or record.last_authorised_height != height:
            return False
        return view.share(state, request_id, height, receipt.role, self._member, receipt.peer) is None

    async def _is_here(self, object_id: bytes) -> bool:
        try:
            return await self._objects.exists_async(object_id)
        except OperatorError as error:
            self._log.error("the pool does not answer", object=object_id.hex(), reason=str(error))
            return False

    def _put_aside(self, peer: int, fetch: _Fetch) -> None:
        """Its turn is over, whether it came (it is being stored) or not: now the others of this provider."""
        del self._fetching[peer]
        self._put_off[fetch.one.object_id] = self._clock().monotonic_ms + ASK_AGAIN_MS

    async def chunk(self, peer: int, frame: ObjectChunk) -> None:
        """A piece of the object that was asked for; the last one makes it whole, checked, and stored."""
        fetch = self._fetching.get(peer)
        if fetch is None or fetch.one.object_id != frame.object_id or frame.index != fetch.chunks:
            return
        fetch.chunks += 1
        fetch.data += frame.data
        fetch.at_ms = self._clock().monotonic_ms
        if len(fetch.data) > min(fetch.one.pointer.length_bytes, MAX_CIPHERTEXT_BYTES):
            self._put_aside(peer, fetch)
            self._log.warning("an object longer than anchored", peer=peer, object=frame.object_id.hex())
            await self.work()
        elif frame.index + 1 == frame.total:
            self._put_aside(peer, fetch)
            await self._store(peer, fetch)
            await self.work()

    async def _store(self, peer: int, fetch: _Fetch) -> None:
        pointer, data = fetch.one.pointer, bytes(fetch.data)

        def check_and_put() -> None:
            check_ciphertext(data, root=pointer.root, length_bytes=pointer.length_bytes)
            self._objects.put(pointer.object_id, data)

        try:
            await asyncio.to_thread(check_and_put)
        except (ObjectError, OperatorError) as error:
            self._log.error(
                "an object was not taken", peer=peer, object=pointer.object_id.hex(), reason=str(error)
            )
            return
        for awaited in self.awaited.values():
            if awaited is not None:
                awaited.objects.pop(pointer.object_id, None)

    async def missing(self, peer: int, frame: ObjectMissing) -> None:
        """The provider does not serve it now: go on with the others, ask again later."""
        fetch = self._fetching.get(peer)
        if fetch is None or fetch.one.object_id != frame.object_id:
            return
        self._put_aside(peer, fetch)
        self._log.warning("the provider does not serve an object", peer=peer, object=frame.object_id.hex())
        await self.work()

    async def progress(self, request_id: bytes) -> dict[str, int]:
        """Counts for a release: objects authorised, with both parts, with ciphertext. Raises Refused."""
        release = self._require(request_id)
        both, here = 0, 0
        for one in release.objects:
            both += self._can_open(request_id, one)
            here += await self._objects.exists_async(one.object_id)
        return {"authorised": len(release.objects), "parts": both, "objects": here}

    def trustees(self, request_id: bytes) -> tuple[str, ...]:
        """In words, how the trustees stand to it (see Openings.report). Raises Refused."""
        self._require(request_id)
        return self._openings.report(request_id)

    async def fetch(self, request_id: bytes, project_seed: bytes) -> AsyncIterator[ReleasedObject]:
        """Decrypt what was released, object by object; what cannot be opened comes with its rule."""
        release = self._require(request_id)
        if len(project_seed) != SEED_BYTES:
            raise Refused("malformed", f"a project's private key has {SEED_BYTES} bytes")
        project = KemKey(project_seed)
        for one in release.objects:
            rule, plaintext = "", b""
            try:
                plaintext = await self._open(request_id, one, project)
            except (ObjectError, SealingError) as error:
                rule = error.rule
            except Refused as error:
                rule = error.rule
            name = self._stash.pseudonym(request_id, one.object_id) or b""
            yield ReleasedObject(one.object_id, name, one.pointer.data_class, plaintext, rule)

    async def _open(self, request_id: bytes, one: Released, project: KemKey) -> bytes:
        parts = self._parts(request_id, one.object_id)
        if parts is None or not self._can_open(request_id, one):
            raise Refused("parts-missing", "the parts of this object have not arrived")
        place = (self._chain_id, request_id, one.object_id)
        hospital = open_part(project, parts[0].sealed, *place, ROLE_PROVIDER)
        if parts[1].role == ROLE_WRAP:
            patient = self._openings.patient_half(request_id, one, project)
        else:
            patient = open_part(project, parts[1].sealed, *place, ROLE_PATIENT)
        ciphertext = await self._objects.get_async(one.object_id)
        return await asyncio.to_thread(
            open_object, ciphertext, one.pointer, self._chain_id, hospital, patient
        )

    def _parts(self, request_id: bytes, object_id: bytes) -> tuple[Part, Part] | None:
        """The provider's two parts, the second one the patient's, or the wrap for the trustees."""
        provider = self._stash.delivered(request_id, object_id, ROLE_PROVIDER)
        if provider is None:
            return None
        roles: tuple[Literal["patient", "wrap"], ...] = ("patient", ROLE_WRAP)
        for role in roles:
            second = self._stash.delivered(request_id, object_id, role)
            if second is not None:
                return Part(object_id, "provider", provider), Part(object_id, role, second)
        return None

    def _can_open(self, request_id: bytes, one: Released) -> bool:
        """Whether both halves are here, or enough trustees have answered for the second."""
        parts = self._parts(request_id, one.object_id)
        if parts is None:
            return False
        return parts[1].role != ROLE_WRAP or self._openings.enough(request_id, one)

    def _require(self, request_id: bytes) -> Release:
        release = self._releases.of_record(request_id)
        if release is None:
            raise Refused("unknown-release", "there is no authorised release for this request")
        if release.request.member != self._member:
            raise Refused("not-permitted", "the application is another hospital's")
        return release
