"""One of four processes that only exchange the same bytes and verify every signature once each.

    python -m bench.network.floor --number 0 --feed 0.sock --ports 7001,7002,7003,7004

What waits becomes a batch, the batch goes to the other three, each checks every signature in it and says so.
A transaction counts as done once a quorum (three, its own process among them) has checked it. Nothing is
ordered, executed or written: whatever replicates with every replica checking cannot cost less in Python.
"""

import argparse
import asyncio
import struct
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import cast

import uvloop

from bench.load.feed import Answer, FeedServer
from bench.load.messages import verify_message

BATCH_MESSAGES = 400
BATCH_DELAY_S = 0.005
OUTSTANDING = 20_000
OTHERS_NEEDED = 2
"""Beside the origin itself: 2f + 1 of 3f + 1."""
_FRAME = struct.Struct(">BI")
"""Kind, length of what follows."""
_BATCH, _CHECKED = 0, 1
_NUMBER = struct.Struct(">I")
DIAL_TRIES, DIAL_PAUSE_S = 200, 0.05

Waiting = tuple[FeedServer, int, bytes]


def encode_batch(messages: list[bytes]) -> bytes:
    return b"".join(_NUMBER.pack(len(one)) + one for one in messages)


def decode_batch(data: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(data):
        (length,) = _NUMBER.unpack_from(data, at)
        at += _NUMBER.size
        found.append(data[at : at + length])
        at += length
    return found


class Link(asyncio.Protocol):
    """A connection to another process; `take` gets whole frames."""

    def __init__(self, take: Callable[["Link", int, bytes], None]) -> None:
        self._take = take
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= _FRAME.size:
            kind, length = _FRAME.unpack_from(self._buffer)
            end = _FRAME.size + length
            if len(self._buffer) < end:
                return
            frame = bytes(self._buffer[_FRAME.size : end])
            del self._buffer[:end]
            self._take(self, kind, frame)

    def send(self, kind: int, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(_FRAME.pack(kind, len(data)) + data)


class Floor:
    """Batches leave on links that this process dialled; the word that they are checked comes back there."""

    def __init__(self) -> None:
        self.dialled: list[Link] = []
        self._waiting: deque[Waiting] = deque()
        self._batches: dict[int, tuple[list[Waiting], int]] = {}
        self._next_batch = 0
        self._outstanding = 0
        self._wake = asyncio.Event()

    def take(self, feed: FeedServer, number: int, message: bytes) -> None:
        if self._outstanding >= OUTSTANDING:
            feed.answer(number, Answer.BUSY)
            return
        self._outstanding += 1
        self._waiting.append((feed, number, message))
        self._wake.set()

    def on_frame(self, link: Link, kind: int, frame: bytes) -> None:
        (batch,) = _NUMBER.unpack_from(frame)
        if kind == _BATCH:
            for message in decode_batch(frame[_NUMBER.size :]):
                verify_message(message)
            link.send(_CHECKED, _NUMBER.pack(batch))
            return
        if batch not in self._batches:
            return
        members, told = self._batches[batch]
        self._batches[batch] = members, told + 1
        if told + 1 == OTHERS_NEEDED:
            self._outstanding -= len(members)
            for feed, number, _ in members:
                feed.answer(number, Answer.COMMITTED)
            del self._batches[batch]

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wake.wait()
            if len(self._waiting) < BATCH_MESSAGES:
                await asyncio.sleep(BATCH_DELAY_S)
            members = [self._waiting.popleft() for _ in range(min(BATCH_MESSAGES, len(self._waiting)))]
            if not self._waiting:
                self._wake.clear()
            batch, self._next_batch = self._next_batch, self._next_batch + 1
            self._batches[batch] = members, 0
            data = _NUMBER.pack(batch) + encode_batch([message for _, _, message in members])
            for link in self.dialled:
                link.send(_BATCH, data)
            for _, _, message in members:
                verify_message(message)
            await asyncio.sleep(0)


async def _dial(port: int, take: Callable[[Link, int, bytes], None]) -> Link:
    for attempt in range(DIAL_TRIES):
        try:
            loop = asyncio.get_running_loop()
            return (await loop.create_connection(lambda: Link(take), "127.0.0.1", port))[1]
        except ConnectionError:
            if attempt == DIAL_TRIES - 1:
                raise
            await asyncio.sleep(DIAL_PAUSE_S)
    raise AssertionError("the last try raised")


async def serve(number: int, feed: Path, ports: list[int]) -> None:
    """Until cancelled. The feed's socket appears once the other three are linked."""
    floor = Floor()
    loop = asyncio.get_running_loop()
    links = await loop.create_server(lambda: Link(floor.on_frame), "127.0.0.1", ports[number])
    for at, port in enumerate(ports):
        if at != number:
            floor.dialled.append(await _dial(port, floor.on_frame))
    feeds = await loop.create_unix_server(lambda: FeedServer(floor.take), str(feed))
    try:
        await floor.run()
    finally:
        # Not `async with`: from Python 3.12 on that waits for connections, and the others' stay open.
        links.close()
        feeds.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--number", type=int, required=True)
    parser.add_argument("--feed", type=Path, required=True)
    parser.add_argument("--ports", required=True)
    options = parser.parse_args()
    ports = [int(port) for port in options.ports.split(",")]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(options.number, options.feed, ports))


if __name__ == "__main__":
    main()
