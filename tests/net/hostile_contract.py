"""What a stranger or a faulty member can try against any transport, one test each. See transport_contract.

The other side's part is played by bare protocol code: a Player says how to connect with it.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, Protocol

import pytest
from structlog.testing import capture_logs

from chainnode.net.framing import Control, FrameReader, Operation, encode_control, join_frames
from chainnode.net.port import Channel, CloseReason, Inbound, LinkEvent, Peer, Tap, Transport, TransportConfig
from chainnode.net.wire import NEWEST_VERSION, OLDEST_VERSION, Hello, encode_frame
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
    until,
)

VERSIONS = (OLDEST_VERSION, NEWEST_VERSION)


class End(Protocol):
    """One channel as its player has it: bytes in, bytes out."""

    async def read(self) -> bytes: ...

    async def write(self, data: bytes) -> None: ...


class Member(Protocol):
    """One connection that has shown a key."""

    async def open(self, channel: Channel) -> End: ...


class Player(Protocol):
    """`run`: in the loop that its code needs, bounded in time. `closed`: what its ends raise at their end."""

    closed: tuple[type[BaseException], ...]

    async def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None: ...

    def connected(
        self, at: tuple[str, int], target: int, member: int, seed_of: int | None = None
    ) -> AbstractAsyncContextManager[Member]: ...


async def next_items(end: End, reader: FrameReader) -> list[Any]:
    items: list[Any] = []
    while not items:
        items = reader.feed(await end.read())
    return items


async def link_of(
    member: Member, number: int, versions: tuple[int, int] = VERSIONS
) -> tuple[End, End, FrameReader]:
    """As an honest node links, but with credit without end."""
    votes = await member.open(Channel.VOTES)
    await votes.write(join_frames([encode_frame(Hello(*versions, CHAIN, number))]))
    reader = FrameReader(FRAME_BYTES, control=True)
    assert await next_items(votes, reader)
    bulk = await member.open(Channel.BULK)
    for operation in (Operation.GRANT_VOTES, Operation.GRANT_BULK):
        await votes.write(encode_control(operation, 1 << 40))
    return votes, bulk, reader


async def until_closed(player: Player, end: End) -> None:
    """Read until the other side closes; fails by the bound of `run`."""
    with contextlib.suppress(*player.closed):
        while True:
            await end.read()


async def still_works(node: Transport, bystander: Transport) -> None:
    """The engine lives, its other link too."""
    assert node.links()[2].up
    assert node.try_send(2, Channel.VOTES, b"alive")
    assert (await frame(bystander)).frame == b"alive"


Play = Callable[[Any, End, End], Awaitable[None]]
"""What a Member does on its two channels."""


class HostileContract:
    player: Player

    @staticmethod
    def make(made: TransportConfig, tap: Tap | None) -> Transport:
        raise NotImplementedError

    @pytest.fixture
    async def net(self) -> AsyncIterator[Net]:
        made = Net(self.make)
        yield made
        await made.close()

    @pytest.fixture
    async def pair(self, net: Net) -> tuple[Transport, Transport]:
        """Members 1 and 2 linked; member 1 also waits for member 0, whose part the test plays."""
        bystander = await net.start(config(2, {1: Peer(key(1))}))
        node = await net.start(config(1, {0: Peer(key(0)), 2: Peer(key(2), address(bystander))}))
        await event(node, 2, up=True)
        await event(bystander, 1, up=True)
        return node, bystander

    async def link_and(self, node: Transport, play: Play) -> CloseReason | None:
        """As member 0: link with `node` like an honest one, then `play`, then wait to be cut off. Why?"""

        async def work() -> None:
            async with self.player.connected(address(node), 1, 0) as member:
                votes, bulk, _ = await link_of(member, 0)
                with contextlib.suppress(*self.player.closed):
                    await play(member, votes, bulk)
                await until_closed(self.player, votes)

        await self.player.run(work)
        await until(lambda: not node.links()[0].up)
        return node.links()[0].reason

    async def test_more_than_250_inbound_connections_in_a_lifetime_are_accepted(
        self, pair: tuple[Transport, Transport]
    ) -> None:
        node, bystander = pair
        ups = 0

        async def come_and_go() -> None:
            for _ in range(260):
                async with self.player.connected(address(node), 1, 0) as member:
                    votes, _, reader = await link_of(member, 0)
                    while not any(isinstance(item, bytes) for item in await next_items(votes, reader)):
                        pass

        async def greet_each() -> None:
            nonlocal ups
            while ups < 260:
                item = await node.receive()
                if isinstance(item, LinkEvent) and item.up:
                    ups += 1
                    assert node.try_send(item.peer, Channel.VOTES, b"welcome")

        await asyncio.gather(self.player.run(come_and_go), greet_each())
        await still_works(node, bystander)

    async def test_an_exception_in_a_handler_closes_that_link_and_not_the_engine(self, net: Net) -> None:
        def tap(direction: str, peer: int, channel: Channel, frame: bytes) -> None:
            if frame == b"poison":
                raise ZeroDivisionError("planted")

        at = {}
        for member in (2, 1):
            peers = {other: Peer(key(other), at.get(other)) for other in range(3) if other != member}
            made = await net.start(config(member, peers), tap if member == 1 else None)
            at[member] = address(made)
        node, bystander = net.running[1], net.running[0]
        low = await net.start(config(0, {1: Peer(key(1), at[1]), 2: Peer(key(2))}))
        await event(low, 1, up=True)
        await event(node, 0, up=True)
        await event(bystander, 1, up=True)
        assert low.try_send(1, Channel.BULK, b"poison")
        assert (await event(node, 0, up=False)).reason is CloseReason.FAULT
        await event(low, 1, up=True)
        await still_works(node, bystander)

    async def test_a_stranger_is_refused_before_a_channel_opens(
        self, pair: tuple[Transport, Transport]
    ) -> None:
        node, bystander = pair
        refused = False

        async def try_in() -> None:
            nonlocal refused
            try:
                async with self.player.connected(address(node), 1, 0, seed_of=8) as member:
                    votes = await member.open(Channel.VOTES)
                    await votes.read()
            except BaseExceptionGroup as group:
                refused = group.split(self.player.closed)[1] is None
            except self.player.closed:
                refused = True

        with capture_logs() as lines:
            await self.player.run(try_in)
            assert refused
            await until(lambda: any(line.get("reason") == str(CloseReason.STRANGER) for line in lines))
        said = next(line for line in lines if line.get("reason") == str(CloseReason.STRANGER))
        assert (said["event"], said["whom"], said["log_level"]) == ("no link", "127.0.0.1", "warning")
        assert node.links()[0].reason is None, "it was never taken for member 0"
        await still_works(node, bystander)

    async def test_garbage_on_the_socket_hurts_nobody(self, net: Net) -> None:
        limits = replace(LIMITS, handshake_timeout_ms=500)
        node = await net.start(config(1, {0: Peer(key(0))}, limits=limits))

        async def spit(size: int) -> None:
            reader, writer = await asyncio.open_connection(*address(node))
            with contextlib.suppress(OSError):
                writer.write(secrets.token_bytes(size))
                await writer.drain()
                while await reader.read(65_536):
                    pass
            writer.transport.abort()

        await asyncio.gather(*(spit(size) for size in (1, 19, 1_000, 100_000)))
        low = await net.start(config(0, {1: Peer(key(1), address(node))}))
        await event(low, 1, up=True)

    async def test_connections_that_say_nothing_are_bounded(self, net: Net) -> None:
        limits = replace(LIMITS, pending_inbound_per_host=4, handshake_timeout_ms=60_000)
        node = await net.start(config(1, {0: Peer(key(0))}, limits=limits))
        silent = [await asyncio.open_connection(*address(node)) for _ in range(12)]
        closed = 0

        async def watch(reader: asyncio.StreamReader) -> None:
            nonlocal closed
            with contextlib.suppress(OSError):
                while await reader.read(100):
                    pass
            closed += 1

        watching = [asyncio.create_task(watch(reader)) for reader, _ in silent]
        await until(lambda: closed >= 8)
        await asyncio.sleep(0.1)
        assert closed == 8, "four may wait"
        for _, writer in silent:
            writer.transport.abort()
        await asyncio.gather(*watching)
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
        self, pair: tuple[Transport, Transport], data: bytes, reason: CloseReason
    ) -> None:
        node, bystander = pair

        async def play(_: Member, votes: End, bulk: End) -> None:
            await votes.write(data)

        assert await self.link_and(node, play) is reason
        await still_works(node, bystander)

    async def test_control_words_are_not_taken_on_the_bulk_channel(
        self, pair: tuple[Transport, Transport]
    ) -> None:
        node, bystander = pair

        async def play(_: Member, votes: End, bulk: End) -> None:
            await bulk.write(encode_control(Operation.PING, 1))

        assert await self.link_and(node, play) is CloseReason.MALFORMED
        await still_works(node, bystander)

    async def test_more_frames_than_were_granted_close_the_link(
        self, pair: tuple[Transport, Transport]
    ) -> None:
        node, bystander = pair

        async def play(_: Member, votes: End, bulk: End) -> None:
            for _ in range(40):
                await bulk.write(join_frames([bytes(FRAME_BYTES)]))

        assert await self.link_and(node, play) is CloseReason.OVERRUN
        held = 0
        while (item := node.receive_nowait()) is not None:
            held += len(item.frame) if isinstance(item, Inbound) else 0
        assert held <= LIMITS.bulk_queue_bytes
        await still_works(node, bystander)

    async def test_a_first_frame_that_is_no_hello_gives_no_link(
        self, pair: tuple[Transport, Transport]
    ) -> None:
        node, bystander = pair

        async def work() -> None:
            for first in (b"x", encode_frame(Hello(*VERSIONS, CHAIN, 0)) + b"x", bytes(5_000)):
                async with self.player.connected(address(node), 1, 0) as member:
                    votes = await member.open(Channel.VOTES)
                    await votes.write(join_frames([first]))
                    await until_closed(self.player, votes)

        await self.player.run(work)
        await until(lambda: node.links()[0].reason is CloseReason.MALFORMED)
        assert node.receive_nowait() is None
        await still_works(node, bystander)

    async def test_a_newer_link_of_the_same_dialler_takes_the_place_of_the_older(
        self, pair: tuple[Transport, Transport]
    ) -> None:
        node, bystander = pair

        async def work() -> None:
            async with self.player.connected(address(node), 1, 0) as first:
                votes, _, _ = await link_of(first, 0)
                async with self.player.connected(address(node), 1, 0) as second:
                    newer, _, reader = await link_of(second, 0)
                    await until_closed(self.player, votes)
                    await newer.write(join_frames([b"on the newer"]))
                    while Control not in {type(item) for item in await next_items(newer, reader)}:
                        pass

        task = asyncio.create_task(self.player.run(work))
        assert (await frame(node)).frame == b"on the newer"
        await task
        await still_works(node, bystander)
