"""Frames from peers, each to whom it concerns, as chainnode.node.network does it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chainnode.net.port import Channel
from chainnode.net.wire import (
    MAX_OWN_VOTES,
    Batch,
    BatchMissing,
    BatchOffer,
    BatchRequest,
    Blocks,
    BlocksRequest,
    Consensus,
    Frame,
    OwnVotes,
    OwnVotesRequest,
    Status,
    encode_frame,
)
from chainnode.node import turn as inputs
from chainnode.node.driver import Synced
from chainnode.node.leftviews import LeftViews
from chainnode.node.network import (
    ANSWER_EVERY_MS,
    OWN_VOTES_OVERHEAD_BYTES,
    STATUS_EVERY_MS,
    VOTE_OVERHEAD_BYTES,
)
from chainnode.node.sync import LOOK_EVERY_MS
from chainnode.node.turn import Turn
from consensus.codec import DecodeError, encode
from consensus.messages import Authenticated, Certified, Message
from tests.sim.batches import Batches
from tests.sim.checks import outline
from tests.sim.keeping import ChainKeeping
from tests.sim.syncing import Syncing

if TYPE_CHECKING:
    from tests.sim.node import SimNode

REPORT_AFTER_MS = 100


class Peers:
    """One life of a node towards its peers."""

    def __init__(self, node: "SimNode") -> None:
        self._node = node
        world = node.world
        self._others = world.links.peers(node.number)
        self.batches = Batches(node, self.offer)
        self.sync = Syncing(
            world.chain,
            node.store,
            node.executor,
            node.now().monotonic_ms,
            self.offer,
            self.batches.want_certified,
            lambda run: node.put(Synced(run)),
        )
        self.left_views = LeftViews(
            world.chain.parameters, lambda: node.executor.state, lambda one: node.executor.replica_sets(one)
        )
        self.keeping = None if world.plan.keeping is None else ChainKeeping(node, self.sync, self.offer)
        self._others_alone = node.restored.asking
        self._answered: dict[int, dict[bytes, Authenticated]] = {}
        self._told_ms: dict[int, int] = {}
        self._guard_done = False
        self._sync_is_due = False

    def start(self) -> None:
        self._node.later(LOOK_EVERY_MS, self._look)
        self._node.later(STATUS_EVERY_MS, self._announce)
        if self.keeping is not None:
            self.keeping.start()

    def close(self) -> None:
        """The process is gone."""
        if self.keeping is not None:
            self.keeping.abandon()

    # --- out --------------------------------------------------------------------------------------

    def offer(self, peer: int, frame: Frame) -> bool:
        """On the bulk channel, if there is room."""
        node = self._node
        if node.strategy is not None:
            return node.strategy.send_frame(node, peer, frame)
        return node.world.links.send(node, peer, Channel.BULK, encode_frame(frame))

    def send_messages(self, turn: Turn) -> None:
        for outbound in turn.send:
            self._node.world.faults.speaking(self._node, outbound.message)
            receivers = self._others if outbound.to is None else [outbound.to]
            self._send_message(outbound.message, receivers)

    def _send_message(self, message: Message, receivers: list[int]) -> None:
        node, data = self._node, encode(message)
        if node.strategy is not None:
            for peer in receivers:
                node.strategy.send_message(node, peer, message)
            return
        node.world.checks.spoken(node, message, data)
        frame, links = encode_frame(Consensus(data)), node.world.links
        sent = {peer: links.send(node, peer, Channel.VOTES, frame) for peer in receivers}
        node.trace(f"says {outline(message)} to {receivers}", to=sent)

    def note(self, turn: Turn) -> None:
        for fetch in turn.fetch:
            self.batches.want([fetch.ref], fetch.sources)
        self.batches.relay(turn.relay)
        for evidence in turn.evidence:
            self._node.trace(f"evidence against {evidence.first.replica}: {outline(evidence.second)}")
        for committed in turn.left:
            self.left_views.note(committed)
            self._node.later(REPORT_AFTER_MS * (1 + self._node.number), self._report_left)
        if turn.behind is not None:
            self._node.trace(f"behind {turn.behind.height}")
            self.sync.behind(turn.behind)
            self.wake_sync()

    def _report_left(self) -> None:
        node = self._node
        height = node.executor.tip.height + 1
        payload = self.left_views.unreported(height)
        if payload is not None:
            node.trace(f"reports that views before {payload.view} were left")
            self.batches.report(payload)

    # --- by itself --------------------------------------------------------------------------------

    def wake_sync(self) -> None:
        if not self._sync_is_due:
            self._sync_is_due = True
            self._node.later(0, self._work_sync)

    def _work_sync(self) -> None:
        self._sync_is_due = False
        self.sync.work(self._node.now().monotonic_ms)

    def _look(self) -> None:
        self.sync.work(self._node.now().monotonic_ms)
        self._node.later(LOOK_EVERY_MS, self._look)

    def _announce(self) -> None:
        node = self._node
        status = Status(self.sync.height, node.engine.replica.status().view)
        for peer in self._others:
            if node.world.links.is_up(node, peer):
                self.offer(peer, status)
                if not self._guard_done and peer not in self._answered:
                    self.offer(peer, OwnVotesRequest(node.number))
        node.later(STATUS_EVERY_MS, self._announce)

    # --- in ---------------------------------------------------------------------------------------

    def link_changed(self, peer: int, up: bool) -> None:
        if up:
            self.offer(peer, OwnVotesRequest(self._node.number))
            self._node.put(inputs.LinkUp(peer))
        else:
            self._node.put(inputs.LinkDown(peer))
            self.sync.link_down(peer)
        self.batches.link_changed(peer, up)
        if self.keeping is not None:
            self.keeping.link_changed(peer, up)

    def receive(self, peer: int, data: bytes) -> None:
        try:
            frame = self._node.world.chain.decoded(data)
        except DecodeError as error:
            self._node.trace(f"refuses a frame of {peer}: {error.code}")
            return
        if self._node.strategy is not None:
            frame = self._node.strategy.hears(frame)
        now_ms = self._node.now().monotonic_ms
        match frame:
            case Consensus():
                self._on_consensus(peer, frame.message)
            case OwnVotesRequest():
                self._on_own_votes_request(peer, frame)
            case OwnVotes():
                self._on_own_votes(peer, frame)
            case Status():
                self.sync.on_status(peer, frame, now_ms)
                self.wake_sync()
            case BlocksRequest():
                self.sync.on_request(peer, frame)
                self.wake_sync()
            case Blocks():
                self.sync.on_blocks(peer, frame, now_ms)
                self.wake_sync()
            case Batch():
                self.batches.on_batch(peer, frame)
            case BatchOffer():
                self.batches.on_offer(peer, frame)
            case BatchRequest():
                self.batches.on_request(peer, frame)
            case BatchMissing():
                self.batches.on_missing(peer, frame)
            case _ if self.keeping is not None:
                self.keeping.on_frame(peer, frame)
                self.wake_sync()

    def _on_consensus(self, peer: int, data: bytes) -> None:
        checked = self._node.world.chain.authenticated(data, self._node.executor.rotation)
        if isinstance(checked, str):
            self._node.trace(f"refuses a message of {peer}: {checked}")
            return
        if self._node.honest:
            self._node.world.checks.heard(self._node, checked.message, data)
        self._node.put(inputs.Received(checked))

    def _on_own_votes_request(self, peer: int, frame: OwnVotesRequest) -> None:
        now_ms = self._node.now().monotonic_ms
        last = self._told_ms.get(peer)
        if frame.replica != peer or (last is not None and now_ms - last < ANSWER_EVERY_MS):
            return
        self._told_ms[peer] = now_ms
        votes = [encode(message) for message in self._node.engine.replica.votes_of(peer)]
        for some in own_votes_frames(votes, self._node.world.chain.parameters.frame_bytes):
            self.offer(peer, OwnVotes(some))

    def _on_own_votes(self, peer: int, frame: OwnVotes) -> None:
        node = self._node
        chain, rotation = node.world.chain, node.executor.rotation
        found = {data: chain.own_vote(data, rotation, node.number) for data in frame.messages}
        mine = {
            data: one
            for data, one in found.items()
            if isinstance(one, Authenticated)
            and (one.message.replica == node.number or isinstance(one.message, Certified))
        }
        if self._guard_done:
            node.put(inputs.OwnVotes(tuple(mine.values())))
            return
        certified = node.engine.replica.status().certified
        if self._others_alone and self.sync.catchup.claimed.get(peer, certified + 1) > certified:
            return  # it is asked again
        self._answered.setdefault(peer, {}).update(mine)
        members = node.executor.replica_sets(certified + 1)
        answered = {node.number, *self._answered}.intersection(members.ids)
        needed = members.quorum
        if self._others_alone:
            answered.discard(node.number)
            needed = min(needed, len(members.ids) - 1)
        if len(answered) >= needed:
            self._guard_done = True
            votes = tuple(vote for answer in self._answered.values() for vote in answer.values())
            node.put(inputs.OwnVotes(votes))


def own_votes_frames(votes: Sequence[bytes], frame_bytes: int) -> list[tuple[bytes, ...]]:
    """As Network._in_frames: at least one, for an empty answer is one too."""
    frames: list[tuple[bytes, ...]] = []
    here: list[bytes] = []
    size = OWN_VOTES_OVERHEAD_BYTES
    for vote in votes:
        cost = len(vote) + VOTE_OVERHEAD_BYTES
        if here and (size + cost > frame_bytes or len(here) == MAX_OWN_VOTES):
            frames.append(tuple(here))
            here, size = [], OWN_VOTES_OVERHEAD_BYTES
        here.append(vote)
        size += cost
    return [*frames, tuple(here)]
