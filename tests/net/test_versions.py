"""The handshake's versions: what two releases speak with each other, and what they say where they cannot."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from chainnode.net.framing import join_frames
from chainnode.net.libp2p_transport import Libp2pTransport
from chainnode.net.port import Channel, CloseReason, Peer, Transport
from chainnode.net.tls_transport import TlsTransport
from chainnode.net.wire import (
    FRAME_TYPES,
    NEWEST_VERSION,
    OLDEST_VERSION,
    SINCE,
    BatchMissing,
    Blocks,
    BlocksPruned,
    Hello,
    PieceMissing,
    as_spoken,
    encode_frame,
)
from tests.net.hostile_contract import Player, link_of, until_closed
from tests.net.raw_member import Libp2pPlayer
from tests.net.tls_player import TlsPlayer
from tests.net.transport_net import CHAIN, Net, address, config, event, key, until
from tests.realnet.older_node import KNOWN

KINDS = {"libp2p": (Libp2pTransport, Libp2pPlayer()), "tls": (TlsTransport, TlsPlayer())}


@pytest.fixture(params=KINDS)
async def scene(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Transport, Player]]:
    """Member 1, which waits for member 0: the test plays its part."""
    kind, player = KINDS[request.param]
    net = Net(kind)
    yield await net.start(config(1, {0: Peer(key(0))})), player
    await net.close()


@pytest.mark.parametrize(
    ("first", "last"), [(NEWEST_VERSION + 1, NEWEST_VERSION + 4), (0, OLDEST_VERSION - 1), (2, 1)]
)
async def test_a_peer_without_a_version_in_common_is_refused_with_both_ranges_named(
    scene: tuple[Transport, Player], first: int, last: int
) -> None:
    node, player = scene

    async def work() -> None:
        async with player.connected(address(node), 1, 0) as member:
            votes = await member.open(Channel.VOTES)
            await votes.write(join_frames([encode_frame(Hello(first, last, CHAIN, 0))]))
            await until_closed(player, votes)

    with capture_logs() as lines:
        await player.run(work)
        await until(lambda: node.links()[0].reason is CloseReason.WRONG_VERSION)
    refused = next(line for line in lines if line.get("reason") == str(CloseReason.WRONG_VERSION))
    assert f"versions {first} to {last}, this node {OLDEST_VERSION} to {NEWEST_VERSION}" in refused["detail"]


@pytest.mark.parametrize(
    ("first", "last", "spoken"), [(0, OLDEST_VERSION, OLDEST_VERSION), (OLDEST_VERSION, 99, NEWEST_VERSION)]
)
async def test_a_link_speaks_the_newest_version_that_both_sides_know(
    scene: tuple[Transport, Player], first: int, last: int, spoken: int
) -> None:
    node, player = scene

    linked = False

    async def work() -> None:
        nonlocal linked
        async with player.connected(address(node), 1, 0) as member:
            votes, _, _ = await link_of(member, 0, (first, last))
            linked = True
            await until_closed(player, votes)

    task = asyncio.create_task(player.run(work))
    await event(node, 0, up=True)
    assert node.links()[0].version == spoken
    # For the node the link is up before its peer has granted it anything: none may be cut off at that.
    await until(lambda: linked or task.done())
    await node.stop()
    await task


def test_every_frame_is_of_the_oldest_version_or_says_since_when_it_is_spoken() -> None:
    assert {*KNOWN, Hello}.isdisjoint(SINCE)
    assert {*KNOWN, Hello, *SINCE} == {*FRAME_TYPES}
    assert all(OLDEST_VERSION < since <= NEWEST_VERSION for since in SINCE.values())


def test_an_older_peer_is_sent_what_it_knows_or_nothing() -> None:
    pruned, missing = BlocksPruned(900, 1_000), PieceMissing(7)
    assert as_spoken(pruned, 2) == pruned and as_spoken(missing, 2) == missing
    assert as_spoken(pruned, 1) == Blocks((), 1_000)
    assert as_spoken(missing, 1) is None
    assert as_spoken(BatchMissing(CHAIN), 1) == BatchMissing(CHAIN)
