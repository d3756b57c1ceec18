"""What goes into the next batch, fair between clients; and whom to ask for a batch that is missing."""

from collections import OrderedDict, deque

from chainnode.ledger.admission import (
    BATCH_OVERHEAD_BYTES,
    TRANSACTION_OVERHEAD_BYTES,
    batch_rows_limit_bytes,
)
from chainnode.ledger.transaction import Submission
from consensus.parameters import Parameters
from consensus.types import Digest, ReplicaId

ASK_AGAIN_MS = 1_000
MAX_FETCHES = 4_096


def _body_bytes(submission: Submission) -> int:
    return len(submission.transaction.body) + TRANSACTION_OVERHEAD_BYTES


def _rows_bytes(submission: Submission) -> int:
    return sum(len(row.data) + len(row.salt) for row in submission.rows)


class Packer:
    """A queue for each client; a batch takes one from each in turn until it is full."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._queues: OrderedDict[str, deque[Submission]] = OrderedDict()
        self._queued: dict[Digest, None] = {}
        self.queued_bytes = 0

    def add(self, submission: Submission, client: str) -> None:
        """Queue it; one that waits already is not queued twice."""
        id_ = submission.transaction.id()
        if id_ in self._queued:
            return
        self._queued[id_] = None
        self._queues.setdefault(client, deque()).append(submission)
        self.queued_bytes += _body_bytes(submission)

    def take(self) -> list[Submission]:
        """The next batch's transactions: at least one, if any waits."""
        taken: list[Submission] = []
        room = self._parameters.batch_bytes - BATCH_OVERHEAD_BYTES
        row_room = batch_rows_limit_bytes(self._parameters)
        while self._queues and len(taken) < self._parameters.batch_transactions:
            client, queue = next(iter(self._queues.items()))
            size, rows = _body_bytes(queue[0]), _rows_bytes(queue[0])
            if taken and (size > room or rows > row_room):
                break
            submission = queue.popleft()
            room, row_room = room - size, row_room - rows
            self.queued_bytes -= size
            del self._queued[submission.transaction.id()]
            taken.append(submission)
            self._queues.move_to_end(client)
            if not queue:
                del self._queues[client]
        return taken


class Fetches:
    """Batches that are wanted, each asked of one peer at a time."""

    def __init__(self) -> None:
        self._wanted: dict[Digest, deque[ReplicaId]] = {}
        self._asked_at_ms: dict[Digest, int] = {}

    def want(self, digest: Digest, peers: list[ReplicaId]) -> None:
        if digest not in self._wanted and len(self._wanted) < MAX_FETCHES:
            self._wanted[digest] = deque(peers)

    def wants(self, digest: Digest) -> bool:
        return digest in self._wanted

    def done(self, digest: Digest) -> None:
        self._wanted.pop(digest, None)
        self._asked_at_ms.pop(digest, None)

    def refused(self, digest: Digest, peer: ReplicaId) -> None:
        """`peer` does not hold it: ask the next at once."""
        if digest in self._wanted:
            self._asked_at_ms.pop(digest, None)

    def due(self, now_ms: int) -> list[tuple[ReplicaId, Digest]]:
        """Whom to ask for what now; the peer asked moves behind the others."""
        asks = []
        for digest, peers in self._wanted.items():
            at = self._asked_at_ms.get(digest)
            if peers and (at is None or now_ms - at >= ASK_AGAIN_MS):
                self._asked_at_ms[digest] = now_ms
                asks.append((peers[0], digest))
                peers.rotate(-1)
        return asks
