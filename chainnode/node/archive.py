"""The bytes of a backup: named entries in a stream, each behind its SHA-256, and a signed end.

    MAGIC, then frames of one byte (kind), a length (4 bytes, big-endian) and so many bytes:
    H  Header, canonical MessagePack
    E  Entry: name and size, then the data in frames D, then S: the SHA-256 of the data
    Z  End: how many entries and bytes, the digest over all of it, the signature of the node's validator key

A file that was cut off has no end and is refused; so is one with an entry too many, too few, or altered. The
signature says that nobody without the node's key put the file together; whose key that is, `restore` checks
against the genesis document inside, and the first start against the keystore inside.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol, TypeVar

from msgspec import Struct

from consensus.codec import DecodeError, decode, encode
from consensus.domain import DIGEST_BYTES, PUBLIC_KEY_BYTES, digest, signing_bytes

MAGIC = b"chainnode-backup-1\n"
FORMAT = 1
PIECE_BYTES = 262_144
MAX_META_BYTES = 4_096
MAX_CREATED_MS = 253_402_300_799_999
"""The end of the year 9999, which is as far as a datetime goes."""
_LENGTH_BYTES = 4
_WORD = re.compile(r"[a-z0-9-]{0,64}")

S = TypeVar("S", bound=Struct)


class Header(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Whose backup, of when. `slug` is empty for a member that the genesis file does not name. `height`:
    certified then, 0 where the node was stopped; `entries` and `size_bytes`: about how much follows, to show
    progress; `objects`: "inside", "left-out", "elsewhere"."""

    format: int
    chain_id: bytes
    network: str
    slug: str
    validator_key: bytes
    created_ms: int
    height: int
    entries: int
    size_bytes: int
    objects: str


class Entry(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    name: str
    size_bytes: int


class End(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    entries: int
    size_bytes: int
    digest: bytes
    signature: bytes


class ArchiveError(ValueError):
    """Bytes that are no whole, unaltered backup."""


class Source(Protocol):
    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, fewer only at the end."""
        ...


def _is_plausible(header: Header) -> bool:
    """It is shown to people and stored before anything vouches for it."""
    counts = (header.created_ms, header.height, header.entries, header.size_bytes)
    return (
        len(header.chain_id) == DIGEST_BYTES
        and len(header.validator_key) == PUBLIC_KEY_BYTES
        and min(counts) >= 0
        and header.created_ms <= MAX_CREATED_MS
        and all(_WORD.fullmatch(word) for word in (header.network, header.slug, header.objects))
    )


def _frame(kind: bytes, payload: bytes) -> bytes:
    return kind + len(payload).to_bytes(_LENGTH_BYTES, "big") + payload


def _end_bytes(chain_id: bytes, end: End) -> bytes:
    """What the node signs."""
    body = digest("backup", encode((end.entries, end.size_bytes)), end.digest)
    return signing_bytes("backup", chain_id, body)


class _Tally:
    """What the end vouches for, updated alike by writer and reader."""

    def __init__(self, header: bytes) -> None:
        self._running = sha256(MAGIC + header)
        self.entries = 0
        self.size_bytes = 0

    def add(self, entry: Entry, data_digest: bytes) -> None:
        self._running.update(encode(entry))
        self._running.update(data_digest)
        self.entries += 1
        self.size_bytes += entry.size_bytes

    def end(self, signature: bytes = b"") -> End:
        return End(self.entries, self.size_bytes, self._running.digest(), signature)


class Writer:
    def __init__(self, header: Header, sign: Callable[[bytes], bytes]) -> None:
        self._header = header
        self._sign = sign
        self._tally = _Tally(encode(header))

    def begin(self) -> bytes:
        return MAGIC + _frame(b"H", encode(self._header))

    def entry(self, name: str, size_bytes: int, data: Iterable[bytes]) -> Iterator[bytes]:
        """`data` gives exactly `size_bytes`, in pieces of up to PIECE_BYTES."""
        entry, running, given = Entry(name, size_bytes), sha256(), 0
        yield _frame(b"E", encode(entry))
        for piece in data:
            assert 0 < len(piece) <= PIECE_BYTES
            running.update(piece)
            given += len(piece)
            yield _frame(b"D", piece)
        assert given == size_bytes, f"{name} has {given} bytes instead of {size_bytes}"
        yield _frame(b"S", running.digest())
        self._tally.add(entry, running.digest())

    def end(self) -> bytes:
        bare = self._tally.end()
        return _frame(b"Z", encode(self._tally.end(self._sign(_end_bytes(self._header.chain_id, bare)))))


@dataclass(frozen=True, slots=True)
class Incoming:
    """An entry that is being read: `data` is to be used up before the next one is asked for, and raises
    ArchiveError at its end where the bytes are not those that were written."""

    name: str
    size_bytes: int
    data: Iterator[bytes]


class Reader:
    """Reads what a Writer wrote. All methods raise ArchiveError. `verify`: (key, signed, signature)."""

    def __init__(self, source: Source, verify: Callable[[bytes, bytes, bytes], bool]) -> None:
        """Reads the header; the MAGIC was read already."""
        self._source = source
        self._verify = verify
        kind, payload = self._next()
        if kind != b"H":
            raise ArchiveError("it does not begin with a header")
        self.header = self._decoded(payload, Header)
        if self.header.format != FORMAT:
            raise ArchiveError(f"it has format {self.header.format}, this release knows {FORMAT}")
        if not _is_plausible(self.header):
            raise ArchiveError("its header says what no node writes")
        self._tally = _Tally(payload)

    def entries(self) -> Iterator[Incoming]:
        """Every entry, in order; ends only behind a good end of the whole."""
        while True:
            kind, payload = self._next()
            if kind == b"Z":
                self._check_end(self._decoded(payload, End))
                return
            if kind != b"E":
                raise ArchiveError("a frame is out of its order")
            entry = self._decoded(payload, Entry)
            yield Incoming(entry.name, entry.size_bytes, self._data(entry))

    def _data(self, entry: Entry) -> Iterator[bytes]:
        running, given = sha256(), 0
        while True:
            kind, payload = self._next()
            if kind == b"S":
                break
            given += len(payload)
            if kind != b"D" or given > entry.size_bytes:
                raise ArchiveError(f"{entry.name[:80]!r} is not as long as it says")
            running.update(payload)
            yield payload
        if given != entry.size_bytes or payload != running.digest():
            raise ArchiveError(f"{entry.name[:80]!r} was altered")
        self._tally.add(entry, payload)

    def _check_end(self, end: End) -> None:
        expected = self._tally.end(end.signature)
        signed = _end_bytes(self.header.chain_id, expected)
        if end != expected or not self._verify(self.header.validator_key, signed, end.signature):
            raise ArchiveError("its end does not vouch for what came before: it was altered")
        if self._source.read(1):
            raise ArchiveError("something stands behind its end")

    def _next(self) -> tuple[bytes, bytes]:
        head = self._source.read(1 + _LENGTH_BYTES)
        if len(head) != 1 + _LENGTH_BYTES:
            raise ArchiveError("it ends too early: it was cut off")
        kind, length = head[:1], int.from_bytes(head[1:], "big")
        most = {b"D": PIECE_BYTES, b"S": DIGEST_BYTES}.get(kind, MAX_META_BYTES)
        if length > most:
            raise ArchiveError("a frame is longer than it may be")
        payload = self._source.read(length)
        if len(payload) != length:
            raise ArchiveError("it ends too early: it was cut off")
        return kind, payload

    @staticmethod
    def _decoded(payload: bytes, type_: type[S]) -> S:
        try:
            return decode(payload, type_, limit_bytes=MAX_META_BYTES)
        except DecodeError as error:
            raise ArchiveError(f"a frame cannot be read: {error}") from None
