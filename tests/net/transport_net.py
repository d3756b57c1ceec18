"""Transports of one test: members 0, 1, ... on loopback, with limits that make a test short."""

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from nacl.signing import SigningKey

from chainnode.net.port import (
    Inbound,
    LinkEvent,
    LinkLimits,
    Peer,
    Tap,
    Transport,
    TransportConfig,
)

CHAIN = b"c" * 32
FRAME_BYTES = 65_536
LIMITS = LinkLimits(
    votes_queue_bytes=131_200,
    bulk_queue_bytes=262_400,
    handshake_timeout_ms=3_000,
    heartbeat_ms=100,
    silent_after_ms=2_000,
    write_timeout_ms=2_000,
    redial_first_ms=20,
    redial_max_ms=200,
)
HANG_S = 60
PROCESS = Path(__file__).with_name("peer_process.py")


def seed(member: int) -> bytes:
    return bytes([member + 1]) * 32


def key(member: int) -> bytes:
    return bytes(SigningKey(seed(member)).verify_key)


def address(transport: Transport) -> tuple[str, int]:
    host, _, port = transport.listen_addresses()[0].rpartition(":")
    return host, int(port)


def config(member: int, peers: dict[int, Peer], **changes: object) -> TransportConfig:
    made = TransportConfig(member, seed(member), CHAIN, ("127.0.0.1", 0), peers, FRAME_BYTES, LIMITS)
    return replace(made, **changes)  # type: ignore[arg-type]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that nobody reports; fails by a hang, not by a clock."""
    async with asyncio.timeout(HANG_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def event(transport: Transport, peer: int, *, up: bool) -> LinkEvent:
    """The next such event; what comes before is dropped."""
    async with asyncio.timeout(HANG_S):
        while True:
            item = await transport.receive()
            if isinstance(item, LinkEvent) and (item.peer, item.up) == (peer, up):
                return item


async def frame(transport: Transport) -> Inbound:
    async with asyncio.timeout(HANG_S):
        while True:
            item = await transport.receive()
            if isinstance(item, Inbound):
                return item


class Net:
    """Transports of one test; what is still running at its end is stopped."""

    def __init__(self, make: Callable[[TransportConfig, Tap | None], Transport]) -> None:
        self._make = make
        self.running: list[Transport] = []
        self.processes: list[asyncio.subprocess.Process] = []

    async def start(self, made: TransportConfig, tap: Tap | None = None) -> Transport:
        transport = self._make(made, tap)
        await transport.start()
        self.running.append(transport)
        return transport

    async def stop(self, transport: Transport) -> None:
        self.running.remove(transport)
        async with asyncio.timeout(HANG_S):
            await transport.stop()

    async def group(self, size: int, **changes: object) -> list[Transport]:
        """Members 0 to size - 1, all links up and reported. From the highest down: the lower dials."""
        addresses: dict[int, tuple[str, int]] = {}
        made: list[Transport] = []
        for member in reversed(range(size)):
            peers = {
                other: Peer(key(other), addresses.get(other)) for other in range(size) if other != member
            }
            transport = await self.start(config(member, peers, **changes))
            addresses[member] = address(transport)
            made.insert(0, transport)
        for member, transport in enumerate(made):
            missing = set(range(size)) - {member}
            while missing:
                item = await transport.receive()
                assert isinstance(item, LinkEvent) and item.up
                missing.remove(item.peer)
        return made

    async def pair(self, **changes: object) -> tuple[Transport, Transport]:
        low, high = await self.group(2, **changes)
        return low, high

    async def process(self, made: TransportConfig) -> tuple[asyncio.subprocess.Process, tuple[str, int]]:
        """A transport that echoes, in a process of its own."""
        peers = {
            number: [peer.transport_key.hex(), peer.address, peer.dial] for number, peer in made.peers.items()
        }
        kind = type(self._make(made, None))
        arguments = json.dumps([kind.__module__, kind.__name__, made.member, made.listen, peers])
        started = await asyncio.create_subprocess_exec(
            sys.executable, PROCESS, arguments, stdout=asyncio.subprocess.PIPE, cwd=PROCESS.parents[2]
        )
        self.processes.append(started)
        assert started.stdout is not None
        host, port = json.loads(await started.stdout.readline())
        return started, (host, port)

    async def close(self) -> None:
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        for transport in list(self.running):
            await self.stop(transport)


def two_free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
