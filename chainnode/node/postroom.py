"""Releases at work: two workers for each peer's frames, and one for each side that looks for what is due."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeAlias, get_args

from structlog.stdlib import BoundLogger

from chainnode.ledger import view
from chainnode.ledger.records import RECORD_BYTES, ReleaseRecord
from chainnode.net.wire import (
    Frame,
    ObjectChunk,
    ObjectMissing,
    ObjectRequest,
    OpeningAnswer,
    OpeningRequest,
    PartAck,
    PartDelivery,
)
from chainnode.node.courier import Courier
from chainnode.node.executor import Executor
from chainnode.node.openings import Openings
from chainnode.node.receiver import Receiver
from chainnode.node.trusteeing import Trusteeing
from chainnode.store.chain import ChainStore
from consensus.codec import decode
from consensus.types import ReplicaId

LOOK_EVERY_MS = 1_000
QUEUED_BYTES = 8_388_608
FRAME_COST_BYTES = 256
_RELEASE_KEYS = b"srelease/"

PostFrame: TypeAlias = (
    PartDelivery | PartAck | ObjectRequest | ObjectChunk | ObjectMissing | OpeningRequest | OpeningAnswer
)
POST_FRAMES: tuple[type[Frame], ...] = get_args(PostFrame)
_SIDES: dict[type[Frame], str] = {
    PartAck: "courier",
    ObjectRequest: "courier",
    OpeningRequest: "trustee",
    OpeningAnswer: "openings",
}
"""Whom a frame concerns: the courier and the trustee what a requester sends. The rest, for the receiver, a
provider sends; a peer may be all at once."""


def _cost(frame: PostFrame) -> int:
    if isinstance(frame, ObjectChunk):
        return FRAME_COST_BYTES + len(frame.data)
    if isinstance(frame, PartDelivery):
        items = len(frame.parts) + len(frame.pseudonyms)
        return FRAME_COST_BYTES * (1 + items) + sum(len(part.sealed) for part in frame.parts)
    if isinstance(frame, OpeningRequest):
        return sum(FRAME_COST_BYTES + len(wrap.data) for wrap in frame.wraps)
    if isinstance(frame, OpeningAnswer):
        items = len(frame.parts) + len(frame.declined)
        return FRAME_COST_BYTES * (1 + items) + sum(len(part.data) for part in frame.parts)
    return FRAME_COST_BYTES


class _Box:
    """Frames of one peer to one side, bounded in bytes."""

    def __init__(self) -> None:
        self._frames: asyncio.Queue[PostFrame] = asyncio.Queue()
        self._bytes = 0

    def put(self, frame: PostFrame) -> bool:
        """False where it is full. One frame finds room in any case."""
        cost = _cost(frame)
        if self._bytes and self._bytes + cost > QUEUED_BYTES:
            return False
        self._bytes += cost
        self._frames.put_nowait(frame)
        return True

    async def take(self) -> PostFrame:
        frame = await self._frames.get()
        self._bytes -= _cost(frame)
        return frame


class Postroom:
    """Keeps the courier's and the receiver's work off the loop that reads the links."""

    def __init__(
        self,
        *,
        member: ReplicaId,
        courier: Courier,
        receiver: Receiver,
        openings: Openings,
        trusteeing: Trusteeing | None,
        executor: Executor,
        store: ChainStore,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        log: BoundLogger,
    ) -> None:
        """`trusteeing`: None where this node hosts no trustee; `spawn` runs a coroutine as a task of the
        node."""
        self._member = member
        self._courier = courier
        self._receiver = receiver
        self._openings = openings
        self._trusteeing = trusteeing
        self._executor = executor
        self._store = store
        self._spawn = spawn
        self._log = log
        self._boxes: dict[tuple[ReplicaId, str], _Box] = {}
        self._due = asyncio.Event()
        self._awaited = asyncio.Event()

    async def take(self, peer: ReplicaId, frame: Frame) -> None:
        """A frame from the links."""
        self.post(peer, frame)

    def post(self, peer: ReplicaId, frame: Frame) -> bool:
        """Queue a frame for the peer's worker; one too many is dropped, for the sender sends it again."""
        assert isinstance(frame, PostFrame)
        name = (peer, _SIDES.get(type(frame), "receiver"))
        box = self._boxes.get(name)
        if box is None:
            box = self._boxes[name] = _Box()
            self._spawn(self._work(peer, box))
        if not box.put(frame):
            self._log.warning("post dropped", peer=peer, kind=type(frame).__name__)
            return False
        return True

    async def _work(self, peer: ReplicaId, box: _Box) -> None:
        """Until cancelled."""
        while True:
            frame = await box.take()
            if isinstance(frame, PartDelivery):
                await self._receiver.delivered(peer, frame)
            elif isinstance(frame, PartAck):
                await self._courier.acknowledged(peer, frame)
            elif isinstance(frame, ObjectRequest):
                await self._courier.serve(peer, frame)
            elif isinstance(frame, ObjectChunk):
                await self._receiver.chunk(peer, frame)
            elif isinstance(frame, OpeningAnswer):
                await self._openings.answered(peer, frame)
            elif isinstance(frame, OpeningRequest):
                if self._trusteeing is not None:
                    await self._trusteeing.asked(peer, frame)
                else:
                    self._log.warning("asked for a trustee's parts, and hosts none", peer=peer)
            else:
                await self._receiver.missing(peer, frame)

    def released(self, request_id: bytes) -> None:
        """A release was certified: is it this member's to serve or to receive?"""
        request = view.request(self._executor.state, request_id)
        record = view.release(self._executor.state, request_id)
        assert request is not None and record is not None
        self._note(record, request.member)
        self._due.set()
        self._awaited.set()

    def recover(self) -> None:
        """After a start: whatever the state says is still to be done."""
        for _, value in self._store.state_items(_RELEASE_KEYS):
            record = decode(value, ReleaseRecord, limit_bytes=RECORD_BYTES)
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
            self._openings.note(record.request_id)

    async def run(self) -> None:
        """Look for what is due. Until cancelled."""
        async with asyncio.TaskGroup() as sides:
            sides.create_task(self._look(self._courier.work, self._due))
            sides.create_task(self._look(self._receiver.work, self._awaited))
            sides.create_task(self._look(self._openings.work, self._openings.wake))

    async def _look(self, work: Callable[[], Awaitable[None]], wake: asyncio.Event) -> None:
        while True:
            # Before the work: what comes during it is looked at again.
            wake.clear()
            await work()
            try:
                async with asyncio.timeout(LOOK_EVERY_MS / 1000):
                    await wake.wait()
            except TimeoutError:
                continue
