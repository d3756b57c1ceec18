"""A member with a good key whose node is not ours: it says over TLS what it likes. See hostile_contract."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from chainnode.net.framing import WRITE_BYTES, LinkFault
from chainnode.net.port import Channel
from chainnode.net.tls_identity import Credentials
from chainnode.net.tls_wire import LaneReader, TlsWire
from tests.net.transport_net import FRAME_BYTES, HANG_S, key, seed


class TlsEnd:
    def __init__(self, member: "TlsMember", channel: Channel) -> None:
        self._member = member
        self._channel = channel

    async def read(self) -> bytes:
        return await self._member.read(self._channel)

    async def write(self, data: bytes) -> None:
        for start in range(0, len(data), WRITE_BYTES):
            await self._member.wire.write(self._channel, data[start : start + WRITE_BYTES])


class TlsMember:
    def __init__(self, wire: TlsWire) -> None:
        self.wire = wire
        self._lanes = LaneReader()
        self._waiting = {channel: b"" for channel in Channel}

    async def open(self, channel: Channel) -> TlsEnd:
        return TlsEnd(self, channel)

    async def read(self, channel: Channel) -> bytes:
        while not self._waiting[channel]:
            for lane, piece in self._lanes.feed(await self.wire._read()):
                self._waiting[lane] += piece
        data, self._waiting[channel] = self._waiting[channel], b""
        return data


@asynccontextmanager
async def connected_with(at: tuple[str, int], security: ssl.SSLContext) -> AsyncIterator[TlsMember]:
    wire = TlsWire(*await asyncio.open_connection(*at), security, FRAME_BYTES, inbound=False)
    try:
        await wire.handshake()
        yield TlsMember(wire)
    finally:
        wire.abort()


class TlsPlayer:
    closed = (LinkFault, OSError)

    async def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async with asyncio.timeout(HANG_S):
            await work()

    @asynccontextmanager
    async def connected(
        self, at: tuple[str, int], target: int, member: int, seed_of: int | None = None
    ) -> AsyncIterator[TlsMember]:
        own = seed(member if seed_of is None else seed_of)
        async with connected_with(at, Credentials(own, [key(target)]).outbound) as made:
            yield made
