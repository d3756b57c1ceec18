"""The requester's side of a release: takes the parts in, fetches the ciphertexts, decrypts.

What is awaited follows from the state: authorised releases to this member. A part or an object counts
only if the release of record authorises it and it comes from the member that provides it.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from structlog.stdlib import BoundLogger

from chainnode.ledger import view
from chainnode.ledger.forms import SHARE_REQUESTER
from chainnode.ledger.payloads import ShareReceipt
from chainnode.net.wire import ObjectChunk, ObjectMissing, ObjectRequest, Part, PartAck, PartDelivery
from chainnode.node.api import Refused, ReleasedObject
from chainnode.node.courier import Send, SubmitOwn, delivery_digest
from chainnode.node.executor import Executor
from chainnode.node.releases import Release, Released, Releases
from chainnode.node.stash import Stash
from chainnode.pool.container import MAX_CIPHERTEXT_BYTES, check_ciphertext, open_object
from chainnode.pool.errors import ObjectError
from chainnode.pool.objectstore import ObjectStore
from chainnode.vault.errors import SealingError
from chainnode.vault.keys import KemKey
from chainnode.vault.parts import ROLE_PATIENT, ROLE_PROVIDER, open_part

FETCH_TIMEOUT_MS = 10_000
ASK_AGAIN_MS = 10_000
"""An object that its provider does not serve, or not as anchored, must not hold up those behind it."""
MAX_PARTS_PER_DELIVERY = 4_096


@dataclass(slots=True)
class _Incoming:
    """Frames of one delivery, until the last has come."""

    parts: list[Part] = field(default_factory=list)
    names: list[tuple[bytes, bytes]] = field(default_factory=list)


@dataclass(slots=True)
class _Fetch:
    request_id: bytes
    object_id: bytes
    at_ms: int
    chunks: list[bytes] = field(default_factory=list)
    size_bytes: int = 0


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
        send: Send,
        submit_own: SubmitOwn,
        log: BoundLogger,
    ) -> None:
        self._member = member
        self._chain_id = chain_id
        self._releases = releases
        self._executor = executor
        self._stash = stash
        self._objects = objects
        self._send = send
        self._submit_own = submit_own
        self._log = log
        self._incoming: dict[tuple[int, bytes], _Incoming] = {}
        self._fetching: dict[int, _Fetch] = {}
        self._put_off: dict[bytes, int] = {}
        self.awaited: dict[bytes, None] = {}

    def note(self, request_id: bytes) -> None:
        """A certified release to this member: its ciphertexts are to be fetched."""
        self.awaited[request_id] = None

    async def delivered(self, peer: int, frame: PartDelivery, now_ms: int) -> None:
        """Take in parts; once the last frame is here keep them, acknowledge, and file the receipt."""
        release = self._releases.of_record(frame.request_id)
        if release is None or release.request.member != self._member:
            self._log.warning("parts without a release", peer=peer, request=frame.request_id.hex())
            return
        expected = {one.object_id for one in release.of(peer)}
        incoming = self._incoming.setdefault((peer, frame.request_id), _Incoming())
        incoming.parts += [part for part in frame.parts if part.object_id in expected]
        incoming.names += [
            (one.object_id, one.pseudonym) for one in frame.pseudonyms if one.object_id in expected
        ]
        if len(incoming.parts) > MAX_PARTS_PER_DELIVERY:
            del self._incoming[(peer, frame.request_id)]
            self._log.warning("too many parts", peer=peer, request=frame.request_id.hex())
            return
        if not frame.last:
            return
        del self._incoming[(peer, frame.request_id)]
        parts = [(part.object_id, part.role, part.sealed) for part in incoming.parts]
        self._stash.deliver(frame.request_id, parts, incoming.names)
        digest = delivery_digest(incoming.parts)
        await self._send(peer, PartAck(frame.request_id, digest))
        self._log.info("parts received", request=frame.request_id.hex(), peer=peer, parts=len(parts))
        self.note(frame.request_id)
        await self.work(now_ms)
        if len(parts) == 2 * len(expected) and not self._filed(release, peer):
            height = release.record.height
            await self._submit_own(
                ShareReceipt(frame.request_id, height, self._member, SHARE_REQUESTER, peer, digest)
            )

    def _filed(self, release: Release, peer: int) -> bool:
        height = release.record.height
        share = view.share(
            self._executor.state, release.request_id, height, SHARE_REQUESTER, self._member, peer
        )
        return share is not None

    async def work(self, now_ms: int) -> None:
        """Ask each provider for the next ciphertext that is missing, one at a time."""
        for peer, fetch in list(self._fetching.items()):
            if now_ms - fetch.at_ms > FETCH_TIMEOUT_MS:
                self._put_aside(peer, fetch, now_ms)
        self._put_off = {name: until for name, until in self._put_off.items() if until > now_ms}
        for request_id in list(self.awaited):
            # Workers of several peers come here at once. Taken out before the look: what is noted during
            # it, for parts that came meanwhile, stays noted.
            self.awaited.pop(request_id, None)
            release = self._releases.of_record(request_id)
            missing = [] if release is None else await self._missing(release)
            if missing:
                self.awaited[request_id] = None
            for one in missing:
                peer = one.batch.member
                if peer in self._fetching or peer == self._member or one.object_id in self._put_off:
                    continue
                self._fetching[peer] = _Fetch(request_id, one.object_id, now_ms)
                await self._send(peer, ObjectRequest(request_id, one.object_id))

    def _put_aside(self, peer: int, fetch: _Fetch, now_ms: int) -> None:
        """Its turn is over, whether it came (it is being stored) or not: now the others of this provider."""
        del self._fetching[peer]
        self._put_off[fetch.object_id] = now_ms + ASK_AGAIN_MS

    async def _missing(self, release: Release) -> list[Released]:
        """Authorised objects whose parts are here and whose ciphertext is not."""
        return [
            one
            for one in release.objects
            if self._stash.delivered(release.request_id, one.object_id, ROLE_PROVIDER)
            and not await self._objects.exists_async(one.object_id)
        ]

    async def chunk(self, peer: int, frame: ObjectChunk, now_ms: int) -> None:
        """A piece of the object that was asked for; the last one makes it whole, checked, and stored."""
        fetch = self._fetching.get(peer)
        if fetch is None or fetch.object_id != frame.object_id or frame.index != len(fetch.chunks):
            return
        fetch.chunks.append(frame.data)
        fetch.size_bytes += len(frame.data)
        fetch.at_ms = now_ms
        if fetch.size_bytes > MAX_CIPHERTEXT_BYTES:
            self._put_aside(peer, fetch, now_ms)
            self._log.warning("an object longer than the pool takes", peer=peer, object=frame.object_id.hex())
        elif frame.index + 1 == frame.total:
            self._put_aside(peer, fetch, now_ms)
            await self._store(peer, frame.object_id, b"".join(fetch.chunks))
            await self.work(now_ms)

    async def _store(self, peer: int, object_id: bytes, data: bytes) -> None:
        anchored = self._releases.pointer(object_id)
        assert anchored is not None, "only anchored objects are asked for"
        pointer = anchored[0]
        try:
            check_ciphertext(data, root=pointer.root, length_bytes=pointer.length_bytes)
            await self._objects.put_async(object_id, data)
        except ObjectError as error:
            self._log.error(
                "an object that is not as anchored", peer=peer, object=object_id.hex(), rule=error.rule
            )

    async def missing(self, peer: int, frame: ObjectMissing, now_ms: int) -> None:
        """The provider does not serve it now: go on with the others, ask again later."""
        fetch = self._fetching.get(peer)
        if fetch is None or fetch.object_id != frame.object_id:
            return
        self._put_aside(peer, fetch, now_ms)
        self._log.warning("the provider does not serve an object", peer=peer, object=frame.object_id.hex())
        await self.work(now_ms)

    async def progress(self, request_id: bytes) -> dict[str, int]:
        """Counts for a release: objects authorised, with both parts, with ciphertext. Raises Refused."""
        release = self._require(request_id)
        both, here = 0, 0
        for one in release.objects:
            both += self._halves(request_id, one.object_id) is not None
            here += await self._objects.exists_async(one.object_id)
        return {"authorised": len(release.objects), "parts": both, "objects": here}

    async def fetch(self, request_id: bytes, project_seed: bytes) -> AsyncIterator[ReleasedObject]:
        """Decrypt what was released, object by object; what cannot be opened comes with its rule."""
        release, project = self._require(request_id), KemKey(project_seed)
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
        halves = self._halves(request_id, one.object_id)
        if halves is None:
            raise Refused("parts-missing", "the parts of this object have not arrived")
        opened = [
            open_part(project, sealed, self._chain_id, request_id, one.object_id, role)
            for role, sealed in zip((ROLE_PROVIDER, ROLE_PATIENT), halves, strict=True)
        ]
        ciphertext = await self._objects.get_async(one.object_id)
        return open_object(ciphertext, one.pointer, self._chain_id, opened[0], opened[1])

    def _halves(self, request_id: bytes, object_id: bytes) -> tuple[bytes, bytes] | None:
        provider = self._stash.delivered(request_id, object_id, ROLE_PROVIDER)
        patient = self._stash.delivered(request_id, object_id, ROLE_PATIENT)
        return None if provider is None or patient is None else (provider, patient)

    def _require(self, request_id: bytes) -> Release:
        release = self._releases.of_record(request_id)
        if release is None:
            raise Refused("unknown-release", "there is no authorised release for this request")
        if release.request.member != self._member:
            raise Refused("not-permitted", "the application is another hospital's")
        return release
