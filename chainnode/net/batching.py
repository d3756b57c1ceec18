"""Submissions that wait for this node's next batch: fair between clients, bounded in bytes, each once."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chainnode.ledger.transaction import (
    BatchBody,
    SignedBatch,
    Submission,
    batch_ref,
    batch_signed_bytes,
)
from consensus.codec import encode
from consensus.parameters import Parameters
from consensus.types import BatchRef, Digest, ReplicaId

TRANSACTION_OVERHEAD_BYTES = 80
"""Signature and MessagePack headers of a transaction inside a batch."""
ROW_OVERHEAD_BYTES = 48
BATCH_OVERHEAD_BYTES = 1_024
"""Charged for each batch beside its bytes: its envelope, and what keeping track of it costs."""
FRAME_OVERHEAD_BYTES = 256


@dataclass(frozen=True, slots=True)
class Queued:
    """`body_bytes` and `rows_bytes` with their overheads."""

    id: Digest
    submission: Submission
    client: str
    valid_until_height: int
    body_bytes: int
    rows_bytes: int

    @property
    def size_bytes(self) -> int:
        return self.body_bytes + self.rows_bytes


@dataclass(frozen=True, slots=True)
class OwnBatch:
    ref: BatchRef
    batch: SignedBatch
    content: tuple[Queued, ...]
    since_ms: int


def queued(submission: Submission, client: str, valid_until_height: int) -> Queued:
    body_bytes = len(submission.transaction.body) + TRANSACTION_OVERHEAD_BYTES
    rows_bytes = sum(len(row.data) + ROW_OVERHEAD_BYTES for row in submission.rows)
    identity = submission.transaction.id()
    return Queued(identity, submission, client, valid_until_height, body_bytes, rows_bytes)


def held_bytes(batch: SignedBatch) -> int:
    """What a batch takes of its origin's `unordered_bytes`."""
    return (
        BATCH_OVERHEAD_BYTES + len(batch.body) + sum(len(row.data) + ROW_OVERHEAD_BYTES for row in batch.rows)
    )


class Batcher:
    """The queue, and what each client has under way: waiting here or in a batch that is not executed yet."""

    def __init__(
        self,
        *,
        member: ReplicaId,
        chain_id: bytes,
        parameters: Parameters,
        sign: Callable[[bytes], bytes],
        first_sequence: int,
    ) -> None:
        self._member = member
        self._chain_id = chain_id
        self._parameters = parameters
        self._sign = sign
        self._sequence = first_sequence
        self._queues: dict[str, deque[Queued]] = {}
        self._ids: set[Digest] = set()
        self._client_bytes: dict[str, int] = {}
        self._under_way_bytes = 0
        self._waiting_bytes = 0
        self._waiting = 0
        self._body_limit = parameters.batch_bytes - BATCH_OVERHEAD_BYTES
        self._total_limit = parameters.frame_bytes - BATCH_OVERHEAD_BYTES - FRAME_OVERHEAD_BYTES
        self.waiting_since_ms: int | None = None

    @property
    def waiting(self) -> int:
        """How many submissions wait."""
        return self._waiting

    @property
    def waiting_bytes(self) -> int:
        return self._waiting_bytes

    @property
    def is_full(self) -> bool:
        """Whether what waits fills a batch."""
        return self._waiting >= self._parameters.batch_transactions or self._waiting_bytes >= min(
            self._body_limit, self._total_limit
        )

    def has(self, transaction_id: Digest) -> bool:
        return transaction_id in self._ids

    def fits_a_batch(self, item: Queued) -> bool:
        return item.body_bytes <= self._body_limit and item.size_bytes <= self._total_limit

    def has_room(self, item: Queued, batches: int) -> bool:
        """Whether the client may have this much more under way, with `batches` not executed yet.

        No more than what is still free: a client alone gets half of the bound, two get a third
        each, and there is always room for one that had nothing (Choudhury and Hahne, 1998).
        """
        used = self._client_bytes.get(item.client, 0) + item.size_bytes
        taken = self._under_way_bytes + batches * BATCH_OVERHEAD_BYTES
        return used <= self._parameters.unordered_bytes - taken

    def add(self, item: Queued, now_ms: int) -> None:
        self._ids.add(item.id)
        self._client_bytes[item.client] = self._client_bytes.get(item.client, 0) + item.size_bytes
        self._under_way_bytes += item.size_bytes
        self._enqueue(item, now_ms)

    def again(self, items: Sequence[Queued], now_ms: int) -> None:
        """Queue what was in a batch that can no longer be ordered; it is under way already."""
        for item in items:
            self._enqueue(item, now_ms)

    def release(self, items: Sequence[Queued]) -> None:
        """These are under way no longer: executed or expired."""
        for item in items:
            self._ids.discard(item.id)
            self._under_way_bytes -= item.size_bytes
            left = self._client_bytes[item.client] - item.size_bytes
            if left:
                self._client_bytes[item.client] = left
            else:
                del self._client_bytes[item.client]

    def expire(self, height: int) -> list[Queued]:
        """Drop and give back what waits and could be included at `height` at the latest."""
        gone: list[Queued] = []
        for client in list(self._queues):
            stay: deque[Queued] = deque()
            for item in self._queues[client]:
                if item.valid_until_height > height:
                    stay.append(item)
                else:
                    self._waiting -= 1
                    self._waiting_bytes -= item.size_bytes
                    gone.append(item)
            self._set_queue(client, stay)
        if not self._waiting:
            self.waiting_since_ms = None
        self.release(gone)
        return gone

    def close(self, expiry_height: int, now_ms: int) -> OwnBatch:
        """Make and sign a batch of what waits, one submission of each client in turn."""
        content = self._pick()
        transactions = tuple(item.submission.transaction for item in content)
        body_value = BatchBody(self._member, self._sequence, expiry_height, transactions)
        self._sequence += 1
        body = encode(body_value)
        rows = tuple(row for item in content for row in item.submission.rows)
        batch = SignedBatch(body, self._sign(batch_signed_bytes(self._chain_id, body)), rows)
        assert len(body) <= self._parameters.batch_bytes
        self.waiting_since_ms = now_ms if self._waiting else None
        return OwnBatch(batch_ref(body_value, body), batch, tuple(content), now_ms)

    def _pick(self) -> list[Queued]:
        content: list[Queued] = []
        body_left, total_left = self._body_limit, self._total_limit
        while self._queues and len(content) < self._parameters.batch_transactions:
            client, queue = next(iter(self._queues.items()))
            item = queue[0]
            if item.body_bytes > body_left or item.size_bytes > total_left:
                break
            queue.popleft()
            del self._queues[client]
            self._set_queue(client, queue)  # to the end of the line
            body_left -= item.body_bytes
            total_left -= item.size_bytes
            self._waiting -= 1
            self._waiting_bytes -= item.size_bytes
            content.append(item)
        assert content, "close is called when something waits, and what waits fits a batch"
        return content

    def _enqueue(self, item: Queued, now_ms: int) -> None:
        self._queues.setdefault(item.client, deque()).append(item)
        self._waiting += 1
        self._waiting_bytes += item.size_bytes
        if self.waiting_since_ms is None:
            self.waiting_since_ms = now_ms

    def _set_queue(self, client: str, queue: deque[Queued]) -> None:
        if queue:
            self._queues[client] = queue
        else:
            self._queues.pop(client, None)
