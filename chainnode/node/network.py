"""Frames from peers, each to whom it concerns; and what this node tells its peers of itself."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from structlog.stdlib import BoundLogger

from chainnode.net.port import Channel, Inbound, LinkEvent, Transport
from chainnode.net.wire import (
    MAX_OWN_VOTES,
    OLDEST_VERSION,
    SINCE,
    Consensus,
    Frame,
    OwnVotes,
    OwnVotesRequest,
    Pulse,
    Status,
    as_spoken,
    decode_frame,
    encode_frame,
)
from chainnode.node import turn as inputs
from chainnode.node.clock import now
from chainnode.node.complaints import Complaints
from chainnode.node.driver import Driver
from chainnode.node.engine import Engine
from chainnode.node.peers import Peers
from consensus.authenticate import Verify, authenticate, said_by_own
from consensus.codec import DecodeError, decode, encode
from consensus.messages import Authenticated, Certified, Message
from consensus.ready import Rejection
from consensus.types import ReplicaId, ReplicaSets

STATUS_EVERY_MS = 500
ANSWER_EVERY_MS = 250
"""So often at most a peer is told its own votes: an answer is long, and a question short."""
OWN_VOTES_OVERHEAD_BYTES, VOTE_OVERHEAD_BYTES = 64, 8
FRAMES_PER_PAUSE = 16
"""A link that is never empty must not keep the loop from the node's other work."""
Handler = Callable[[ReplicaId, Any], Awaitable[None]]
LinkWatcher = Callable[[ReplicaId, bool], Awaitable[None]]


class Network:
    """Reads the transport and dispatches. Handlers are registered by frame type at composition."""

    def __init__(
        self,
        *,
        member: ReplicaId,
        chain_id: bytes,
        replica_sets: ReplicaSets,
        frame_bytes: int,
        transport: Transport,
        engine: Engine,
        driver: Driver,
        verify: Verify,
        peers: Peers,
        log: BoundLogger,
        own_keys: Sequence[bytes],
        others_alone: bool = False,
    ) -> None:
        """`own_keys`: all public keys that this node ever votes with. `others_alone`: this node's own word
        does not count towards the quorum that tells it its votes, for it knows nothing of them (a restored
        backup). And an answer counts once this node is as far as the peer that gave it: before that it does
        not know whose votes and certificates are good ones."""
        self._peers = peers
        self._own_keys = own_keys
        self._others_alone = others_alone
        self._member = member
        self._chain_id = chain_id
        self._sets = replica_sets
        self._frame_bytes = frame_bytes
        self._transport = transport
        self._engine = engine
        self._driver = driver
        self._verify = verify
        self._log = log
        self._handlers: dict[type, Handler] = {
            Consensus: self._on_consensus,
            OwnVotesRequest: self._on_own_votes_request,
            OwnVotes: self._on_own_votes,
        }
        self._link_watchers: list[tuple[LinkWatcher, type[Frame]]] = []
        self._answered: dict[ReplicaId, dict[bytes, Authenticated]] = {}
        self._answered_at_ms: dict[ReplicaId, int] = {}
        self._guard_done = False
        self._complaints = Complaints(log)

    def handle(self, frame_type: type, handler: Handler) -> None:
        """Give one kind of frame its handler. A handler does not wait for certificates."""
        assert frame_type not in self._handlers
        self._handlers[frame_type] = handler

    def watch_links(self, watcher: LinkWatcher, *, speaking: type[Frame] = Consensus) -> None:
        """Called when a link came up (True) or went down. One whose version lacks the frame `speaking` counts
        as down."""
        self._link_watchers.append((watcher, speaking))

    async def send(self, peer: ReplicaId, frame: Frame) -> bool:
        """Send on the bulk channel, waiting for room; False where the link is down or lacks the frame."""
        spoken = as_spoken(frame, self._version(peer, type(frame)))
        return spoken is not None and await self._transport.send(peer, Channel.BULK, encode_frame(spoken))

    def tell(self, peer: ReplicaId | None, frame: Frame) -> None:
        """Offer a frame to a peer, or to all (None), whose links are up."""
        for one, link in self._transport.links().items():
            if link.up and peer in (None, one):
                self._offer(one, frame, link.version)

    def offer(self, peer: ReplicaId, frame: Frame) -> bool:
        """Send on the bulk channel if there is room; False too where the link's version has no such word."""
        return self._offer(peer, frame, self._version(peer, type(frame)))

    def _offer(self, peer: ReplicaId, frame: Frame, version: int) -> bool:
        spoken = as_spoken(frame, version)
        return spoken is not None and self._transport.try_send(peer, Channel.BULK, encode_frame(spoken))

    def _version(self, peer: ReplicaId, kind: type[Frame]) -> int:
        """What the link to `peer` speaks, 0 if it is down. Frames of the oldest version are worth no look."""
        if kind not in SINCE:
            return OLDEST_VERSION
        link = self._transport.links().get(peer)
        return 0 if link is None else link.version

    def send_messages(self, turn: inputs.Turn) -> None:
        """Consensus messages of a turn that was persisted. What finds no room is sent again by the core."""
        for outbound in turn.send:
            frame = encode_frame(Consensus(encode(outbound.message)))
            if outbound.to is not None:
                self._transport.try_send(outbound.to, Channel.VOTES, frame)
                continue
            for peer in self._transport.links():
                self._transport.try_send(peer, Channel.VOTES, frame)

    async def run(self) -> None:
        """Until cancelled."""
        frames = 0
        while True:
            item = await self._transport.receive()
            frames += 1
            if frames % FRAMES_PER_PAUSE == 0:
                await asyncio.sleep(0)
            if isinstance(item, LinkEvent):
                await self._on_link(item)
            else:
                await self._on_inbound(item)

    async def announce(self, height: Callable[[], int]) -> None:
        """Tell every peer this node's certified height, view and clock, twice a second, and ask again for its
        own votes who has not told them. Until cancelled."""
        while True:
            replica = self._engine.replica.status()
            self.tell(None, Status(height(), replica.view))
            self.tell(None, Pulse(replica.voting, now().wall_ms))
            for peer, link in self._transport.links().items():
                if link.up and not self._guard_done and peer not in self._answered:
                    self.offer(peer, OwnVotesRequest(self._member))
            await asyncio.sleep(STATUS_EVERY_MS / 1000)

    async def _on_link(self, event: LinkEvent) -> None:
        self._log.info(
            "link up" if event.up else "link down",
            peer=event.peer,
            reason=event.reason.value if event.reason else "",
        )
        if event.up:
            self.offer(event.peer, OwnVotesRequest(self._member))
            await self._driver.put(inputs.LinkUp(event.peer))
        else:
            await self._driver.put(inputs.LinkDown(event.peer))
        for watch, kind in self._link_watchers:
            speaks = self._version(event.peer, kind) >= SINCE.get(kind, OLDEST_VERSION)
            await watch(event.peer, event.up and speaks)

    async def _on_inbound(self, item: Inbound) -> None:
        try:
            frame = decode_frame(item.frame, limit_bytes=self._frame_bytes)
        except DecodeError as error:
            self._complaints.warn(item.peer, "frame refused", rule=error.code, detail=error.detail)
            return
        handler = self._handlers.get(type(frame))
        if handler is None:
            self._complaints.warn(item.peer, "frame of no use here", kind=type(frame).__name__)
            return
        await handler(item.peer, frame)

    def _authenticated(self, peer: ReplicaId, data: bytes, *, own: bool = False) -> Authenticated | None:
        try:
            message: Message = decode(data, Message, limit_bytes=self._frame_bytes)  # type: ignore[arg-type]
        except DecodeError as error:
            self._complaints.warn(peer, "message refused", rule=error.code, detail=error.detail)
            return None
        checked = authenticate(message, self._chain_id, self._sets, self._verify)
        if isinstance(checked, Rejection):
            keys = self._own_keys if own else ()
            said = said_by_own(message, self._chain_id, self._member, keys, self._verify)
            if said is not None:
                return said
            self._complaints.warn(peer, "message refused", rule=checked.rule, detail=checked.detail)
            return None
        return checked

    async def _on_consensus(self, peer: ReplicaId, frame: Consensus) -> None:
        message = self._authenticated(peer, frame.message)
        if message is not None:
            self._peers.on_message(peer, message.message)
            await self._driver.put(inputs.Received(message))

    async def _on_own_votes_request(self, peer: ReplicaId, frame: OwnVotesRequest) -> None:
        current = now().monotonic_ms
        last = self._answered_at_ms.get(peer)
        if frame.replica != peer or (last is not None and current - last < ANSWER_EVERY_MS):
            return
        self._answered_at_ms[peer] = current
        for votes in self._in_frames(encode(message) for message in self._engine.replica.votes_of(peer)):
            # Without waiting: a peer that does not read must not hold up the others' frames.
            self.offer(peer, OwnVotes(votes))

    def _in_frames(self, votes: Iterator[bytes]) -> Iterator[tuple[bytes, ...]]:
        """At least one, for an empty answer is one too."""
        here: list[bytes] = []
        size = OWN_VOTES_OVERHEAD_BYTES
        for vote in votes:
            cost = len(vote) + VOTE_OVERHEAD_BYTES
            if here and (size + cost > self._frame_bytes or len(here) == MAX_OWN_VOTES):
                yield tuple(here)
                here, size = [], OWN_VOTES_OVERHEAD_BYTES
            here.append(vote)
            size += cost
        yield tuple(here)

    def _is_as_far_as(self, peer: ReplicaId, certified: int) -> bool:
        """Whether this node has certified what the peer says it has."""
        height = self._peers.of(peer).height
        return height is not None and height <= certified

    async def _on_own_votes(self, peer: ReplicaId, frame: OwnVotes) -> None:
        """The guard against a disk that was rolled back: the replica votes once a quorum answered."""
        found = {data: self._authenticated(peer, data, own=True) for data in frame.messages}
        mine = {
            data: one
            for data, one in found.items()
            if one and (one.message.replica == self._member or isinstance(one.message, Certified))
        }
        if self._guard_done:
            await self._driver.put(inputs.OwnVotes(tuple(mine.values())))
            return
        certified = self._engine.replica.status().certified
        if self._others_alone and not self._is_as_far_as(peer, certified):
            return  # it is asked again
        self._answered.setdefault(peer, {}).update(mine)
        members = self._sets(certified + 1)
        answered = {self._member, *self._answered}.intersection(members.ids)
        needed = members.quorum
        if self._others_alone:
            answered.discard(self._member)
            needed = min(needed, len(members.ids) - 1)
        if len(answered) >= needed:
            self._guard_done = True
            votes = tuple(vote for answer in self._answered.values() for vote in answer.values())
            await self._driver.put(inputs.OwnVotes(votes))
