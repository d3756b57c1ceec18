"""What a requester keeps of the trustees' parts, as local rows. None of it is part of the state.

opening/<request>/<object>      the parts that came, sealed, each with its dealing and its trustee's seat
dealing/<digest>                the commitments of a dealing, which may have ended since
lie/<request>/<seat>            what convicts a trustee (see combining.Lie)
"""

from collections.abc import Sequence

from msgspec import Struct

from chainnode.node.stash import LocalRows
from consensus.codec import decode, encode

MAX_ROW_BYTES = 1_048_576
"""255 seats, in as many dealings as a patient makes while parts are under way, of 1.7 kB each: beyond, no
more is kept."""


class KeptPart(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A trustee's sealed part of one object."""

    dealing: bytes
    seat: int
    sealed: bytes


class OpeningRows:
    def __init__(self, rows: LocalRows) -> None:
        self._rows = rows

    def parts(self, request_id: bytes, object_id: bytes) -> tuple[KeptPart, ...]:
        """In the order in which they came."""
        data = self._rows.local_get(_opening(request_id, object_id))
        return () if data is None else decode(data, tuple[KeptPart, ...], limit_bytes=MAX_ROW_BYTES)

    def keep(self, request_id: bytes, parts: Sequence[tuple[bytes, KeptPart]]) -> int:
        """Keep parts, by object id; of a seat and a dealing the first one stands. How many are new. Durable
        when this returns."""
        writes: dict[bytes, bytes | None] = {}
        for object_id, part in parts:
            held = self.parts(request_id, object_id)
            if any((one.dealing, one.seat) == (part.dealing, part.seat) for one in held):
                continue
            data = encode((*held, part))
            if len(data) <= MAX_ROW_BYTES:
                writes[_opening(request_id, object_id)] = data
        if writes:
            self._rows.local_write(writes)
        return len(writes)

    def dealing(self, digest: bytes) -> tuple[bytes, ...]:
        """The commitments of a dealing of which parts are here."""
        data = self._rows.local_get(b"dealing/" + digest)
        assert data is not None, "a dealing's commitments are kept before its parts"
        return decode(data, tuple[bytes, ...], limit_bytes=MAX_ROW_BYTES)

    def keep_dealing(self, digest: bytes, commitments: tuple[bytes, ...]) -> None:
        if self._rows.local_get(b"dealing/" + digest) is None:
            self._rows.local_write({b"dealing/" + digest: encode(commitments)})

    def lie(self, request_id: bytes, seat: int) -> bytes | None:
        """An encoded Lie of this trustee, None where it told none that is known."""
        return self._rows.local_get(_lie(request_id, seat))

    def keep_lie(self, request_id: bytes, seat: int, lie: bytes) -> None:
        self._rows.local_write({_lie(request_id, seat): lie})


def _opening(request_id: bytes, object_id: bytes) -> bytes:
    return b"opening/" + request_id + b"/" + object_id


def _lie(request_id: bytes, seat: int) -> bytes:
    return b"lie/" + request_id + b"/%d" % seat
