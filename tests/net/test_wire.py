"""Frames: what is encoded comes back, and nothing else gets in."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from chainnode.ledger.transaction import Row
from chainnode.net.wire import (
    FRAME_TYPES,
    MAX_OFFERED_DIGESTS,
    MAX_SEALED_BYTES,
    Batch,
    BatchMissing,
    BatchOffer,
    BatchRequest,
    Blocks,
    BlocksPruned,
    BlocksRequest,
    Consensus,
    Declined,
    Evidence,
    Frame,
    Hello,
    ObjectChunk,
    ObjectMissing,
    ObjectRequest,
    Opening,
    OpeningAnswer,
    OpeningRequest,
    OwnVotes,
    OwnVotesRequest,
    Part,
    PartAck,
    PartDelivery,
    Piece,
    PieceMissing,
    PieceRequest,
    Pseudonym,
    Pulse,
    Rows,
    RowsRequest,
    SealedShares,
    ShareAnswer,
    ShareDelivery,
    SnapshotOffer,
    SnapshotRequest,
    Status,
    decode_frame,
    encode_frame,
)
from consensus.codec import DecodeError

LIMIT = 65_536
ID, DIGEST = b"i" * 16, b"d" * 32

EXAMPLES: list[Frame] = [
    Hello(1, 2, DIGEST, 3),
    Consensus(b"message"),
    Batch(b"batch"),
    BatchOffer((DIGEST, DIGEST)),
    BatchRequest(DIGEST),
    BatchMissing(DIGEST),
    BlocksRequest(7, 100),
    Blocks((b"block", b"block"), 12),
    Status(12, 3),
    Pulse(True, 1_700_000_000_000),
    Evidence(b"first", b"second"),
    OwnVotesRequest(2),
    OwnVotes((b"vote",)),
    ObjectRequest(ID, ID),
    ObjectChunk(ID, 0, 1, b"data"),
    ObjectMissing(ID),
    PartDelivery(9, ID, (Part(ID, "provider", b"sealed"),), (Pseudonym(ID, ID),), True),
    PartAck(ID, DIGEST),
    RowsRequest((DIGEST,)),
    Rows((Row(DIGEST, b"row"),)),
    BlocksPruned(7, 12),
    SnapshotRequest(7),
    SnapshotOffer(b"header", b"certificate", b"epochs"),
    PieceRequest(1, 9, b"item", 0),
    Piece(1, 4, 8, b"data"),
    PieceMissing(1),
    OpeningRequest(ID, 2, (Opening(ID, DIGEST, b"wrap"),)),
    OpeningAnswer(ID, 2, (Opening(ID, DIGEST, b"sealed"),), (Declined(ID, "revoked"),)),
    ShareDelivery(ID, DIGEST, (SealedShares(ID, b"sealed"),)),
    ShareAnswer(b"submission"),
]

BAD: list[Frame] = [
    Hello(1, 2, DIGEST[:31], 3),
    Hello(1, 2, DIGEST, -1),
    Consensus(b""),
    BatchOffer(()),
    BatchOffer((DIGEST,) * (MAX_OFFERED_DIGESTS + 1)),
    BatchRequest(DIGEST + b"d"),
    BlocksRequest(-1, 1),
    BlocksRequest(0, 0),
    BlocksRequest(0, 10_000),
    Blocks((b"",), 1),
    Status(2**60, 0),
    Pulse(True, -1),
    Evidence(b"", b"second"),
    ObjectRequest(ID, ID[:15]),
    ObjectChunk(ID, 1, 1, b"data"),
    ObjectChunk(ID, 0, 0, b"data"),
    ObjectChunk(ID, 0, 1, b""),
    PartDelivery(9, ID, (Part(ID, "steward", b"sealed"),), (), True),  # type: ignore[arg-type]
    PartDelivery(9, ID, (Part(ID, "patient", bytes(MAX_SEALED_BYTES + 1)),), (), True),
    Rows((Row(DIGEST[:31], b"row"),)),
    Rows((Row(DIGEST, bytes(16_385)),)),
    SnapshotOffer(bytes(4_097), b"certificate", b"epochs"),
    PieceRequest(1, 9, bytes(32_769), 0),
    Piece(1, 5, 8, b"data"),
    Piece(1, 0, 2**27, b"data"),
    Piece(1, 0, 1, b""),
]


def test_there_is_an_example_of_every_frame() -> None:
    assert {type(frame) for frame in EXAMPLES} == set(FRAME_TYPES)


@pytest.mark.parametrize("frame", EXAMPLES, ids=lambda frame: type(frame).__name__)
def test_a_frame_comes_back_as_it_was(frame: Frame) -> None:
    assert decode_frame(encode_frame(frame), limit_bytes=LIMIT) == frame


@pytest.mark.parametrize("frame", EXAMPLES, ids=lambda frame: type(frame).__name__)
def test_a_decoder_without_our_schema_reads_the_same_fields(frame: Frame) -> None:
    def plain(value: object) -> object:
        if isinstance(value, tuple | list):
            return [plain(item) for item in value]
        return (
            [plain(item) for item in structs.astuple(value)] if hasattr(value, "__struct_fields__") else value
        )

    tag = frame.__struct_config__.tag
    assert msgpack.unpackb(encode_frame(frame)) == [tag, *plain(frame)]


@pytest.mark.parametrize("frame", BAD, ids=lambda frame: f"{type(frame).__name__}")
def test_a_field_outside_its_bounds_is_refused(frame: Frame) -> None:
    with pytest.raises(DecodeError):
        decode_frame(encode_frame(frame), limit_bytes=1_048_576)


def test_a_frame_longer_than_the_limit_is_refused_unread() -> None:
    with pytest.raises(DecodeError) as caught:
        decode_frame(encode_frame(Consensus(bytes(100))), limit_bytes=100)
    assert caught.value.code == "too-large"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\xdd\xff\xff\xff\xff",
        b"\x92\xa4rows\xdd\xff\xff\xff\xff",
        b"\x92\xa5batch\xc6\xff\xff\xff\xff",
        b"\x92\xa7unknown\x01",
        b"\x91" * 10_000,
        b"\x92\xa4\xff\xff\xff\xff\x01",
        encode_frame(EXAMPLES[0]) + b"\x00",
        b"\xdc\x00\x03\xa6status\x0c\x03",
        b"\x93\xa6status\xcc\x0c\x03",
        b"\x94\xa6status\x0c\x03\x04",
        b"\x93\xa6status\xcb@(\x00\x00\x00\x00\x00\x00\x03",
    ],
)
def test_hostile_bytes_are_a_decode_error(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_frame(data, limit_bytes=LIMIT)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_frame_or_a_decode_error(data: bytes) -> None:
    _total(data)


@given(st.sampled_from(EXAMPLES), st.data())
def test_a_frame_with_bytes_changed_is_a_frame_or_a_decode_error(frame: Frame, data: st.DataObject) -> None:
    encoded = bytearray(encode_frame(frame))
    for _ in range(data.draw(st.integers(1, 3))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    _total(bytes(encoded[: data.draw(st.integers(1, len(encoded)))]))


def _total(data: bytes) -> None:
    try:
        frame = decode_frame(data, limit_bytes=LIMIT)
    except DecodeError:
        return
    assert encode_frame(frame) == data
