"""One hospital of a town: the real courier, receiver and openings, and the trustee that it may host."""

from typing import Any

from chainnode.ledger.payloads import Payload, ShareReceipt
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
from chainnode.node.combining import Combining
from chainnode.node.courier import Courier
from chainnode.node.freshness import Freshness
from chainnode.node.openingrows import OpeningRows
from chainnode.node.openings import Openings
from chainnode.node.receiver import Receiver
from chainnode.node.releases import Releases
from chainnode.node.stash import Stash
from chainnode.node.trusteeing import Trusteeing
from chainnode.node.trusteeship import Trusteeship
from chainnode.node.wraps import Wraps
from chainnode.pool.objectstore import ObjectStore
from consensus.codec import decode
from tests.node.stand_ins import Log, SceneExecutor
from tests.store.memory import MemoryChainStore


class Hospital:
    """One member's node, as far as releases go. `stash` and `objects` are its disk."""

    def __init__(self, town: Any, number: int) -> None:
        self.town, self.number = town, number
        self.rows = MemoryChainStore()
        self.stash = Stash(self.rows)
        self.objects = ObjectStore.open("memory:///")
        self.recipients = ObjectStore.open("memory:///")
        self.trusteeship: Trusteeship | None = None
        self.executor = SceneExecutor(town.chain)
        self.log = Log()
        self.unfiled: dict[ShareReceipt, None] = {}
        self.cut_off = False
        self.start()

    def start(self) -> None:
        """A process of its own, on what is on the disk."""
        town, self.unfiled = self.town, {}
        freshness = Freshness(
            member=self.number,
            executor=self.executor,
            submit_own=self.submit_own,
            log=self.log,
            clock=town.clock,
        )
        shared = {
            "member": self.number,
            "releases": Releases(town.chain.state, town.chain.rows.get, lambda: town.clock.wall_ms),
            "executor": self.executor,
            "stash": self.stash,
            "objects": self.objects,
            "filing": self,
            "log": self.log,
            "clock": town.clock,
        }
        self._start_openings(freshness, shared)
        self.courier = Courier(
            local_key=bytes([self.number]) * 32,
            frame_bytes=town.frame_bytes,
            freshness=freshness,
            wraps=Wraps(town.chain.state, self.recipients, self.log),
            linked=self.linked,
            send=self.send,
            **shared,
        )
        self.receiver = Receiver(
            chain_id=town.chain.chain_id,
            openings=self.openings,
            offer=self.offer,
            reached=self.reached,
            **shared,
        )

    def _start_openings(self, freshness: Freshness, shared: dict[str, Any]) -> None:
        """The requester's side of standing consents, and the trustee's where one is hosted."""
        town, rows = self.town, OpeningRows(self.rows)
        chain_id, log = town.chain.chain_id, self.log
        common = {
            "frame_bytes": town.frame_bytes,
            "roster": town.roster,
            "releases": shared["releases"],
            "executor": self.executor,
            "freshness": freshness,
            "log": log,
        }
        self.openings = Openings(
            member=self.number,
            stash=self.stash,
            rows=rows,
            combining=Combining(chain_id=chain_id, roster=town.roster, rows=rows, log=log),
            linked=self.linked,
            offer=self.offer,
            clock=town.clock,
            **common,
        )
        self.trusteeing = None
        if self.trusteeship is not None:
            self.trusteeing = Trusteeing(
                chain_id=chain_id, trusteeship=self.trusteeship, send=self.send, **common
            )

    def linked(self, peer: int) -> bool:
        return peer == self.number or not self.town.down & {self.number, peer}

    def file(self, receipt: ShareReceipt) -> None:
        """Filing's part: goes on chain when the town settles."""
        self.unfiled[receipt] = None

    async def submit_own(self, payload: Payload) -> str:
        if self.cut_off:
            return "pending"
        return self.town.own(self.number, payload) or "ok"

    async def send(self, peer: int, frame: Frame) -> bool:
        return self.offer(peer, frame)

    def offer(self, peer: int, frame: Frame) -> bool:
        return self.town.post(self.number, peer, frame)

    async def reached(self, height: int, timeout_ms: int) -> bool:
        return height <= self.executor.certified_header.height

    async def handle(self, peer: int, frame: Frame) -> None:
        if isinstance(frame, PartDelivery):
            await self.receiver.delivered(peer, frame)
        elif isinstance(frame, PartAck):
            await self.courier.acknowledged(peer, frame)
        elif isinstance(frame, ObjectRequest):
            await self.courier.serve(peer, frame)
        elif isinstance(frame, ObjectChunk):
            await self.receiver.chunk(peer, frame)
        elif isinstance(frame, OpeningAnswer):
            await self.openings.answered(peer, frame)
        elif isinstance(frame, OpeningRequest):
            if self.trusteeing is not None:
                await self.trusteeing.asked(peer, frame)
        else:
            assert isinstance(frame, ObjectMissing)
            await self.receiver.missing(peer, frame)

    def recover(self) -> None:
        """As Postroom does after a start."""
        for key, value in self.town.chain.backend.items():
            if key.startswith(b"srelease/"):
                self.note(decode(value, ReleaseRecord, limit_bytes=RECORD_BYTES))

    def note(self, record: ReleaseRecord) -> None:
        if self.number in record.last_providers:
            self.courier.note(record.request_id, record.last_authorised_height)
        if self.number == self.town.requester and record.last_authorised_height:
            self.receiver.note(record.request_id)
            self.openings.note(record.request_id)
