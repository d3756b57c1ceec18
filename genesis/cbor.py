"""Deterministic CBOR (RFC 8949 section 4.2.1) of maps, arrays, integers, text and byte strings.

The documents that leave the house are encoded so. cbor2 by itself ignores trailing bytes, follows
tags and takes floats: here the heads of a document are looked over, it is decoded, its types are looked
at, it is encoded again and the bytes are compared.
"""

from typing import Any, TypeAlias

import cbor2

Plain: TypeAlias = "bool | int | str | bytes | list[Plain] | dict[str, Plain] | None"

MAX_DEPTH = 12
MAX_INTEGER = 2**64 - 1
MAX_ITEMS = 65_536
"""Items in a document. An empty list is spelled in one byte and takes some 64 of memory, so that 4 MiB of
them would take 256. The largest document, a genesis file of 31 members, 1,000 registrars and 1,000
trustees, has some 20,000 items."""


class CborError(ValueError):
    """Bytes that are not the deterministic encoding of plain values."""


def encode(value: Plain) -> bytes:
    """The one allowed encoding of `value`: shortest forms, map keys in bytewise order."""
    _check(value, MAX_DEPTH)
    return cbor2.dumps(value, canonical=True)


def decode(data: bytes, *, limit_bytes: int, limit_items: int = MAX_ITEMS) -> Plain:
    """Decode what `encode` could have written.

    Raises CborError: too long, of too many items, malformed, nested too deeply, of other types, or another
    encoding of the same value (trailing bytes and indefinite lengths included).
    """
    if len(data) > limit_bytes:
        raise CborError(f"it has {len(data)} bytes, at most {limit_bytes} are taken")
    _look_over(data, limit_items)
    try:
        value: Any = cbor2.loads(
            data,
            max_depth=MAX_DEPTH,
            allow_duplicate_keys=False,
            strict_hashable_types=True,
        )
    except cbor2.CBORDecodeEOF:
        raise CborError("the file ends early") from None
    except (cbor2.CBORDecodeError, ValueError) as error:
        raise CborError(str(error)) from None
    _check(value, MAX_DEPTH)
    if cbor2.dumps(value, canonical=True) != data:
        raise CborError("it is not in deterministic encoding")
    return value  # type: ignore[no-any-return]


def _look_over(data: bytes, limit_items: int) -> None:
    """Count the items and refuse tags and indefinite lengths, by the heads alone (RFC 8949 section 3), before
    anything is made of them. Raises CborError; what else is malformed is left to the decoder."""
    at = count = 0
    while at < len(data):
        major, size = data[at] >> 5, data[at] & 31
        count, at = count + 1, at + 1
        if count > limit_items:
            raise CborError(f"it holds more than {limit_items} items")
        if major == 6 or size > 27:
            raise CborError("it holds a tag" if major == 6 else "it holds something of indefinite length")
        if size > 23:
            width = 1 << (size - 24)
            size, at = int.from_bytes(data[at : at + width], "big"), at + width
        if major in (2, 3):
            at += size


def _check(value: Any, depth: int) -> None:
    if depth == 0:
        raise CborError("it is nested too deeply")
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise CborError("a map has a key that is not text")
            _check(item, depth - 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth - 1)
    elif isinstance(value, int):
        # Past 64 bits CBOR turns to tags.
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise CborError("a number has more than 64 bits")
    elif value is not None and not isinstance(value, str | bytes):
        raise CborError(f"it holds a {type(value).__name__}")
