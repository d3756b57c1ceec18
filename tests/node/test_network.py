"""Frames from peers: each to whom it concerns, and nothing that a peer sends ends the node."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from chainnode.net.port import Channel, LinkEvent
from chainnode.net.wire import (
    BatchMissing,
    Blocks,
    BlocksPruned,
    BlocksRequest,
    Consensus,
    Hello,
    OwnVotes,
    OwnVotesRequest,
    PieceMissing,
    Pulse,
    SnapshotRequest,
    Status,
)
from chainnode.node import turn as inputs
from chainnode.node.complaints import PER_MINUTE
from chainnode.node.network import Network
from chainnode.node.peers import Peers
from chainnode.node.turn import Turn
from consensus.codec import encode
from consensus.messages import BlockVote, Message
from consensus.ready import Outbound
from consensus.types import ReplicaSet
from tests.consensus.fakes import CHAIN, fake_verify, key_of, members
from tests.consensus.solo import block_vote
from tests.node.stand_ins import Log, stopped, until
from tests.node.wires import Inputs, Wires


class Node:
    """Member 0 of `n`; `votes`: what it holds of its peers."""

    def __init__(self, n: int = 4, frame_bytes: int = 1_048_576, *, others_alone: bool = False) -> None:
        self.wires, self.driver, self.log = Wires(n - 1, frame_bytes), Inputs(), Log()
        self.votes: list[Message] = []
        self.status = status = SimpleNamespace(view=2, certified=0, voting=False)
        replica = SimpleNamespace(status=lambda: status, votes_of=lambda peer: tuple(self.votes))
        everybody: ReplicaSet = members(n)
        self.peers = Peers(range(1, n), 2_000, self.log)  # type: ignore[arg-type]
        self.network = Network(
            member=0,
            chain_id=CHAIN,
            replica_sets=lambda _: everybody,
            frame_bytes=frame_bytes,
            transport=self.wires,
            engine=SimpleNamespace(replica=replica),  # type: ignore[arg-type]
            driver=self.driver,  # type: ignore[arg-type]
            verify=fake_verify,
            peers=self.peers,
            own_keys=[key_of(0)],
            log=self.log,
            others_alone=others_alone,
        )

    async def settle(self) -> None:
        await until(self.wires.inbound.empty)
        for _ in range(5):
            await asyncio.sleep(0)

    def given(self, kind: type[Any]) -> list[Any]:
        return [item for item in self.driver.taken if isinstance(item, kind)]

    def answers(self, peer: int, *votes: Message) -> None:
        self.wires.comes(peer, OwnVotes(tuple(encode(vote) for vote in votes)))


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    node = Node()
    running = asyncio.create_task(node.network.run())
    yield node
    await node.settle()
    await stopped(running)


async def test_a_good_vote_reaches_the_replica_whoever_brings_it(node: Node):
    vote = block_vote(1, 2)
    node.wires.comes(3, Consensus(encode(vote)), Channel.VOTES)
    await node.settle()
    assert [item.message.message for item in node.given(inputs.Received)] == [vote]


async def test_what_cannot_be_decoded_or_is_not_signed_is_dropped_and_the_links_are_read_on(node: Node):
    unsigned = BlockVote(0, 1, bytes(32), 2, bytes(64))
    for data in (b"\xc1", b"", bytes(2_000_000)):
        node.wires.comes(1, data)
    for message in (b"\xc1", b"\x93", encode(unsigned), encode(block_vote(1, 2)) + b"\x00"):
        node.wires.comes(1, Consensus(message))
    node.wires.comes(1, Consensus(encode(block_vote(1, 1))))
    await node.settle()
    assert len(node.given(inputs.Received)) == 1
    assert node.log.said("frame refused") == 3 and node.log.said("message refused") == 4


async def test_a_frame_without_a_handler_is_dropped(node: Node):
    node.wires.comes(1, Hello(1, 1, bytes(32), 1))
    node.wires.comes(1, BatchMissing(bytes(32)))
    await node.settle()
    assert node.log.said("frame of no use here") == 2 and not node.driver.taken


async def test_a_peer_that_sends_nothing_but_garbage_does_not_fill_the_log(node: Node):
    for _ in range(2 * PER_MINUTE):
        node.wires.comes(1, b"\xc1")
    await node.settle()
    assert PER_MINUTE <= node.log.said("frame refused") < 2 * PER_MINUTE


async def test_a_registered_handler_gets_its_kind_of_frame_and_no_other(node: Node):
    got: list[tuple[int, Any]] = []

    async def handle(peer: int, frame: Any) -> None:
        got.append((peer, frame))

    node.network.handle(Status, handle)
    node.wires.comes(2, Status(5, 1))
    node.wires.comes(2, BlocksRequest(1, 1))
    await node.settle()
    assert got == [(2, Status(5, 1))]


async def test_links_are_told_to_the_replica_and_to_those_who_watch(node: Node):
    seen: list[tuple[int, bool]] = []

    async def watch(peer: int, up: bool) -> None:
        seen.append((peer, up))

    node.network.watch_links(watch)
    node.wires.inbound.put_nowait(LinkEvent(1, True))
    node.wires.inbound.put_nowait(LinkEvent(1, False))
    await node.settle()
    assert node.driver.taken == [inputs.LinkUp(1), inputs.LinkDown(1)]
    assert seen == [(1, True), (1, False)]
    assert node.wires.frames(OwnVotesRequest, 1) == [OwnVotesRequest(0)]


async def test_voting_starts_once_a_quorum_with_this_node_has_answered(node: Node):
    node.answers(1, block_vote(4, 0))
    node.answers(1)
    await node.settle()
    assert not node.driver.taken, "one peer, however often, and this node are two of four"
    node.answers(2, block_vote(5, 0))
    await node.settle()
    [guard] = node.given(inputs.OwnVotes)
    assert [one.message.height for one in guard.messages] == [4, 5], "of all answers until then"


async def test_what_a_peer_answers_later_is_handed_in_too(node: Node):
    node.answers(1)
    node.answers(2)
    node.answers(3, block_vote(9, 0))
    await node.settle()
    assert [len(item.messages) for item in node.given(inputs.OwnVotes)] == [0, 1]


async def test_votes_of_others_and_forged_ones_in_an_answer_do_not_count(node: Node):
    forged = BlockVote(0, 9, bytes(32), 0, bytes(64))
    node.answers(1, block_vote(9, 1), block_vote(9, 2), forged)
    node.answers(2)
    await node.settle()
    assert [item.messages for item in node.given(inputs.OwnVotes)] == [()]


async def test_a_peer_that_has_not_told_this_nodes_votes_is_asked_until_it_does(node: Node):
    node.answers(1)
    await node.settle()
    announcing = asyncio.create_task(node.network.announce(lambda: 7))
    await until(lambda: bool(node.wires.frames(Status)))
    await stopped(announcing)
    assert node.wires.frames(Status) == [Status(7, 2)] * 3
    asked = {peer for peer, _, frame in node.wires.sent if isinstance(frame, OwnVotesRequest)}
    assert asked == {2, 3}


async def test_a_peer_is_told_its_own_votes_and_nobody_elses(node: Node, monkeypatch: pytest.MonkeyPatch):
    node.votes = [block_vote(3, 1)]
    node.wires.comes(1, OwnVotesRequest(2))
    await node.settle()
    assert not node.wires.frames(OwnVotes)
    node.wires.comes(1, OwnVotesRequest(1))
    await node.settle()
    assert node.wires.frames(OwnVotes) == [OwnVotes((encode(block_vote(3, 1)),))]


async def test_a_peer_that_asks_and_asks_is_answered_now_and_then(node: Node):
    for _ in range(50):
        node.wires.comes(1, OwnVotesRequest(1))
    await node.settle()
    assert len(node.wires.frames(OwnVotes)) < 50


async def test_a_peer_that_does_not_read_its_answer_holds_up_nobody(node: Node):
    node.wires.full = {1}
    node.wires.comes(1, OwnVotesRequest(1))
    node.wires.comes(2, Consensus(encode(block_vote(1, 2))))
    await node.settle()
    assert len(node.given(inputs.Received)) == 1


async def test_more_votes_than_a_frame_holds_travel_in_several():
    node = Node(frame_bytes=65_536)
    node.votes = [block_vote(height, 1) for height in range(1, 2_000)]
    running = asyncio.create_task(node.network.run())
    node.wires.comes(1, OwnVotesRequest(1))
    await node.settle()
    frames = node.wires.frames(OwnVotes)
    assert len(frames) > 1 and sum(len(frame.messages) for frame in frames) == 1_999
    await stopped(running)


async def test_a_turns_messages_go_to_whom_they_are_for(node: Node):
    everybody, one = block_vote(1, 0), block_vote(2, 0)
    node.wires.full = {3}
    node.network.send_messages(Turn(send=[Outbound(everybody), Outbound(one, 2)]))
    sent = [(peer, channel, frame.message) for peer, channel, frame in node.wires.sent]
    assert sent == [
        (1, Channel.VOTES, encode(everybody)),
        (2, Channel.VOTES, encode(everybody)),
        (2, Channel.VOTES, encode(one)),
    ]


async def test_a_pulse_goes_to_the_links_that_speak_it_with_every_status():
    node = Node()
    node.wires.versions[2] = 1
    announcing = asyncio.create_task(node.network.announce(lambda: 5))
    await until(lambda: len(node.wires.frames(Status)) >= 3)
    await stopped(announcing)
    assert len(node.wires.frames(Pulse, 1)) == len(node.wires.frames(Pulse, 3)) == 1
    assert not node.wires.frames(Pulse, 2) and node.wires.frames(Status, 2) == [Status(5, 2)]
    assert node.wires.frames(Pulse, 1)[0].voting is False


async def test_an_older_peer_gets_no_frame_of_a_later_version_whichever_way_it_goes():
    node = Node()
    node.wires.versions[2] = 1
    for peer in (1, 2):
        assert node.network.offer(peer, PieceMissing(3)) is (peer == 1)
        assert await node.network.send(peer, PieceMissing(4)) is (peer == 1)
        node.network.tell(peer, PieceMissing(5))
        assert node.network.offer(peer, BlocksPruned(9, 10))
    node.wires.up[3] = False
    assert not node.network.offer(3, PieceMissing(6)) and not node.network.offer(3, BlocksPruned(9, 10))
    sent = [(peer, frame) for peer, _, frame in node.wires.sent]
    assert sent == [
        (1, PieceMissing(3)),
        (1, PieceMissing(4)),
        (1, PieceMissing(5)),
        (1, BlocksPruned(9, 10)),
        (2, Blocks((), 10)),
    ]


async def test_who_asks_for_snapshots_is_told_of_no_link_that_has_no_word_for_them(node: Node):
    seen: list[tuple[int, bool]] = []

    async def watch(peer: int, up: bool) -> None:
        seen.append((peer, up))

    node.network.watch_links(watch, speaking=SnapshotRequest)
    node.wires.versions[2] = 1
    for peer in (1, 2):
        node.wires.inbound.put_nowait(LinkEvent(peer, True))
    await node.settle()
    assert seen == [(1, True), (2, False)]


async def test_the_last_consensus_message_of_each_peer_is_noted():
    node = Node()
    running = asyncio.create_task(node.network.run())
    node.wires.comes(2, Consensus(encode(block_vote(4, 2))), Channel.VOTES)
    await until(lambda: node.peers.of(2).message == "block-vote 4")
    await stopped(running)


async def test_a_restored_node_counts_the_others_alone_and_only_once_it_is_as_far_as_they_are():
    """Before that it cannot tell whose certificates and votes are good: members may have changed."""
    node = Node(others_alone=True)
    running = asyncio.create_task(node.network.run())
    for peer in (1, 2, 3):
        node.wires.comes(peer, OwnVotes(()))
    await node.settle()
    for peer in (1, 2, 3):
        await node.peers.on_status(peer, Status(9, 0))
        node.wires.comes(peer, OwnVotes(()))
    await node.settle()
    assert not node.given(inputs.OwnVotes), "nobody has said how far it is, then all are further"
    node.status.certified = 9
    for peer in (1, 2):
        node.wires.comes(peer, OwnVotes(()))
    await node.settle()
    assert not node.given(inputs.OwnVotes), "this node's own word counts for nothing"
    node.wires.comes(3, OwnVotes(()))
    await node.settle()
    assert len(node.given(inputs.OwnVotes)) == 1
    await stopped(running)
