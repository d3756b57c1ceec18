"""One spelling of each value: what is longer, of another type or spelled otherwise does not get in."""

import msgpack
import pytest

from consensus.codec import DecodeError, decode, encode
from consensus.messages import BlockVote, Message
from tests.consensus.solo import block_vote

VOTE = block_vote(9, 1)
DATA = encode(VOTE)


def refused(data: bytes, kind: object = Message, limit_bytes: int = 1_000) -> DecodeError:
    with pytest.raises(DecodeError) as caught:
        decode(data, kind, limit_bytes=limit_bytes)  # type: ignore[arg-type]
    return caught.value


def test_what_is_as_long_as_the_limit_is_taken_and_a_byte_more_is_not():
    assert decode(DATA, BlockVote, limit_bytes=len(DATA)) == VOTE
    error = refused(DATA, BlockVote, len(DATA) - 1)
    assert (error.code, error.detail) == (
        "too-large",
        f"{len(DATA)} bytes, at most {len(DATA) - 1} are taken",
    )
    assert str(error) == f"too-large: {error.detail}"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        DATA[:-1],
        DATA + b"\x00",
        encode(("block-vote", 0, 9)),
        encode(("block-vote", 0, 9, b"h", 1, b"s", 7)),
        encode(("no-such-kind", 0)),
        msgpack.packb({"epoch": 0}),
        b"\xa2\xff\xfe",
        b"\x91" * 100_000,
    ],
    ids=["empty", "cut", "longer", "short", "more", "unknown", "map", "not-utf-8", "deep"],
)
def test_what_is_not_of_the_type_is_malformed(data: bytes):
    assert refused(data, limit_bytes=1 << 20).code == "malformed"


def test_text_that_is_not_utf_8_is_malformed():
    assert refused(b"\xa2\xff\xfe", str).code == "malformed"


def test_nesting_beyond_the_stack_is_malformed():
    assert refused(b"\x91" * 100_000 + b"\x00", object, 1 << 20).code == "malformed"


def test_a_second_spelling_of_the_same_value_is_refused():
    wide = bytes([0x96, 0xAA]) + b"block-vote" + b"\xcd\x00\x00" + DATA[13:]
    assert msgpack.unpackb(wide) == msgpack.unpackb(DATA)
    assert refused(wide).code == "non-canonical"
