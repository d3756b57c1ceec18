"""Blocks, certificates, batches, state and receipts of one chain, and this node's own local rows.

Two LevelDB folders below `path`. `chain` can be fetched anew from the peers; `local` cannot, so that
moving a damaged `chain` aside does not lose it. Keys in `chain` (heights: 8 bytes, big-endian, so that
they sort):

    m/chain m/format     chain id; format (see Database.bind)
    m/applied            height of the last executed block, written in one batch with all that it changed
    h <height>           BlockHeader
    b <height>           StoredBody: refs, results, events
    c <height>           QuorumCertificate
    t <transaction id>   height and index (4 bytes) of the first block that held it
    s <raw key>          the ledger's raw state entries, tree included
    d <batch digest>     StoredBatch: body and signature, once, and the digests of the rows beside it
    u <batch digest>     marks a batch that no block holds yet
    o <batch digest>     height of the first block that held it
    r <request> <height> a release's receipt

In `local`: l <key>. Everything is MessagePack, canonical, except where bytes are named above.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from chainnode.ledger.records import Event, Result
from chainnode.ledger.transaction import SignedBatch, batch_digest
from chainnode.store.database import Database, Write
from consensus.codec import DecodeError, decode, encode
from consensus.messages import QuorumCertificate
from consensus.types import BatchRef, BlockHeader, Digest

FORMAT = 1
HEIGHT_BYTES = 8
VALUE_LIMIT_BYTES = 256 * 1024 * 1024
"""Far above the largest block body; a length beyond it is damage."""

_APPLIED = b"m/applied"
_HEADER, _BODY, _CERTIFICATE, _TRANSACTION, _STATE = b"h", b"b", b"c", b"t", b"s"
_BATCH, _UNORDERED, _ORDERED, _RECEIPT, _LOCAL = b"d", b"u", b"o", b"r", b"l"
_BLOOM_BITS = 10

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


def _height_key(kind: bytes, height: int) -> bytes:
    return kind + height.to_bytes(HEIGHT_BYTES, "big")


class ChainStore:
    """Reads may come from any thread, writes from one at a time.

    Raises OperatorError STO-01 to STO-06 (see Database); a value that is whole to LevelDB and cannot be
    ours is STO-02.
    """

    def __init__(self, path: Path, chain_id: bytes) -> None:
        """Open or make it; refuses another chain's and a newer release's."""
        self._chain_id = chain_id
        self._chain = Database(path / "chain", held_by_peers=True, bloom_bits=_BLOOM_BITS)
        try:
            self._chain.bind(chain_id, FORMAT)
            self._local = Database(path / "local", held_by_peers=False)
        except BaseException:
            self._chain.close()
            raise
        try:
            self._local.bind(chain_id, FORMAT)
            self._tip = self._read_tip()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._chain.close()
        self._local.close()

    # Batches

    def put_batches(self, batches: Iterable[SignedBatch]) -> list[Digest]:
        """Keep bodies and signatures, durable when this returns; their digests in order. Rows go to the
        RowStore, before this: a batch that is here is complete."""
        digests: list[Digest] = []
        writes: list[Write] = []
        for batch in batches:
            digest = batch_digest(batch.body)
            digests.append(digest)
            if not self.has_batch(digest):
                rows = tuple(row.digest() for row in batch.rows)
                stored = StoredBatch(batch.body, batch.signature, rows)
                writes += [(_BATCH + digest, encode(stored)), (_UNORDERED + digest, b"")]
        if writes:
            self._chain.write(writes)
        return digests

    def has_batch(self, digest: Digest) -> bool:
        return self._chain.get(_BATCH + digest) is not None

    def get_batch(self, digest: Digest) -> StoredBatch | None:
        return self._read(_BATCH + digest, StoredBatch)

    def batch_height(self, digest: Digest) -> int | None:
        """Height of the first block that held the batch, None where none did."""
        value = self._chain.get(_ORDERED + digest)
        return None if value is None else int.from_bytes(value, "big")

    def unordered_batches(self) -> Iterator[Digest]:
        """Digests of the batches that no block holds yet."""
        for key, _ in self._chain.items(_UNORDERED):
            yield key[1:]

    def delete_unordered(self, digests: Iterable[Digest]) -> None:
        """Forget batches that expired; those that a block holds stay."""
        writes: list[Write] = []
        for digest in digests:
            if self.batch_height(digest) is None:
                writes += [(_BATCH + digest, None), (_UNORDERED + digest, None)]
        self._chain.write(writes)

    # Blocks

    def commit_block(
        self,
        header: BlockHeader,
        refs: Sequence[BatchRef],
        *,
        results: Sequence[Result],
        events: Sequence[Event],
        state_puts: Mapping[bytes, bytes | None],
        receipts: Mapping[bytes, bytes] | None = None,
    ) -> None:
        """Write an executed block with everything that it changed, in one synced batch: after a crash
        all of it is there or nothing. Height 0 comes first.

        `state_puts`: the ledger's raw entries, None deletes. `receipts`: by request id.
        """
        assert header.chain_id == self._chain_id
        if self._tip is None:
            assert header.height == 0
        else:
            assert header.height == self._tip.height + 1 and header.parent == self._tip.hash()
        height = header.height.to_bytes(HEIGHT_BYTES, "big")
        writes: list[Write] = [
            (_HEADER + height, encode(header)),
            (_BODY + height, encode(StoredBody(tuple(refs), tuple(results), tuple(events)))),
        ]
        writes += self._transaction_index(height, results)
        writes += [(_STATE + key, value) for key, value in state_puts.items()]
        for ref in refs:
            writes.append((_UNORDERED + ref.digest, None))
            if self.batch_height(ref.digest) is None:
                writes.append((_ORDERED + ref.digest, height))
        writes += [(_RECEIPT + request + height, data) for request, data in (receipts or {}).items()]
        writes.append((_APPLIED, height))
        self._chain.write(writes)
        self._tip = header

    def _transaction_index(self, height: bytes, results: Sequence[Result]) -> Iterator[Write]:
        """Where each transaction was included first: the second time it is refused as replayed."""
        found: set[Digest] = set()
        for index, result in enumerate(results):
            id_ = result.transaction_id
            # What was executed (no code) cannot have been included before: no look into the store.
            if id_ not in found and (not result.code or self.find_transaction(id_) is None):
                found.add(id_)
                yield _TRANSACTION + id_, height + index.to_bytes(4, "big")

    def tip(self) -> BlockHeader | None:
        """Header of the last executed block, None before height 0 is written."""
        return self._tip

    def header(self, height: int) -> BlockHeader | None:
        return self._read(_height_key(_HEADER, height), BlockHeader)

    def block(self, height: int) -> StoredBlock | None:
        header = self.header(height)
        body = self._read(_height_key(_BODY, height), StoredBody)
        if header is None or body is None:
            return None
        return StoredBlock(header, body.refs, body.results, body.events, self.certificate(height))

    def put_certificate(self, certificate: QuorumCertificate) -> None:
        """Not synced: the next block's write carries it to the disk, and until then the peers have it."""
        key = _height_key(_CERTIFICATE, certificate.height)
        self._chain.write([(key, encode(certificate))], sync=False)

    def certificate(self, height: int) -> QuorumCertificate | None:
        return self._read(_height_key(_CERTIFICATE, height), QuorumCertificate)

    def latest_certificate(self) -> QuorumCertificate | None:
        """The one for the greatest height that was executed here."""
        if self._tip is None:
            return None
        start = _height_key(_CERTIFICATE, self._tip.height)
        for key, value in self._chain.items(_CERTIFICATE, start=start, reverse=True):
            return self._decode(key, value, QuorumCertificate)
        return None

    def find_transaction(self, transaction_id: Digest) -> tuple[int, int] | None:
        """(height, index in the results) of its first inclusion."""
        value = self._chain.get(_TRANSACTION + transaction_id)
        if value is None:
            return None
        return int.from_bytes(value[:HEIGHT_BYTES], "big"), int.from_bytes(value[HEIGHT_BYTES:], "big")

    def recent_results(self, from_height: int) -> Iterator[tuple[int, Result]]:
        """(height, result) of all transactions from `from_height` on, in order: for replay protection."""
        for key, value in self._chain.items(_BODY, start=_height_key(_BODY, from_height)):
            height = int.from_bytes(key[1:], "big")
            for result in self._decode(key, value, StoredBody).results:
                yield height, result

    # State

    def state_get(self, key: bytes) -> bytes | None:
        """A raw entry of the ledger's state as of the last executed block."""
        return self._chain.get(_STATE + key)

    def state_items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Raw entries whose key begins with `prefix`, in order."""
        for key, value in self._chain.items(_STATE + prefix):
            yield key[1:], value

    # Receipts

    def put_receipt(self, request_id: bytes, height: int, receipt: bytes) -> None:
        self._chain.write([(_RECEIPT + request_id + height.to_bytes(HEIGHT_BYTES, "big"), receipt)])

    def receipt(self, request_id: bytes, height: int) -> bytes | None:
        return self._chain.get(_RECEIPT + request_id + height.to_bytes(HEIGHT_BYTES, "big"))

    def receipts(self, request_id: bytes) -> Iterator[tuple[int, bytes]]:
        """(height, receipt) of every decision on a request, in order."""
        for key, value in self._chain.items(_RECEIPT + request_id):
            yield int.from_bytes(key[-HEIGHT_BYTES:], "big"), value

    # Local rows: this node's own, never part of the state

    def local_put(self, key: bytes, value: bytes) -> None:
        self.local_write({key: value})

    def local_write(self, writes: Mapping[bytes, bytes | None]) -> None:
        """All of it or nothing, durable when this returns; None deletes."""
        self._local.write([(_LOCAL + key, value) for key, value in writes.items()])

    def local_get(self, key: bytes) -> bytes | None:
        return self._local.get(_LOCAL + key)

    def local_iter(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Pairs whose key begins with `prefix`, in order."""
        for key, value in self._local.items(_LOCAL + prefix):
            yield key[1:], value

    def _read_tip(self) -> BlockHeader | None:
        applied = self._chain.get(_APPLIED)
        if applied is None:
            return None
        header = self.header(int.from_bytes(applied, "big")) if len(applied) == HEIGHT_BYTES else None
        if header is None:
            raise self._chain.damaged("the last executed block has no header")
        return header

    def _read(self, key: bytes, type_: type[S]) -> S | None:
        value = self._chain.get(key)
        return None if value is None else self._decode(key, value, type_)

    def _decode(self, key: bytes, value: bytes, type_: type[S]) -> S:
        try:
            return decode(value, type_, limit_bytes=VALUE_LIMIT_BYTES)
        except DecodeError as error:
            raise self._chain.damaged(f"the entry {key[:9].hex()} cannot be read: {error}") from None
