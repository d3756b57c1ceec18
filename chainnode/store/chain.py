"""Blocks, certificates, batches, state and receipts of one chain, and this node's own local rows.

Two LevelDB folders below `path`. `chain` (its keys: reading.py) can be fetched anew from the peers; `local`
(localrows.py) cannot, so that moving a damaged `chain` aside does not lose it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from chainnode.ledger.records import Event, Result
from chainnode.ledger.transaction import SignedBatch, batch_digest
from chainnode.store.database import Database, Write
from chainnode.store.localrows import COUNT_BYTES, LocalRows
from chainnode.store.reading import (
    APPLIED,
    BATCH,
    BODY,
    CERTIFICATE,
    HEADER,
    HEIGHT_BYTES,
    LOCAL_SEEN,
    ORDERED,
    RECEIPT,
    STATE,
    TRANSACTION,
    UNORDERED,
    ChainReader,
    FrozenChain,
    Kept,
    StoredBatch,
    StoredBody,
    at_height,
)
from consensus.codec import encode
from consensus.messages import QuorumCertificate
from consensus.types import BatchRef, BlockHeader, Digest

FORMAT = 2
BLOOM_BITS = 10


class ChainStore(ChainReader):
    """Reads may come from any thread, writes from one at a time.

    Raises OperatorError STO-01 to STO-06 (see Database) and STO-10 (see LocalRows); a value that is whole to
    LevelDB and cannot be ours is STO-02.
    """

    def __init__(self, path: Path, chain_id: bytes) -> None:
        """Open or make it; refuses another chain's and a newer release's."""
        self._chain_id = chain_id
        self._chain = Database(path / "chain", held_by_peers=True, bloom_bits=BLOOM_BITS)
        try:
            self._chain.bind(chain_id, FORMAT)
            super().__init__(self._chain)
            self._tip = self._read_tip()
            self._kept = self.kept()
            self._local = LocalRows(path, chain_id, seen=self._local_seen())
        except BaseException:
            self._chain.close()
            raise

    def _local_seen(self) -> int | None:
        """Blocks of an earlier release carry no count."""
        return None if self._tip is None else int.from_bytes(self._chain.get(LOCAL_SEEN) or b"", "big")

    def close(self) -> None:
        self._chain.close()
        self._local.close()

    def freeze(self) -> FrozenChain:
        """The chain as it stands now, readable from any thread while this store goes on; to be closed."""
        return FrozenChain(self._chain.freeze())

    @property
    def first(self) -> int:
        """From this height on there are headers, results and events, up to the tip (see Kept)."""
        return self._kept.first

    @property
    def whole(self) -> int:
        """From this height on blocks are here with their batches."""
        return self._kept.whole

    @property
    def database(self) -> Database:
        """The `chain` folder itself, for what works on it as a whole (pruning.py)."""
        return self._chain

    def note_kept(self, kept: Kept) -> None:
        """Blocks were taken away, and `m/kept` says so already."""
        self._kept = kept

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
                writes.append((BATCH + digest, encode(stored)))
                if self.batch_height(digest) is None:
                    writes.append((UNORDERED + digest, b""))
        if writes:
            self._chain.write(writes)
        return digests

    def unordered_batches(self) -> Iterator[Digest]:
        """Digests of the batches that no block holds yet."""
        for key, _ in self._chain.items(UNORDERED):
            yield key[1:]

    def delete_unordered(self, digests: Iterable[Digest]) -> None:
        """Forget batches that expired; those that a block holds stay."""
        writes: list[Write] = []
        for digest in digests:
            if self.batch_height(digest) is None:
                writes += [(BATCH + digest, None), (UNORDERED + digest, None)]
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
            (HEADER + height, encode(header)),
            (BODY + height, encode(StoredBody(tuple(refs), tuple(results), tuple(events)))),
        ]
        writes += self._transaction_index(height, results)
        writes += [(STATE + key, value) for key, value in state_puts.items()]
        for ref in refs:
            writes.append((UNORDERED + ref.digest, None))
            if self.batch_height(ref.digest) is None:
                writes.append((ORDERED + ref.digest, height))
        writes += [(RECEIPT + request + height, data) for request, data in (receipts or {}).items()]
        writes += [(APPLIED, height), (LOCAL_SEEN, self._local.writes.to_bytes(COUNT_BYTES, "big"))]
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
                yield TRANSACTION + id_, height + index.to_bytes(4, "big")

    def tip(self) -> BlockHeader | None:
        """Header of the last executed block, None before height 0 is written."""
        return self._tip

    def put_certificate(self, certificate: QuorumCertificate) -> None:
        """Not synced: the next block's write carries it to the disk, and until then the peers have it."""
        key = at_height(CERTIFICATE, certificate.height)
        self._chain.write([(key, encode(certificate))], sync=False)

    def latest_certificate(self) -> QuorumCertificate | None:
        """The one for the greatest height that was executed here."""
        if self._tip is None:
            return None
        start = at_height(CERTIFICATE, self._tip.height)
        for key, value in self._chain.items(CERTIFICATE, start=start, reverse=True):
            return self._decode(key, value, QuorumCertificate)
        return None

    def recent_results(self, from_height: int) -> Iterator[tuple[int, Result]]:
        """(height, result) of all transactions from `from_height` on, in order: for replay protection."""
        for key, value in self._chain.items(BODY, start=at_height(BODY, from_height)):
            height = int.from_bytes(key[1:], "big")
            for result in self._decode(key, value, StoredBody).results:
                yield height, result

    # Receipts

    def put_receipt(self, request_id: bytes, height: int, receipt: bytes) -> None:
        self._chain.write([(RECEIPT + request_id + height.to_bytes(HEIGHT_BYTES, "big"), receipt)])

    def receipt(self, request_id: bytes, height: int) -> bytes | None:
        return self._chain.get(RECEIPT + request_id + height.to_bytes(HEIGHT_BYTES, "big"))

    def receipts(self, request_id: bytes) -> Iterator[tuple[int, bytes]]:
        """(height, receipt) of every decision on a request, in order."""
        for key, value in self._chain.items(RECEIPT + request_id):
            yield int.from_bytes(key[-HEIGHT_BYTES:], "big"), value

    def own_entries(self) -> Iterator[tuple[bytes, bytes]]:
        """What no peer could give: the receipts, as raw entries."""
        return self._chain.items(RECEIPT)

    # Local rows: this node's own, never part of the state

    def local_put(self, key: bytes, value: bytes) -> None:
        self.local_write({key: value})

    def local_write(self, writes: Mapping[bytes, bytes | None]) -> None:
        """All of it or nothing, durable when this returns; None deletes."""
        self._local.write(writes.items())

    def local_get(self, key: bytes) -> bytes | None:
        return self._local.get(key)

    def local_compact(self, prefix: bytes) -> None:
        """See LocalRows.compact."""
        self._local.compact(prefix)

    def local_iter(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Pairs whose key begins with `prefix`, in order."""
        return self._local.items(prefix)
