"""A member with good keys whose node is not ours: a real transport that sends what the test likes."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from chainnode.net.libp2p_transport import Libp2pTransport
from chainnode.net.port import Channel, Inbound, LinkEvent, LinkLimits, Peer, TransportConfig
from chainnode.net.wire import Frame, decode_frame, encode_frame
from genesis.document import load_genesis
from tests.demo.world import World
from tests.e2e.town import eventually

FRAME_BYTES = 4_194_304
"""More than the genesis document allows: an honest transport would not send such frames."""


class Impostor:
    def __init__(self, transport: Libp2pTransport) -> None:
        self.transport = transport
        self.up: set[int] = set()
        self.heard: deque[tuple[int, Frame]] = deque(maxlen=4_096)
        self.events: list[LinkEvent] = []

    async def listen(self) -> None:
        """Take everything out, so that nobody waits for this side. Until cancelled."""
        while True:
            item = await self.transport.receive()
            if isinstance(item, Inbound):
                self.heard.append((item.peer, decode_frame(item.frame, limit_bytes=FRAME_BYTES)))
                continue
            self.events.append(item)
            (self.up.add if item.up else self.up.discard)(item.peer)

    async def say(self, frame: Frame | bytes, *peers: int, channel: Channel = Channel.BULK) -> None:
        """Send to these peers, or to all that are linked."""
        data = frame if isinstance(frame, bytes) else encode_frame(frame)
        for peer in peers or tuple(self.up):
            assert await self.transport.send(peer, channel, data), f"no link to {peer}"

    async def linked(self, *peers: int) -> None:
        async def all_up() -> bool:
            return set(peers) <= self.up

        await eventually(all_up)

    async def hears(self, peer: int, kind: type[Frame]) -> Any:
        """The next frame of this kind from this peer."""

        async def found() -> Any:
            return next((frame for who, frame in self.heard if who == peer and type(frame) is kind), None)

        return await eventually(found)


@asynccontextmanager
async def impostor(
    world: World, member: int, seed: bytes, *, peers: tuple[int, ...], chain_id: bytes | None = None
) -> AsyncIterator[Impostor]:
    """Says to be `member`, with the transport key of `seed`, and dials these peers."""
    genesis = load_genesis(world.consortium.genesis_file)
    hospitals = world.hospitals
    config = TransportConfig(
        member=member,
        seed=seed,
        chain_id=chain_id or genesis.chain_id,
        listen=("127.0.0.1", 0),
        peers={
            peer: Peer(genesis.members[peer].transport_key, ("127.0.0.1", hospitals[peer].port), "out")
            for peer in peers
        },
        frame_bytes=FRAME_BYTES,
        limits=LinkLimits.for_frames(FRAME_BYTES),
    )
    made = Impostor(Libp2pTransport(config))
    await made.transport.start()
    listening = asyncio.create_task(made.listen())
    try:
        yield made
    finally:
        listening.cancel()
        await asyncio.wait([listening])
        await made.transport.stop()


class Log:
    """What a node logged since this was made."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._from = file.stat().st_size

    def lines(self) -> list[dict[str, Any]]:
        with self._file.open("rb") as stream:
            stream.seek(self._from)
            whole = stream.read().rpartition(b"\n")[0]
        return [json.loads(line) for line in whole.splitlines() if line.startswith(b"{")]

    def has(self, **wanted: object) -> bool:
        return any(wanted.items() <= line.items() for line in self.lines() if _plain(line))

    async def shows(self, **wanted: object) -> None:
        """Wait for a line with these fields."""

        async def there() -> bool:
            return self.has(**wanted)

        try:
            await eventually(there)
        except TimeoutError:
            raise AssertionError(f"no line with {wanted} among {self.lines()[-10:]}") from None


def _plain(line: dict[str, Any]) -> bool:
    return all(isinstance(value, str | int | float | bool | None) for value in line.values())
