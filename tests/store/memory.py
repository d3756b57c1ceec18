"""The stores in memory, for the simulator: the same promises, no disk."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from chainnode.ledger.records import Event, Result
from chainnode.ledger.transaction import Row, SignedBatch, SignedTransaction, batch_digest
from chainnode.store.reading import StoredBatch, StoredBlock
from consensus.messages import QuorumCertificate
from consensus.types import BatchRef, BlockHeader, Digest


class MemoryChainStore:
    """A ChainStorePort. `dict`s keep what would be on the disk; a restart keeps the object."""

    first = whole = 0

    def __init__(self) -> None:
        self._batches: dict[Digest, StoredBatch] = {}
        self._ordered: dict[Digest, int] = {}
        self._blocks: list[StoredBlock] = []
        self._certificates: dict[int, QuorumCertificate] = {}
        self._transactions: dict[Digest, tuple[int, int]] = {}
        self._state: dict[bytes, bytes] = {}
        self._receipts: dict[tuple[bytes, int], bytes] = {}
        self._local: dict[bytes, bytes] = {}

    def put_batches(self, batches: Iterable[SignedBatch]) -> list[Digest]:
        digests = []
        for batch in batches:
            digest = batch_digest(batch.body)
            digests.append(digest)
            rows = tuple(row.digest() for row in batch.rows)
            self._batches.setdefault(digest, StoredBatch(batch.body, batch.signature, rows))
        return digests

    def has_batch(self, digest: Digest) -> bool:
        return digest in self._batches

    def get_batch(self, digest: Digest) -> StoredBatch | None:
        return self._batches.get(digest)

    def batch_height(self, digest: Digest) -> int | None:
        return self._ordered.get(digest)

    def unordered_batches(self) -> Iterator[Digest]:
        return iter(sorted(digest for digest in self._batches if digest not in self._ordered))

    def delete_unordered(self, digests: Iterable[Digest]) -> None:
        for digest in digests:
            if digest not in self._ordered:
                self._batches.pop(digest, None)

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
        tip = self.tip()
        assert header.height == len(self._blocks)
        assert tip is None or header.parent == tip.hash()
        self._blocks.append(StoredBlock(header, tuple(refs), tuple(results), tuple(events), None))
        for index, result in enumerate(results):
            self._transactions.setdefault(result.transaction_id, (header.height, index))
        for ref in refs:
            self._ordered.setdefault(ref.digest, header.height)
        self._state.update({key: value for key, value in state_puts.items() if value is not None})
        for key, value in state_puts.items():
            if value is None:
                self._state.pop(key, None)
        for request_id, receipt in (receipts or {}).items():
            self.put_receipt(request_id, header.height, receipt)

    def tip(self) -> BlockHeader | None:
        return self._blocks[-1].header if self._blocks else None

    def header(self, height: int) -> BlockHeader | None:
        return self._blocks[height].header if 0 <= height < len(self._blocks) else None

    def block(self, height: int) -> StoredBlock | None:
        if not 0 <= height < len(self._blocks):
            return None
        block = self._blocks[height]
        return StoredBlock(block.header, block.refs, block.results, block.events, self.certificate(height))

    def put_certificate(self, certificate: QuorumCertificate) -> None:
        self._certificates[certificate.height] = certificate

    def certificate(self, height: int) -> QuorumCertificate | None:
        return self._certificates.get(height)

    def latest_certificate(self) -> QuorumCertificate | None:
        heights = [height for height in self._certificates if height < len(self._blocks)]
        return self._certificates[max(heights)] if heights else None

    def find_transaction(self, transaction_id: Digest) -> tuple[int, int] | None:
        return self._transactions.get(transaction_id)

    def kept_transaction(self, transaction_id: Digest) -> SignedTransaction | None:
        return None

    def recent_results(self, from_height: int) -> Iterator[tuple[int, Result]]:
        for block in self._blocks[from_height:]:
            for result in block.results:
                yield block.header.height, result

    def state_get(self, key: bytes) -> bytes | None:
        return self._state.get(key)

    def put_receipt(self, request_id: bytes, height: int, receipt: bytes) -> None:
        self._receipts[request_id, height] = receipt

    def receipt(self, request_id: bytes, height: int) -> bytes | None:
        return self._receipts.get((request_id, height))

    def receipts(self, request_id: bytes) -> Iterator[tuple[int, bytes]]:
        found = [
            (height, data) for (request, height), data in self._receipts.items() if request == request_id
        ]
        return iter(sorted(found))

    def local_put(self, key: bytes, value: bytes) -> None:
        self._local[key] = value

    def local_write(self, writes: Mapping[bytes, bytes | None]) -> None:
        for key, value in writes.items():
            if value is None:
                self._local.pop(key, None)
            else:
                self._local[key] = value

    def local_get(self, key: bytes) -> bytes | None:
        return self._local.get(key)

    def local_iter(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        return iter(sorted((key, value) for key, value in self._local.items() if key.startswith(prefix)))


class MemoryRowStore:
    """A RowStorePort."""

    def __init__(self) -> None:
        self._rows: dict[Digest, Row] = {}
        self._erased: set[Digest] = set()

    def put(self, rows: Iterable[Row]) -> list[Digest]:
        digests = []
        for row in rows:
            digest = row.digest()
            digests.append(digest)
            if digest not in self._erased:
                self._rows[digest] = row
        return digests

    def get(self, digest: Digest) -> Row | None:
        return self._rows.get(digest)

    def is_erased(self, digest: Digest) -> bool:
        return digest in self._erased

    def erase(self, digests: Sequence[Digest]) -> None:
        for digest in digests:
            self._rows.pop(digest, None)
            self._erased.add(digest)
