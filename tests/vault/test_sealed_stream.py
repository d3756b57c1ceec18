"""A stream under a passphrase: it comes back whole, or not at all."""

from io import BytesIO

import pytest

from chainnode.vault.errors import SealingError
from chainnode.vault.sealedstream import MAGIC, SEGMENT_BYTES, TAG_BYTES, SealedReader, Sealer

PASSPHRASE = b"a passphrase"


def sealed(data: bytes, piece_bytes: int = 10_000) -> bytes:
    sealer = Sealer(PASSPHRASE, level="interactive")
    pieces = [data[at : at + piece_bytes] for at in range(0, len(data), piece_bytes)]
    return sealer.begin() + b"".join(map(sealer.feed, pieces)) + sealer.end()


def opened(stream: bytes, passphrase: bytes = PASSPHRASE) -> bytes:
    source = BytesIO(stream)
    assert source.read(len(MAGIC)) == MAGIC
    reader, data = SealedReader(source, passphrase), b""
    while piece := reader.read(7_001):
        data += piece
    return data


@pytest.mark.parametrize("length", [0, 1, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 200_000])
def test_what_was_sealed_comes_back(length: int):
    data = bytes(at % 251 for at in range(length))
    assert opened(sealed(data)) == data


def test_a_wrong_passphrase_opens_nothing():
    with pytest.raises(SealingError) as error:
        opened(sealed(b"data"), b"another")
    assert error.value.rule == "not-for-this-key"


@pytest.fixture(scope="module")
def stream() -> bytes:
    return sealed(bytes(3 * SEGMENT_BYTES + 100))


def head_bytes(stream: bytes) -> int:
    return len(MAGIC) + 4 + int.from_bytes(stream[len(MAGIC) : len(MAGIC) + 4], "big")


def test_a_stream_that_was_cut_off_anywhere_is_refused(stream: bytes):
    start, segment = head_bytes(stream), SEGMENT_BYTES + TAG_BYTES
    ends = [start + at * segment for at in range(4)]
    for end in (*ends, start + 10, len(stream) - 1):
        with pytest.raises(SealingError):
            opened(stream[:end])


def test_segments_in_another_order_twice_or_altered_are_refused(stream: bytes):
    start, segment = head_bytes(stream), SEGMENT_BYTES + TAG_BYTES
    parts = [stream[start + at * segment : start + (at + 1) * segment] for at in range(4)]
    for order in ([1, 0, 2, 3], [0, 0, 2, 3], [0, 1, 3], [0, 1, 2, 3, 3]):
        with pytest.raises(SealingError):
            opened(stream[:start] + b"".join(parts[at] for at in order))
    flipped = bytearray(stream)
    flipped[start + segment + 5] ^= 1
    with pytest.raises(SealingError):
        opened(bytes(flipped))


def test_a_head_that_demands_memory_without_end_or_is_none_is_refused(stream: bytes):
    start = head_bytes(stream)
    for head in (b"", b"\xa0", bytes(2_000), stream[len(MAGIC) + 4 : start].replace(b"memory", b"mempry")):
        forged = MAGIC + len(head).to_bytes(4, "big") + head + stream[start:]
        with pytest.raises(SealingError) as error:
            opened(forged)
        assert error.value.rule == "malformed"
