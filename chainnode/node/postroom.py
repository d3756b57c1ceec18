"""Releases at work: a worker for each peer's frames, and one that looks for what is due."""

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from structlog.stdlib import BoundLogger

from chainnode.ledger import view
from chainnode.ledger.records import ReleaseRecord
from chainnode.net.wire import (
    Frame,
    ObjectChunk,
    ObjectMissing,
    ObjectRequest,
    PartAck,
    PartDelivery,
)
from chainnode.node.clock import now
from chainnode.node.courier import Courier
from chainnode.node.executor import Executor
from chainnode.node.receiver import Receiver
from chainnode.store.chain import ChainStore
from consensus.codec import decode
from consensus.types import ReplicaId

LOOK_EVERY_MS = 1_000
QUEUED_FRAMES = 64
_RELEASE_KEYS = b"srelease/"
_MAX_RECORD_BYTES = 1_048_576

PostFrame: TypeAlias = PartDelivery | PartAck | ObjectRequest | ObjectChunk | ObjectMissing
POST_FRAMES: tuple[type[Frame], ...] = (PartDelivery, PartAck, ObjectRequest, ObjectChunk, ObjectMissing)


class Postroom:
    """Keeps the courier's and the receiver's work off the loop that reads the links."""

    def __init__(
        self,
        *,
        member: ReplicaId,
        courier: Courier,
        receiver: Receiver,
        executor: Executor,
        store: ChainStore,
        spawn: Callable[[ReplicaId], None],
        log: BoundLogger,
    ) -> None:
        """`spawn` starts `worker` for a peer as a task of the node."""
        self._member = member
        self._courier = courier
        self._receiver = receiver
        self._executor = executor
        self._store = store
        self._spawn = spawn
        self._log = log
        self._queues: dict[ReplicaId, asyncio.Queue[PostFrame]] = {}
        self._wake = asyncio.Event()

    async def take(self, peer: ReplicaId, frame: Frame) -> None:
        """Queue a frame for the peer's worker; one too many is dropped, for the sender sends it again."""
        assert isinstance(frame, PostFrame)
        queue = self._queues.get(peer)
        if queue is None:
            queue = self._queues[peer] = asyncio.Queue(QUEUED_FRAMES)
            self._spawn(peer)
        if queue.full():
            self._log.warning("post dropped", peer=peer, kind=type(frame).__name__)
            return
        queue.put_nowait(frame)

    async def worker(self, peer: ReplicaId) -> None:
        """Until cancelled."""
        queue = self._queues[peer]
        while True:
            frame = await queue.get()
            if isinstance(frame, PartDelivery):
                await self._receiver.delivered(peer, frame, now().monotonic_ms)
            elif isinstance(frame, PartAck):
                await self._courier.acknowledged(peer, frame)
            elif isinstance(frame, ObjectRequest):
                await self._courier.serve(peer, frame)
            elif isinstance(frame, ObjectChunk):
                await self._receiver.chunk(peer, frame, now().monotonic_ms)
            else:
                await self._receiver.missing(peer, frame, now().monotonic_ms)

    def released(self, request_id: bytes) -> None:
        """A release was certified: is it this member's to serve or to receive?"""
        request = view.request(self._executor.state, request_id)
        record = view.release(self._executor.state, request_id)
        assert request is not None and record is not None
        self._note(record, request.member)
        self._wake.set()

    def recover(self) -> None:
        """After a start: whatever the state says is still to be done."""
        for _, value in self._store.state_items(_RELEASE_KEYS):
            record = decode(value, ReleaseRecord, limit_bytes=_MAX_RECORD_BYTES)
            request = view.request(self._executor.state, record.request_id)
            assert request is not None, "a decision has its request"
            self._note(record, request.member)

    def _note(self, record: ReleaseRecord, requester: ReplicaId) -> None:
        if not record.last_authorised_height:
            return
        if self._member in record.last_providers:
            self._courier.note(record.request_id, record.last_authorised_height)
        if requester == self._member:
            self._receiver.note(record.request_id)

    async def run(self) -> None:
        """Look for what is due. Until cancelled."""
        while True:
            await self._courier.work(now().monotonic_ms)
            await self._receiver.work(now().monotonic_ms)
            try:
                async with asyncio.timeout(LOOK_EVERY_MS / 1000):
                    await self._wake.wait()
            except TimeoutError:
                continue
            finally:
                self._wake.clear()
