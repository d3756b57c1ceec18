"""Canonical MessagePack: the one encoding of everything that is hashed, signed or sent.

No decoder refuses a second spelling of the same value, so decoding here means: decode, encode
again, compare the bytes. What is not spelled in the shortest form never gets in.
"""

from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, cast

import msgspec

T = TypeVar("T")

_encoder = msgspec.msgpack.Encoder()


class DecodeError(ValueError):
    """Bytes from outside that are not what they should be.

    `code` is one of `too-large`, `malformed`, `non-canonical`.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


@cache
def _decoder(type_: Any) -> "msgspec.msgpack.Decoder[Any]":
    return msgspec.msgpack.Decoder(type_)


def encode(value: Any) -> bytes:
    """Canonical bytes of a Struct, tuple, list, int, str or bytes (shortest MessagePack form)."""
    return _encoder.encode(value)


def decode(data: bytes, type_: type[T], *, limit_bytes: int) -> T:
    """Decode `data` strictly as `type_`.

    Raises DecodeError: longer than `limit_bytes`, not of the type, or not in canonical form.
    """
    if len(data) > limit_bytes:
        raise DecodeError("too-large", f"{len(data)} bytes, at most {limit_bytes} are taken")
    try:
        value: T = _decoder(cast(Hashable, type_)).decode(data)
    # msgspec lets the last two through on bad UTF-8 and on deep nesting.
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError("malformed", str(error)) from None
    if _encoder.encode(value) != data:
        raise DecodeError("non-canonical", "the same value has a shorter or other spelling")
    return value
