"""Sealed parts and pseudonyms that this node keeps, as local rows. None of it is part of the state.

stash/<parts digest>                      parts that came with a grant, at the provider
part/<request>/<object>/<role>            a part that was delivered, at the requester
pseudonym/<request>/<object>              the project's pseudonym of the subject, at the requester
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from chainnode.vault.parts import parts_digest
from consensus.codec import decode, encode

STASHED, PART, PSEUDONYM = b"stash/", b"part/", b"pseudonym/"
MAX_STASH_BYTES = 16 * 1024 * 1024

Parts = tuple[tuple[bytes, bytes], ...]
"""Pairs of object id and sealed part."""


class LocalRows(Protocol):
    def local_write(self, writes: Mapping[bytes, bytes | None]) -> None: ...

    def local_get(self, key: bytes) -> bytes | None: ...


class Stash:
    """Keeps what was handed over until a certified decision lets it go."""

    def __init__(self, rows: LocalRows) -> None:
        self._rows = rows

    def keep(self, parts: Sequence[tuple[bytes, bytes]]) -> bytes:
        """Keep a grant's parts; their digest. Durable when this returns."""
        digest = parts_digest(parts)
        self._rows.local_write({STASHED + digest: encode(tuple(parts))})
        return digest

    def drop(self, digest: bytes) -> None:
        """What was handed over is where it belongs."""
        self._rows.local_write({b"stash/" + digest: None})

    def parts(self, digest: bytes) -> dict[bytes, bytes]:
        """Object id to sealed part; empty where nothing was handed over under this digest."""
        data = self._rows.local_get(STASHED + digest) if digest else None
        return {} if data is None else dict(decode(data, Parts, limit_bytes=MAX_STASH_BYTES))

    def deliver(
        self,
        request_id: bytes,
        parts: Sequence[tuple[bytes, str, bytes]],
        pseudonyms: Sequence[tuple[bytes, bytes]],
    ) -> None:
        """Keep delivered parts (object id, role, sealed) and pseudonyms."""
        writes: dict[bytes, bytes | None] = {}
        for object_id, role, sealed in parts:
            writes[self._part(request_id, object_id, role)] = sealed
        for object_id, pseudonym in pseudonyms:
            writes[PSEUDONYM + request_id + b"/" + object_id] = pseudonym
        self._rows.local_write(writes)

    def delivered(self, request_id: bytes, object_id: bytes, role: str) -> bytes | None:
        return self._rows.local_get(self._part(request_id, object_id, role))

    def pseudonym(self, request_id: bytes, object_id: bytes) -> bytes | None:
        return self._rows.local_get(PSEUDONYM + request_id + b"/" + object_id)

    def _part(self, request_id: bytes, object_id: bytes, role: str) -> bytes:
        return PART + request_id + b"/" + object_id + b"/" + role.encode()
