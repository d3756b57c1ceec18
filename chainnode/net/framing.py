"""Bytes of a channel: frames behind a length of 4 bytes (big-endian), and control words between them.

The top bit of the length marks a control word: an operation (1 byte) and a number (8 bytes).
Control words travel on the VOTES channel alone, cost no credit and never reach the node.

Credit: GRANT says how many bytes in all, since the link came up, the receiver will take on a channel,
each frame counted as `cost`. A sender keeps below it, so a receiver never has to stop
reading: votes, heartbeats and grants come through however full the bulk queue is. (The window of
yamux cannot do this: py-libp2p does not enforce it, and gives a writer up after 5 s without one.)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import TypeAlias

from chainnode.net.port import FRAME_COST_BYTES, CloseReason

WRITE_BYTES = 60_000
"""A write to a stream is at most this long: one yamux frame, one Noise message."""
HEADER_BYTES = 4
_CONTROL_BIT = 0x8000_0000
_CONTROL = Struct(">IBQ")
_CONTROL_BYTES = 9


class Operation(IntEnum):
    """PING and PONG carry the pinger's clock, GRANT_x the total that may be sent on channel x. IN_USE (0)
    is the last word to who comes while another live link has its key; who does not know it closes too."""

    PING = 1
    PONG = 2
    GRANT_VOTES = 3
    GRANT_BULK = 4
    IN_USE = 5


@dataclass(frozen=True, slots=True)
class Control:
    operation: Operation
    value: int


Item: TypeAlias = bytes | Control


class LinkFault(Exception):
    """A link must close; the peer's or the network's doing, never ours.

    `detail` may quote what the peer sent, and goes to the log: it is cut off at 300 characters.
    """

    def __init__(self, reason: CloseReason, detail: str = "") -> None:
        detail = detail[:300]
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail


def cost(frame: bytes) -> int:
    """What a frame takes out of a queue or a credit, in bytes."""
    return len(frame) + FRAME_COST_BYTES


def encode_control(operation: Operation, value: int) -> bytes:
    return _CONTROL.pack(_CONTROL_BIT | _CONTROL_BYTES, operation, value)


def join_frames(frames: Sequence[bytes]) -> bytes:
    """The frames as they go over the wire, each behind its length."""
    parts: list[bytes] = []
    for frame in frames:
        parts.append(len(frame).to_bytes(HEADER_BYTES, "big"))
        parts.append(frame)
    return b"".join(parts)


class FrameReader:
    """Cuts a byte stream into frames and control words; holds less than one frame and one chunk."""

    def __init__(self, frame_bytes: int, *, control: bool) -> None:
        self._limit = frame_bytes
        self._control = control
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Item]:
        """What `data` completes, in order.

        Raises LinkFault: a length that is zero or above the limit (before anything of it is
        buffered), or a control word that is none.
        """
        buffer = self._buffer
        buffer += data
        items: list[Item] = []
        position = 0
        while len(buffer) - position >= HEADER_BYTES:
            header = int.from_bytes(buffer[position : position + HEADER_BYTES], "big")
            end = position + HEADER_BYTES + self._length(header)
            if len(buffer) < end:
                break
            body = bytes(buffer[position + HEADER_BYTES : end])
            items.append(_control(body) if header & _CONTROL_BIT else body)
            position = end
        if position:
            del buffer[:position]
        return items

    def _length(self, header: int) -> int:
        if header & _CONTROL_BIT:
            if not self._control or header != _CONTROL_BIT | _CONTROL_BYTES:
                raise LinkFault(CloseReason.MALFORMED, f"no control word has the header {header:#x}")
            return _CONTROL_BYTES
        if header > self._limit:
            raise LinkFault(
                CloseReason.FRAME_TOO_LARGE, f"{header} bytes announced, at most {self._limit} are taken"
            )
        if header == 0:
            raise LinkFault(CloseReason.MALFORMED, "a frame of no bytes")
        return header


def _control(body: bytes) -> Control:
    try:
        return Control(Operation(body[0]), int.from_bytes(body[1:], "big"))
    except ValueError:
        raise LinkFault(CloseReason.MALFORMED, f"no control operation has the number {body[0]}") from None
