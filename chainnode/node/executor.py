"""Execution of decided slots: ledger, header, and one synced write of everything that changed."""

from collections import OrderedDict, deque
from collections.abc import Callable

from chainnode.ledger import features, keys, view
from chainnode.ledger.epochs import Schedule, schedule_of
from chainnode.ledger.founding import Founding, genesis_state
from chainnode.ledger.header import block_time_ms, genesis_header, next_header
from chainnode.ledger.machine import REPLAYED, Execution, execute
from chainnode.ledger.passing import Rotation
from chainnode.ledger.receipt import build_receipt_body
from chainnode.ledger.receiptrows import without_rows
from chainnode.ledger.records import Event, Result
from chainnode.ledger.state import State, state_name
from chainnode.ledger.transaction import BatchBody, Row, SignedTransaction
from chainnode.ledger.transition import BlockContext
from chainnode.node.errors import NOD_OLD_RELEASE
from chainnode.store.port import ChainStorePort, RowStorePort
from consensus.codec import decode
from consensus.messages import QuorumCertificate
from consensus.parameters import Parameters
from consensus.ready import Decided
from consensus.types import BatchRef, BlockHeader, Digest, ReplicaId, ReplicaSet
from genesis.errors import OperatorError

CACHED_BODIES = 64

EVENT_RELEASED, EVENT_REFUSED = "released", "refused"
EVENT_MEMBERSHIP = "membership-changed"
EVENTS_OF_DEALINGS = ("dealt", "dealing-ended")
_DECISIONS = (EVENT_RELEASED, EVENT_REFUSED)
_MEMBERSHIP, _PASSED_OVER = state_name(keys.MEMBERSHIP), state_name(keys.PASSED_OVER)

Watcher = Callable[[Decided, BlockHeader, Execution, State], None]
"""Called right after a block was executed and stored, while the state is that of its height."""


def is_decision(event: Event) -> bool:
    """Whether an event tells of a release's outcome; its first subject is the request."""
    return event.kind in _DECISIONS


class Recent:
    """Ids included in the last `validity_heights` blocks, for replay protection."""

    def __init__(self, heights: int) -> None:
        self._heights = heights
        self._by_height: deque[tuple[int, Digest]] = deque()
        self._ids: dict[Digest, int] = {}

    def add(self, height: int, transaction_id: Digest) -> None:
        if transaction_id not in self._ids:
            self._ids[transaction_id] = height
            self._by_height.append((height, transaction_id))

    def forget_below(self, height: int) -> None:
        """`height` is about to be executed: ids of more than `validity_heights` before may go."""
        while self._by_height and self._by_height[0][0] < height - self._heights:
            del self._ids[self._by_height.popleft()[1]]

    def __contains__(self, transaction_id: object) -> bool:
        return transaction_id in self._ids


class Executor:
    """The state and the chain of headers. `tip` is the last executed block, `certified` the latest
    certificate at or below it."""

    def __init__(
        self,
        *,
        store: ChainStorePort,
        rows: RowStorePort,
        founding: Founding,
        created_ms: int,
        parameters: Parameters,
    ) -> None:
        """Open the state; a store that is empty gets the genesis block."""
        self._store = store
        self._rows = rows
        self._parameters = parameters
        self._founding = founding
        self._chain_id = founding.chain_id
        self._bodies: OrderedDict[Digest, BatchBody] = OrderedDict()
        self.state = State(store.state_get)
        self.watchers: list[Watcher] = []
        tip = store.tip()
        if tip is None:
            tip = self._found(founding, created_ms)
        assert tip.state_root == self.state.root, "the stored state is that of the last executed block"
        self._tip = tip
        self.rotation = self._rotation(schedule_of(self.state, founding))
        self._certified = store.latest_certificate()
        self._certified_header = self._header(self._certified.height if self._certified else 0)
        self.included = Recent(parameters.validity_heights)
        for height, result in store.recent_results(max(0, tip.height - parameters.validity_heights)):
            self._remember(height, result)

    @property
    def tip(self) -> BlockHeader:
        return self._tip

    @property
    def certified(self) -> QuorumCertificate | None:
        return self._certified

    @property
    def certified_header(self) -> BlockHeader:
        """Header of the block that `certified` is for; the genesis block's before the first."""
        return self._certified_header

    def _rotation(self, schedule: Schedule) -> Rotation:
        return Rotation(schedule, self.state, self._parameters)

    @property
    def schedule(self) -> Schedule:
        """The epochs so far, the one that waits to begin included."""
        return self.rotation.schedule

    def replica_sets(self, sequence: int) -> ReplicaSet:
        """Who votes at `sequence` and who leads in its turn (consensus.types.ReplicaSets): known for certain
        up to a window and one above the tip."""
        return self.rotation(sequence)

    def origin_keys(self, origin: ReplicaId) -> tuple[bytes, ...]:
        """The keys under which this member may have made a batch that still lives: of the epochs within
        `validity_heights` and of the one that waits to begin, the newest first."""
        oldest = max(0, self._tip.height - self._parameters.validity_heights)
        living = [one for one in self.schedule.epochs if one.voters.epoch >= self.schedule(oldest).epoch]
        keys_then = [one.voters.key(origin) for one in reversed(living)]
        return tuple(dict.fromkeys(key for key in keys_then if key is not None))

    def _header(self, height: int) -> BlockHeader:
        header = self._store.header(height)
        assert header is not None, "executed blocks are stored"
        return header

    def context(self, height: int, time_ms: int) -> BlockContext:
        """What a block at `height` is executed under."""
        epoch = self.schedule(height).epoch
        founding = self._founding
        return BlockContext(
            self._chain_id,
            epoch,
            height,
            time_ms,
            self._parameters,
            founding.trustees,
            founding.trustee_threshold,
        )

    def _require_known_features(self, height: int) -> None:
        """Rather no block than another one. Raises OperatorError NOD-10."""
        for one in features.unknown(self.state):
            if one.from_height <= height:
                raise OperatorError(
                    NOD_OLD_RELEASE,
                    f"from height {one.from_height} on the chain uses {one.name}, which this release lacks",
                    unchanged=f"all up to height {self._tip.height} is whole; nothing beyond was computed",
                    next_step="install a release that has it and start the node again: it goes on from there",
                )

    def execute(self, decided: Decided) -> BlockHeader:
        """Execute the slot after the tip and store the block. Its batches are here: nothing is decided
        before a replica holds them. Raises OperatorError where the disk fails, NOD-10."""
        height = decided.sequence
        self._require_known_features(height)
        time_ms = block_time_ms(self._tip, decided.time_ms)
        self.included.forget_below(height)
        outcome = execute(
            self.context(height, time_ms),
            [self._transactions(ref.digest) for ref in decided.refs],
            self.row,
            self.state,
            self.included.__contains__,
        )
        header = next_header(
            self._tip,
            decided,
            results=outcome.results,
            events=outcome.events,
            state_root=outcome.state_root,
            validators=self.schedule(height),
            next_validators=self.schedule(height + 1),
        )
        self._store.commit_block(
            header,
            decided.refs,
            results=outcome.results,
            events=outcome.events,
            state_puts=outcome.puts,
            receipts=self._receipts(header, decided, outcome),
        )
        self._tip = header
        if _MEMBERSHIP in outcome.puts or _PASSED_OVER in outcome.puts:
            self.rotation = self._rotation(schedule_of(self.state, self._founding))
        for result in outcome.results:
            self._remember(height, result)
        for watch in self.watchers:
            watch(decided, header, outcome, self.state)
        return header

    def _remember(self, height: int, result: Result) -> None:
        """What was replayed counts from its earlier inclusion on, and is forgotten with that: else a node
        that restarted after it would remember it for longer than one that did not, and fork."""
        if result.code != REPLAYED:
            self.included.add(height, result.transaction_id)

    def _receipts(self, header: BlockHeader, decided: Decided, outcome: Execution) -> dict[bytes, bytes]:
        """A receipt's body for every decision of the block, made while the state is that of its height."""
        decisions = [event for event in outcome.events if is_decision(event)]
        if not decisions:
            return {}
        here = {one.id(): one for ref in decided.refs for one in self._transactions(ref.digest)}

        def find(transaction_id: bytes) -> SignedTransaction | None:
            return here.get(transaction_id) or self.transaction(transaction_id)

        bodies = (
            build_receipt_body(self.state, header, event.subjects[0], transactions=find, rows=self.row)
            for event in decisions
        )
        return {event.subjects[0]: without_rows(body) for event, body in zip(decisions, bodies, strict=True)}

    def transaction(self, transaction_id: Digest) -> SignedTransaction | None:
        """A transaction of a block that is here, or one that the state rests on."""
        found = self._store.find_transaction(transaction_id)
        block = None if found is None or found[0] < self._store.whole else self._store.block(found[0])
        if block is None:
            return self._store.kept_transaction(transaction_id)
        for ref in block.refs:
            for one in self._transactions(ref.digest):
                if one.id() == transaction_id:
                    return one
        raise AssertionError("an indexed transaction stands in its block")

    def result(self, transaction_id: Digest) -> Result | None:
        """What became of a transaction in the first stored block that held it."""
        found = self._store.find_transaction(transaction_id)
        block = None if found is None else self._store.block(found[0])
        return None if found is None or block is None else block.results[found[1]]

    def certify(self, certificate: QuorumCertificate) -> None:
        """Keep the certificate of a block that was executed here."""
        assert certificate.height <= self._tip.height
        self._store.put_certificate(certificate)
        self._certified = certificate
        self._certified_header = self._header(certificate.height)

    def uncertified(self) -> list[tuple[int, tuple[BatchRef, ...]]]:
        """Height and refs of the executed blocks above the latest certificate."""
        certified = self._certified.height if self._certified else 0
        found = []
        for height in range(certified + 1, self._tip.height + 1):
            block = self._store.block(height)
            assert block is not None, "executed blocks are stored"
            found.append((height, block.refs))
        return found

    def row(self, digest: Digest) -> Row | None:
        """None where it never was here, or was erased: as soon as the state says so, for a decision must not
        depend on when this node comes to delete it."""
        return None if view.erased(self.state, keys.erased_row(digest)) else self._rows.get(digest)

    def holds(self, digest: Digest) -> bool:
        return self._store.has_batch(digest)

    def _transactions(self, digest: Digest) -> tuple[SignedTransaction, ...]:
        return self.body(digest).transactions

    def body(self, digest: Digest) -> BatchBody:
        """A stored batch, decoded; the last ones are kept."""
        body = self._bodies.get(digest)
        if body is None:
            stored = self._store.get_batch(digest)
            assert stored is not None, "a batch is stored before it counts as ready"
            body = decode(stored.body, BatchBody, limit_bytes=len(stored.body))
            self.keep_body(digest, body)
        self._bodies.move_to_end(digest)
        return body

    def keep_body(self, digest: Digest, body: BatchBody) -> None:
        """A batch that was just checked need not be decoded again."""
        self._bodies[digest] = body
        if len(self._bodies) > CACHED_BODIES:
            self._bodies.popitem(last=False)

    def _found(self, founding: Founding, created_ms: int) -> BlockHeader:
        puts = self.state.update(genesis_state(founding), {})
        header = genesis_header(
            chain_id=founding.chain_id,
            time_ms=created_ms,
            validators=founding.replica_set(),
            state_root=self.state.root,
        )
        self._store.commit_block(header, (), results=(), events=(), state_puts=puts)
        return header
