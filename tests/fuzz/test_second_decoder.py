"""The codec against the `msgpack` package: what one takes for canonical, the other spells the same."""

from functools import partial
from typing import Any

import msgpack
from hypothesis import given, settings
from hypothesis import strategies as st

from chainnode.net.wire import Frame, decode_frame
from consensus.codec import DecodeError, decode, encode
from consensus.messages import Message
from tests.consensus.test_frozen_bytes import plain
from tests.fuzz.damage import damaged
from tests.fuzz.formats import LIMIT, formats

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text(max_size=40)
    | st.binary(max_size=300),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=30,
)


def theirs(data: bytes) -> Any:
    """What the msgpack package reads, ValueError where it is not its own spelling of plain values."""
    value = msgpack.unpackb(data, strict_map_key=False)
    if msgpack.packb(value, use_bin_type=True) != data or not is_plain(value):
        raise ValueError
    return value


def is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(is_plain(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_plain(item) for key, item in value.items())
    return value is None or isinstance(value, bool | int | str | bytes)


def same(data: bytes) -> None:
    """Both take `data` for the same value, or neither takes it."""
    try:
        expected, refused = theirs(data), False
    except (ValueError, TypeError, msgpack.UnpackException):
        expected, refused = None, True
    try:
        ours: Any = decode(data, object, limit_bytes=LIMIT)
    except DecodeError:
        assert refused, data
    else:
        assert refused is not is_plain(ours) and (refused or expected == ours), data


@given(PLAIN)
def test_plain_values_are_spelled_alike(value: Any):
    assert encode(value) == msgpack.packb(value, use_bin_type=True)
    same(encode(value))


@settings(max_examples=300)
@given(st.binary(max_size=60))
def test_any_bytes_are_taken_for_the_same_value_or_by_neither(data: bytes):
    same(data)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_messages_and_frames_are_taken_for_what_the_other_decoder_reads(data: st.DataObject):
    name, kind = data.draw(st.sampled_from([("consensus message", Message), ("frame between nodes", Frame)]))
    source = data.draw(damaged("msgpack", data.draw(st.sampled_from(formats()[name].examples))))
    same(source)
    read = decode_frame if kind is Frame else partial(decode, type_=Message)
    try:
        value: Any = read(source, limit_bytes=LIMIT)
    except DecodeError:
        return
    assert theirs(source) == plain(value)
