"""What a handler gets: one transaction, the state it may change, and the words to refuse."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from chainnode.ledger import keys, view
from chainnode.ledger.payloads import Payload
from chainnode.ledger.records import Event, HolderRecord, Record, Source, TrusteeRecord
from chainnode.ledger.rows import RowLookup
from chainnode.ledger.rules import RefusedError
from chainnode.ledger.state import WorkingState
from consensus.codec import encode
from consensus.parameters import Parameters
from consensus.types import Digest

P = TypeVar("P", bound=Payload)

MAX_EVALUATED_OBJECTS = 20_000
"""Per block, over all RequestReleases: a bound on the work that short transactions can ask for."""


@dataclass(frozen=True, slots=True)
class BlockContext:
    """The block that is executed. `time_ms` is its header's time; `trustees` are those of the genesis
    document, of whom `trustee_threshold` must act together."""

    chain_id: bytes
    epoch: int
    height: int
    time_ms: int
    parameters: Parameters
    trustees: tuple[TrusteeRecord, ...] = ()
    trustee_threshold: int = 0

    @property
    def validity_heights(self) -> int:
        return self.parameters.validity_heights


@dataclass(slots=True)
class BlockLog:
    """What a block's transactions leave beside the state."""

    height: int
    events: list[Event] = field(default_factory=list)
    evaluated_objects: int = 0


@dataclass(slots=True)
class Transition(Generic[P]):
    """One transaction under execution."""

    context: BlockContext
    state: WorkingState
    rows: RowLookup
    log: BlockLog
    transaction_id: Digest
    signer: bytes
    payload: P
    outcome: str = ""
    rule: str = ""
    events: list[Event] = field(default_factory=list)

    @property
    def source(self) -> Source:
        return Source(self.transaction_id, self.context.height)

    def put(self, key: bytes, record: Record) -> None:
        self.state.put(key, encode(record))

    def put_index(self, key: bytes, record: Record) -> None:
        self.state.put_index(key, encode(record))

    def emit(self, kind: str, *subjects: bytes, **data: str) -> None:
        """An event that counts only if the transaction stands."""
        index = len(self.log.events) + len(self.events)
        pairs = tuple(data.items())
        self.events.append(Event(self.context.height, index, kind, self.transaction_id, subjects, pairs))

    def require_signer(self, expected: bytes, whose: str) -> None:
        """Raises RefusedError: unknown-signer for a stranger's key, not-permitted for another's."""
        if self.signer == expected:
            return
        if view.holder(self.state, self.signer) is None:
            raise RefusedError("unknown-signer", "the key has no role on this chain")
        raise RefusedError("not-permitted", f"only {whose} signs this")

    def claim_key(self, key: bytes, role: str, member: int, name: bytes) -> None:
        """Give a key its one role. Raises RefusedError("key-in-use")."""
        holder = view.holder(self.state, key)
        if holder is not None:
            raise RefusedError("key-in-use", f"the key is a {holder.role}'s already")
        self.put(keys.holder(key), HolderRecord(role, member, name))
