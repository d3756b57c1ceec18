"""A transport that a test plays, and a driver that takes note of what it is given."""

import asyncio

from chainnode.net.port import Channel, Inbound, LinkEvent, LinkStatus, PeerId
from chainnode.net.wire import NEWEST_VERSION, Frame, decode_frame, encode_frame
from chainnode.node.driver import Synced
from chainnode.node.turn import Input


class Wires:
    """A Transport with a link to each of `peers`. `full`: those whose queues take nothing."""

    def __init__(self, peers: int, frame_bytes: int = 1_048_576) -> None:
        self.up = {peer: True for peer in range(1, peers + 1)}
        self.frame_bytes = frame_bytes
        self.full: set[PeerId] = set()
        self.versions = dict.fromkeys(self.up, NEWEST_VERSION)
        self.sent: list[tuple[PeerId, Channel, Frame]] = []
        self.inbound: asyncio.Queue[Inbound | LinkEvent] = asyncio.Queue()

    def try_send(self, peer: PeerId, channel: Channel, frame: bytes) -> bool:
        assert 0 < len(frame) <= self.frame_bytes
        if peer in self.full or not self.up[peer]:
            return False
        self.sent.append((peer, channel, decode_frame(frame, limit_bytes=self.frame_bytes)))
        return True

    async def send(self, peer: PeerId, channel: Channel, frame: bytes) -> bool:
        assert peer not in self.full, "this would wait for ever"
        return self.try_send(peer, channel, frame)

    async def receive(self) -> Inbound | LinkEvent:
        return await self.inbound.get()

    def links(self) -> dict[PeerId, LinkStatus]:
        return {
            peer: LinkStatus(peer, up, 0, version=self.versions[peer] if up else 0)
            for peer, up in self.up.items()
        }

    def comes(self, peer: PeerId, frame: Frame | bytes, channel: Channel = Channel.BULK) -> None:
        data = frame if isinstance(frame, bytes) else encode_frame(frame)
        self.inbound.put_nowait(Inbound(peer, channel, data))

    def frames(self, kind: type[Frame], peer: PeerId | None = None) -> list:  # type: ignore[type-arg]
        return [frame for to, _, frame in self.sent if isinstance(frame, kind) and peer in (None, to)]


class Inputs:
    """A Driver without an engine."""

    def __init__(self) -> None:
        self.taken: list[Input | Synced] = []

    async def put(self, item: Input | Synced) -> None:
        self.taken.append(item)
