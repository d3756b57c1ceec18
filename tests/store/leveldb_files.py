"""Reading LevelDB's files without LevelDB: every version of every value that is still in them.

What was deleted or replaced stays in the files until a compaction rewrites them, and values are
compressed: only this shows what a disk still holds. Formats: leveldb's doc/log_format.md and
doc/table_format.md, and snappy's format_description.txt.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

LOG_BLOCK = 32_768
TABLE_MAGIC = 0xDB4775248B80FB57
FOOTER_BYTES = 48
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def entries_in(folder: Path) -> Iterator[tuple[str, bytes, bytes]]:
    """(file, key, value) of everything written in the files of a closed LevelDB folder."""
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        if path.suffix == ".log":
            for record in _log_records(data):
                for key, value in _write_batch(record):
                    yield path.name, key, value
        elif path.suffix in (".ldb", ".sst"):
            for key, value in _table(data):
                yield path.name, key, value


def holds(folder: Path, wanted: bytes) -> bool:
    """Whether `wanted` is in a key or a value of any version, or plainly in any file of the folder."""
    if any(wanted in key or wanted in value for _, key, value in entries_in(folder)):
        return True
    return any(wanted in path.read_bytes() for path in folder.iterdir())


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _log_records(data: bytes) -> Iterator[bytes]:
    parts: list[bytes] = []
    at = 0
    while at + 7 <= len(data):
        if LOG_BLOCK - at % LOG_BLOCK < 7:
            at += LOG_BLOCK - at % LOG_BLOCK
            continue
        length, kind = struct.unpack_from("<HB", data, at + 4)
        part = data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (FULL, FIRST):
            parts = []
        parts.append(part)
        if kind in (FULL, LAST):
            yield b"".join(parts)


def _write_batch(record: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 12
    while at < len(record):
        put = record[at] == 1
        length, at = _varint(record, at + 1)
        key, at = record[at : at + length], at + length
        value = b""
        if put:
            length, at = _varint(record, at)
            value, at = record[at : at + length], at + length
        yield key, value


def _table(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    footer = data[-FOOTER_BYTES:]
    assert struct.unpack_from("<Q", footer, 40)[0] == TABLE_MAGIC
    at = 0
    for _ in range(2):
        _, at = _varint(footer, at)
    offset, at = _varint(footer, at)
    size, _ = _varint(footer, at)
    for _, handle in _block(data, offset, size):
        block_offset, at = _varint(handle, 0)
        block_size, _ = _varint(handle, at)
        for key, value in _block(data, block_offset, block_size):
            yield key[:-8], value


def _block(data: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    block = data[offset : offset + size]
    if data[offset + size] == 1:
        block = _unsnappy(block)
    end = len(block) - 4 - 4 * struct.unpack_from("<I", block, len(block) - 4)[0]
    at, key = 0, b""
    while at < end:
        shared, at = _varint(block, at)
        fresh, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + fresh]
        at += fresh
        yield key, block[at : at + length]
        at += length


def _unsnappy(data: bytes) -> bytes:
    total, at = _varint(data, 0)
    out = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        if tag & 3 == 0:
            length = tag >> 2
            if length >= 60:
                width = length - 59
                length, at = int.from_bytes(data[at : at + width], "little"), at + width
            out += data[at : at + length + 1]
            at += length + 1
            continue
        if tag & 3 == 1:
            length, offset = (tag >> 2 & 7) + 4, tag >> 5 << 8 | data[at]
            at += 1
        else:
            width = 2 if tag & 3 == 2 else 4
            length, offset = (tag >> 2) + 1, int.from_bytes(data[at : at + width], "little")
            at += width
        for _ in range(length):
            out.append(out[-offset])
    assert len(out) == total
    return bytes(out)
