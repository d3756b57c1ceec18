"""The asyncio side of every transport: what the port promises, over an engine that carries the links."""

import asyncio
import errno
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from chainnode.net.bridge import Engine
from chainnode.net.dialling import join_address
from chainnode.net.errors import CANNOT_LISTEN, PORT_IN_USE
from chainnode.net.link import LinkShare
from chainnode.net.port import (
    Channel,
    CloseReason,
    Inbound,
    LinkEvent,
    LinkStatus,
    Peer,
    PeerId,
    Tap,
    TransportConfig,
)
from chainnode.net.reception import Reception
from genesis.errors import OperatorError


@dataclass(slots=True)
class _Tally:
    """Of one peer, over the links that it had before the present one."""

    since_ms: int
    sent_frames: int = 0
    received_frames: int = 0
    dropped_frames: int = 0
    last_heard_ms: int = 0
    reason: CloseReason | None = None


EngineMaker: TypeAlias = Callable[[TransportConfig, Callable[[], None], Tap | None], Engine]
"""Called in the loop. The second argument takes over what the engine reports."""


class FrontedTransport:
    """See port.Transport. Several may live in one process."""

    def __init__(self, make: EngineMaker, config: TransportConfig, tap: Tap | None = None) -> None:
        self._make = make
        self._config = config
        self._tap = tap
        self._reception = Reception()
        self._links: dict[PeerId, LinkShare] = {}
        self._rooms: dict[tuple[PeerId, Channel], asyncio.Event] = {}
        now_ms = time.time_ns() // 1_000_000
        self._tallies = {number: _Tally(now_ms) for number in config.peers}
        self._addresses: list[str] = []
        self._arrival = asyncio.Event()
        self._engine: Engine | None = None

    async def start(self) -> None:
        assert self._engine is None, "a transport is started once"
        self._engine = self._make(self._config, self._drain, self._tap)
        try:
            self._addresses = await self._engine.start()
        except OSError as error:
            raise _cannot_listen(self._config.listen, error) from None

    async def stop(self) -> None:
        if self._engine is not None:
            await self._engine.stop()
            self._drain()

    def change(self, peers: Mapping[PeerId, Peer], seed: bytes) -> None:
        assert self._engine is not None
        self._config = replace(self._config, peers=dict(peers), seed=seed)
        now_ms = time.time_ns() // 1_000_000
        for number in peers:
            self._tallies.setdefault(number, _Tally(now_ms))
        self._engine.change(self._config)

    def try_send(self, peer: PeerId, channel: Channel, frame: bytes) -> bool:
        assert 0 < len(frame) <= self._config.frame_bytes
        share = self._links.get(peer)
        if share is not None and share.offer(channel, frame):
            return True
        self._dropped(peer)
        return False

    async def send(self, peer: PeerId, channel: Channel, frame: bytes) -> bool:
        assert 0 < len(frame) <= self._config.frame_bytes
        share = self._links.get(peer)
        while share is not None and self._links.get(peer) is share:
            if share.offer(channel, frame):
                return True
            room = self._rooms.setdefault((peer, channel), asyncio.Event())
            room.clear()
            share.room_wanted[channel] = True
            # Asked again, for room may have come before the engine saw that it is wanted.
            if share.offer(channel, frame):
                return True
            await room.wait()
        self._dropped(peer)
        return False

    def _dropped(self, peer: PeerId) -> None:
        tally = self._tallies.get(peer)  # there is none of a member that this node does not know yet
        if tally is not None:
            tally.dropped_frames += 1

    async def receive(self) -> Inbound | LinkEvent:
        while True:
            item = self.receive_nowait()
            if item is not None:
                return item
            self._arrival.clear()
            await self._arrival.wait()

    def receive_nowait(self) -> Inbound | LinkEvent | None:
        assert self._engine is not None
        if self._engine.failure is not None:
            raise self._engine.failure
        return self._reception.pop()

    def links(self) -> dict[PeerId, LinkStatus]:
        found = {number: self._status(number) for number in self._config.peers}
        if self._engine is None:
            return found
        rivals = self._engine.bridge.rivals
        return {
            number: replace(
                status, rivals=rivals.count(number, own=False), refusals=rivals.count(number, own=True)
            )
            for number, status in found.items()
        }

    def listen_addresses(self) -> list[str]:
        return list(self._addresses)

    def _drain(self) -> None:
        """In the loop: take over what the engine reports, wake who waits for it."""
        assert self._engine is not None
        bridge = self._engine.bridge
        while bridge.changes:
            share, reason = bridge.changes.popleft()
            if reason is None:
                self._links[share.peer] = share
                bridge.failures.pop(share.peer, None)
                self._tallies[share.peer].since_ms = share.since_ms
                self._reception.link_up(share)
            else:
                self._link_down(share, reason)
        for (peer, channel), room in self._rooms.items():
            link = self._links.get(peer)
            if link is None:
                room.set()
            elif link.room_wanted[channel] and link.outboxes[channel].is_half_empty:
                link.room_wanted[channel] = False
                room.set()
        self._arrival.set()

    def _link_down(self, share: LinkShare, reason: CloseReason) -> None:
        tally = self._tallies[share.peer]
        tally.since_ms = time.time_ns() // 1_000_000
        tally.reason = reason
        tally.last_heard_ms = share.last_heard_ms
        tally.sent_frames += sum(box.taken_frames for box in share.outboxes)
        tally.dropped_frames += sum(box.waiting_frames for box in share.outboxes)
        tally.received_frames += sum(box.put_frames for box in share.inboxes)
        if self._links.get(share.peer) is share:
            del self._links[share.peer]
        self._reception.link_down(share, reason)

    def _status(self, number: PeerId) -> LinkStatus:
        tally, share = self._tallies[number], self._links.get(number)
        if share is None:
            failures = {} if self._engine is None else self._engine.bridge.failures
            return LinkStatus(
                number,
                up=False,
                since_ms=tally.since_ms,
                last_heard_ms=tally.last_heard_ms,
                sent_frames=tally.sent_frames,
                received_frames=tally.received_frames,
                dropped_frames=tally.dropped_frames,
                reason=failures.get(number, tally.reason),
            )
        return LinkStatus(
            number,
            up=True,
            since_ms=share.since_ms,
            dialled_by=share.dialled_by,
            address=share.address,
            version=share.version,
            queued_out_bytes=sum(box.waiting_bytes for box in share.outboxes),
            queued_in_bytes=sum(box.waiting_bytes for box in share.inboxes),
            last_heard_ms=share.last_heard_ms,
            round_trip_us=share.round_trip_us,
            sent_frames=tally.sent_frames + sum(box.taken_frames for box in share.outboxes),
            received_frames=tally.received_frames + sum(box.put_frames for box in share.inboxes),
            dropped_frames=tally.dropped_frames,
            reason=tally.reason,
        )


def _cannot_listen(listen: tuple[str, int], error: OSError) -> OperatorError:
    where = join_address(listen)
    # There is a socket for each address of the host name; the first error is raised.
    if error.errno == errno.EADDRINUSE:
        return OperatorError(
            PORT_IN_USE,
            f"{where} is in use by another process",
            unchanged="nothing was sent to any peer",
            next_step=f"stop it (who it is: ss -ltnp 'sport = :{listen[1]}') or set another listen.port",
        )
    return OperatorError(
        CANNOT_LISTEN,
        f"cannot listen on {where}: {error.strerror or error}",
        unchanged="nothing was sent to any peer",
        next_step="set listen.host to an address of this machine (they are shown by: ip address)",
    )
