"""A member with a good key whose node is not ours: it sends what it likes. Runs on trio, in a thread."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

import trio
from libp2p.exceptions import BaseLibp2pError
from libp2p.protocol_muxer.multiselect_client import MultiselectClient
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator
from libp2p.stream_muxer.yamux.yamux import Yamux

from chainnode.net.framing import FrameReader, Item, Operation, encode_control, join_frames
from chainnode.net.libp2p_connect import PROTOCOLS
from chainnode.net.libp2p_session import Stream, TcpStream, Upgrader, peer_id
from chainnode.net.port import Channel
from chainnode.net.wire import NEWEST_VERSION, OLDEST_VERSION, Hello, encode_frame
from tests.net.transport_net import CHAIN, FRAME_BYTES, key, seed

T = TypeVar("T")


class RawMember:
    """One connection of member `member` to member `target`."""

    def __init__(self, yamux: Yamux, member: int) -> None:
        self.yamux = yamux
        self._member = member

    async def open(self, channel: Channel) -> Stream:
        stream = Stream(await self.yamux.open_stream())
        name = next(protocol for protocol, of in PROTOCOLS.items() if of is channel)
        await MultiselectClient().select_one_of([name], MultiselectCommunicator(stream))
        return stream

    async def greet(
        self, votes: Stream, versions: tuple[int, int] = (OLDEST_VERSION, NEWEST_VERSION)
    ) -> FrameReader:
        """Exchange Hellos as a node of ours would."""
        await votes.write(join_frames([encode_frame(Hello(*versions, CHAIN, self._member))]))
        reader = FrameReader(FRAME_BYTES, control=True)
        assert await next_items(votes, reader)
        return reader

    async def link(
        self, versions: tuple[int, int] = (OLDEST_VERSION, NEWEST_VERSION)
    ) -> tuple[Stream, Stream, FrameReader]:
        """As an honest node links, but with credit without end."""
        votes = await self.open(Channel.VOTES)
        reader = await self.greet(votes, versions)
        bulk = await self.open(Channel.BULK)
        for operation in (Operation.GRANT_VOTES, Operation.GRANT_BULK):
            await votes.write(encode_control(operation, 1 << 40))
        return votes, bulk, reader


async def next_items(stream: Stream, reader: FrameReader) -> list[Item]:
    items: list[Item] = []
    while not items:
        items = reader.feed(await stream.read())
    return items


@asynccontextmanager
async def connected(
    at: tuple[str, int], target: int, member: int, seed_of: int | None = None
) -> AsyncIterator[RawMember]:
    upgrader = Upgrader(seed(member if seed_of is None else seed_of), {peer_id(key(target)): target})
    tcp = TcpStream(await trio.open_tcp_stream(*at))
    try:
        async with trio.open_nursery() as nursery:
            _, yamux, _ = await upgrader.upgrade(tcp, target)
            nursery.start_soon(yamux.start)
            await yamux.event_started.wait()
            yield RawMember(yamux, member)
            nursery.cancel_scope.cancel()
    finally:
        await tcp.close()


async def on_trio(work: Callable[[], Awaitable[T]]) -> T:
    """Run `work` on trio in a thread while this loop goes on; bounded in time."""

    async def bounded() -> T:
        with trio.fail_after(60):
            return await work()

    return await asyncio.to_thread(trio.run, bounded)


async def until_closed(stream: Stream) -> None:
    """Read until the other side closes; fails by the bound of `on_trio`."""
    with suppress(BaseLibp2pError, trio.BrokenResourceError):
        while True:
            await stream.read()
