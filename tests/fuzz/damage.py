"""Ways to damage bytes: as bytes, and as the tree that they spell, so that what comes out is well-formed and
wrong."""

import json
from typing import Any

import cbor2
import msgpack
from hypothesis import strategies as st

from chainnode.store.frames import MARK

ODD: list[Any] = [
    None, True, False, 0, 1, -1, 2**31, 2**53, 2**63 - 1, 2**64 - 1, -(2**63), "", "x", "\u0000", "view",
    b"", b"\x00" * 16, b"\x00" * 32, b"\xff" * 64, [], [[]], {}, {"x": 1}, [0] * 40, "\U0010ffff" * 9,
]  # fmt: skip
SPELLINGS = ("msgpack", "cbor", "json", "bytes")


def parsed(spelling: str, data: bytes) -> Any:
    if spelling == "msgpack":
        return msgpack.unpackb(data, strict_map_key=False)
    return cbor2.loads(data) if spelling == "cbor" else json.loads(data)


def spelled(spelling: str, tree: Any) -> bytes:
    if spelling == "msgpack":
        return bytes(msgpack.packb(tree, use_bin_type=True))
    if spelling == "cbor":
        return bytes(cbor2.dumps(tree, canonical=True))
    return json.dumps(tree, default=lambda value: value.hex()).encode()


@st.composite
def damaged_bytes(draw: st.DrawFn, data: bytes) -> bytes:
    """Some bytes changed, a piece cut out or repeated, the end cut off, or others appended."""
    source = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(source) - 1)))
        length = draw(st.sampled_from([1, 1, 1, 2, 8, 32, 500]))
        kind = draw(st.integers(0, 4))
        if kind == 0:
            source[place : place + length] = draw(st.binary(max_size=length))
        elif kind == 1:
            del source[place : place + length]
        elif kind == 2:
            source[place:place] = source[place : place + length]
        elif kind == 3:
            del source[place:]
        else:
            source += draw(st.binary(max_size=9))
    return bytes(source)


@st.composite
def damaged_tree(draw: st.DrawFn, tree: Any) -> Any:
    """One place of the tree holds something odd, is gone, stands there twice, or is damaged in itself."""
    if isinstance(tree, dict) and tree and draw(st.integers(0, 5)):
        name = draw(st.sampled_from(sorted(tree, key=str)))
        kind = draw(st.integers(0, 9))
        if kind == 0:
            return {key: value for key, value in tree.items() if key != name}
        if kind == 1:
            return {**tree, "odd": draw(st.sampled_from(ODD))}
        return {**tree, name: draw(damaged_tree(tree[name]))}
    if isinstance(tree, list) and tree and draw(st.integers(0, 5)):
        index = draw(st.integers(0, len(tree) - 1))
        kind = draw(st.integers(0, 9))
        if kind == 0:
            return [*tree[:index], *tree[index + 1 :]]
        if kind == 1:
            return [*tree[:index], tree[index], *tree[index:]]
        return [*tree[:index], draw(damaged_tree(tree[index])), *tree[index + 1 :]]
    if isinstance(tree, bytes) and tree and draw(st.booleans()):
        return draw(damaged_within(tree))
    if isinstance(tree, bool) or not isinstance(tree, int) or draw(st.booleans()):
        return draw(st.sampled_from(ODD))
    return max(-(2**63), min(2**64 - 1, tree + draw(st.sampled_from([-1, 1, 2**32]))))


@st.composite
def damaged_within(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes inside a tree: often a tree of their own."""
    for spelling in ("msgpack", "cbor"):
        try:
            tree = parsed(spelling, data)
        except Exception:  # noqa: BLE001 - whatever a decoder says of bytes that are none of its own
            continue
        if isinstance(tree, list | dict):
            return spelled(spelling, draw(damaged_tree(tree)))
    return draw(damaged_bytes(data))


@st.composite
def damaged(draw: st.DrawFn, spelling: str, data: bytes) -> bytes:
    """`data`, damaged once or a few times, as bytes or as a tree."""
    if spelling == "bytes" or draw(st.integers(0, 2)) == 0:
        return draw(damaged_bytes(data))
    tree = parsed(spelling, data)
    for _ in range(draw(st.integers(1, 2))):
        tree = draw(damaged_tree(tree))
    return spelled(spelling, tree)


def hostile(limit_bytes: int) -> dict[str, bytes]:
    """Small or cheap inputs that claim or cost much."""
    many = limit_bytes // 2
    return {
        "huge array": b"\xdd\xff\xff\xff\xff",
        "huge map": b"\xdf\xff\xff\xff\xff",
        "huge bytes": b"\xc6\xff\xff\xff\xff",
        "huge CBOR array": b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
        "huge CBOR bytes": b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
        "huge CBOR map": b"\xbb\x00\x00\x00\x00\xff\xff\xff\xff",
        "deep arrays": b"\x91" * many,
        "deep CBOR arrays": b"\x81" * many,
        "deep JSON": b"[" * many,
        "deep JSON objects": b'{"a":' * (many // 5),
        "CBOR indefinite": b"\x9f" * many,
        "CBOR tags": b"\xc2" * many,
        "many small arrays": b"\xdd" + many.to_bytes(4, "big") + b"\x90" * many,
        "many small CBOR arrays": b"\x9a" + many.to_bytes(4, "big") + b"\x80" * many,
        "many CBOR numbers": b"\x9a" + many.to_bytes(4, "big") + b"\x01" * many,
        "many JSON arrays": b"[" + b"[]," * (many // 3) + b"[]]",
        "zeros": bytes(many),
        "quotes": b'"' * many,
        "backslashes": b'"' + b"\\" * many,
        "lines": b"-----BEGIN CHAINNODE JOIN REQUEST-----\n" * (many // 40),
        "marks": MARK * (many // len(MARK)),
    }
