"""What a chain folder holds and how it is read: the same for the live store and for a moment of it.

Keys (heights: 8 bytes, big-endian, so that they sort):

    m/chain m/format     chain id; format (see Database.bind)
    m/applied            height of the last executed block, written in one batch with all that it changed
    m/kept               two heights, see `Kept`
    m/local              writes to `local` before the last block was written (8 bytes), see LocalRows
    h <height>           BlockHeader
    b <height>           StoredBody: refs, results, events
    c <height>           QuorumCertificate
    t <transaction id>   height and index (4 bytes) of the first block that held it
    x <transaction id>   SignedTransaction that the state rests on, of a block that is not kept
    s <raw key>          the ledger's raw state entries, tree included
    d <batch digest>     StoredBatch: body and signature, once, and the digests of the rows beside it
    u <batch digest>     marks a batch that no block holds yet
    o <batch digest>     height of the first block that held it
    r <request> <height> a release's receipt

Everything is MessagePack, canonical, except where bytes are named above.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from msgspec import Struct

from chainnode.ledger.records import Event, Result
from chainnode.ledger.transaction import SignedTransaction
from chainnode.store.database import Readable
from consensus.codec import DecodeError, decode
from consensus.messages import QuorumCertificate
from consensus.types import BatchRef, BlockHeader, Digest

HEIGHT_BYTES = 8
VALUE_LIMIT_BYTES = 256 * 1024 * 1024
"""Far above the largest block body; a length beyond it is damage."""

APPLIED, KEPT, LOCAL_SEEN = b"m/applied", b"m/kept", b"m/local"
HEADER, BODY, CERTIFICATE, TRANSACTION, KEPT_TRANSACTION = b"h", b"b", b"c", b"t", b"x"
STATE, BATCH, UNORDERED, ORDERED, RECEIPT = b"s", b"d", b"u", b"o", b"r"

S = TypeVar("S")


class StoredBody(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A block but for its header and certificate."""

    refs: tuple[BatchRef, ...]
    results: tuple[Result, ...]
    events: tuple[Event, ...]


class StoredBatch(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A SignedBatch without its rows; `row_digests` stand in the order of the rows."""

    body: bytes
    signature: bytes
    row_digests: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """`certificate` is None as long as none came."""

    header: BlockHeader
    refs: tuple[BatchRef, ...]
    results: tuple[Result, ...]
    events: tuple[Event, ...]
    certificate: QuorumCertificate | None


@dataclass(frozen=True, slots=True)
class Kept:
    """How far back the blocks go. From `first` on headers, results and events are here without a gap, from
    `whole` on their batches too. Both are 0 where nothing was pruned; the genesis header is always here."""

    first: int
    whole: int


def at_height(kind: bytes, height: int) -> bytes:
    """The key of what is filed under a height."""
    return kind + height.to_bytes(HEIGHT_BYTES, "big")


def encode_kept(kept: Kept) -> bytes:
    return at_height(b"", kept.first) + at_height(b"", kept.whole)


class ChainReader:
    """Reads may come from any thread. Raises OperatorError STO-02 to STO-04 (see Readable)."""

    def __init__(self, source: Readable) -> None:
        self._source = source

    def header(self, height: int) -> BlockHeader | None:
        return self._read(at_height(HEADER, height), BlockHeader)

    def body(self, height: int) -> StoredBody | None:
        return self._read(at_height(BODY, height), StoredBody)

    def certificate(self, height: int) -> QuorumCertificate | None:
        return self._read(at_height(CERTIFICATE, height), QuorumCertificate)

    def block(self, height: int) -> StoredBlock | None:
        header, body = self.header(height), self.body(height)
        if header is None or body is None:
            return None
        return StoredBlock(header, body.refs, body.results, body.events, self.certificate(height))

    def has_batch(self, digest: Digest) -> bool:
        return self._source.get(BATCH + digest) is not None

    def get_batch(self, digest: Digest) -> StoredBatch | None:
        return self._read(BATCH + digest, StoredBatch)

    def batch_height(self, digest: Digest) -> int | None:
        """Height of the first block that held the batch, None where none did."""
        value = self._source.get(ORDERED + digest)
        return None if value is None else int.from_bytes(value, "big")

    def find_transaction(self, transaction_id: Digest) -> tuple[int, int] | None:
        """(height, index in the results) of its first inclusion, as far back as blocks go."""
        value = self._source.get(TRANSACTION + transaction_id)
        if value is None:
            return None
        return int.from_bytes(value[:HEIGHT_BYTES], "big"), int.from_bytes(value[HEIGHT_BYTES:], "big")

    def kept_transaction(self, transaction_id: Digest) -> SignedTransaction | None:
        """One that the state rests on, of a block that is not kept."""
        return self._read(KEPT_TRANSACTION + transaction_id, SignedTransaction)

    def state_get(self, key: bytes) -> bytes | None:
        """A raw entry of the ledger's state as of the last executed block."""
        return self._source.get(STATE + key)

    def state_items(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Raw entries whose key begins with `prefix`, in order, from `start` on."""
        for key, value in self._source.items(STATE + prefix, start=STATE + max(prefix, start)):
            yield key[1:], value

    def kept(self) -> Kept:
        value = self._source.get(KEPT)
        if value is None:
            return Kept(0, 0)
        if len(value) != 2 * HEIGHT_BYTES:
            raise self._source.damaged("it does not say how far back its blocks go")
        return Kept(int.from_bytes(value[:HEIGHT_BYTES], "big"), int.from_bytes(value[HEIGHT_BYTES:], "big"))

    def _read_tip(self) -> BlockHeader | None:
        applied = self._source.get(APPLIED)
        if applied is None:
            return None
        header = self.header(int.from_bytes(applied, "big")) if len(applied) == HEIGHT_BYTES else None
        if header is None:
            raise self._source.damaged("the last executed block has no header")
        return header

    def _read(self, key: bytes, type_: type[S]) -> S | None:
        value = self._source.get(key)
        return None if value is None else self._decode(key, value, type_)

    def _decode(self, key: bytes, value: bytes, type_: type[S]) -> S:
        try:
            return decode(value, type_, limit_bytes=VALUE_LIMIT_BYTES)
        except DecodeError as error:
            raise self._source.damaged(f"the entry {key[:9].hex()} cannot be read: {error}") from None


class FrozenChain(ChainReader):
    """The chain as it stood when `ChainStore.freeze` was called; holds disk space until `close`."""

    def close(self) -> None:
        """Nothing may be read after this."""
        self._source.close()
