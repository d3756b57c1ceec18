"""A member with a good key whose node is not ours: it says over libp2p what it likes, on trio, in a thread.
See hostile_contract."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

import trio
from libp2p.exceptions import BaseLibp2pError
from libp2p.protocol_muxer.multiselect_client import MultiselectClient
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator
from libp2p.stream_muxer.yamux.yamux import Yamux

from chainnode.net.libp2p_connect import PROTOCOLS
from chainnode.net.libp2p_session import Stream, TcpStream, Upgrader, peer_id
from chainnode.net.port import Channel
from tests.net.transport_net import key, seed

T = TypeVar("T")


class RawMember:
    def __init__(self, yamux: Yamux) -> None:
        self.yamux = yamux

    async def open(self, channel: Channel) -> Stream:
        stream = Stream(await self.yamux.open_stream())
        name = next(protocol for protocol, of in PROTOCOLS.items() if of is channel)
        await MultiselectClient().select_one_of([name], MultiselectCommunicator(stream))
        return stream


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
            yield RawMember(yamux)
            nursery.cancel_scope.cancel()
    finally:
        await tcp.close()


async def on_trio(work: Callable[[], Awaitable[T]]) -> T:
    """Run `work` on trio in a thread while this loop goes on; bounded in time."""

    async def bounded() -> T:
        with trio.fail_after(60):
            return await work()

    return await asyncio.to_thread(trio.run, bounded)


class Libp2pPlayer:
    closed = (BaseLibp2pError, trio.BrokenResourceError)

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        return await on_trio(work)

    def connected(
        self, at: tuple[str, int], target: int, member: int, seed_of: int | None = None
    ) -> AbstractAsyncContextManager[RawMember]:
        return connected(at, target, member, seed_of)
