"""Frames of the vote log: mark (4 bytes), length u32, CRC-32 u32, sequence u64, durable u64, payload.

Numbers are big-endian; the CRC (zlib) covers length, sequence, durable and payload. `durable` is the
last sequence that was known to be on the disk when the frame was written. It tells a torn tail from
damage: pages of one unsynced write may reach the disk in any order, so a hole before whole frames
means nothing unless one of these frames vouches that what the hole held had been synced.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

MARK = b"\xf5CNv"
MAX_PAYLOAD_BYTES = 32 * 1024 * 1024
_HEAD = struct.Struct(">4sIIQQ")
_CHECKED = struct.Struct(">IQQ")
FRAME_OVERHEAD_BYTES = _HEAD.size


@dataclass(frozen=True, slots=True)
class Frame:
    sequence: int
    durable: int
    payload: bytes

    @property
    def size_bytes(self) -> int:
        return FRAME_OVERHEAD_BYTES + len(self.payload)


def _crc(length: int, sequence: int, durable: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(_CHECKED.pack(length, sequence, durable)))


def encode_frame(sequence: int, durable: int, payload: bytes) -> bytes:
    assert 0 < len(payload) <= MAX_PAYLOAD_BYTES and durable < sequence
    checksum = _crc(len(payload), sequence, durable, payload)
    return _HEAD.pack(MARK, len(payload), checksum, sequence, durable) + payload


def frame_at(data: bytes, offset: int) -> Frame | None:
    """The frame at `offset`, None where there is no whole one."""
    if offset + FRAME_OVERHEAD_BYTES > len(data):
        return None
    mark, length, checksum, sequence, durable = _HEAD.unpack_from(data, offset)
    start = offset + FRAME_OVERHEAD_BYTES
    if mark != MARK or not 0 < length <= MAX_PAYLOAD_BYTES or start + length > len(data):
        return None
    payload = data[start : start + length]
    if durable >= sequence or _crc(length, sequence, durable, payload) != checksum:
        return None
    return Frame(sequence, durable, payload)


def frames_beyond(data: bytes, offset: int) -> Iterator[Frame]:
    """Every whole frame that begins at or after `offset`, wherever it begins."""
    while (offset := data.find(MARK, offset)) >= 0:
        frame = frame_at(data, offset)
        if frame is None:
            offset += 1
        else:
            yield frame
            offset += frame.size_bytes
