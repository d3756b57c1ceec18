"""py-libp2p's known traps, and what a stranger or a faulty member can try, one test each."""

import asyncio
import contextlib
import secrets
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import multiaddr
import pytest
import trio
import trio.testing
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.exceptions import BaseLibp2pError
from libp2p.peer.peerinfo import PeerInfo
from libp2p.protocol_muxer.exceptions import MultiselectClientError
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator
from libp2p.stream_muxer.yamux.yamux import TYPE_DATA, YAMUX_HEADER_FORMAT

from chainnode.net.framing import Control, Operation, encode_control, join_frames
from chainnode.net.libp2p_connect import MAX_STREAMS, PROTOCOLS
from chainnode.net.libp2p_session import STREAM_WINDOW_BYTES, Stream, TcpStream, peer_id
from chainnode.net.libp2p_transport import Libp2pTransport
from chainnode.net.port import Channel, CloseReason, Inbound, LinkEvent, Peer, Transport
from chainnode.net.wire import NEWEST_VERSION, OLDEST_VERSION, Hello, encode_frame
from tests.net.raw_member import RawMember, connected, next_items, on_trio, until_closed
from tests.net.transport_net import (
    CHAIN,
    FRAME_BYTES,
    LIMITS,
    Net,
    address,
    config,
    event,
    frame,
    key,
    seed,
    until,
)


@pytest.fixture
async def net() -> AsyncIterator[Net]:
    made = Net(Libp2pTransport)
    yield made
    await made.close()


@pytest.fixture
async def trio_of(net: Net) -> tuple[Transport, Transport]:
    """Members 1 and 2 linked; member 1 also waits for member 0, whose part the test plays."""
    bystander = await net.start(config(2, {1: Peer(key(1))}))
    node = await net.start(config(1, {0: Peer(key(0)), 2: Peer(key(2), address(bystander))}))
    await event(node, 2, up=True)
    await event(bystander, 1, up=True)
    return node, bystander


async def still_works(node: Transport, bystander: Transport) -> None:
    """The host lives, its other link too."""
    assert node.links()[2].up
    assert node.try_send(2, Channel.VOTES, b"alive")
    assert (await frame(bystander)).frame == b"alive"


Play = Callable[[RawMember, Stream, Stream], Awaitable[None]]


async def link_and(node: Transport, play: Play) -> CloseReason | None:
    """As member 0: link with `node` like an honest one, then `play`, then wait to be cut off. Why?"""

    async def work() -> None:
        async with connected(address(node), 1, 0) as member:
            votes, bulk, _ = await member.link()
            with contextlib.suppress(Exception):
                await play(member, votes, bulk)
            await until_closed(votes)

    await on_trio(work)
    await until(lambda: not node.links()[0].up)
    return node.links()[0].reason


async def test_more_than_250_inbound_connections_in_a_lifetime_are_accepted(
    trio_of: tuple[Transport, Transport],
) -> None:
    node, bystander = trio_of
    ups = 0

    async def come_and_go() -> None:
        for _ in range(260):
            async with connected(address(node), 1, 0) as member:
                votes, _, reader = await member.link()
                while not any(isinstance(item, bytes) for item in await next_items(votes, reader)):
                    pass

    async def greet_each() -> None:
        nonlocal ups
        while ups < 260:
            item = await node.receive()
            if isinstance(item, LinkEvent) and item.up:
                ups += 1
                assert node.try_send(item.peer, Channel.VOTES, b"welcome")

    await asyncio.gather(on_trio(come_and_go), greet_each())
    await still_works(node, bystander)


async def test_an_exception_in_a_handler_closes_that_link_and_not_the_host(net: Net) -> None:
    def tap(direction: str, peer: int, channel: Channel, frame: bytes) -> None:
        if frame == b"poison":
            raise ZeroDivisionError("planted")

    group_addresses = {}
    for member in (2, 1):
        peers = {other: Peer(key(other), group_addresses.get(other)) for other in range(3) if other != member}
        made = await net.start(config(member, peers), tap if member == 1 else None)
        group_addresses[member] = address(made)
    node, bystander = net.running[1], net.running[0]
    low = await net.start(config(0, {1: Peer(key(1), group_addresses[1]), 2: Peer(key(2))}))
    await event(low, 1, up=True)
    await event(node, 0, up=True)
    await event(bystander, 1, up=True)
    assert low.try_send(1, Channel.BULK, b"poison")
    assert (await event(node, 0, up=False)).reason is CloseReason.FAULT
    await event(low, 1, up=True)
    await still_works(node, bystander)


async def test_plaintext_is_refused(trio_of: tuple[Transport, Transport]) -> None:
    node, bystander = trio_of

    async def ask() -> list[str]:
        tcp = TcpStream(await trio.open_tcp_stream(*address(node)))
        communicator = MultiselectCommunicator(tcp)
        answers = [await communicator.read()]
        for line in (
            "/multistream/1.0.0",
            "/plaintext/2.0.0",
            "/plaintext/1.0.0",
            "/secio/1.0.0",
            "/tls/1.0.0",
        ):
            await communicator.write(line)
            if line.startswith("/multi"):
                continue
            answers.append(await communicator.read())
        await tcp.close()
        return answers

    assert await on_trio(ask) == ["/multistream/1.0.0", "na", "na", "na", "na"]
    await still_works(node, bystander)


async def test_a_stranger_is_refused_before_any_stream_opens(trio_of: tuple[Transport, Transport]) -> None:
    node, bystander = trio_of

    async def try_in() -> None:
        async with connected(address(node), 1, 0, seed_of=8) as member:
            await member.open(Channel.VOTES)

    with pytest.RaisesGroup(MultiselectClientError):  # cut off before the muxer was agreed on
        await on_trio(try_in)
    assert node.links()[0].reason is None, "it was never taken for member 0"
    await still_works(node, bystander)


async def test_garbage_on_the_socket_hurts_nobody(net: Net) -> None:
    limits = replace(LIMITS, handshake_timeout_ms=500)
    node = await net.start(config(1, {0: Peer(key(0))}, limits=limits))

    async def spit(size: int) -> None:
        stream = await trio.open_tcp_stream(*address(node))
        with contextlib.suppress(trio.BrokenResourceError):
            await stream.send_all(secrets.token_bytes(size))
            while await stream.receive_some(65_536):
                pass
        await trio.aclose_forcefully(stream)

    async def spit_all() -> None:
        async with trio.open_nursery() as nursery:
            for size in (1, 19, 1_000, 100_000):
                nursery.start_soon(spit, size)

    await on_trio(spit_all)
    low = await net.start(config(0, {1: Peer(key(1), address(node))}))
    await event(low, 1, up=True)


async def test_connections_that_say_nothing_are_bounded_and_let_go(net: Net) -> None:
    limits = replace(LIMITS, pending_inbound_per_host=4, handshake_timeout_ms=1_000)
    node = await net.start(config(1, {0: Peer(key(0))}, limits=limits))

    async def crowd() -> int:
        """How many of twelve were greeted; all are let go in the end."""
        silent = [await trio.open_tcp_stream(*address(node)) for _ in range(12)]
        greeted = 0
        for stream in silent:
            with contextlib.suppress(trio.BrokenResourceError):
                greeted += bool(await stream.receive_some(100))
                while await stream.receive_some(100):
                    pass
            await stream.aclose()
        return greeted

    assert await on_trio(crowd) == 4
    low = await net.start(config(0, {1: Peer(key(1), address(node))}))
    await event(low, 1, up=True)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ((FRAME_BYTES + 1).to_bytes(4, "big"), CloseReason.FRAME_TOO_LARGE),
        (b"\x7f\xff\xff\xff", CloseReason.FRAME_TOO_LARGE),
        (bytes(4), CloseReason.MALFORMED),
        (b"\xff" * 20, CloseReason.MALFORMED),
        (encode_control(Operation.PING, 0)[:4] + b"\x99" + bytes(8), CloseReason.MALFORMED),
    ],
    ids=["oversized", "huge", "empty", "no-control-word", "unknown-operation"],
)
async def test_bytes_that_are_no_frame_close_the_link_with_the_reason(
    trio_of: tuple[Transport, Transport], data: bytes, reason: CloseReason
) -> None:
    node, bystander = trio_of

    async def play(_: RawMember, votes: Stream, bulk: Stream) -> None:
        await votes.write(data)

    assert await link_and(node, play) is reason
    await still_works(node, bystander)


async def test_control_words_are_not_taken_on_the_bulk_channel(trio_of: tuple[Transport, Transport]) -> None:
    node, bystander = trio_of

    async def play(_: RawMember, votes: Stream, bulk: Stream) -> None:
        await bulk.write(encode_control(Operation.PING, 1))

    assert await link_and(node, play) is CloseReason.MALFORMED
    await still_works(node, bystander)


async def test_more_frames_than_were_granted_close_the_link(trio_of: tuple[Transport, Transport]) -> None:
    node, bystander = trio_of

    async def play(_: RawMember, votes: Stream, bulk: Stream) -> None:
        for _ in range(40):
            await bulk.write(join_frames([bytes(FRAME_BYTES)]))

    assert await link_and(node, play) is CloseReason.OVERRUN
    held = 0
    while (item := node.receive_nowait()) is not None:
        held += len(item.frame) if isinstance(item, Inbound) else 0
    assert held <= LIMITS.bulk_queue_bytes
    await still_works(node, bystander)


def data_header(stream_id: int, length: int) -> bytes:
    return struct.pack(YAMUX_HEADER_FORMAT, 0, TYPE_DATA, 0, stream_id, length)


async def test_a_member_that_ignores_the_yamux_window_is_cut_off(
    trio_of: tuple[Transport, Transport],
) -> None:
    """py-libp2p buffers what exceeds the window. The stream here is one that nobody reads."""
    node, bystander = trio_of

    async def play(member: RawMember, votes: Stream, bulk: Stream) -> None:
        stray = await member.yamux.open_stream()
        for _ in range(4 * STREAM_WINDOW_BYTES // 60_000):
            header = data_header(stray.stream_id, 60_000)
            await member.yamux._write_frame(header + bytes(60_000))

    assert await link_and(node, play) is CloseReason.OVERRUN
    await still_works(node, bystander)


async def test_a_yamux_frame_of_megabytes_is_not_read(trio_of: tuple[Transport, Transport]) -> None:
    node, bystander = trio_of

    async def play(member: RawMember, votes: Stream, bulk: Stream) -> None:
        await member.yamux._write_frame(data_header(1, 15_000_000))

    assert await link_and(node, play) is CloseReason.OVERRUN
    await still_works(node, bystander)


async def test_a_member_that_opens_stream_after_stream_is_cut_off(
    trio_of: tuple[Transport, Transport],
) -> None:
    node, bystander = trio_of

    async def play(member: RawMember, votes: Stream, bulk: Stream) -> None:
        for _ in range(2 * MAX_STREAMS):
            await member.yamux.open_stream()

    assert await link_and(node, play) is CloseReason.MALFORMED
    await still_works(node, bystander)


async def test_a_member_that_never_reads_is_cut_off_and_costs_no_more_than_its_queues(net: Net) -> None:
    node = await net.start(config(1, {0: Peer(key(0))}))

    async def never(_: int | None = None) -> bytes:
        await trio.sleep_forever()

    async def deaf() -> None:
        async with connected(address(node), 1, 0) as member:
            votes, _, _ = await member.link()
            member.yamux.secured_conn.conn.read_writer.read_write_closer.stream.read = never
            with contextlib.suppress(BaseLibp2pError, trio.BrokenResourceError):
                while True:
                    await votes.write(encode_control(Operation.PING, 1))
                    await trio.sleep(0.05)

    task = asyncio.create_task(on_trio(deaf))
    await event(node, 0, up=True)
    while await node.send(0, Channel.BULK, bytes(FRAME_BYTES)):
        assert node.links()[0].queued_out_bytes <= LIMITS.bulk_queue_bytes
    assert node.links()[0].reason is CloseReason.WRITE_TIMEOUT
    await task


async def test_a_first_frame_that_is_no_hello_gives_no_link(trio_of: tuple[Transport, Transport]) -> None:
    node, bystander = trio_of

    async def work() -> None:
        for first in (
            b"x",
            encode_frame(Hello(OLDEST_VERSION, NEWEST_VERSION, CHAIN, 0)) + b"x",
            bytes(5_000),
        ):
            async with connected(address(node), 1, 0) as member:
                votes = await member.open(Channel.VOTES)
                await votes.write(join_frames([first]))
                await until_closed(votes)

    await on_trio(work)
    assert node.links()[0].reason is CloseReason.MALFORMED
    assert node.receive_nowait() is None
    await still_works(node, bystander)


async def test_a_newer_link_of_the_same_dialler_takes_the_place_of_the_older(
    trio_of: tuple[Transport, Transport],
) -> None:
    node, bystander = trio_of

    async def work() -> None:
        async with connected(address(node), 1, 0) as first:
            votes, _, _ = await first.link()
            async with connected(address(node), 1, 0) as second:
                newer, _, reader = await second.link()
                await until_closed(votes)
                await newer.write(join_frames([b"on the newer"]))
                while Control not in {type(item) for item in await next_items(newer, reader)}:
                    pass

    task = asyncio.create_task(on_trio(work))
    assert (await frame(node)).frame == b"on the newer"
    await task
    await still_works(node, bystander)


async def test_a_stock_libp2p_host_with_a_members_key_can_link(trio_of: tuple[Transport, Transport]) -> None:
    node, _ = trio_of

    async def work() -> bytes:
        host = new_host(key_pair=create_new_key_pair(seed(0)))
        async with host.run([multiaddr.Multiaddr("/ip4/127.0.0.1/tcp/0")]):
            at = "/ip4/{}/tcp/{}".format(*address(node))
            await host.connect(PeerInfo(peer_id(key(1)), [multiaddr.Multiaddr(at)]))
            votes = await host.new_stream(peer_id(key(1)), [next(iter(PROTOCOLS))])
            await votes.write(join_frames([encode_frame(Hello(OLDEST_VERSION, NEWEST_VERSION, CHAIN, 0))]))
            hello = await votes.read(1_000)
            await host.new_stream(peer_id(key(1)), [list(PROTOCOLS)[1]])
            await votes.write(join_frames([b"from a stock host"]))
            await trio.sleep(0.5)
            return hello

    task = asyncio.create_task(on_trio(work))
    assert (await frame(node)).frame == b"from a stock host"
    assert await task == join_frames([encode_frame(Hello(OLDEST_VERSION, NEWEST_VERSION, CHAIN, 1))])
