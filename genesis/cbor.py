"""Deterministic CBOR (RFC 8949 section 4.2.1) of maps, arrays, integers, text and byte strings.

The documents that leave the house are encoded so. cbor2 by itself ignores trailing bytes, follows
tags and takes floats: here a document is decoded, its types are looked at, it is encoded again and
the bytes are compared.
"""

from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias

import cbor2

Plain: TypeAlias = "bool | int | str | bytes | list[Plain] | dict[str, Plain] | None"

MAX_DEPTH = 12
MAX_INTEGER = 2**64 - 1
_BUILT_IN_TAGS = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 43000, 100, 256, 258, 260, 261, 1004, 55799)


class CborError(ValueError):
    """Bytes that are not the deterministic encoding of plain values."""


def _no_tag(*_: object) -> NoReturn:
    raise CborError("it holds a tag")


_REFUSED: dict[int, Callable[..., NoReturn]] = dict.fromkeys(_BUILT_IN_TAGS, _no_tag)


def encode(value: Plain) -> bytes:
    """The one allowed encoding of `value`: shortest forms, map keys in bytewise order."""
    _check(value, MAX_DEPTH)
    return cbor2.dumps(value, canonical=True)


def decode(data: bytes, *, limit_bytes: int) -> Plain:
    """Decode what `encode` could have written.

    Raises CborError: too long, malformed, nested too deeply, of other types, or another encoding of
    the same value (trailing bytes and indefinite lengths included).
    """
    if len(data) > limit_bytes:
        raise CborError(f"it has {len(data)} bytes, at most {limit_bytes} are taken")
    try:
        value: Any = cbor2.loads(
            data,
            max_depth=MAX_DEPTH,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            strict_hashable_types=True,
            semantic_decoders=_REFUSED,
            tag_hook=_no_tag,
        )
    except (cbor2.CBORDecodeError, ValueError) as error:
        raise CborError(str(error)) from None
    _check(value, MAX_DEPTH)
    if cbor2.dumps(value, canonical=True) != data:
        raise CborError("it is not in deterministic encoding")
    return value  # type: ignore[no-any-return]


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
