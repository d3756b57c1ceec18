"""Taking a decoded CBOR map apart: every field there, of its type, and no other."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from genesis.cbor import Plain

T = TypeVar("T", int, str, bytes)


class FieldError(ValueError):
    """A map that lacks a field, has one too many, or one of another type."""


class Fields:
    """A map whose keys must be exactly `names`. `where` says in errors which map it is."""

    def __init__(self, value: Plain, names: Sequence[str], where: str) -> None:
        if not isinstance(value, dict):
            raise FieldError(f"{where} is not a map")
        for name in value:
            if name not in names:
                raise FieldError(f"{where} has an unknown field {name[:40]!r}")
        for name in names:
            if name not in value:
                raise FieldError(f"{where} lacks the field {name!r}")
        self._map: Mapping[str, Plain] = value
        self._where = where

    def _typed(self, name: str, type_: type[T]) -> T:
        value = self._map[name]
        # bool is an int to Python; no field of ours is one.
        if not isinstance(value, type_) or isinstance(value, bool):
            raise FieldError(f"{self._where}: {name} is not {_NAMES[type_]}")
        return value

    def number(self, name: str) -> int:
        return self._typed(name, int)

    def text(self, name: str) -> str:
        return self._typed(name, str)

    def octets(self, name: str) -> bytes:
        return self._typed(name, bytes)

    def map(self, name: str) -> Mapping[str, Plain]:
        value = self._map[name]
        if not isinstance(value, dict):
            raise FieldError(f"{self._where}: {name} is not a map")
        return value

    def optional(self, name: str) -> Plain:
        """Whatever stands there, null too."""
        return self._map[name]

    def items(self, name: str, limit: int) -> Sequence[Plain]:
        """An array of at most `limit` items."""
        value = self._map[name]
        if not isinstance(value, list) or len(value) > limit:
            raise FieldError(f"{self._where}: {name} is not an array of at most {limit} items")
        return value


_NAMES: dict[type[int] | type[str] | type[bytes], str] = {
    int: "a number",
    str: "text",
    bytes: "a byte string",
}
