"""How load reaches a system: a Unix socket, many transactions a write, an answer for each.

    request: length of what follows the length (u32), number (u32), bytes
    answer:  number (u32), Answer (u8)

All numbers are big endian. The Go programs of bench/peers speak the same. A system is measured apart from
its own front door by this, and every system by the same one.
"""

import asyncio
import struct
from collections.abc import Callable, Sequence
from enum import IntEnum
from pathlib import Path
from typing import Self, cast

REQUEST = struct.Struct(">II")
ANSWER = struct.Struct(">IB")
LENGTH_BYTES = 4
MAX_REQUEST_BYTES = 65_536


class Answer(IntEnum):
    """COMMITTED alone counts; BUSY is the clear word that it was not taken; LATE: no outcome in time."""

    COMMITTED = 0
    BUSY = 1
    REFUSED = 2
    LATE = 3


class FeedError(ValueError):
    """Bytes that are no request."""


def split_requests(buffer: bytearray) -> list[tuple[int, bytes]]:
    """The whole requests at the front of `buffer`, which loses them. Raises FeedError."""
    found = []
    at = 0
    while len(buffer) - at >= REQUEST.size:
        length, number = REQUEST.unpack_from(buffer, at)
        if not LENGTH_BYTES <= length <= MAX_REQUEST_BYTES:
            raise FeedError(f"a request of {length} bytes")
        end = at + LENGTH_BYTES + length
        if len(buffer) < end:
            break
        found.append((number, bytes(buffer[at + REQUEST.size : end])))
        at = end
    del buffer[:at]
    return found


class FeedServer(asyncio.Protocol):
    """One connection at the system's side. `take` gets every request, `answer` may be called at any time."""

    def __init__(self, take: Callable[["FeedServer", int, bytes], None]) -> None:
        self._take = take
        self._buffer = bytearray()
        self._out = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        for number, request in split_requests(self._buffer):
            self._take(self, number, request)

    def answer(self, number: int, answer: Answer) -> None:
        """Written once a turn of the loop, together with whatever else is answered in it."""
        if not self._out:
            asyncio.get_running_loop().call_soon(self._flush)
        self._out += ANSWER.pack(number, answer)

    def _flush(self) -> None:
        if self._transport is not None:
            self._transport.write(bytes(self._out))
        self._out.clear()


class FeedClient(asyncio.Protocol):
    """One connection at the load's side."""

    def __init__(self, answered: Callable[[int, Answer], None]) -> None:
        self._answered = answered
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def connect(cls, path: Path, answered: Callable[[int, Answer], None]) -> Self:
        """Raises OSError: nobody listens."""
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_unix_connection(lambda: cls(answered), str(path))
        return protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        whole = len(self._buffer) - len(self._buffer) % ANSWER.size
        for number, answer in ANSWER.iter_unpack(bytes(self._buffer[:whole])):
            self._answered(number, Answer(answer))
        del self._buffer[:whole]

    def send(self, items: Sequence[tuple[int, bytes]]) -> None:
        assert self._transport is not None
        parts = []
        for number, data in items:
            parts.append(REQUEST.pack(LENGTH_BYTES + len(data), number))
            parts.append(data)
        self._transport.write(b"".join(parts))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
