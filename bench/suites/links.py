"""Both transports against a bare TCP connection, two members in one loop on the loopback."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import uvloop
from nacl.signing import SigningKey

from bench.suite import Group, Sizes, Suite
from bench.timing import Case
from chainnode.net.port import Channel, Inbound, LinkEvent, Peer, Transport, TransportConfig
from chainnode.net.transports import transport_of
from genesis.model import TRANSPORTS

FRAME_BYTES = 60_000
VOTE = bytes(200)
TURNS = 20
_SEEDS = (bytes([1]) * 32, bytes([2]) * 32)
FLOOR = "raw: TCP"

Link = tuple[Callable[[int], Awaitable[None]], Callable[[int], Awaitable[None]]]
"""To go there and back with a vote so many times; to bring over so many frames of FRAME_BYTES."""


async def _tcp(closing: AsyncExitStack) -> Link:
    """asyncio's streams, each message behind its length."""
    accepted: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    server = await asyncio.start_server(lambda *streams: accepted.put_nowait(streams), "127.0.0.1", 0)
    closing.callback(server.close)
    near_in, near_out = await asyncio.open_connection(*server.sockets[0].getsockname())
    far_in, far_out = await accepted.get()
    closing.callback(near_out.transport.abort)
    closing.callback(far_out.transport.abort)

    async def turns(count: int) -> None:
        for _ in range(count):
            near_out.write(len(VOTE).to_bytes(4, "big") + VOTE)
            far_out.write(await far_in.readexactly(4 + len(VOTE)))
            await near_in.readexactly(4 + len(VOTE))

    async def bulk(count: int) -> None:
        async def send() -> None:
            for _ in range(count):
                near_out.write(FRAME_BYTES.to_bytes(4, "big") + bytes(FRAME_BYTES))
                await near_out.drain()

        sending = asyncio.create_task(send())
        for _ in range(count):
            await far_in.readexactly(int.from_bytes(await far_in.readexactly(4), "big"))
        await sending

    return turns, bulk


async def _frame(transport: Transport) -> bytes:
    while not isinstance(item := await transport.receive(), Inbound):
        pass
    return item.frame


async def _linked(name: str, closing: AsyncExitStack) -> tuple[Transport, Transport]:
    keys = [bytes(SigningKey(seed).verify_key) for seed in _SEEDS]

    async def start(member: int, peer: Peer) -> Transport:
        listen, peers = ("127.0.0.1", 0), {1 - member: peer}
        made = transport_of(
            name, TransportConfig(member, _SEEDS[member], bytes(32), listen, peers, FRAME_BYTES)
        )
        await made.start()
        closing.push_async_callback(made.stop)
        return made

    far = await start(1, Peer(keys[0]))
    port = int(far.listen_addresses()[0].rpartition(":")[2])
    near = await start(0, Peer(keys[1], ("127.0.0.1", port)))
    for one in (near, far):
        while not isinstance(await one.receive(), LinkEvent):
            pass
    return near, far


async def _transport(name: str, closing: AsyncExitStack) -> Link:
    near, far = await _linked(name, closing)

    async def turns(count: int) -> None:
        for _ in range(count):
            await near.send(1, Channel.VOTES, VOTE)
            await far.send(0, Channel.VOTES, await _frame(far))
            await _frame(near)

    async def bulk(count: int) -> None:
        async def send() -> None:
            for _ in range(count):
                await near.send(1, Channel.BULK, bytes(FRAME_BYTES))

        sending = asyncio.create_task(send())
        for _ in range(count):
            await _frame(far)
        await sending

    return turns, bulk


def build(sizes: Sizes, _folder: Path) -> Iterator[Group]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        closing = AsyncExitStack()

        async def links() -> dict[str, Link]:
            made = {FLOOR: await _tcp(closing)}
            return made | {name: await _transport(name, closing) for name in TRANSPORTS}

        def case(name: str, unit: str, count: int, work: Callable[[int], Awaitable[None]]) -> Case:
            async def run() -> None:
                await work(count)

            def once(_: Any) -> None:
                runner.run(run())

            floor = None if name == FLOOR else FLOOR
            # Waiting is part of it, and libp2p works in a thread of its own.
            return Case(name, unit, count, once, floor=floor, clock="wall")

        try:
            found = runner.run(links())
            title = f"A vote of {len(VOTE)} bytes, there and back"
            yield Group(
                "turn", title, [case(name, "turn", TURNS, turns) for name, (turns, _) in found.items()]
            )
            frames = max(1, sizes.link_mb * 1_000_000 // FRAME_BYTES)
            title = f"{sizes.link_mb} MB one way in frames of {FRAME_BYTES // 1_000} kB"
            yield Group(
                "bulk", title, [case(name, "frame", frames, bulk) for name, (_, bulk) in found.items()]
            )
        finally:
            runner.run(closing.aclose())


SUITE = Suite("links", "Links: both transports and a bare TCP connection", build)
